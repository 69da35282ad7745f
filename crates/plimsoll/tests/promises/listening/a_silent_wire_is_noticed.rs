//! A wire that takes every byte and gives none, without a word, is noticed by the listener's keepalive. A wire that is
//! only quiet, or slow, is kept: no firewall sees it idle for longer than `listen_keepalive`.

use super::{begin, gap, notification};
use crate::ledger;
use crate::server::{self, PATIENCE, bare, event, until};
use plimsoll::event::Event;
use plimsoll::listen::GapCause;
use plimsoll::settings::Limit;
use plimsoll::{Database, Fault};
use plimsoll_embedded::test_server::{self, TestDatabase};
use plimsoll_faults::{Direction, Fault as Broken, Proxy};
use std::time::{Duration, Instant};

const KEEPALIVE: Duration = Duration::from_millis(200);

/// Where nothing is to be lost: a machine that is busy with other tests answers late.
const LONG_KEEPALIVE: Duration = Duration::from_secs(1);

async fn scene(keepalive: Duration) -> (TestDatabase, Proxy, Database) {
    let fresh = test_server::database().await.unwrap();
    let (wire, url) = ledger::wire(&fresh).await;
    // Only the listener's connection speaks by itself.
    let settings = server::settings(&url).heartbeat(Limit::Off).listen_keepalive(keepalive);
    (fresh, wire, Database::connect(settings).await.unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whichever_way_it_is_silent() {
    let (fresh, wire, db) = scene(KEEPALIVE).await;
    for way in [Direction::Both, Direction::ToClient, Direction::ToServer] {
        let mut events = db.events();
        let mut listener = db.listen(["news"]).await.unwrap();
        begin(&mut listener).await;
        let silent = Instant::now();
        wire.set(Broken::blackhole(way));
        let (fault, reason) = event("the loss is told", &mut events, |event| match event {
            Event::ListenerLost { fault, reason } => Some((*fault, reason.clone())),
            _ => None,
        })
        .await;
        let took = silent.elapsed();
        assert_eq!(fault, Fault::ConnectionLost, "{way:?}");
        assert!(reason.contains("did not answer within 0.2 s"), "{way:?}: {reason}");
        assert!(took < 2 * KEEPALIVE + Duration::from_secs(2), "{way:?}: noticed after {took:?}");
        assert!(!listener.is_listening());
        wire.heal();
        let told = gap(&mut listener).await;
        assert_eq!(told.cause, GapCause::Lost, "{way:?}");
        let since = told.since.expect("when the server was last heard");
        assert!(
            since < silent + Duration::from_millis(50),
            "{way:?}: since {:?} after the silence",
            since - silent
        );
        let plain = bare(&fresh.url()).await;
        plain.batch_execute("NOTIFY news, 'again'").await.unwrap();
        assert_eq!(notification(&mut listener).await.payload, "again", "{way:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn and_one_that_is_only_quiet_or_slow_is_kept() {
    let (fresh, wire, db) = scene(LONG_KEEPALIVE).await;
    let mut events = db.events();
    let mut listener = db.listen(["news"]).await.unwrap();
    begin(&mut listener).await;
    let pid = listener.backend_pid().expect("a connection");
    wire.set(Broken::delay(Direction::Both, LONG_KEEPALIVE / 10));
    let bytes = || wire.wires().iter().map(|wire| wire.to_server.bytes).sum::<u64>();
    for _ in 0..3 {
        let before = bytes();
        until("the server is asked, though there is nothing to say", PATIENCE, async || bytes() > before)
            .await;
    }
    let plain = bare(&fresh.url()).await;
    plain.batch_execute("NOTIFY news, 'still'").await.unwrap();
    assert_eq!(notification(&mut listener).await.payload, "still");
    assert_eq!(listener.backend_pid(), Some(pid), "the same connection all the time");
    while let Ok(event) = events.try_recv() {
        assert!(!matches!(event, Event::ListenerLost { .. }), "{event:?}");
    }
}

/// Time is the promise here: the server ends a session that says nothing for two seconds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn also_by_a_server_that_ends_idle_sessions() {
    let (fresh, _wire, db) = scene(LONG_KEEPALIVE).await;
    fresh
        .execute(&format!("ALTER DATABASE \"{}\" SET idle_session_timeout = '2s'", fresh.name()))
        .await
        .unwrap();
    let mut events = db.events();
    let mut listener = db.listen(["news"]).await.unwrap();
    begin(&mut listener).await;
    let pid = listener.backend_pid();
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!((listener.is_listening(), listener.backend_pid()), (true, pid));
    while let Ok(event) = events.try_recv() {
        assert!(!matches!(event, Event::ListenerLost { .. }), "{event:?}");
    }
}
