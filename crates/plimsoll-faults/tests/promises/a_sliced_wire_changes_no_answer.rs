//! However small the pieces are in which bytes arrive, what they say is the same; and so is the place of a fault.

use std::time::{Duration, Instant};

use crate::ends;
use crate::session;
use plimsoll_faults::{At, Direction, Fault, When};
use tokio::io::AsyncWriteExt;

#[tokio::test]
async fn of_a_real_server_one_byte_at_a_time() {
    let (database, wire) = session::database().await;
    let ask = async |client: &tokio_postgres::Client| {
        let sql = "SELECT n, repeat(chr(97 + n % 26), n) FROM generate_series($1::int, $2::int) AS n";
        let rows = client.query(sql, &[&1, &200]).await.unwrap();
        rows.iter().map(|row| (row.get::<_, i32>(0), row.get::<_, String>(1))).collect::<Vec<_>>()
    };
    let whole = ask(&session::connect(&database, &wire).await).await;

    wire.set(Fault::slice(Direction::Both, 1));
    let client = session::connect(&database, &wire).await;
    assert_eq!(ask(&client).await, whole, "start-up, statement and answer in single bytes");
    assert!(client.batch_execute("no such statement").await.unwrap_err().code().is_some());
    assert_eq!(ask(&client).await, whole, "and after an error");

    // With everything else that keeps the order.
    wire.add(Fault::delay(Direction::Both, Duration::from_millis(1)).jitter(Duration::from_millis(1)));
    wire.add(Fault::loss(Direction::Both, 0.05, Duration::from_millis(5)));
    wire.add(Fault::throttle(Direction::Both, 500_000));
    assert_eq!(ask(&client).await, whole, "seed {}", wire.seed());
}

#[tokio::test]
async fn a_message_is_found_by_its_contents_though_it_passes_in_bytes() {
    let sent = [ends::query("BEGIN"), ends::query("COMMIT"), ends::query("SELECT")].concat();
    for (when, passes) in [(When::Before, 11), (When::After, 23)] {
        let (listener, wire) = ends::wire().await;
        wire.set(Fault::slice(Direction::Both, 1));
        wire.add(Fault::on_message(Direction::ToServer, b'Q', "COMMIT", when));
        let (mut client, mut server) = ends::connect_ready(&listener, &wire).await;
        client.write_all(&sent).await.unwrap();
        assert_eq!(ends::read_out(&mut server).await.0, sent[..passes], "{when:?}");
        assert_eq!(wire.struck(), 1);
    }
}

#[tokio::test]
async fn a_reset_throws_away_none_of_the_pieces_before_it() {
    // More pieces than TCP sends without the receiver's word, at every length up to there and beyond.
    for n in 0..60 {
        let (listener, wire) = ends::wire().await;
        let (mut client, mut server) = ends::connect_ready(&listener, &wire).await;
        wire.set(Fault::slice(Direction::Both, 1));
        wire.add(Fault::cut(Direction::ToServer, At::AfterBytes(n)));
        client.write_all(&ends::query(&"x".repeat(80))).await.unwrap();
        assert_eq!(ends::read_out(&mut server).await.0.len() as u64, n);
    }
}

#[tokio::test]
async fn an_answer_is_dropped_though_it_comes_in_bytes() {
    let (listener, wire) = ends::wire().await;
    wire.set(Fault::slice(Direction::Both, 2));
    wire.add(Fault::on_message(Direction::ToServer, b'Q', "COMMIT", When::AnswerDropped));
    let (mut client, mut server) = ends::connect_ready(&listener, &wire).await;
    client.write_all(&ends::query("COMMIT")).await.unwrap();
    assert_eq!(ends::read(&mut server, 12).await, ends::query("COMMIT"));
    server.write_all(&[ends::message(b'C', b"COMMIT\0"), ends::message(b'Z', b"I")].concat()).await.unwrap();
    assert!(ends::read_out(&mut client).await.0.is_empty());
    wire.until_struck(1).await;
}

#[tokio::test]
async fn a_pause_is_kept_after_each_piece() {
    let (listener, wire) = ends::wire().await;
    let (mut client, mut server) = ends::connect(&listener, &wire).await;
    let pause = Duration::from_millis(10);
    wire.set(Fault::slice(Direction::ToServer, 3).pausing(pause));
    let began = Instant::now();
    client.write_all(b"0123456789").await.unwrap();
    assert_eq!(ends::read(&mut server, 10).await, b"0123456789");
    assert!(began.elapsed() >= pause * 3, "three pauses between four pieces: {:?}", began.elapsed());
}
