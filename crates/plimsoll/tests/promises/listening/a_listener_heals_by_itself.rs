//! A listener is given while the server is away, and listens as soon as that is possible. What waiting cannot heal is an
//! error at once. Of several servers, the one that takes the `LISTEN` is found. Loss and return are told as events.

use super::{begin, gap, notification};
use crate::log::Log;
use crate::server::{self, PATIENCE, bare, event, until};
use plimsoll::event::Event;
use plimsoll::listen::GapCause;
use plimsoll::settings::TargetSessionAttrs;
use plimsoll::{Database, Fault};
use plimsoll_embedded::{Cluster, StopMode};
use std::time::{Duration, Instant};
use tracing::Level;

#[tokio::test]
async fn a_listener_is_given_before_the_server_is_there() {
    let (log, _guard) = Log::start();
    let cluster = Cluster::start().await.unwrap();
    cluster.stop_mode(StopMode::Fast).await.unwrap();
    let db =
        Database::connect(server::settings(&cluster.url("postgres"))).await.expect("a handle that heals");
    let mut events = db.events();
    let mut listener = db.listen(["news"]).await.expect("a listener that heals");
    assert!(!listener.is_listening() && listener.backend_pid().is_none());
    let fault = event("the failed connect is told", &mut events, |event| match event {
        Event::ListenerConnectFailed { fault, .. } => Some(*fault),
        _ => None,
    })
    .await;
    assert_eq!(fault, Fault::Unreachable);
    cluster.start_again().await.unwrap();
    let started = Instant::now();
    begin(&mut listener).await;
    assert!(started.elapsed() < Duration::from_secs(3), "the pause is a second at the most");
    let (pid, channels) = event("that it listens is told", &mut events, |event| match event {
        Event::ListenerEstablished { pid, channels, .. } => Some((*pid, *channels)),
        _ => None,
    })
    .await;
    assert_eq!((Some(pid), channels), (listener.backend_pid(), 1));

    let stopped = Instant::now();
    cluster.restart(StopMode::Fast).await.unwrap();
    let fault = event("the loss is told", &mut events, |event| match event {
        Event::ListenerLost { fault, .. } => Some(*fault),
        _ => None,
    })
    .await;
    assert!(fault.is_connectivity(), "{fault:?}");
    let told = gap(&mut listener).await;
    assert_eq!(told.cause, GapCause::Lost);
    assert!(told.since.is_some_and(|since| since < Instant::now()), "{told:?}");
    let after = event("the return is told", &mut events, |event| match event {
        Event::ListenerEstablished { after, .. } => Some(*after),
        _ => None,
    })
    .await;
    assert!(after < stopped.elapsed() + Duration::from_secs(20), "{after:?}");
    for (level, words) in [
        (Level::WARN, "a listener does not listen: connect to"),
        (Level::WARN, "a listener has lost its connection and connects again: "),
        (Level::INFO, "a listener listens"),
    ] {
        assert!(log.mentions(level, words), "{words}: {}", log.text());
    }
}

#[tokio::test]
async fn what_waiting_cannot_heal_is_an_error() {
    let cluster = Cluster::start().await.unwrap();
    let db = Database::connect(server::settings(&cluster.url("postgres"))).await.unwrap();
    let lease = db.acquire().await.unwrap();
    let listener = db.listen(["news"]).await.unwrap();
    drop(listener);
    cluster
        .execute("postgres", &format!("ALTER ROLE \"{}\" PASSWORD 'another'", cluster.superuser()))
        .await
        .unwrap();
    let error = db.listen(["news"]).await.unwrap_err();
    assert_eq!(error.fault(), Fault::Authentication, "{error}");
    drop(lease);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_several_servers_the_one_that_takes_the_listen_is_found() {
    let primary = Cluster::start().await.unwrap();
    let standby = Cluster::builder().standby_of(&primary).start().await.unwrap();
    let hosts = format!("{}:{},{}:{}", standby.host(), standby.port(), primary.host(), primary.port());
    let settings = server::settings(&primary.url("postgres"))
        .hosts(hosts)
        .target_session_attrs(TargetSessionAttrs::ReadOnly);
    let db = Database::connect(settings).await.unwrap();
    let mut listener = db.listen(["news"]).await.unwrap();
    begin(&mut listener).await;
    let writer = bare(&primary.url("postgres")).await;
    writer.batch_execute("NOTIFY news, 'from the primary'").await.unwrap();
    assert_eq!(notification(&mut listener).await.payload, "from the primary");
    // The primary dies, and the standby takes its place.
    primary.stop_mode(StopMode::Immediate).await.unwrap();
    until("the loss is noticed", PATIENCE, async || !listener.is_listening()).await;
    standby.promote().await.unwrap();
    assert_eq!(gap(&mut listener).await.cause, GapCause::Lost);
    let writer = bare(&standby.url("postgres")).await;
    writer.batch_execute("NOTIFY news, 'from its heir'").await.unwrap();
    assert_eq!(notification(&mut listener).await.payload, "from its heir");
}
