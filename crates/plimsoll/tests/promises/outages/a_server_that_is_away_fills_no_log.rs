//! While a server is away the log tells each failure once, and then how often it came; what is told as an event is told each
//! time. The next outage is told anew.

use crate::log::Log;
use crate::server::{self, PATIENCE, until};
use plimsoll::Database;
use plimsoll::event::Event;
use plimsoll_embedded::{Cluster, StopMode};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

/// Each kind of failure: how it is called where it is counted, and how a line says it that tells one whole.
const KINDS: [(&str, &str); 4] = [
    ("a connect failed", "plimsoll: PL-"),
    ("a caller got no connection", "no connection was lent"),
    ("a health check failed", "Postgres health check failed"),
    ("a listener could not connect", "a listener does not listen"),
];

/// How many events of the four kinds there were, by kind and code.
type Told = Arc<Mutex<HashMap<(&'static str, &'static str), u64>>>;

/// Counts the events as they come, until the pool is gone.
fn count(mut events: Receiver<Event>) -> Told {
    let told = Told::default();
    let counted = Arc::clone(&told);
    tokio::spawn(async move {
        loop {
            let (kind, fault) = match events.recv().await {
                Ok(Event::ConnectFailed { fault, .. }) => ("a connect failed", fault),
                Ok(Event::AcquireFailed { fault, .. }) => ("a caller got no connection", fault),
                Ok(Event::HealthCheckFailed { fault, .. }) => ("a health check failed", fault),
                Ok(Event::ListenerConnectFailed { fault, .. }) => ("a listener could not connect", fault),
                Ok(_) => continue,
                Err(RecvError::Lagged(count)) => panic!("{count} events were missed"),
                Err(RecvError::Closed) => break,
            };
            *counted.lock().unwrap().entry((kind, fault.code())).or_default() += 1;
        }
    });
    told
}

/// The lines that operators see: WARN and ERROR of this kind with this code.
fn loud(log: &Log, code: &str, words: &str) -> usize {
    let lines = log.lines(&[&format!("code=\"{code}\""), words]);
    lines.iter().filter(|line| line.contains(" WARN ") || line.contains(" ERROR ")).count()
}

/// How many were counted of this kind and code, by the lines at its end.
fn counted(log: &Log, kind: &str, code: &str) -> u64 {
    let lines = log.lines(&[" INFO ", "it is over: ", kind, &format!("code=\"{code}\"")]);
    let count = |line: &String| {
        let (_, rest) = line.split_once("count=").unwrap();
        rest.split_whitespace().next().unwrap().parse::<u64>().unwrap()
    };
    lines.iter().map(count).sum()
}

/// Stops the server until connects have failed at least so often and that for so long; callers and health checks go on.
async fn outage(db: &Database, cluster: &Cluster) {
    let before = db.pool_status().connect_failures;
    cluster.stop_mode(StopMode::Immediate).await.unwrap();
    let began = Instant::now();
    until("connects have failed for six seconds", PATIENCE, async || {
        let caller =
            async || db.named("caller").acquire_within(Duration::from_millis(50)).acquire().await.is_ok();
        tokio::join!(caller(), caller(), caller(), caller());
        db.health(true).await;
        db.pool_status().connect_failures >= before + 4 && began.elapsed() > Duration::from_secs(6)
    })
    .await;
    cluster.start_again().await.unwrap();
    db.ready_within(PATIENCE).await.unwrap();
    until("it serves again", PATIENCE, async || db.query("SELECT 1", &[]).await.is_ok()).await;
}

#[tokio::test]
async fn each_failure_is_told_once_and_then_counted() {
    let (log, _guard) = Log::start();
    let cluster = Cluster::start().await.unwrap();
    let db = Database::connect(server::settings(&cluster.url("postgres"))).await.unwrap();
    let mut listener = db.listen(["news"]).await.unwrap();
    let told = count(db.events());
    outage(&db, &cluster).await;
    until("the listener is back", PATIENCE, async || {
        let _ = tokio::time::timeout(Duration::from_millis(10), listener.recv()).await;
        listener.is_listening()
    })
    .await;

    let told = told.lock().unwrap().clone();
    let kinds: Vec<_> = told.keys().map(|(kind, _)| *kind).collect();
    for kind in ["a connect failed", "a listener could not connect"] {
        assert!(kinds.contains(&kind), "{kind}: {told:?}");
    }
    for ((kind, code), count) in &told {
        let (_, whole) = KINDS.iter().find(|(known, _)| known == kind).unwrap();
        assert_eq!(loud(&log, code, whole), 1, "{kind} {code} came {count} times: {}", log.text());
        if kind.contains("connect failed") || kind.contains("listener") {
            assert_eq!(counted(&log, kind, code) + 1, *count, "{kind} {code}: {}", log.text());
        }
    }
    assert!(told.values().any(|count| *count >= 4), "{told:?}");
    assert_eq!(log.lines(&[" WARN ", "there is no first connection"]).len(), 0);

    // The next outage is told anew.
    outage(&db, &cluster).await;
    assert_eq!(loud(&log, "PL-CON-01", "plimsoll: PL-"), 2, "{}", log.text());
}
