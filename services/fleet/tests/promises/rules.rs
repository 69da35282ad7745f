//! Rules to begin with, readings for them, and a way to keep the background from looking before a test does.

use crate::asking::ask;
use crate::service::Fleet;
use fleet::alert_rules::{evaluate, silence};
use fleet::tenants::{TenantId, TenantTx, transaction};
use serde_json::{Value, json};

pub(crate) const PATH: &str = "/customer/alert-rules";

/// A rule about the metric `t` above 30; `more` says what is not as usual. Gives its number.
pub(crate) async fn rule(fleet: &Fleet, more: Value) -> i64 {
    let mut body = json!({ "name": "hot", "metric_name": "t", "operator": "GT", "threshold": "30" });
    if more["kind"] == "NO_HEARTBEAT" {
        body = json!({ "name": "silent", "duration_seconds": 60 });
    }
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    let made = ask(&fleet.device, "POST", PATH, Some(body)).await;
    assert_eq!(made.status, 201, "{made:?}");
    made.body["rule_id"].as_i64().unwrap()
}

/// A reading of this device.
pub(crate) async fn send(fleet: &Fleet, device: &str, ts: &str, value: &str) {
    let body = format!(r#"{{"ts": "{ts}", "seq": 1, "metrics": {{"t": {value}}}}}"#);
    fleet.device.send(device, body).await.accepted();
}

/// The background finds nothing to do from here on, until [`resume`].
pub(crate) async fn hold_back(fleet: &Fleet) {
    let sql = "
        ALTER FUNCTION tenants_with_rule_work(integer) RENAME TO held_rule_work;
        ALTER FUNCTION tenants_with_silence_rules(text, integer) RENAME TO held_silence_rules;
        CREATE FUNCTION tenants_with_rule_work(integer) RETURNS SETOF text LANGUAGE sql AS 'SELECT NULL::text WHERE false';
        CREATE FUNCTION tenants_with_silence_rules(text, integer) RETURNS SETOF text LANGUAGE sql
            AS 'SELECT NULL::text WHERE false'";
    fleet.database.execute(sql).await.unwrap();
    // One that has begun before ends first.
    let busy = "SELECT count(*) AS n FROM pg_stat_activity
                WHERE application_name = 'fleet-ops_worker' AND datname = current_database() AND state <> 'idle'";
    crate::service::until("the background is idle", async || fleet.number(busy).await == 0).await;
}

pub(crate) const RESUME: &str = "
    DROP FUNCTION tenants_with_rule_work(integer), tenants_with_silence_rules(text, integer);
    ALTER FUNCTION held_rule_work(integer) RENAME TO tenants_with_rule_work;
    ALTER FUNCTION held_silence_rules(text, integer) RENAME TO tenants_with_silence_rules";

/// Looks at the readings of the tenant `test` once; whether that could be done.
pub(crate) async fn look(fleet: &Fleet) -> Option<usize> {
    let db = &fleet.running.service().unwrap().pools.ops_worker;
    let work = async |tx: TenantTx| evaluate::step(&tx).await;
    transaction::once(db.named("look"), &TenantId::parse("test").unwrap(), work).await.ok()
}

/// Looks for silent devices of the tenant `test` once; whether that could be done.
pub(crate) async fn listen(fleet: &Fleet) -> Option<silence::Silence> {
    let db = &fleet.running.service().unwrap().pools.ops_worker;
    let work = async |tx: TenantTx| silence::step(&tx).await;
    transaction::once(db.named("listen"), &TenantId::parse("test").unwrap(), work).await.ok()
}

/// The alerts in this state, as they are listed.
pub(crate) async fn alerts(fleet: &Fleet, status: &str) -> Vec<Value> {
    let listed = ask(&fleet.device, "GET", &format!("/customer/alerts?status={status}"), None).await;
    listed.body["alerts"].as_array().unwrap().clone()
}
