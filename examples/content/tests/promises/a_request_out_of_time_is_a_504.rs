//! A request whose time is over is answered 504, as problem+json and at once; its query is stopped on the server, nothing is
//! left behind in the pool, and the log has one line of it. A client may give a request less time than the service does, and
//! never more.

use crate::service;
use crate::started::until;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

#[tokio::test]
async fn at_its_deadline() {
    let content = service::start().await;
    let began = Instant::now();
    let headers = [("X-Request-Timeout-Ms", "600"), ("X-Request-ID", "late-1")];
    let answer = content.started.http.get_with("/content/unified?slow=60", &headers).await;
    assert!((400..5_000).contains(&began.elapsed().as_millis()), "{:?}", began.elapsed());
    assert_eq!((answer.status, &answer.body["code"]), (504, &"PL-DEA-01".into()), "{answer:?}");
    assert!(answer.head.contains("content-type: application/problem+json"), "{answer:?}");
    assert_eq!(answer.body["request_id"], "late-1");
    assert!(!answer.body["advice"].as_str().unwrap().is_empty());
    content.until_sleeping(0).await;

    let record = || content.started.log_at("plimsoll::access").into_iter().next();
    until("the access log has it", async || record().is_some()).await;
    let record = record().unwrap();
    assert_eq!((&record["status"], &record["code"]), (&504.into(), &"PL-DEA-01".into()), "{record}");
    assert_eq!((&record["request"], &record["ended"]), (&"late-1".into(), &"deadline_passed".into()));
    content.end().await;
}

/// Nothing is said by the client: the service's own limit holds, whatever more it asks for.
#[tokio::test]
async fn after_fifteen_seconds_where_nothing_else_is_said() {
    let content = service::start().await;
    let began = Instant::now();
    let (silent, greedy) = tokio::join!(
        content.started.http.get("/content/unified?slow=60"),
        content.started.http.get_with("/content/unified?slow=60", &[("X-Request-Timeout-Ms", "50000")]),
    );
    assert_eq!((silent.status, greedy.status), (504, 504));
    let took = began.elapsed();
    assert!((Duration::from_secs(14)..Duration::from_secs(20)).contains(&took), "{took:?}");
    content.until_sleeping(0).await;
    content.end().await;
}

#[tokio::test]
async fn and_leaves_no_connection_behind() {
    let content = service::start().await;
    // In all more than the pool has connections, so it would be used up if each kept one.
    let mut late = 0;
    for _ in 0..4 {
        let mut asking = JoinSet::new();
        for _ in 0..25 {
            let http = content.started.http;
            let headers = [("X-Request-Timeout-Ms", "1200")];
            asking.spawn(async move { http.get_with("/content/unified?slow=60", &headers).await });
        }
        for answer in asking.join_all().await {
            match answer.status {
                504 => late += 1,
                // On a busy machine it is foreseen that a connection would not come in time.
                503 => assert_eq!(answer.body["code"], "PL-ACQ-05", "{answer:?}"),
                _ => panic!("{answer:?}"),
            }
        }
    }
    assert!(late > 30, "{late}");
    content.until_sleeping(0).await;
    let idle = "SELECT count(*)::text AS n FROM pg_stat_activity WHERE datname = current_database() \
                AND state LIKE 'idle in transaction%'";
    assert_eq!(crate::started::first(&content.database, idle).await, "0");
    assert_eq!(content.started.http.get("/content/unified?limit=1").await.status, 200);
    content.end().await;
}
