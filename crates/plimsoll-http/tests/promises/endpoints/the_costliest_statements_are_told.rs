//! Statements are told by kind, sorted by what is asked for, as many as are asked for, and without any constant.

use super::site::{Site, Who, database};
use plimsoll_http::EndpointOptions;
use serde_json::Value;

async fn told(site: &Site, query: &str) -> Vec<Value> {
    let answer = site.get(Who::Operator, &format!("/api/metrics/queries{query}")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["queries"].as_array().unwrap().clone()
}

#[tokio::test]
async fn by_total_mean_maximum_and_errors() {
    let (db, _fresh) = database().await;
    let site = Site::new(&(&db).into(), EndpointOptions::default()).await;
    // One is slow once, one takes most in all, one fails.
    db.query("SELECT pg_sleep(0.25), 'once'", &[]).await.unwrap();
    for _ in 0..8 {
        db.query("SELECT pg_sleep(0.05), 'often', 1", &[]).await.unwrap();
    }
    for _ in 0..3 {
        db.query("SELECT 'fails', 1, 2 FROM missing_s3cr3t", &[]).await.unwrap_err();
    }
    for (sort, field, first) in [
        ("", "avg_duration_ms", "pg_sleep(?), ?"),
        ("mean", "avg_duration_ms", "pg_sleep(?), ?"),
        ("max", "max_duration_ms", "pg_sleep(?), ?"),
        ("total", "total_duration_ms", "pg_sleep(?), ?, ?"),
        ("errors", "error_count", "missing_s3cr3t"),
    ] {
        let query = if sort.is_empty() { String::new() } else { format!("?sort={sort}") };
        let queries = told(&site, &query).await;
        let text = queries[0]["query_template"].as_str().unwrap();
        assert!(text.ends_with(first), "{sort}: {queries:#?}");
        let values: Vec<f64> = queries.iter().map(|query| query[field].as_f64().unwrap()).collect();
        assert!(values.is_sorted_by(|one, other| one >= other), "{sort}: {values:?}");
        assert!(!text.contains("once") && !text.contains("often"), "{text}");
    }
    let by_total = &told(&site, "?sort=total&limit=1").await;
    assert_eq!((by_total.len(), &by_total[0]["execution_count"]), (1, &8.into()));
    db.close().await;
}

#[tokio::test]
async fn as_many_as_are_asked_for_and_ten_otherwise() {
    let (db, _fresh) = database().await;
    let site = Site::new(&(&db).into(), EndpointOptions::default()).await;
    for number in 0..120 {
        let sql = format!("SELECT 1 AS column_{number}");
        db.query(sql.as_str(), &[]).await.unwrap();
    }
    for (query, count) in
        [("", 10), ("?limit=1", 1), ("?limit=10", 10), ("?limit=100", 100), ("?other=1", 10)]
    {
        assert_eq!(told(&site, query).await.len(), count, "{query}");
    }
    for query in [
        "?limit=0",
        "?limit=101",
        "?limit=-1",
        "?limit=ten",
        "?limit=",
        "?limit=1&limit=2",
        "?sort=",
        "?sort=Mean",
        "?limit=%ff",
        "?limit=1%00",
    ] {
        let answer = site.get(Who::Operator, &format!("/api/metrics/queries{query}")).await;
        assert_eq!((answer.status, answer.json()["code"].as_str()), (400, Some("QUERY_INVALID")), "{query}");
    }
    db.close().await;
}
