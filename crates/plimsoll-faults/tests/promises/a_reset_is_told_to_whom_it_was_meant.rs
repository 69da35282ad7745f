//! A reset is an error that the kernel names, and the side that was not meant reads an orderly end.

use std::io::{self, ErrorKind};

use crate::ends;
use plimsoll_faults::{At, Cut, Direction, Fault};
use tokio::io::AsyncWriteExt;

fn reset(ended: &io::Result<()>) -> bool {
    ended.as_ref().is_err_and(|error| error.kind() == ErrorKind::ConnectionReset)
}

/// How to end, whether the client is reset, whether the server is.
const WAYS: [(Cut, bool, bool); 4] = [
    (Cut::Reset, true, true),
    (Cut::ResetClient, true, false),
    (Cut::ResetServer, false, true),
    (Cut::Close, false, false),
];

#[tokio::test]
async fn at_once() {
    for (how, client_reset, server_reset) in WAYS {
        let (listener, wire) = ends::wire().await;
        let (mut client, mut server) = ends::connect_ready(&listener, &wire).await;
        assert_eq!(wire.end_all(how), 1);
        let (at_client, at_server) =
            (ends::read_out(&mut client).await.1, ends::read_out(&mut server).await.1);
        assert_eq!((reset(&at_client), at_client.is_ok()), (client_reset, !client_reset), "{how:?}");
        assert_eq!((reset(&at_server), at_server.is_ok()), (server_reset, !server_reset), "{how:?}");
        wire.until_connections(0).await;
    }
}

#[tokio::test]
async fn at_a_message() {
    for (how, client_reset, server_reset) in WAYS {
        let (listener, wire) = ends::wire().await;
        let (mut client, mut server) = ends::connect_ready(&listener, &wire).await;
        wire.set(Fault::cut(Direction::ToServer, At::AfterMessage(1)).ending(how));
        client.write_all(&ends::query("first")).await.unwrap();
        let (arrived, at_server) = ends::read_out(&mut server).await;
        let (answer, at_client) = ends::read_out(&mut client).await;
        assert_eq!((arrived, answer), (ends::query("first"), Vec::new()), "{how:?}");
        assert_eq!((reset(&at_client), reset(&at_server)), (client_reset, server_reset), "{how:?}");
        assert_eq!(wire.struck(), 1);
    }
}

#[tokio::test]
async fn a_connection_made_afterwards_is_whole() {
    let (listener, wire) = ends::wire().await;
    let _struck = ends::connect_ready(&listener, &wire).await;
    wire.end_all(Cut::ResetServer);
    let (mut client, mut server) = ends::connect_ready(&listener, &wire).await;
    client.write_all(b"whole").await.unwrap();
    assert_eq!(ends::read(&mut server, 5).await, b"whole");
}
