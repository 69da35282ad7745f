//! `/api/metrics/queries` says which kinds of statements take the time: how often each ran, its total, mean and longest time,
//! and its text without constants; by the mean or by the total.

use crate::service;

#[tokio::test]
async fn by_mean_and_by_total() {
    let content = service::start().await;
    for _ in 0..30 {
        assert_eq!(content.started.http.get("/content/unified?tags=night").await.status, 200);
    }
    assert_eq!(content.started.http.get("/content/unified?slow=1").await.status, 200);
    for sort in ["mean", "total"] {
        let answer = content.started.http.get(&format!("/api/metrics/queries?limit=100&sort={sort}")).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let queries = answer.body["queries"].as_array().unwrap();
        let of = |part: &str| {
            let found = queries.iter().find(|query| query["query_template"].as_str().unwrap().contains(part));
            found.unwrap_or_else(|| panic!("{part}: {answer:?}"))
        };
        let (slow, page) = (of("pg_sleep"), of("content_tag first"));
        assert_eq!((&slow["execution_count"], &page["execution_count"]), (&1.into(), &30.into()));
        assert!(slow["max_duration_ms"].as_f64().unwrap() >= 1_000.0, "{slow}");
        let by = if sort == "mean" { "avg_duration_ms" } else { "total_duration_ms" };
        let order: Vec<f64> = queries.iter().map(|query| query[by].as_f64().unwrap()).collect();
        assert!(order.is_sorted_by(|a, b| a >= b), "{order:?}");
        let total = page["total_duration_ms"].as_f64().unwrap();
        assert!((page["avg_duration_ms"].as_f64().unwrap() * 30.0 - total).abs() < 0.1, "{page}");
    }
    content.end().await;
}
