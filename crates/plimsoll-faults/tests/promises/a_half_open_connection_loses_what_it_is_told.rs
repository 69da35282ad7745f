//! One end is gone and the other does not know: it hears nothing, whatever it says is lost for good, and only when
//! the wire is healed does it learn the truth.

use std::io::ErrorKind;

use crate::ends;
use plimsoll_faults::{At, Cut, Direction, Fault};
use tokio::io::AsyncWriteExt;

#[tokio::test]
async fn whichever_end_is_gone() {
    for (how, server_gone) in [(Cut::ServerGone, true), (Cut::ClientGone, false)] {
        let (listener, wire) = ends::wire().await;
        let (client, server) = ends::connect_ready(&listener, &wire).await;
        let (mut kept, mut gone) = if server_gone { (client, server) } else { (server, client) };
        assert_eq!(wire.end_all(how), 1);
        let ended = ends::read_out(&mut gone).await.1;
        assert_eq!(
            ended.unwrap_err().kind(),
            ErrorKind::ConnectionReset,
            "{how:?}: its own socket is closed"
        );

        // More than any buffer between them holds: it is read, and lost.
        kept.write_all(&vec![7; 8_000_000]).await.unwrap();
        assert!(ends::is_silent(&mut kept).await, "{how:?}");
        assert_eq!(wire.connections(), 1, "{how:?}: nobody has told it");

        wire.heal();
        let (heard, ended) = ends::read_out(&mut kept).await;
        assert_eq!((heard.len(), ended.unwrap_err().kind()), (0, ErrorKind::ConnectionReset), "{how:?}");
        wire.until_connections(0).await;
    }
}

#[tokio::test]
async fn from_a_message_on() {
    let (listener, wire) = ends::wire().await;
    let (mut client, mut server) = ends::connect_ready(&listener, &wire).await;
    wire.set_once(Fault::cut(Direction::ToServer, At::AfterMessage(1)).ending(Cut::ServerGone));
    client.write_all(&[ends::query("heard"), ends::query("lost")].concat()).await.unwrap();
    assert_eq!(ends::read_out(&mut server).await.0, ends::query("heard"));
    assert!(ends::is_silent(&mut client).await);

    // Whoever gives up first ends it.
    drop(client);
    wire.until_connections(0).await;
    let _next_one_is_whole = ends::connect_ready(&listener, &wire).await;
}

#[tokio::test]
async fn healed_before_it_took_hold_it_is_a_reset_all_the_same() {
    let (listener, wire) = ends::wire().await;
    let (mut client, mut server) = ends::connect_ready(&listener, &wire).await;
    wire.end_all(Cut::ServerGone);
    wire.heal();
    assert!(ends::read_out(&mut client).await.1.is_err());
    assert!(ends::read_out(&mut server).await.1.is_err());
    wire.until_connections(0).await;
}
