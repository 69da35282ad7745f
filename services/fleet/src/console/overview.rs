//! `GET /customer/overview`: what the console shows first, in one transaction, so that a page that is open costs the database
//! little and its figures belong together.

use crate::alerts::Severity;
use crate::alerts::alert::AlertStatus;
use crate::caller::Caller;
use crate::http::failure::Reply;
use crate::instant::StoredInstant;
use crate::oncall::board::{self, OnBoard};
use crate::service::Service;
use crate::tenants::{TenantTx, transaction};
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Json};
use jiff::Timestamp;
use plimsoll::Result;
use plimsoll_http::User;
use serde_json::{Map, Value, json};

/// Raised with every change of the form.
const SCHEMA_VERSION: u32 = 1;

const ALERTS: &str = "
    SELECT status, severity, count(*) FROM public.fleet_alert
    WHERE tenant_id = $1 AND status IN ('OPEN', 'ACKNOWLEDGED') GROUP BY status, severity";

/// The worst that are open, and of those the newest.
const WORST: &str = "
    SELECT id, severity, device_id, summary, created_at FROM public.fleet_alert
    WHERE tenant_id = $1 AND status = 'OPEN' ORDER BY severity DESC, id DESC LIMIT 5";

/// Alerts that are not closed.
#[derive(Debug, Default)]
struct Alerts {
    /// How many are open, from the least to the worst.
    open: [i64; Severity::ALL.len()],
    acknowledged: i64,
    worst: Vec<Value>,
}

/// What the console shows first.
pub(super) async fn overview(State(service): State<Service>, headers: HeaderMap) -> Reply<(User, Reply)> {
    let caller = Caller::of(&service, &headers).await?;
    Ok((caller.user(), told(&caller).await))
}

async fn told(caller: &Caller<'_>) -> Reply {
    let now = Timestamp::now();
    let call = caller.ready.pools.ui.named("overview for the console").read_only();
    let read = async |tx: TenantTx| Ok((alerts(&tx).await?, board::board(&tx, now).await?));
    let (alerts, board) = transaction::retrying(call, &caller.tenant, read).await?;
    let open: Map<String, Value> = Severity::ALL
        .into_iter()
        .zip(alerts.open)
        .map(|(severity, count)| (severity.as_str().to_owned(), count.into()))
        .collect();
    let told = json!({
        "schema_version": SCHEMA_VERSION,
        "tenant": caller.tenant.as_str(),
        "alerts": { "open": open, "acknowledged": alerts.acknowledged, "worst": alerts.worst },
        "oncall": board.iter().map(of_board).collect::<Vec<_>>(),
    });
    Ok(Json(told).into_response())
}

async fn alerts(tx: &TenantTx) -> Result<Alerts> {
    let mut alerts = Alerts::default();
    for row in tx.query(ALERTS, &[&tx.tenant()]).await? {
        let (status, number, count): (&str, i32, i64) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        if status == AlertStatus::Acknowledged.as_str() {
            alerts.acknowledged = alerts.acknowledged.saturating_add(count);
            continue;
        }
        let known = Severity::of_number(number);
        for (_, open) in
            Severity::ALL.into_iter().zip(&mut alerts.open).filter(|(one, _)| Some(*one) == known)
        {
            *open = count;
        }
    }
    for row in tx.query(WORST, &[&tx.tenant()]).await? {
        let severity = Severity::of_number(row.try_get(1)?);
        alerts.worst.push(json!({
            "alert_id": row.try_get::<_, i64>(0)?,
            "severity_name": severity.map(Severity::as_str),
            "device_id": row.try_get::<_, Option<String>>(2)?,
            "summary": row.try_get::<_, String>(3)?,
            "created_at": row.try_get::<_, StoredInstant>(4)?.to_string(),
        }));
    }
    Ok(alerts)
}

fn of_board(one: &OnBoard) -> Value {
    let who = one.who.as_ref();
    json!({
        "schedule_id": one.schedule,
        "name": one.name,
        "timezone": one.timezone,
        "responder": who.map(|who| who.responder.as_str()),
        "until": who.and_then(|who| who.until).map(|until| until.to_string()),
    })
}
