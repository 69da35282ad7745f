//! How the parts of the service are, in words that hold nothing of the server's own texts.

use crate::service::Ready;
use plimsoll::{Database, Health, HealthState};
use serde_json::{Map, Value, json};

/// The whole: `healthy` only if every part is.
pub(super) async fn of_the_service(ready: Option<&Ready>) -> (HealthState, Value) {
    let Some(ready) = ready else {
        let reason = "the database has not been reached since the service started";
        let part = json!({ "status": "down", "latency_ms": null, "error": reason, "reasons": [reason] });
        let told = json!({ "status": "down", "components": { "postgres": part, "ingest": part } });
        return (HealthState::Down, told);
    };
    let health = ready.pools.system.health(true).await;
    let (ingest, ingest_state) = ingest(ready);
    let worst = health.state.max(ingest_state);
    let told = json!({
        "status": worst.to_string(),
        "components": { "postgres": postgres(&health), "ingest": ingest },
        "pools": pools(ready),
    });
    (worst, told)
}

fn postgres(health: &Health) -> Value {
    let latency = health.latency.map(|latency| u64::try_from(latency.as_millis()).unwrap_or(u64::MAX));
    json!({
        "status": health.state.to_string(),
        "latency_ms": latency,
        "connections": health.connections,
        "max_connections": health.max_connections,
        "error": error(health.state, &health.reasons),
        "reasons": health.reasons,
    })
}

/// Readings are taken while their pool lends connections.
fn ingest(ready: &Ready) -> (Value, HealthState) {
    let readiness = ready.pools.ingest.readiness();
    let state = if readiness.is_ready { HealthState::Healthy } else { HealthState::Down };
    let reasons: Vec<_> = readiness.reason.into_iter().collect();
    let told = json!({
        "status": state.to_string(),
        "latency_ms": null,
        "waiting": ready.writer.waiting(),
        "error": error(state, &reasons),
        "reasons": reasons,
    });
    (told, state)
}

/// What is wrong, in one text, where a part is down.
fn error(state: HealthState, reasons: &[String]) -> Option<String> {
    (state == HealthState::Down).then(|| reasons.join("; "))
}

fn pools(ready: &Ready) -> Value {
    let all = ready.pools.all().into_iter().map(|(name, pool)| (name.to_owned(), numbers(pool)));
    Value::Object(all.collect::<Map<_, _>>())
}

fn numbers(pool: &Database) -> Value {
    let (status, plan) = (pool.pool_status(), pool.plan());
    json!({
        "min": plan.pool_min(),
        "max": plan.pool_max(),
        "size": status.size,
        "checked_in": status.checked_in,
        "checked_out": status.checked_out,
        "overflow": status.overflow,
        "total_connections": status.total_connections,
        "waiting": status.waiting,
    })
}
