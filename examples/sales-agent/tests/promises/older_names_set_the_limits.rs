//! `DATABASE_QUERY_TIMEOUT`, `DATABASE_CONNECT_TIMEOUT` and `DATABASE_POOL_TIMEOUT` are limits in seconds, with the defaults
//! that they have always had, and the database ends what takes longer.

use crate::started::{Started, until};
use plimsoll_embedded::test_server::{self, TestDatabase};
use serde_json::json;
use std::time::{Duration, Instant};

async fn start(database: &TestDatabase, more: &[(&str, &str)]) -> Started {
    let url = database.url();
    let variables = [&[("DATABASE_URL", url.as_str())], more].concat();
    Started::with(env!("CARGO_BIN_EXE_sales-agent"), &variables).await
}

#[tokio::test]
async fn in_seconds() {
    let database = test_server::database().await.unwrap();
    let others = [
        ("DATABASE_QUERY_TIMEOUT", "60"),
        ("DATABASE_CONNECT_TIMEOUT", "15"),
        ("DATABASE_POOL_TIMEOUT", "45"),
    ];
    let usual = json!({ "query": 30.0, "connect": 10.0, "pool": 30.0 });
    for (said, limits) in
        [(&[][..], usual), (&others[..], json!({ "query": 60.0, "connect": 15.0, "pool": 45.0 }))]
    {
        let started = start(&database, said).await;
        assert_eq!(started.http.get("/pool").await.body["limits_seconds"], limits);
        assert!(started.stop().await.success());
    }
}

#[tokio::test]
async fn and_the_database_keeps_them() {
    let database = test_server::database().await.unwrap();
    let started = start(&database, &[("DATABASE_QUERY_TIMEOUT", "1")]).await;
    let buy = json!({ "buyer_ref": "b-1", "budget_cents": 100 });
    until("a buy is booked", async || started.http.post("/media-buys", &buy).await.status < 300).await;
    let slow = "CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(60); RETURN NEW; END';
                CREATE TRIGGER wait BEFORE INSERT ON media_buy FOR EACH ROW EXECUTE FUNCTION wait()";
    database.execute(slow).await.unwrap();
    let began = Instant::now();
    let answer = started.http.post("/media-buys", &buy).await;
    let took = began.elapsed();
    assert_eq!((answer.status, &answer.body["code"]), (504, &"PL-STM-01".into()), "{answer:?}");
    assert!((Duration::from_millis(900)..Duration::from_secs(5)).contains(&took), "{took:?}");
    database.execute("DROP TRIGGER wait ON media_buy").await.unwrap();
    assert_eq!(started.http.post("/media-buys", &buy).await.status, 200);
    assert!(started.stop().await.success());
}
