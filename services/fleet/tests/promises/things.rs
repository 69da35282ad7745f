//! One of everything that a tenant can have, with ids to fill into paths, and a body for each path that takes one.

use crate::alerts::{cause, open};
use crate::asking::{ask, text};
use crate::service::Fleet;
use fleet::alerts::Severity;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The word that is in everything of the first tenant's here, and in nothing else.
pub(crate) const MARK: &str = "zebra";

/// An id for each kind of thing, by the part of a path that stands before it.
pub(crate) type Ids = BTreeMap<&'static str, String>;

/// Ids of nothing that any tenant has.
pub(crate) fn of_nothing() -> Ids {
    let uuid = "00000000-0000-4000-8000-000000000000";
    [
        ("devices", "nobody"),
        ("tags", "no-such-tag"),
        ("tokens", uuid),
        ("alerts", "987654321"),
        ("alert-rules", "987654321"),
        ("escalation-policies", "987654321"),
        ("schedules", "987654321"),
        ("overrides", "987654321"),
        ("integrations", uuid),
        ("integration-routes", uuid),
        ("subscriptions", "SUB-19990101-00001"),
        ("sites", "nowhere"),
    ]
    .map(|(kind, id)| (kind, id.to_owned()))
    .into()
}

/// The kinds of things that a path names: each parameter by the part before it.
pub(crate) fn named(path: &'static str) -> Vec<&'static str> {
    let parts: Vec<&str> = path.split('/').collect();
    parts.windows(2).filter(|two| two[1] == "{}").map(|two| two[0]).collect()
}

/// The path of these things.
pub(crate) fn filled(path: &'static str, ids: &Ids) -> String {
    let mut filled = path.to_owned();
    for kind in named(path) {
        let id = ids.get(kind).unwrap_or_else(|| panic!("{path}: no {kind} are made in things.rs"));
        filled = filled.replacen("{}", id, 1);
    }
    filled
}

async fn make(fleet: &Fleet, path: &str, id: &str, body: Value) -> String {
    let made = ask(&fleet.device, "POST", path, Some(body)).await;
    assert_eq!(made.status, 201, "{path}: {made:?}");
    made.body[id].as_str().map_or_else(|| made.body[id].to_string(), str::to_owned)
}

/// One of each for the first tenant, with this number in its name. Nothing of it is sent or looked at in the background, so that
/// it stays as it is.
pub(crate) async fn of_the_first_tenant(fleet: &Fleet, number: usize) -> Ids {
    let name = format!("{MARK}-{number}");
    let mut ids = Ids::new();
    let site = format!("INSERT INTO sites (tenant_id, site_id, name) VALUES ('test', '{name}', '{name}')");
    fleet.database.execute(&site).await.unwrap();
    ids.insert("sites", name.clone());
    let subscription = "SELECT min(subscription_id) AS s FROM subscriptions WHERE tenant_id = 'test'";
    ids.insert("subscriptions", text(fleet, subscription).await);
    let device = json!({ "device_id": name, "name": name, "tags": [name] });
    ids.insert("devices", make(fleet, "/customer/devices", "device_id", device).await);
    ids.insert("tags", name.clone());
    reading(fleet, &name).await;
    let counts = format!("FROM device_api_tokens WHERE device_id = '{name}' AND revoked_at IS NULL");
    ids.insert("tokens", text(fleet, &format!("SELECT token_id::text AS s {counts}")).await);
    ids.insert("alerts", open(fleet, "test", &cause(&name, Severity::High)).await.id.to_string());
    let rule =
        json!({ "name": name, "metric_name": name, "operator": "GT", "threshold": 1, "enabled": false });
    ids.insert("alert-rules", make(fleet, "/customer/alert-rules", "rule_id", rule).await);
    let schedule = json!({ "name": name, "layers": [{ "responders": [name] }] });
    let schedule = make(fleet, "/customer/oncall/schedules", "schedule_id", schedule).await;
    let stand = json!({ "responder": name, "start": "2030-01-01T00:00:00Z", "end": "2030-01-02T00:00:00Z" });
    let path = format!("/customer/oncall/schedules/{schedule}/overrides");
    ids.insert("overrides", make(fleet, &path, "override_id", stand).await);
    ids.insert("schedules", schedule);
    let policy = json!({ "name": name, "levels": [{ "notify_email": format!("{MARK}@example.com") }] });
    ids.insert(
        "escalation-policies",
        make(fleet, "/customer/escalation-policies", "policy_id", policy).await,
    );
    let place = integration(&name);
    let place = make(fleet, "/customer/integrations", "integration_id", place).await;
    let route = json!({ "integration_id": place, "name": name, "enabled": false });
    ids.insert("integration-routes", make(fleet, "/customer/integration-routes", "route_id", route).await);
    message(fleet, &ids["alerts"], &place, &ids["integration-routes"]).await;
    ids.insert("integrations", place);
    ids
}

/// A reading of this device with a new token of its own, whose metric has the device's name.
async fn reading(fleet: &Fleet, device: &str) {
    let token = ask(&fleet.device, "POST", &format!("/customer/devices/{device}/tokens/rotate"), None).await;
    let token = token.body["provision_token"].as_str().unwrap().to_owned();
    let path = format!("/ingest/tenant/test/device/{device}/telemetry");
    let body = json!({ "metrics": { device: 1 } }).to_string();
    fleet.device.send_to(&path, Some(&token), body).await.accepted();
}

fn integration(name: &str) -> Value {
    json!({ "name": name, "type": "email", "config": { "to": [format!("{MARK}@example.com")] }, "enabled": false })
}

/// A message that was sent, with a try.
async fn message(fleet: &Fleet, alert: &str, place: &str, route: &str) {
    let sql = format!(
        "WITH job AS (INSERT INTO delivery_jobs (tenant_id, alert_id, event, route_id, integration_id, channel, payload, status,
                                                 attempts, last_error, finished_at)
                      VALUES ('test', {alert}, 'OPEN', '{route}', '{place}', 'email', '{{}}', 'SENT', 1, '{MARK}', now())
                      RETURNING job_id)
         INSERT INTO delivery_attempts (tenant_id, job_id, attempt, finished_at, outcome, error)
         SELECT 'test', job_id, 1, now(), 'SENT', '{MARK}' FROM job"
    );
    fleet.database.execute(&sql).await.unwrap();
}

/// What this path takes, valid for a tenant that has things of these ids: the first is as it is usually sent, the others name
/// more. No body is an empty list.
pub(crate) fn bodies(method: &str, path: &str, ids: &Ids) -> Vec<String> {
    let number = |kind: &str| ids[kind].parse::<i64>().unwrap();
    let text = |kind: &str| ids[kind].clone();
    let new = format!("new-{}", ids["sites"]);
    let bodies = match (method, path) {
        ("POST", "/customer/devices/import") => {
            let head = "name,device_type,device_id,site_id,subscription_id";
            return vec![format!(
                "{head}\nn,t,csv-{},{},{}\n",
                ids["sites"], ids["sites"], ids["subscriptions"]
            )];
        }
        ("POST", "/customer/devices") => vec![
            json!({ "device_id": new, "subscription_id": text("subscriptions") }),
            json!({ "device_id": format!("{new}-2"), "site_id": text("sites") }),
        ],
        ("PATCH", "/customer/devices/{}") => {
            vec![json!({ "name": "taken", "tags": ["taken"] }), json!({ "site_id": text("sites") })]
        }
        ("PUT" | "POST", "/customer/devices/{}/tags") => vec![json!({ "tags": ["taken"] })],
        ("PATCH", "/customer/alerts/{}/acknowledge") => vec![json!({ "acknowledged_by": "mallory" })],
        ("PATCH", "/customer/alerts/{}/silence") => vec![json!({ "minutes": 5 })],
        ("POST" | "PUT", "/customer/alert-rules" | "/customer/alert-rules/{}") => {
            let policy = number("escalation-policies");
            let rule = json!({ "name": "taken", "metric_name": "m", "operator": "GT", "threshold": 1, "enabled": false });
            let mut of_policy = rule.clone();
            of_policy["escalation_policy_id"] = policy.into();
            of_policy["site_ids"] = json!([text("sites")]);
            vec![of_policy, rule]
        }
        ("POST" | "PUT", "/customer/escalation-policies" | "/customer/escalation-policies/{}") => {
            let level = json!({ "oncall_schedule_id": number("schedules") });
            vec![
                json!({ "name": "taken", "levels": [level] }),
                json!({ "name": "taken", "is_default": true }),
            ]
        }
        ("POST" | "PUT", "/customer/oncall/schedules" | "/customer/oncall/schedules/{}") => {
            vec![json!({ "name": "taken", "layers": [{ "responders": ["mallory"] }] })]
        }
        ("POST", "/customer/oncall/schedules/{}/overrides") => {
            let (start, end) = ("2031-01-01T00:00:00Z", "2031-01-02T00:00:00Z");
            vec![json!({ "responder": "mallory", "start": start, "end": end })]
        }
        ("POST" | "PUT", "/customer/integrations" | "/customer/integrations/{}") => {
            let config = json!({ "to": ["mallory@example.com"] });
            vec![json!({ "name": "taken", "type": "email", "config": config, "enabled": false })]
        }
        ("POST" | "PUT", "/customer/integration-routes" | "/customer/integration-routes/{}") => {
            vec![json!({ "integration_id": text("integrations"), "name": "taken", "enabled": false })]
        }
        ("POST", "/customer/subscription/renew" | "/subscription/renew") => {
            let devices = [text("devices")];
            vec![
                json!({ "subscription_id": text("subscriptions"), "new_device_limit": 5000 }),
                json!({ "subscription_id": text("subscriptions"), "devices_to_deactivate": devices }),
                json!({ "subscription_id": "SUB-20250101-00077", "devices_to_deactivate": devices }),
            ]
        }
        ("GET" | "DELETE", _)
        | ("PATCH", "/customer/alerts/{}/close" | "/customer/devices/{}/decommission")
        | ("POST", "/customer/devices/{}/tokens/rotate") => vec![],
        _ => panic!("{method} {path} takes a body that is not known here: add one that is valid"),
    };
    bodies.into_iter().map(|body| body.to_string()).collect()
}
