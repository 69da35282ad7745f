//! The numbers of a server are those that it has: its connections, the transactions that end, and what was prepared.

use crate::session::session_at;
use plimsoll_embedded::Cluster;
use plimsoll_inspect::numbers::{NUMBERS, Numbers};
use plimsoll_inspect::sessions::{SESSIONS, Sessions};
use std::time::Duration;
use tokio::time::{Instant, sleep};
use tokio_postgres::Client;

async fn look(asker: &Client, question: &str) -> Numbers {
    Numbers::read(&asker.simple_query(question).await.unwrap()).unwrap().unwrap()
}

#[tokio::test]
async fn connections_transactions_and_what_was_prepared_are_counted() {
    let cluster = Cluster::builder()
        .setting("max_connections", "20")
        .setting("superuser_reserved_connections", "4")
        .setting("max_prepared_transactions", "2")
        .start()
        .await
        .unwrap();
    let url = cluster.url("postgres");
    let asker = session_at(&url, None, "asker").await;
    let first = look(&asker, NUMBERS).await;
    assert_eq!((first.connections_usable, first.is_standby, first.sees_all), (16, false, true), "{first:?}");
    assert_eq!((first.database.as_str(), first.prepared_for()), ("postgres", None));

    let more = [session_at(&url, None, "a").await, session_at(&url, None, "b").await];
    let second = look(&asker, NUMBERS).await;
    assert_eq!(second.connections_used, first.connections_used + 2, "{first:?} {second:?}");

    for _ in 0..50 {
        more[0].simple_query("SELECT 1").await.unwrap();
    }
    more[1].batch_execute("BEGIN; CREATE TABLE t (); PREPARE TRANSACTION 'p'").await.unwrap();
    // The server counts them up to a second late, and later under load.
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        let now = look(&asker, NUMBERS).await;
        assert!(now.prepared_for().is_some(), "{now:?}");
        if now.transactions >= second.transactions + 50 {
            let rate = now.transactions_per_second(&second).unwrap();
            assert!(rate > 1.0, "{rate}");
            break;
        }
        assert!(Instant::now() < until, "fifty transactions are counted: {second:?} {now:?}");
        more[0].simple_query("SELECT 1").await.unwrap();
        sleep(Duration::from_millis(100)).await;
    }
}

/// Both questions may be sent in one message, so that they are of one moment.
#[tokio::test]
async fn it_is_asked_together_with_the_sessions() {
    let cluster = Cluster::start().await.unwrap();
    let asker = session_at(&cluster.url("postgres"), None, "asker").await;
    let _other = session_at(&cluster.url("postgres"), None, "other").await;
    let answer = asker.simple_query(&format!("{}; {NUMBERS}", SESSIONS.trim_end())).await.unwrap();
    assert!(Numbers::read(&answer).unwrap().is_some());
    let sessions = Sessions::read(&answer).unwrap();
    assert!(sessions.sessions.iter().any(|it| it.application_name == "other"), "{sessions:?}");
}
