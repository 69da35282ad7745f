//! A buy that is sent by many at once is one buy with one entry in the audit log, and all are told the same id.

use crate::started::{Started, first, until};
use plimsoll_embedded::test_server;
use serde_json::json;
use tokio::task::JoinSet;

#[tokio::test]
async fn whoever_sends_it() {
    let database = test_server::database().await.unwrap();
    let url = database.url();
    let started = Started::with(env!("CARGO_BIN_EXE_sales-agent"), &[("DATABASE_URL", url.as_str())]).await;
    let buy = json!({ "buyer_ref": "b-7", "budget_cents": 50_000 });
    until("there is a schema", async || started.http.post("/media-buys", &buy).await.status == 201).await;
    let mut buys = JoinSet::new();
    for n in 0..30 {
        let http = started.http;
        let buy = json!({ "buyer_ref": format!("b-{}", n % 3), "budget_cents": 100 });
        buys.spawn(async move {
            let answer = http.post("/media-buys", &buy).await;
            (n % 3, answer.status, answer.body["media_buy_id"].as_i64().unwrap())
        });
    }
    let all = buys.join_all().await;
    for of in 0..3 {
        let told: Vec<_> = all.iter().filter(|(which, ..)| *which == of).collect();
        assert_eq!(told.iter().filter(|(_, status, _)| *status == 201).count(), 1, "{told:?}");
        assert!(told.iter().all(|(.., id)| *id == told[0].2), "{told:?}");
    }
    let stored = "SELECT (SELECT count(*) FROM media_buy) || ' ' || (SELECT count(*) FROM audit_log) AS n";
    assert_eq!(first(&database, stored).await, "4 4");
    for (buy, status) in
        [(json!({ "buyer_ref": "bad", "budget_cents": 0 }), 422), (json!({ "buyer_ref": "bad" }), 400)]
    {
        assert_eq!(started.http.post("/media-buys", &buy).await.status, status, "{buy}");
    }
    assert_eq!(first(&database, stored).await, "4 4");
    assert!(started.stop().await.success());
}
