//! Operators are told how the pools do now and have done, and what has failed; from memory, so also while the database is away.

use crate::operating::operate;
use crate::service::{self, until};
use plimsoll::{Database, Settings};
use serde_json::Value;
use std::time::{Duration, Instant};

const NAMES: [&str; 4] = ["ui", "ingest", "ops_worker", "system"];

fn names(pools: &Value) -> Vec<String> {
    pools.as_array().unwrap().iter().map(|pool| pool["pool"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn of_each_pool_now_and_before() {
    let fleet = service::start().await;
    fleet.device.send("d1", r#"{"t": 1}"#).await.accepted();
    for prefix in ["", "/api/v1"] {
        let now = operate(&fleet, "GET", &format!("{prefix}/operator/system/metrics"), None).await;
        let pools = &now.body["metrics"]["pools"];
        assert_eq!((now.status, names(pools)), (200, NAMES.map(str::to_owned).to_vec()), "{now:?}");
        assert!(
            pools[1]["statements_total"].as_u64().unwrap() > 0 && pools[1]["breaker"] == "closed",
            "{pools}"
        );
        let path = format!("{prefix}/operator/system/metrics/history");
        until("a sample is kept", async || {
            let kept = operate(&fleet, "GET", &path, None).await;
            !kept.body["samples"].as_array().unwrap().is_empty()
        })
        .await;
        let latest = operate(&fleet, "GET", &format!("{prefix}/operator/system/metrics/latest"), None).await;
        assert!(latest.body["sample"]["at"].is_string(), "{latest:?}");
        assert_eq!(operate(&fleet, "GET", &format!("{path}?minutes=120"), None).await.status, 200);
        for wrong in ["minutes=0", "minutes=121", "minutes=-1", "minutes=x", "hours=1", "minutes=1&minutes=1"]
        {
            operate(&fleet, "GET", &format!("{path}?{wrong}"), None).await.refused(400, "INVALID_REQUEST");
        }
    }
}

#[tokio::test]
async fn of_what_has_failed_without_any_value() {
    let fleet = service::start().await;
    let db = &fleet.running.service().unwrap().pools.ui;
    db.query("SELECT 1 / (0 * length('a secret'))", &[]).await.unwrap_err();
    let told = operate(&fleet, "GET", "/operator/system/errors", None).await;
    let ui = &told.body["pools"][0];
    assert_eq!((told.status, &ui["statements_failed"]), (200, &Value::from(1)), "{told:?}");
    assert_eq!(ui["most_failed"][0]["errors"], 1);
    assert!(!told.body.to_string().contains("a secret"), "{told:?}");
    assert_eq!(told.body["pools"][2]["most_failed"], serde_json::json!([]), "where nothing has failed");
}

/// No path from memory waits for a database that does not answer; the one that asks it ends by its time.
#[tokio::test]
async fn also_while_the_database_answers_nothing() {
    let fleet = service::start_with(|config| config.request_deadline = Duration::from_secs(3)).await;
    let owner = Database::connect(Settings::from_url(fleet.database.url()).unwrap()).await.unwrap();
    let hold = owner.begin().await.unwrap();
    hold.batch_execute("LOCK TABLE tenants IN ACCESS EXCLUSIVE MODE").await.unwrap();
    for path in ["metrics", "metrics/latest", "metrics/history", "errors"] {
        let began = Instant::now();
        assert_eq!(operate(&fleet, "GET", &format!("/operator/system/{path}"), None).await.status, 200);
        assert!(began.elapsed() < Duration::from_secs(2), "{path}");
    }
    let asked = operate(&fleet, "GET", "/operator/system/aggregates", None).await;
    assert!(matches!(asked.status, 503 | 504), "{asked:?}");
    hold.rollback().await;
    assert_eq!(operate(&fleet, "GET", "/operator/system/aggregates", None).await.status, 200);
}
