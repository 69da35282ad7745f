//! What is asked all day reads an index, and not a table from its beginning to its end: asked over HTTP with 20,000 devices and
//! 200,000 readings in the tables, and looked at as the server planned it, statements within functions included.
//!
//! `PLIMSOLL_READINGS` says how many readings there are.

use crate::asking::ask;
use crate::service::{self, Device, now};
use plimsoll_embedded::Cluster;
use serde_json::json;
use std::collections::BTreeSet;

/// Those that grow with the fleet and with time.
const LARGE: [&str; 6] = [
    "telemetry",
    "device_registry",
    "device_tags",
    "fleet_alert",
    "subscription_event_log",
    "quarantine_events",
];

/// The server writes each plan into its log.
async fn server_that_explains() -> Cluster {
    let said = [
        ("shared_preload_libraries", "auto_explain"),
        ("auto_explain.log_min_duration", "0"),
        ("auto_explain.log_nested_statements", "on"),
        ("auto_explain.log_level", "log"),
    ];
    let builder =
        said.into_iter().fold(Cluster::builder(), |builder, (name, value)| builder.setting(name, value));
    builder.start().await.unwrap()
}

async fn fill(server: &Cluster, readings: u64) {
    for sql in [
        "INSERT INTO sites (tenant_id, site_id, name) SELECT 'test', 'site-' || n, 'S' FROM generate_series(1, 50) AS n".to_owned(),
        "UPDATE subscriptions SET device_limit = 100000, active_device_count = 20000".to_owned(),
        "INSERT INTO device_registry (tenant_id, device_id, site_id, subscription_id, status, name)
         SELECT 'test', 'dev-' || n, 'site-' || (1 + n % 50), (SELECT subscription_id FROM subscriptions), 'ACTIVE', 'Device ' || n
         FROM generate_series(1, 20000) AS n".to_owned(),
        "INSERT INTO device_tags SELECT 'test', 'dev-' || n, 'tag-' || (n % 200) FROM generate_series(1, 20000) AS n".to_owned(),
        format!("INSERT INTO telemetry (tenant_id, device_id, time, seq, site_id, msg_type, metrics)
                 SELECT 'test', 'dev-' || (1 + n % 20000), now() - make_interval(secs => n / 20000), n, 'site-1', 'telemetry', '{{\"t\": 1}}'
                 FROM generate_series(1, {readings}) AS n"),
        "INSERT INTO fleet_alert (tenant_id, device_id, alert_type, fingerprint, summary, status, closed_at)
         SELECT 'test', 'dev-' || n, 'THRESHOLD', 'f' || n, 's', CASE WHEN n % 50 = 0 THEN 'OPEN' ELSE 'CLOSED' END, now()
         FROM generate_series(1, 20000) AS n".to_owned(),
        "INSERT INTO subscription_event_log (tenant_id, subscription_id, event_type, device_id, actor_type)
         SELECT 'test', (SELECT subscription_id FROM subscriptions), 'DEVICE_ADDED', 'dev-' || n, 'test' FROM generate_series(1, 20000) AS n".to_owned(),
        "INSERT INTO quarantine_events (tenant_id, device_id, msg_type, reason, payload)
         SELECT 'test', 'dev-' || n, 'telemetry', 'TOKEN_INVALID', '' FROM generate_series(1, 20000) AS n".to_owned(),
        "ANALYZE".to_owned(),
    ] {
        server.execute("fleet", &sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }
}

/// Asked often enough that the server has made its general plan of each statement.
const TIMES: usize = 8;

async fn ask_for_everything(device: &Device) {
    for n in 0..TIMES {
        for path in [
            "/customer/devices".to_owned(),
            format!("/customer/devices?tag=tag-{n}"),
            format!("/customer/devices?site_id=site-{}", n + 1),
            format!("/customer/devices/dev-{}", n + 1),
            format!("/customer/devices/dev-{}/tokens", n + 1),
            "/customer/alerts".to_owned(),
            format!("/customer/alerts/{}", n + 1),
            "/customer/subscriptions".to_owned(),
            "/customer/subscription/audit".to_owned(),
            "/customer/sites".to_owned(),
        ] {
            let answer = ask(device, "GET", &path, None).await;
            assert_eq!(answer.status, 200, "{path}: {answer:?}");
        }
        device
            .send(&format!("new-{n}"), format!(r#"{{"ts": "{}", "seq": 1, "metrics": {{"t": 1}}}}"#, now()))
            .await
            .accepted();
    }
}

async fn write_everything(device: &Device) {
    for n in 0..TIMES {
        let own = format!("/customer/devices/made-{n}");
        for (method, path, body) in [
            (
                "POST",
                "/customer/devices".to_owned(),
                json!({ "device_id": format!("made-{n}"), "tags": ["a"] }),
            ),
            ("PATCH", own.clone(), json!({ "name": "other" })),
            ("POST", format!("{own}/tokens/rotate"), json!({})),
            ("PATCH", format!("/customer/alerts/{}/acknowledge", 50 * (n + 1)), json!({})),
            ("DELETE", own.clone(), json!({})),
        ] {
            let answer = ask(device, method, &path, Some(body)).await;
            assert!((200..300).contains(&answer.status), "{method} {path}: {answer:?}");
        }
    }
}

/// The plans that read a large table as a whole, as the server has logged them.
fn whole_reads(log: &str) -> BTreeSet<String> {
    let is_large = |line: &str| {
        let scanned = line.split("Seq Scan on ").nth(1).and_then(|rest| rest.split(' ').next());
        scanned
            .is_some_and(|table| LARGE.iter().any(|large| table == *large || table.starts_with("telemetry_")))
    };
    let mut found = BTreeSet::new();
    let mut statement = "";
    for line in log.lines() {
        if line.trim_start().starts_with("Query Text: ") {
            statement = line.trim();
        }
        if is_large(line) {
            found.insert(format!("{} in {statement}", line.trim()));
        }
    }
    found
}

#[tokio::test]
async fn with_two_hundred_thousand_readings() {
    let readings = std::env::var("PLIMSOLL_READINGS").map_or(200_000, |count| count.parse().unwrap());
    let server = server_that_explains().await;
    server.create_database("fleet").await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let running = fleet::start(service::config(&server.url("fleet"), folder.path())).await.unwrap();
    let reached = running.ready().await.unwrap();
    fill(&server, readings).await;
    let device = Device::of(running.url(), reached.demo.clone().unwrap());
    let began = std::fs::read_to_string(server.log_path()).unwrap().len();
    ask_for_everything(&device).await;
    write_everything(&device).await;
    let log = std::fs::read_to_string(server.log_path()).unwrap().split_off(began);
    assert!(log.contains("Index Scan using device_registry_pkey"), "the server explains what it does");
    assert_eq!(whole_reads(&log), BTreeSet::new());
    running.stop().await;
}
