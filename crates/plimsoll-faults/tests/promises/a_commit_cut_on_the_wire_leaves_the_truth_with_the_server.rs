//! The moment that matters most: COMMIT was asked for, and the wire broke. The proxy can make each of the three
//! truths on purpose: it did not happen, it happened, and nobody knows yet.

use crate::session;
use plimsoll_faults::{At, Cut, Direction, Fault, Since, When};
use tokio_postgres::Client;

async fn write_one(client: &Client) -> Result<(), tokio_postgres::Error> {
    client.batch_execute("BEGIN").await?;
    client.batch_execute("INSERT INTO entry VALUES (1)").await?;
    client.batch_execute("COMMIT").await
}

#[tokio::test]
async fn cut_before_it_did_not_happen() {
    let (database, wire) = session::database().await;
    let client = session::connect(&database, &wire).await;
    wire.set_once(Fault::on_message(Direction::ToServer, b'Q', "COMMIT", When::Before));
    assert!(write_one(&client).await.is_err());
    assert_eq!(session::rows_in_the_end(&database).await, 0);
}

#[tokio::test]
async fn with_its_answer_dropped_it_happened_and_the_client_cannot_know() {
    let (database, wire) = session::database().await;
    let client = session::connect(&database, &wire).await;
    wire.set_once(Fault::on_message(Direction::ToServer, b'Q', "COMMIT", When::AnswerDropped));
    let error = write_one(&client).await.unwrap_err();
    assert!(error.code().is_none(), "an error of the wire and not of the server: {error:?}");
    assert_eq!(session::rows_in_the_end(&database).await, 1);
    assert_eq!(wire.struck(), 1);

    let client = session::connect(&database, &wire).await;
    write_one(&client).await.unwrap();
    assert_eq!(session::rows_in_the_end(&database).await, 2);
}

#[tokio::test]
async fn cut_after_it_may_have_happened_once_and_never_twice() {
    for how in [Cut::Reset, Cut::Close] {
        let (database, wire) = session::database().await;
        let client = session::connect(&database, &wire).await;
        let fault = Fault::on_message(Direction::ToServer, b'Q', "COMMIT", When::After).ending(how);
        wire.set_once(fault);
        assert!(write_one(&client).await.is_err());
        assert!(session::rows_in_the_end(&database).await <= 1);
    }
}

#[tokio::test]
async fn cut_at_any_byte_of_the_transaction_nothing_happens_but_whole() {
    let whole: u64 =
        ["BEGIN", "INSERT INTO entry VALUES (1)", "COMMIT"].map(|sql| sql.len() as u64 + 6).iter().sum();
    let (database, wire) = session::database().await;
    for n in 0..whole {
        let client = session::connect(&database, &wire).await;
        wire.set_once(Fault::cut(Direction::ToServer, At::AfterBytes(n)).since(Since::Set));
        assert!(write_one(&client).await.is_err(), "cut after byte {n}");
        assert_eq!(wire.struck(), n + 1);
        assert_eq!(session::rows_in_the_end(&database).await, 0, "cut after byte {n}");
    }
    let client = session::connect(&database, &wire).await;
    wire.set_once(Fault::cut(Direction::ToServer, At::AfterBytes(whole)).since(Since::Set));
    let _either = write_one(&client).await;
    assert!(session::rows_in_the_end(&database).await <= 1);
}

#[tokio::test]
async fn cut_at_any_byte_of_the_answer_it_has_happened() {
    let (database, wire) = session::database().await;
    // CommandComplete "COMMIT" and ReadyForQuery: 12 and 6 bytes.
    for n in 0..18 {
        let client = session::connect(&database, &wire).await;
        client.batch_execute("BEGIN; INSERT INTO entry VALUES (1)").await.unwrap();
        wire.set_once(Fault::cut(Direction::ToClient, At::AfterBytes(n)).since(Since::Set));
        assert!(client.batch_execute("COMMIT").await.is_err(), "cut after byte {n} of its answer");
        assert_eq!(session::rows_in_the_end(&database).await, n + 1);
    }
}

#[tokio::test]
async fn a_stalled_commit_arrives_when_the_wire_resumes() {
    let (database, wire) = session::database().await;
    let client = session::connect(&database, &wire).await;
    wire.set_once(Fault::stall(Direction::ToServer, At::BeforeMessage(3)));
    let write = write_one(&client);
    let release = async {
        wire.until_struck(1).await;
        wire.resume();
    };
    let (written, ()) = tokio::join!(write, release);
    written.unwrap();
    assert_eq!(session::rows_in_the_end(&database).await, 1);
}
