//! A tenant reads the readings of its devices by range: in pages that miss none and repeat none, and as points of a chart; with
//! each number as the device wrote it. What cannot be asked is told, and costs the database nothing.

use crate::asking::{OTHER, created, other_tenant};
use crate::service::{self, Fleet, now};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

const PATHS: [&str; 2] = ["/customer/devices/d1/telemetry", "/api/v1/customer/devices/d1/telemetry"];

/// So many readings of `d1`, a second apart, the last one now.
async fn with_readings(count: i64) -> Fleet {
    let fleet = service::start().await;
    created(&fleet, "d1").await;
    let sql = format!(
        "INSERT INTO telemetry (tenant_id, device_id, time, seq, site_id, msg_type, metrics)
         SELECT 'test', 'd1', now() - make_interval(secs => n), n, 'default', 'telemetry',
                jsonb_build_object('n', n, 'half', n / 2.0, 'on', true)
         FROM generate_series(0, {count} - 1) AS n"
    );
    // A minute before midnight, the readings are of two days.
    fleet
        .database
        .execute("SELECT ensure_telemetry_partition(((now() - interval '1 day') AT TIME ZONE 'UTC')::date)")
        .await
        .unwrap();
    fleet.database.execute(&sql).await.unwrap();
    fleet
}

fn seqs(items: &Value) -> Vec<i64> {
    items.as_array().unwrap().iter().map(|item| item["seq"].as_i64().unwrap()).collect()
}

#[tokio::test]
async fn pages_are_complete_and_the_newest_comes_first() {
    let fleet = with_readings(250).await;
    for path in PATHS {
        let (mut found, mut after) = (Vec::new(), String::new());
        loop {
            let answer = fleet.device.get(&format!("{path}?limit=100{after}")).await;
            assert_eq!(answer.status, 200, "{answer:?}");
            found.extend(seqs(&answer.body["items"]));
            let Some(next) = answer.body["next"].as_str() else { break };
            after = format!("&after={next}");
        }
        assert_eq!(found, (0..250).collect::<Vec<_>>());
    }
    // A cursor is that of its device and its range.
    let first = fleet.device.get(&format!("{}?limit=1", PATHS[0])).await;
    let cursor = first.body["next"].as_str().unwrap();
    let elsewhere = fleet.device.get(&format!("{}?limit=1&from=2025-01-01&after={cursor}", PATHS[0])).await;
    assert_eq!(elsewhere.status, 400, "{elsewhere:?}");
}

#[tokio::test]
async fn a_range_has_its_beginning_and_not_its_end() {
    let fleet = service::start().await;
    let ts = now() - SignedDuration::from_hours(1);
    for (seq, micros) in [(1, 0), (2, 1), (3, 1_000_000)] {
        let ts = ts + SignedDuration::from_micros(micros);
        fleet
            .device
            .send("d1", json!({"ts": ts.to_string(), "seq": seq, "metrics": {"t": 1}}).to_string())
            .await
            .accepted();
    }
    let until = |micros| ts + SignedDuration::from_micros(micros);
    for (from, to, expected) in [
        (until(0), until(1), vec![1]),
        (until(0), until(2), vec![2, 1]),
        (until(1), until(1_000_001), vec![3, 2]),
        (until(2), until(2), vec![]),
    ] {
        let answer = fleet.device.get(&format!("{}?from={from}&to={to}", PATHS[0])).await;
        assert_eq!(seqs(&answer.body["items"]), expected, "{from} {to}");
    }
}

/// The text of an answer: a JSON reader would round.
async fn text(fleet: &Fleet, path: &str) -> String {
    let request =
        fleet.device.http.get(format!("{}{path}", fleet.device.url)).bearer_auth(&fleet.device.token);
    request.send().await.unwrap().text().await.unwrap()
}

#[tokio::test]
async fn a_number_is_read_as_it_was_written() {
    let fleet = service::start().await;
    created(&fleet, "d1").await;
    // More digits than devices may send, as rows of another origin may have them.
    let number = "0.12345678901234567890";
    let ts = now();
    for (seq, metrics) in [
        (1, format!(r#"{{"t": {number}}}"#)),
        (2, r#"{"t": 0.12345678901234567892}"#.to_owned()),
        (3, r#"{"big": 12345678901234567890123}"#.to_owned()),
    ] {
        let sql = format!(
            "INSERT INTO telemetry VALUES ('test', 'd1', '{ts}', {seq}, 'default', 'telemetry', '{metrics}')"
        );
        fleet.database.execute(&sql).await.unwrap();
    }
    let page = text(&fleet, PATHS[0]).await;
    assert!(page.contains(&format!(r#""metrics":{{"t": {number}}}"#)), "{page}");
    let to = ts + SignedDuration::from_secs(60);
    let chart = text(&fleet, &format!("{}?bucket=1h&to={to}", PATHS[0])).await;
    for exact in [
        format!(r#""min":{number},"avg":0.12345678901234567891"#),
        r#""max":0.12345678901234567892,"count":2"#.to_owned(),
        r#""min":12345678901234567890123,"#.to_owned(),
    ] {
        assert!(chart.contains(&exact), "{exact} in {chart}");
    }
    for format in ["csv", "ndjson"] {
        let file = text(&fleet, &format!("{}/export?format={format}", PATHS[0])).await;
        assert!(file.contains(number) && file.contains("12345678901234567890123"), "{file}");
    }
}

#[tokio::test]
async fn a_chart_has_a_point_for_each_metric_of_each_bucket() {
    let fleet = service::start().await;
    let midnight: Timestamp = now().to_string()[..10]
        .parse::<jiff::civil::Date>()
        .unwrap()
        .at(0, 0, 0, 0)
        .to_zoned(jiff::tz::TimeZone::UTC)
        .unwrap()
        .timestamp();
    let yesterday = midnight - SignedDuration::from_hours(12);
    for (seq, seconds, t) in [(1, 0, 1.0), (2, 299, 4.0), (3, 300, 10.0)] {
        let ts = yesterday + SignedDuration::from_secs(seconds);
        let metrics = json!({"t": t, "on": true, "u": seq});
        fleet
            .device
            .send("d1", json!({"ts": ts.to_string(), "seq": seq, "metrics": metrics}).to_string())
            .await
            .accepted();
    }
    let (from, to) = (yesterday, yesterday + SignedDuration::from_secs(600));
    let path = format!("{}?bucket=5m&from={from}&to={to}", PATHS[1]);
    let all = fleet.device.get(&path).await;
    assert_eq!((all.status, &all.body["bucket_seconds"]), (200, &json!(300)));
    assert_eq!(all.body["points"].as_array().unwrap().len(), 4, "a truth value has no mean: {all:?}");
    let one = fleet.device.get(&format!("{path}&metric=t")).await;
    let points = one.body["points"].as_array().unwrap();
    let of = |n: usize| ["ts", "metric", "min", "avg", "max", "count"].map(|name| points[n][name].clone());
    let first = [json!(yesterday.to_string()), json!("t"), json!(1.0), json!(2.5), json!(4.0), json!(2)];
    assert_eq!(of(0), first);
    assert_eq!(of(1)[0], json!((yesterday + SignedDuration::from_secs(300)).to_string()));
    assert_eq!((points.len(), &points[1]["count"]), (2, &json!(1)));
    let none = fleet.device.get(&format!("{path}&metric=unknown")).await;
    assert_eq!((none.status, &none.body["points"]), (200, &json!([])));
}

#[tokio::test]
async fn what_cannot_be_asked_is_told() {
    let fleet = service::start().await;
    created(&fleet, "d1").await;
    for (query, code) in [
        ("from=2025-06-02&to=2025-06-01", "FROM_AFTER_TO"),
        ("from=2025-01-01&to=2025-06-01", "RANGE_TOO_WIDE"),
        ("from=yesterday", "BAD_INSTANT"),
        ("to=-009999-01-01T00:00:00Z", "BAD_INSTANT"),
        ("from=%00", "BAD_INSTANT"),
        ("bucket=1s", "TOO_MANY_BUCKETS"),
        ("bucket=0s", "BAD_QUERY"),
        ("bucket=1h&metric=%00", "BAD_QUERY"),
        ("bucket=1h&limit=5", "BAD_QUERY"),
        ("colour=red", "BAD_QUERY"),
        ("from=2025-06-01&from=2025-06-01", "BAD_QUERY"),
        ("limit=0", "BAD_LIMIT"),
        ("after=x", "BAD_CURSOR"),
    ] {
        for path in PATHS {
            fleet.device.get(&format!("{path}?{query}")).await.refused(400, code);
        }
    }
    for query in ["format=xlsx", "limit=5", "from=2025-06-02&to=2025-06-01", "from=2025-01-01&to=2025-06-01"]
    {
        let answer = fleet.device.get(&format!("{}/export?{query}", PATHS[0])).await;
        assert_eq!(answer.status, 400, "{query} {answer:?}");
    }
}

#[tokio::test]
async fn another_tenants_readings_are_not_there() {
    let fleet = with_readings(3).await;
    other_tenant(&fleet).await;
    for query in ["", "?bucket=1h", "/export", "/export?format=ndjson"] {
        let path = format!("{}{query}", PATHS[0]);
        let others = fleet.device.get_as(&path, Some(OTHER)).await;
        let none = fleet.device.get_as(&path.replace("d1", "none"), Some(OTHER)).await;
        assert_eq!((others.status, others.code()), (404, "DEVICE_NOT_FOUND"), "{path} {others:?}");
        assert_eq!((none.status, none.code()), (404, "DEVICE_NOT_FOUND"));
        fleet.device.get_as(&path, None).await.refused(401, "TOKEN_MISSING");
    }
}

/// The rows of other days are not looked at.
#[tokio::test]
async fn a_range_reads_only_the_partitions_of_its_days() {
    let fleet = with_readings(3).await;
    for day in 1..=5 {
        let sql = format!(
            "SELECT ensure_telemetry_partition(((now() - interval '{day} days') AT TIME ZONE 'UTC')::date)"
        );
        fleet.database.execute(&sql).await.unwrap();
    }
    let untouched = "SELECT coalesce(sum(seq_scan + coalesce(idx_scan, 0)), 0)::bigint AS n FROM pg_stat_user_tables
                     WHERE relname BETWEEN 'telemetry_' || to_char(now() AT TIME ZONE 'UTC' - interval '5 days', 'YYYYMMDD')
                                       AND 'telemetry_' || to_char(now() AT TIME ZONE 'UTC' - interval '2 days', 'YYYYMMDD')";
    let read = "SELECT coalesce(sum(idx_scan), 0)::bigint AS n FROM pg_stat_user_tables WHERE relname ~ '^telemetry_'";
    let before = (fleet.number(untouched).await, fleet.number(read).await);
    let from = now() - SignedDuration::from_mins(1);
    for query in [format!("?from={from}"), format!("?bucket=1m&from={from}")] {
        assert_eq!(fleet.device.get(&format!("{}{query}", PATHS[0])).await.status, 200);
    }
    // Sessions report what they have read within a second.
    service::until("the reading shows in the statistics", async || fleet.number(read).await > before.1).await;
    assert_eq!(fleet.number(untouched).await, before.0);
}
