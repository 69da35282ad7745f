//! A reading that is beyond the limit of a rule opens an alert, once that has lasted as long as the rule says; there is one,
//! however many instances look and however often it happens; and it is closed by itself when it is over. No stored reading is
//! passed over, whoever is killed.

use crate::asking::ask;
use crate::boundaries::{all_or_nothing, install};
use crate::process::Process;
use crate::rules::{RESUME, alerts, hold_back, look, rule, send};
use crate::service::{self, Fleet, now, until};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

/// This many seconds ago.
fn ago(seconds: i64) -> String {
    (now() - SignedDuration::from_secs(seconds)).to_string()
}

async fn until_alerts(fleet: &Fleet, count: usize, status: &str) -> Vec<Value> {
    until(&format!("{count} alerts are {status}"), async || alerts(fleet, status).await.len() == count).await;
    alerts(fleet, status).await
}

#[tokio::test]
async fn and_it_is_closed_by_itself() {
    let fleet = service::start().await;
    let policy = json!({ "name": "p", "levels": [{ "notify_email": "a@b.c" }] });
    let policy =
        ask(&fleet.device, "POST", "/customer/escalation-policies", Some(policy)).await.body["policy_id"]
            .clone();
    let id = rule(&fleet, json!({ "severity": 4, "escalation_policy_id": policy })).await;
    send(&fleet, "d1", &ago(50), "29.9").await;
    send(&fleet, "d1", &ago(40), "30.1").await;
    let open = until_alerts(&fleet, 1, "OPEN").await;
    let alert = &open[0];
    assert_eq!(
        (&alert["alert_type"], &alert["severity"], &alert["rule_id"]),
        (&"THRESHOLD".into(), &4.into(), &id.into())
    );
    assert_eq!((&alert["device_id"], &alert["site_id"]), (&"d1".into(), &"default".into()));
    assert_eq!(alert["summary"], "hot: t of d1 is 30.1, above 30");
    assert_eq!((&alert["details"]["value"], &alert["details"]["threshold"]), (&"30.1".into(), &"30".into()));
    assert!(alert["next_escalation_at"].is_string(), "its policy is followed: {alert}");
    send(&fleet, "d1", &ago(30), "31").await;
    until("it has come again", async || alerts(&fleet, "OPEN").await[0]["trigger_count"] == 2).await;
    send(&fleet, "d1", &ago(20), "30").await;
    let closed = until_alerts(&fleet, 1, "CLOSED").await;
    assert_eq!(closed[0]["alert_id"], alert["alert_id"]);
    assert_eq!(
        (&closed[0]["details"]["resolved"]["by"], &closed[0]["details"]["resolved"]["why"]),
        (&"rule".into(), &"t is 30".into())
    );
    assert!(alerts(&fleet, "OPEN").await.is_empty());
    // Nothing is left to look at.
    assert_eq!(fleet.number("SELECT count(*) AS n FROM alert_rule_work").await, 0);
    send(&fleet, "d1", &ago(10), "31").await;
    assert_ne!(until_alerts(&fleet, 1, "OPEN").await[0]["alert_id"], alert["alert_id"]);
}

/// One tenth is one tenth.
#[tokio::test]
async fn as_decimal_numbers_are_compared() {
    let fleet = service::start().await;
    hold_back(&fleet).await;
    for (name, operator, threshold) in
        [("a", "GT", "0.3"), ("b", "GTE", "0.3"), ("c", "LT", "0.3"), ("d", "LTE", "0.30000000000000004")]
    {
        rule(&fleet, json!({ "name": name, "operator": operator, "threshold": threshold })).await;
    }
    rule(&fleet, json!({ "name": "large", "metric_name": "n", "threshold": "9007199254740992" })).await;
    for (second, value, names) in [
        (50, "0.3", "b d"),
        (40, "0.30000000000000004", "a b d"),
        (30, "0.1", "c d"),
        (20, "true", "c d"),
        (10, "0.5", "a b"),
    ] {
        send(&fleet, "d1", &ago(second), value).await;
        assert_eq!(look(&fleet).await, Some(1));
        let mut open: Vec<String> = alerts(&fleet, "OPEN")
            .await
            .iter()
            .map(|one| one["summary"].as_str().unwrap()[..1].to_owned())
            .collect();
        open.sort_unstable();
        assert_eq!(open.join(" "), names, "{value}");
    }
    let body = format!(r#"{{"ts": "{}", "seq": 1, "metrics": {{"n": 9007199254740993}}}}"#, ago(5));
    fleet.device.send("d1", body).await.accepted();
    look(&fleet).await.unwrap();
    assert!(
        alerts(&fleet, "OPEN").await.iter().any(|one| one["summary"].as_str().unwrap().starts_with("large"))
    );
}

#[tokio::test]
async fn after_its_duration_at_its_sites_and_with_late_readings() {
    let fleet = service::start().await;
    hold_back(&fleet).await;
    // All of them are counted from one moment.
    let began = now();
    let ago = |seconds: i64| (began - SignedDuration::from_secs(seconds)).to_string();
    rule(&fleet, json!({ "name": "long", "duration_seconds": 60 })).await;
    rule(&fleet, json!({ "name": "elsewhere", "site_ids": ["s2"] })).await;
    rule(&fleet, json!({ "name": "off", "enabled": false })).await;
    for (second, value, count) in
        [(300, "31", 0), (250, "31", 0), (245, "29", 0), (240, "31", 0), (181, "31", 0), (180, "31", 1)]
    {
        send(&fleet, "d1", &ago(second), value).await;
        look(&fleet).await.unwrap();
        assert_eq!(alerts(&fleet, "OPEN").await.len(), count, "{second} s ago");
    }
    // One that comes late ends nothing, and the next in time does.
    send(&fleet, "d1", &ago(200), "29").await;
    look(&fleet).await.unwrap();
    assert_eq!(alerts(&fleet, "OPEN").await.len(), 1);
    send(&fleet, "d1", &ago(170), "29").await;
    look(&fleet).await.unwrap();
    assert_eq!(alerts(&fleet, "OPEN").await.len(), 0);
    // Without a duration a late one is not passed over either.
    rule(&fleet, json!({ "name": "short" })).await;
    for (second, value, count) in [(20, "29", 0), (25, "31", 1), (10, "29", 0)] {
        send(&fleet, "d1", &ago(second), value).await;
        look(&fleet).await.unwrap();
        assert_eq!(alerts(&fleet, "OPEN").await.len(), count, "{second} s ago");
    }
    // Two that are looked at together are looked at in the order of their times.
    let all = "SELECT count(*) AS n FROM fleet_alert";
    let before = fleet.number(all).await;
    send(&fleet, "d1", &ago(5), "29").await;
    send(&fleet, "d1", &ago(8), "31").await;
    assert_eq!(look(&fleet).await, Some(2));
    assert_eq!((alerts(&fleet, "OPEN").await.len(), fleet.number(all).await), (0, before + 1));
}

/// A tenant without rules writes no notes, and a repetition of a reading is none.
#[tokio::test]
async fn and_only_for_what_is_stored_and_looked_at() {
    let fleet = service::start().await;
    hold_back(&fleet).await;
    let notes = "SELECT count(*) AS n FROM alert_rule_work";
    send(&fleet, "d1", &ago(50), "31").await;
    rule(&fleet, json!({ "kind": "NO_HEARTBEAT" })).await;
    rule(&fleet, json!({ "enabled": false })).await;
    send(&fleet, "d1", &ago(40), "31").await;
    assert_eq!(fleet.number(notes).await, 0);
    rule(&fleet, json!({})).await;
    let again = ago(30);
    send(&fleet, "d1", &again, "31").await;
    send(&fleet, "d1", &again, "31").await;
    assert_eq!(fleet.number(notes).await, 1);
    assert_eq!(look(&fleet).await, Some(1));
    assert_eq!(alerts(&fleet, "OPEN").await[0]["trigger_count"], 1);
}

#[tokio::test]
async fn whole_or_not_at_all() {
    let fleet = service::start().await;
    hold_back(&fleet).await;
    rule(&fleet, json!({})).await;
    send(&fleet, "d1", &ago(50), "31").await;
    install(&fleet).await;
    let is_done = |done: &Option<usize>| *done == Some(1);
    all_or_nothing(&fleet, "open by rule", is_done, async || look(&fleet).await).await;
    send(&fleet, "d1", &ago(40), "29").await;
    all_or_nothing(&fleet, "close by rule", is_done, async || look(&fleet).await).await;
    assert_eq!(alerts(&fleet, "CLOSED").await.len(), 1);
}

#[tokio::test]
async fn with_two_instances_that_look() {
    let first = service::start().await;
    let second = fleet::start(service::config(&first.database.url(), first.folder.path())).await.unwrap();
    second.ready().await.unwrap();
    rule(&first, json!({})).await;
    let began = now() - SignedDuration::from_secs(600);
    let time = |number: i64| -> Timestamp { began + SignedDuration::from_secs(number) };
    let ready = [first.running.service().unwrap(), second.service().unwrap()];
    for number in 0..30 {
        for device in ["d1", "d2", "d3"] {
            send(&first, device, &time(number).to_string(), "31").await;
        }
        let looks = ready
            .iter()
            .flat_map(|ready| [0, 1].map(|_| fleet::alert_rules::evaluate::once(&ready.pools.ops_worker)));
        for look in futures_util::future::join_all(looks).await {
            look.unwrap();
        }
    }
    until("all of it was looked at", async || {
        first.number("SELECT count(*) AS n FROM alert_rule_work").await == 0
    })
    .await;
    assert_eq!(first.number("SELECT count(*) AS n FROM fleet_alert").await, 3);
    let seen = format!("SELECT count(*) AS n FROM alert_rule_state WHERE newest = '{}'", time(29));
    assert_eq!(first.number(&seen).await, 3);
    second.stop().await;
}

/// Killed after its readings were acknowledged and before a rule has looked at them.
#[tokio::test]
async fn after_the_one_that_stored_it_was_killed() {
    let fleet = service::start().await;
    rule(&fleet, json!({})).await;
    hold_back(&fleet).await;
    let mut process = Process::start(&fleet.database.url(), &[]).await;
    let body = format!(r#"{{"ts": "{}", "seq": 1, "metrics": {{"t": 31}}}}"#, ago(5));
    process.device.send("d1", body).await.accepted();
    process.child.kill().await.unwrap();
    assert_eq!(fleet.number("SELECT count(*) AS n FROM fleet_alert").await, 0);
    fleet.database.execute(RESUME).await.unwrap();
    until_alerts(&fleet, 1, "OPEN").await;
}
