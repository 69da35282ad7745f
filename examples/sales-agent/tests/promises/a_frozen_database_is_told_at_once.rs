//! The database stands still: within a second or two each request is answered 503 at once instead of waiting, `/health` says
//! what is wrong and `/pool` that the circuit breaker is open. When the database goes on, so does everything, by itself.

use crate::started::{Started, until};
use plimsoll_embedded::Cluster;
use plimsoll_faults::Process;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

fn buy(n: usize) -> Value {
    json!({ "buyer_ref": format!("b-{n}"), "budget_cents": 100 })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn and_is_served_again_by_itself() {
    let cluster = Cluster::start().await.unwrap();
    let url = cluster.url("postgres");
    let started = Started::with(env!("CARGO_BIN_EXE_sales-agent"), &[("DATABASE_URL", url.as_str())]).await;
    let http = started.http;
    until("a buy is booked", async || http.post("/media-buys", &buy(0)).await.status < 300).await;
    let well = http.get("/health?force=true").await;
    assert_eq!((well.status, &well.body), (200, &json!({ "status": "healthy", "message": "healthy" })));
    assert_eq!(http.get("/pool").await.body["circuit_breaker"]["state"], "closed");

    let server = Process::attach_tree(cluster.pid().unwrap()).unwrap();
    server.freeze().await.unwrap();
    let frozen = Instant::now();
    let state = async || http.get("/pool").await.body["circuit_breaker"]["state"].clone();
    until("the circuit breaker is open", async || state().await == "open").await;
    let noticed = frozen.elapsed();
    assert!(noticed < Duration::from_secs(5), "{noticed:?}");
    for n in 1..=20 {
        let began = Instant::now();
        let answer = http.post("/media-buys", &buy(n)).await;
        assert_eq!((answer.status, &answer.body["code"]), (503, &"PL-BRK-01".into()), "{answer:?}");
        assert!(answer.head.contains("retry-after: "), "{answer:?}");
        assert!(began.elapsed() < Duration::from_millis(500), "{:?}", began.elapsed());
    }
    let ill = http.get("/health").await;
    assert_eq!((ill.status, &ill.body["status"]), (503, &"down".into()), "{ill:?}");
    assert!(ill.body["message"].as_str().unwrap().starts_with("Database unhealthy: "), "{ill:?}");
    let told = ill.body.to_string();
    assert!(
        !told.contains("127.0.0.1") && !told.contains("postgres"),
        "nothing of the server is told: {told}"
    );

    server.thaw().unwrap();
    let thawed = Instant::now();
    until("a buy is booked again", async || http.post("/media-buys", &buy(99)).await.status < 300).await;
    assert!(thawed.elapsed() < Duration::from_secs(5), "{:?}", thawed.elapsed());
    until("it is well again", async || http.get("/health").await.status == 200).await;
    until("the circuit breaker is closed", async || state().await == "closed").await;
    assert_eq!(http.get("/pool").await.body["circuit_breaker"]["trips"], 1);
    // Those that were refused were not booked.
    let booked = cluster.execute("postgres", "SELECT count(*)::text AS n FROM media_buy").await.unwrap();
    assert_eq!(booked[0]["n"], "2");
    assert!(started.stop().await.success());
}
