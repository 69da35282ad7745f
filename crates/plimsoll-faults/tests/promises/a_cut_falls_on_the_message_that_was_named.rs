//! Messages are counted since the server was first ready, whatever start-up took, and a message is before, in or
//! after the cut as a whole.

use crate::ends;
use plimsoll_faults::{At, Direction, Fault, Passed, When};
use tokio::io::AsyncWriteExt;

const BYTES: [&str; 4] = ["BEGIN", "INSERT", "SELECT", "COMMIT"];

fn flight() -> Vec<u8> {
    BYTES.iter().flat_map(|sql| ends::query(sql)).collect()
}

#[tokio::test]
async fn before_and_after_every_message_of_a_flight() {
    for n in 1..=BYTES.len() {
        for (at, whole) in [(At::BeforeMessage(n as u64), n - 1), (At::AfterMessage(n as u64), n)] {
            let (listener, wire) = ends::wire().await;
            wire.set(Fault::cut(Direction::ToServer, at));
            let (mut client, mut server) = ends::connect_ready(&listener, &wire).await;
            client.write_all(&flight()).await.unwrap();
            let expected: Vec<u8> = BYTES.iter().take(whole).flat_map(|sql| ends::query(sql)).collect();
            assert_eq!(ends::read_out(&mut server).await.0, expected, "{at:?}");
        }
    }
}

#[tokio::test]
async fn by_type_and_contents_before_the_message() {
    let (listener, wire) = ends::wire().await;
    wire.set(Fault::on_message(Direction::ToServer, b'Q', "COMMIT", When::Before));
    let (mut client, mut server) = ends::connect_ready(&listener, &wire).await;
    // Byte by byte: a message has to be whole before it can be judged, and none of it may have passed by then.
    for byte in flight() {
        if client.write_all(&[byte]).await.is_err() {
            break;
        }
    }
    let expected: Vec<u8> = BYTES.iter().take(3).flat_map(|sql| ends::query(sql)).collect();
    assert_eq!(ends::read_out(&mut server).await.0, expected);
}

#[tokio::test]
async fn by_type_and_contents_after_the_message() {
    let (listener, wire) = ends::wire().await;
    wire.set(Fault::on_message(Direction::ToServer, b'Q', "INSERT", When::After));
    let (mut client, mut server) = ends::connect_ready(&listener, &wire).await;
    client.write_all(&flight()).await.unwrap();
    let expected: Vec<u8> = BYTES.iter().take(2).flat_map(|sql| ends::query(sql)).collect();
    assert_eq!(ends::read_out(&mut server).await.0, expected);
}

#[tokio::test]
async fn the_dropped_answer_is_the_one_that_belongs_to_the_message() {
    let (listener, wire) = ends::wire().await;
    wire.set_once(Fault::on_message(Direction::ToServer, b'Q', "COMMIT", When::AnswerDropped));
    let (mut client, mut server) = ends::connect_ready(&listener, &wire).await;
    // Two requests in flight; the first one's answer is still owed when COMMIT passes.
    let requests = [ends::query("INSERT"), ends::query("COMMIT")].concat();
    client.write_all(&requests).await.unwrap();
    assert_eq!(ends::read(&mut server, requests.len()).await, requests);
    assert_eq!((wire.struck(), wire.connections()), (0, 1), "the connection lives until the answer has come");

    let first = [ends::message(b'C', b"INSERT 0 1\0"), ends::message(b'Z', b"T")].concat();
    let second = [ends::message(b'C', b"COMMIT\0"), ends::message(b'Z', b"I")].concat();
    server.write_all(&[first.clone(), second].concat()).await.unwrap();
    assert_eq!(ends::read_out(&mut client).await.0, first);
    wire.until_struck(1).await;

    // It was armed once: the next COMMIT is answered.
    let (mut client, mut server) = ends::connect_ready(&listener, &wire).await;
    client.write_all(&ends::query("COMMIT")).await.unwrap();
    ends::read(&mut server, 12).await;
    server.write_all(b"Z\0\0\0\x05I").await.unwrap();
    assert_eq!(ends::read(&mut client, 6).await, b"Z\0\0\0\x05I");
}

#[tokio::test]
async fn encrypted_bytes_are_counted_and_not_read() {
    let (listener, wire) = ends::wire().await;
    let (mut client, mut server) = ends::connect(&listener, &wire).await;
    client.write_all(&ends::startup(80_877_103)).await.unwrap();
    ends::read(&mut server, 8).await;
    server.write_all(b"S").await.unwrap();
    ends::read(&mut client, 1).await;
    wire.set(Fault::on_message(Direction::ToServer, b'Q', "", When::Before));
    client.write_all(&ends::query("looks like a query and is none")).await.unwrap();
    ends::read(&mut server, 36).await;
    let seen = wire.wires()[0];
    assert!(seen.encrypted && !seen.ready);
    assert_eq!(seen.to_server, Passed { messages: 1, bytes: 8 + 36 });
    assert_eq!(seen.to_client, Passed { messages: 1, bytes: 1 });
}

#[tokio::test]
async fn what_has_passed_is_told_per_connection() {
    let (listener, wire) = ends::wire().await;
    let (_idle, _idle_server) = ends::connect_ready(&listener, &wire).await;
    let (mut client, mut server) = ends::connect_ready(&listener, &wire).await;
    client.write_all(&flight()).await.unwrap();
    ends::read(&mut server, flight().len()).await;
    let wires = wire.wires();
    assert_eq!(wires.iter().map(|wire| wire.connection).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(wires[0].to_server_since_ready, Passed::default());
    assert_eq!(wires[1].to_server_since_ready, Passed { messages: 4, bytes: flight().len() as u64 });
    assert_eq!(wires[1].to_server.messages, 5, "and the start-up message");
    assert_eq!((wire.accepted(), wire.connections()), (2, 2));
}
