//! What the proxy counts is what PostgreSQL and its client said, and what it carries arrives unchanged.

use crate::session;
use plimsoll_faults::Passed;
use tokio_postgres::SimpleQueryMessage;

#[tokio::test]
async fn messages_since_ready_are_the_programs_own() {
    let (database, wire) = session::database().await;
    let client = session::connect(&database, &wire).await;
    let seen = wire.wires()[0];
    assert!(seen.ready && !seen.encrypted);
    assert_eq!(
        (seen.to_server_since_ready, seen.to_client_since_ready),
        (Passed::default(), Passed::default())
    );

    client.simple_query("SELECT generate_series(1, 20000)").await.unwrap();
    let seen = wire.wires()[0];
    assert_eq!(seen.to_server_since_ready.messages, 1, "Query");
    assert_eq!(
        seen.to_client_since_ready.messages, 20_003,
        "RowDescription, rows, CommandComplete, ReadyForQuery"
    );

    client.query("SELECT $1::int", &[&7]).await.unwrap();
    let seen = wire.wires()[0];
    // Parse, Describe, Sync; Bind, Execute, Sync. (Closing the statement may or may not have been sent yet.)
    assert!((7..=9).contains(&seen.to_server_since_ready.messages), "{seen:?}");
}

#[tokio::test]
async fn large_messages_arrive_whole() {
    let (database, wire) = session::database().await;
    let client = session::connect(&database, &wire).await;
    let large = "x".repeat(3_000_000);
    let answer = client.simple_query(&format!("SELECT '{large}'")).await.unwrap();
    let back = answer.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0),
        _ => None,
    });
    assert!(back == Some(large.as_str()));
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "nothing comes after it that it could hit")]
async fn a_cancel_request_is_a_connection_of_its_own_and_works() {
    let (database, wire) = session::database().await;
    let client = session::connect(&database, &wire).await;
    let token = client.cancel_token();
    let slow = client.simple_query("SELECT pg_sleep(60)");
    let cancel = async {
        // Once the query has passed, the server has it.
        while wire.wires().first().is_none_or(|wire| wire.to_server_since_ready.messages == 0) {
            tokio::task::yield_now().await;
        }
        loop {
            token.cancel_query(tokio_postgres::NoTls).await.unwrap();
            tokio::task::yield_now().await;
            if wire.wires().first().is_none_or(|wire| wire.to_client_since_ready.messages > 0) {
                return;
            }
        }
    };
    let (slow, ()) = tokio::join!(slow, cancel);
    let code = slow.unwrap_err().code().cloned();
    assert_eq!(code, Some(tokio_postgres::error::SqlState::QUERY_CANCELED));
    assert!(wire.accepted() >= 2);
}
