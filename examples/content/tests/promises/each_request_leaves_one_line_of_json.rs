//! What the service logs is JSON, a line each: of a request its route, user, status, time, time in SQL, rows and id; of a slow
//! statement what it was and whose request it was for. What the client sent otherwise is in none of them.

use crate::service;
use crate::started::until;

#[tokio::test]
async fn with_what_its_database_did() {
    let content = service::start().await;
    let headers =
        [("X-Request-ID", "log-1"), ("X-User-Id", "u-17"), ("Authorization", "Bearer do-not-log-me")];
    let answer = content.started.http.get_with("/content/unified?tags=night&limit=50", &headers).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(answer.head.contains("x-request-id: log-1"), "{answer:?}");
    let records = || content.started.log_at("plimsoll::access");
    until("the request is in the log", async || records().len() == 1).await;
    let record = records().remove(0);
    for (name, value) in [
        ("route", "/content/unified".into()),
        ("user", serde_json::Value::from("u-17")),
        ("status", 200.into()),
        ("rows", 51.into()),
        ("statements", 1.into()),
        ("retries", 0.into()),
        ("request", "log-1".into()),
    ] {
        assert_eq!(record[name], value, "{name} of {record}");
    }
    let [ms, sql_ms] = ["ms", "sql_ms"].map(|name| record[name].as_f64().unwrap());
    assert!(0.0 < sql_ms && sql_ms <= ms, "{record}");
    for secret in ["do-not-log-me", "tags=night"] {
        assert!(content.started.log().iter().all(|line| !line.to_string().contains(secret)), "{secret}");
    }
    content.end().await;
}

#[tokio::test]
async fn and_a_slow_statement_is_named_with_its_request() {
    let content = service::start().await;
    let slow = || content.started.log_at("plimsoll::slow");
    let quick = [("X-Request-ID", "quick-1")];
    assert_eq!(content.started.http.get_with("/content/unified", &quick).await.status, 200);
    assert!(slow().iter().all(|line| line["request"] != "quick-1"), "{:?}", slow());
    let headers = [("X-Request-ID", "slow-1")];
    assert_eq!(content.started.http.get_with("/content/unified?slow=1", &headers).await.status, 200);
    let found = || slow().into_iter().find(|line| line.to_string().contains("slow on purpose"));
    until("the slow statement is in the log", async || found().is_some()).await;
    let line = found().unwrap();
    assert!(line.to_string().contains("slow-1"), "{line}");
    assert!(line["message"].as_str().unwrap().starts_with("slow statement"), "{line}");
    content.end().await;
}
