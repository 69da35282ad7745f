//! A client of `/content/unified` hangs up: its query is stopped on the server within a quarter of a second, its connection
//! is used again, and the log says whose request it was.

use crate::service::{self, Content};
use crate::started::until;
use std::time::{Duration, Instant};

const SLOW: &str = "GET /content/unified?slow=60 HTTP/1.1\r\nX-Request-ID: hang-up-1\r\nX-User-Id: u-7\r\n";

/// From the moment of hanging up until the server runs nothing any more.
async fn hang_up(content: &Content) -> Duration {
    let wire = content.started.http.send(SLOW, "").await;
    content.until_sleeping(1).await;
    let left = Instant::now();
    drop(wire);
    content.until_sleeping(0).await;
    left.elapsed()
}

#[tokio::test]
async fn within_a_quarter_of_a_second() {
    let content = service::start().await;
    // The quickest of three, since another test may have all processors in one of them.
    let mut took = Duration::MAX;
    for _ in 0..3 {
        took = took.min(hang_up(&content).await);
    }
    assert!(took < Duration::from_millis(250), "{took:?}");
    content.end().await;
}

#[tokio::test]
async fn and_the_log_says_so() {
    let content = service::start().await;
    hang_up(&content).await;
    let left = || {
        let mut lines = content.started.log_at("plimsoll::http").into_iter();
        lines.find(|line| line["message"].as_str().unwrap_or_default().starts_with("client went away"))
    };
    until("the log says that the client went away", async || left().is_some()).await;
    let line = left().unwrap();
    assert_eq!(
        (&line["request"], &line["route"]),
        (&"hang-up-1".into(), &"/content/unified".into()),
        "{line}"
    );
    assert!(line["statement"].as_str().unwrap().contains("slow on purpose"), "{line}");
    let record = || content.started.log_at("plimsoll::access").into_iter().next();
    until("the access log has it", async || record().is_some()).await;
    let record = record().unwrap();
    assert_eq!((&record["status"], &record["ended"]), (&499.into(), &"client_left".into()), "{record}");
    assert_eq!(record["user"], "u-7");
    content.end().await;
}

#[tokio::test]
async fn and_twenty_who_leave_cost_the_pool_nothing() {
    let content = service::start().await;
    let mut wires = Vec::new();
    for _ in 0..20 {
        wires.push(content.started.http.send(SLOW, "").await);
    }
    content.until_sleeping(20).await;
    drop(wires);
    content.until_sleeping(0).await;
    let answer = content.started.http.get("/content/unified?limit=1").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    content.end().await;
}
