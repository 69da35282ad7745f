//! `kill -USR1` makes the service print what goes on: each request with what it does on the database, the pool and the
//! threads. It serves on, and a second signal prints it again.

use crate::service;
use crate::started::until;

#[tokio::test]
async fn as_often_as_it_is_asked() {
    let content = service::start().await;
    let head = "GET /content/unified?slow=60 HTTP/1.1\r\nX-Request-ID: hangs-1\r\nX-User-Id: u-7\r\n";
    let wire = content.started.http.send(head, "").await;
    content.until_sleeping(1).await;
    for times in 1..=2 {
        content.started.signal("USR1").await;
        let ended = || content.started.said().matches("---- end of the report").count();
        until("the report is printed", async || ended() == times).await;
    }
    let said = content.started.said();
    let request = said.lines().find(|line| line.contains("request hangs-1 of user u-7")).expect(&said);
    for part in ["GET /content/unified", "slow on purpose"] {
        assert!(request.contains(part), "{part}: {request}");
    }
    for part in ["1 in flight", "breaker: closed", "threads: "] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(!said.contains("pg_sleep"), "no SQL is in it: {said}");
    drop(wire);
    assert_eq!(content.started.http.get("/content/unified?limit=1").await.status, 200);
    content.end().await;
}
