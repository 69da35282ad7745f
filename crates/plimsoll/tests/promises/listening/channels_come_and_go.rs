//! Channels are added and removed while the listener runs: one that was added is listened to from then on, also after a
//! reconnect, and nothing is given of one that was removed.

use super::{begin, gap, notification};
use crate::ledger;
use crate::server::{self, PATIENCE, bare, first, until};
use futures_util::StreamExt;
use plimsoll::listen::{GapCause, Message};
use plimsoll::{Database, Fault, deadline};
use plimsoll_embedded::test_server;
use plimsoll_faults::Fault as Broken;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_connection_holds() {
    let fresh = test_server::database().await.unwrap();
    let db = server::database(&fresh).await;
    let writer = bare(&fresh.url()).await;
    let mut listener = db.listen(Vec::<String>::new()).await.unwrap();
    begin(&mut listener).await;
    for name in ["a", "b"] {
        listener.add(name).await.unwrap();
        listener.add(name).await.unwrap();
        writer.batch_execute(&format!("NOTIFY {name}, '1'")).await.unwrap();
        assert_eq!(
            notification(&mut listener).await.channel,
            name,
            "it is listened to as soon as add returns"
        );
    }
    assert_eq!(listener.channels(), ["a", "b"]);
    writer.batch_execute("NOTIFY a, '2'; NOTIFY b, '2'; NOTIFY a, '3'; NOTIFY b, '3'").await.unwrap();
    assert_eq!(notification(&mut listener).await.payload, "2");
    assert!(listener.remove("a") && !listener.remove("a"));
    for payload in ["2", "3"] {
        let heard = notification(&mut listener).await;
        assert_eq!((heard.channel.as_str(), heard.payload.as_str()), ("b", payload), "nothing of a");
    }
    let pid = listener.backend_pid().unwrap();
    assert_eq!(listener.channels(), ["b"]);
    // The server was told beside; the query of that session, once it is idle again, is the UNLISTEN.
    let last = format!("SELECT query FROM pg_stat_activity WHERE pid = {pid}");
    until("the server is told", PATIENCE, async || {
        first(&writer, &last).await.unwrap().contains("UNLISTEN \"a\"")
    })
    .await;
    listener.add("a").await.unwrap();
    writer.batch_execute("NOTIFY a, '4'").await.unwrap();
    assert_eq!(notification(&mut listener).await.payload, "4");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn and_while_there_is_none() {
    let fresh = test_server::database().await.unwrap();
    let (wire, url) = ledger::wire(&fresh).await;
    let db = Database::connect(server::settings(&url)).await.unwrap();
    let mut listener = db.listen(["a", "gone"]).await.unwrap();
    begin(&mut listener).await;
    wire.set(Broken::Refuse);
    wire.cut_all();
    until("the loss is noticed", PATIENCE, async || !listener.is_listening()).await;
    let late = deadline::within(Duration::from_millis(50), listener.add("b")).await.unwrap_err();
    assert_eq!(late.fault(), Fault::DeadlinePassed, "{late}");
    assert!(listener.remove("gone"));
    let waiting = listener.add("removed meanwhile");
    let (answer, _) = tokio::join!(waiting, async {
        until("it is asked for", PATIENCE, async || listener.channels().len() == 3).await;
        listener.remove("removed meanwhile")
    });
    assert_eq!(answer.unwrap_err().fault(), Fault::Usage);
    wire.heal();
    assert_eq!(gap(&mut listener).await.cause, GapCause::Lost);
    assert_eq!(listener.channels(), ["a", "b"], "what was added while it was away stays added");
    let writer = bare(&fresh.url()).await;
    writer.batch_execute("NOTIFY gone; NOTIFY a; NOTIFY b").await.unwrap();
    assert_eq!(notification(&mut listener).await.channel, "a");
    assert_eq!(notification(&mut listener).await.channel, "b");
}

#[tokio::test]
async fn and_it_is_a_stream() {
    fn fits_a_task<T: Send + Sync + Unpin + 'static>(_: &T) {}
    let fresh = test_server::database().await.unwrap();
    let db = server::database(&fresh).await;
    let listener = db.listen(["a"]).await.unwrap();
    fits_a_task(&listener);
    let writer = bare(&fresh.url()).await;
    writer.batch_execute("NOTIFY a, '1'; NOTIFY a, '2'").await.unwrap();
    let messages: Vec<_> = listener.take(3).map(Result::unwrap).collect().await;
    assert!(matches!(&messages[0], Message::Gap(_)), "{messages:?}");
    assert!(matches!(&messages[2], Message::Notification(heard) if heard.payload == "2"), "{messages:?}");
}
