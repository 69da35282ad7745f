//! A rule is made, shown, changed and deleted by its tenant, and its limit is the decimal number that was written. Whatever its
//! alerts would wait for in vain closes them, in the same transaction.

use crate::asking::{OTHER, ask, ask_as, content, other_tenant};
use crate::boundaries::{all_or_nothing, install};
use crate::rules::{PATH, alerts, hold_back, look, rule, send};
use crate::service::{self, Answer, now};
use fleet::alert_rules::rule::{OPERATORS, RuleKind};
use serde_json::{Value, json};

#[tokio::test]
async fn through_its_whole_life() {
    let fleet = service::start().await;
    let text = r#"{"name": "hot", "metric_name": "t", "operator": "GTE", "threshold": 0.30, "duration_seconds": 60,
                   "severity": 5, "site_ids": ["default"]}"#;
    let made = ask_as(&fleet.device, Some(&fleet.device.token), "POST", PATH, Some(text.to_owned())).await;
    assert_eq!((made.status, &made.body["threshold"]), (201, &"0.30".into()), "{made:?}");
    assert_eq!(
        (&made.body["kind"], &made.body["severity"], &made.body["enabled"]),
        (&"THRESHOLD".into(), &5.into(), &true.into())
    );
    let own = format!("/api/v1{PATH}/{}", made.body["rule_id"]);
    assert_eq!(ask(&fleet.device, "GET", &own, None).await.body, made.body);
    let precise = json!({ "name": "n", "metric_name": "t", "operator": "LT", "threshold": "-0.12345678901234567890123456789" });
    let changed = ask(&fleet.device, "PUT", &own, Some(precise)).await;
    assert_eq!(
        (changed.status, &changed.body["threshold"]),
        (200, &"-0.12345678901234567890123456789".into())
    );
    assert_eq!((&changed.body["severity"], &changed.body["site_ids"]), (&3.into(), &json!([])));
    let silent = json!({ "name": "s", "kind": "NO_HEARTBEAT", "duration_seconds": 60 });
    let silent = ask(&fleet.device, "PUT", &own, Some(silent)).await;
    assert_eq!(
        (silent.status, &silent.body["threshold"], &silent.body["metric_name"]),
        (200, &Value::Null, &Value::Null)
    );
    let listed = ask(&fleet.device, "GET", &format!("{PATH}?limit=1"), None).await;
    assert_eq!((&listed.body["rules"], &listed.body["next"]), (&json!([silent.body]), &Value::Null));
    assert_eq!(ask(&fleet.device, "DELETE", &own, None).await.status, 204);
    for (method, body) in [("GET", None), ("PUT", Some(silent.body)), ("DELETE", None)] {
        let body =
            body.map(|_: Value| json!({ "name": "s", "kind": "NO_HEARTBEAT", "duration_seconds": 60 }));
        ask(&fleet.device, method, &own, body).await.refused(404, "NOT_FOUND");
    }
}

#[tokio::test]
async fn and_what_cannot_be_is_refused() {
    let fleet = service::start().await;
    for bad in [
        json!({ "name": "", "metric_name": "t", "operator": "GT", "threshold": 1 }),
        json!({ "name": "n", "metric_name": "t", "operator": "EQ", "threshold": 1 }),
        json!({ "name": "n", "metric_name": "t", "operator": "GT" }),
        json!({ "name": "n", "metric_name": "t", "operator": "GT", "threshold": "hot" }),
        json!({ "name": "n", "metric_name": "t", "operator": "GT", "threshold": 1, "severity": 0 }),
        json!({ "name": "n", "metric_name": "t", "operator": "GT", "threshold": 1, "severity": 6 }),
        json!({ "name": "n", "kind": "NO_HEARTBEAT" }),
        json!({ "name": "n", "kind": "ANOMALY", "duration_seconds": 1 }),
    ] {
        ask(&fleet.device, "POST", PATH, Some(bad)).await.refused(400, "INVALID_RULE");
    }
    let none = json!({ "name": "n", "metric_name": "t", "operator": "GT", "threshold": 1, "escalation_policy_id": 987 });
    ask(&fleet.device, "POST", PATH, Some(none.clone())).await.refused(400, "UNKNOWN_POLICY");
    let id = rule(&fleet, json!({})).await;
    ask(&fleet.device, "PUT", &format!("{PATH}/{id}"), Some(none)).await.refused(400, "UNKNOWN_POLICY");
    ask(&fleet.device, "GET", &format!("{PATH}/x"), None).await.refused(400, "INVALID_ID");
    let more = "INSERT INTO alert_rules (tenant_id, name, kind, duration_seconds)
                SELECT 'test', 'n', 'NO_HEARTBEAT', 60 FROM generate_series(1, 199)";
    fleet.database.execute(more).await.unwrap();
    let one = json!({ "name": "n", "kind": "NO_HEARTBEAT", "duration_seconds": 60 });
    ask(&fleet.device, "POST", PATH, Some(one)).await.refused(409, "TOO_MANY_RULES");
    for (constraint, of_code) in [
        ("alert_rules_kind", RuleKind::ALL.map(RuleKind::as_str).to_vec()),
        ("alert_rules_operator", OPERATORS.to_vec()),
    ] {
        let sql = format!(
            "SELECT pg_get_constraintdef(oid) AS text FROM pg_constraint WHERE conname = '{constraint}'"
        );
        let rows = fleet.database.execute(&sql).await.unwrap();
        assert_eq!(
            rows[0]["text"].split('\'').skip(1).step_by(2).collect::<Vec<_>>(),
            of_code,
            "{constraint}"
        );
    }
}

#[tokio::test]
async fn and_another_tenants_is_not_there() {
    let fleet = service::start().await;
    other_tenant(&fleet).await;
    let id = rule(&fleet, json!({})).await;
    let before = content(&fleet, &["alert_rules"]).await;
    let change = json!({ "name": "n", "kind": "NO_HEARTBEAT", "duration_seconds": 60 }).to_string();
    for (method, body) in [("GET", None), ("PUT", Some(change)), ("DELETE", None)] {
        ask_as(&fleet.device, Some(OTHER), method, &format!("{PATH}/{id}"), body)
            .await
            .refused(404, "NOT_FOUND");
    }
    assert_eq!(ask_as(&fleet.device, Some(OTHER), "GET", PATH, None).await.body["rules"], json!([]));
    assert_eq!(content(&fleet, &["alert_rules"]).await, before);
}

/// A policy that is deleted leaves its rules, which follow the tenant's default from then on.
#[tokio::test]
async fn and_outlives_its_policy() {
    let fleet = service::start().await;
    let policies = "/customer/escalation-policies";
    let policy = ask(&fleet.device, "POST", policies, Some(json!({ "name": "p", "levels": [] }))).await;
    let policy = policy.body["policy_id"].clone();
    let id = rule(&fleet, json!({ "escalation_policy_id": policy })).await;
    assert_eq!(ask(&fleet.device, "DELETE", &format!("{policies}/{policy}"), None).await.status, 204);
    let kept = ask(&fleet.device, "GET", &format!("{PATH}/{id}"), None).await;
    assert_eq!((kept.status, &kept.body["escalation_policy_id"]), (200, &Value::Null), "{kept:?}");
}

/// With an open alert under it.
#[tokio::test]
async fn and_what_it_has_opened_goes_with_it_or_stays() {
    let fleet = service::start().await;
    hold_back(&fleet).await;
    let (changed, deleted) = (rule(&fleet, json!({})).await, rule(&fleet, json!({ "threshold": 20 })).await);
    send(&fleet, "d1", &now().to_string(), "31").await;
    assert_eq!(look(&fleet).await, Some(1));
    assert_eq!(alerts(&fleet, "OPEN").await.len(), 2);
    install(&fleet).await;
    let is_success = |answer: &Answer| (200..300).contains(&answer.status);
    let own = format!("{PATH}/{changed}");
    // Its name may change, and its alert stays.
    let named =
        json!({ "name": "warm", "metric_name": "t", "operator": "GT", "threshold": "30", "severity": 1 });
    let rename = async || ask(&fleet.device, "PUT", &own, Some(named.clone())).await;
    assert_eq!(all_or_nothing(&fleet, "rename", is_success, rename).await, 3);
    assert_eq!(alerts(&fleet, "OPEN").await.len(), 2);
    let off =
        json!({ "name": "warm", "metric_name": "t", "operator": "GT", "threshold": "30", "enabled": false });
    let turn_off = async || ask(&fleet.device, "PUT", &own, Some(off.clone())).await;
    assert_eq!(all_or_nothing(&fleet, "turn off", is_success, turn_off).await, 9);
    let closed = alerts(&fleet, "CLOSED").await;
    assert_eq!(closed[0]["details"]["resolved"]["why"], "the rule was changed or turned off", "{closed:?}");
    let delete = async || ask(&fleet.device, "DELETE", &format!("{PATH}/{deleted}"), None).await;
    assert_eq!(all_or_nothing(&fleet, "delete", is_success, delete).await, 9);
    assert_eq!((alerts(&fleet, "OPEN").await.len(), alerts(&fleet, "CLOSED").await.len()), (0, 2));
}
