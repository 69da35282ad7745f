//! Alerts in SQL. Each statement addresses an alert by its `id` and its tenant.
//!
//! A state is changed by one UPDATE that says from which state: of two who acknowledge at once, one finds it OPEN. What is told
//! of that is written with it ([`enqueue`]).

use super::Severity;
use super::alert::{AlertStatus, Cause};
use crate::delivery::enqueue;
use crate::instant::StoredInstant;
use crate::tenants::TenantTx;
use plimsoll::tokio_postgres::Row;
use plimsoll::{Error, Result};
use serde_json::Value;

/// Its own columns in the order of [`alert`].
macro_rules! columns {
    () => {
        "id, site_id, device_id, alert_type, fingerprint, status, severity, summary, details::text, created_at, closed_at,
         silenced_until, acknowledged_by, acknowledged_at, escalation_level, escalated_at, next_escalation_at,
         trigger_count, last_triggered_at, rule_id"
    };
}

/// The same cause again is counted, and its alert is as bad as the worst of them. A policy and when it is due are taken when it
/// is opened: that of the cause, or the tenant's default.
const OPEN: &str = "
    INSERT INTO public.fleet_alert AS a (tenant_id, fingerprint, alert_type, severity, site_id, device_id, summary,
                                         escalation_policy_id, next_escalation_at, rule_id, details)
    SELECT $1, $2, $3, $4, $5, $6, $7, policy, CASE WHEN policy IS NOT NULL THEN now() END, $9, $10::text::jsonb
    FROM (SELECT coalesce($8, (SELECT policy_id FROM public.escalation_policies
                               WHERE tenant_id = $1 AND is_default)) AS policy) AS follows
    ON CONFLICT (tenant_id, fingerprint) WHERE status IN ('OPEN', 'ACKNOWLEDGED')
    DO UPDATE SET trigger_count = a.trigger_count + 1, last_triggered_at = now(),
                  severity = greatest(a.severity, excluded.severity)
    RETURNING a.id, a.trigger_count = 1";

const OF_IDS: &str =
    concat!("SELECT ", columns!(), " FROM public.fleet_alert WHERE tenant_id = $1 AND id = ANY ($2)");

const GET: &str = concat!("SELECT ", columns!(), " FROM public.fleet_alert WHERE id = $2 AND tenant_id = $1");

const PAGE: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM public.fleet_alert WHERE tenant_id = $1 AND status = $2 AND id < $3 ORDER BY id DESC LIMIT $4"
);

const ACKNOWLEDGE: &str = concat!(
    "UPDATE public.fleet_alert
     SET status = 'ACKNOWLEDGED', acknowledged_by = $3, acknowledged_at = now(), next_escalation_at = NULL
     WHERE id = $2 AND tenant_id = $1 AND status = 'OPEN' RETURNING ",
    columns!()
);

const CLOSE: &str = concat!(
    "UPDATE public.fleet_alert SET status = 'CLOSED', closed_at = now(), next_escalation_at = NULL
     WHERE id = $2 AND tenant_id = $1 AND status IN ('OPEN', 'ACKNOWLEDGED') RETURNING ",
    columns!()
);

const CLOSE_ALL: &str = concat!(
    "UPDATE public.fleet_alert
     SET status = 'CLOSED', closed_at = now(), next_escalation_at = NULL, details = details || $3::text::jsonb
     WHERE tenant_id = $1 AND id = ANY ($2) AND status IN ('OPEN', 'ACKNOWLEDGED') RETURNING ",
    columns!()
);

const SILENCE: &str = concat!(
    "UPDATE public.fleet_alert SET silenced_until = now() + make_interval(mins => $3)
     WHERE id = $2 AND tenant_id = $1 AND status IN ('OPEN', 'ACKNOWLEDGED') RETURNING ",
    columns!()
);

/// An alert as it is stored.
#[derive(Clone, Debug)]
pub struct Stored {
    /// Its number.
    pub id: i64,
    /// At which site.
    pub site: Option<String>,
    /// Of which device.
    pub device: Option<String>,
    /// What it is about.
    pub kind: String,
    /// What two of them have in common that are one.
    pub fingerprint: String,
    /// Its state.
    pub status: String,
    /// How bad it is.
    pub severity: Severity,
    /// In a sentence.
    pub summary: String,
    /// Whatever else there is, as JSON.
    pub details: String,
    /// Since when.
    pub created_at: StoredInstant,
    /// Until when.
    pub closed_at: Option<StoredInstant>,
    /// Until when it is not escalated.
    pub silenced_until: Option<StoredInstant>,
    /// Who looks at it.
    pub acknowledged_by: Option<String>,
    /// Since when somebody does.
    pub acknowledged_at: Option<StoredInstant>,
    /// The level that was told last.
    pub escalation_level: i32,
    /// When that was.
    pub escalated_at: Option<StoredInstant>,
    /// When the next one is told.
    pub next_escalation_at: Option<StoredInstant>,
    /// How often its cause has come.
    pub trigger_count: i64,
    /// When that was last.
    pub last_triggered_at: StoredInstant,
    /// The rule that has found it, if one has.
    pub rule: Option<i64>,
}

/// The alert of a cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opened {
    /// Its number.
    pub id: i64,
    /// Whether there was none of this cause before.
    pub is_new: bool,
}

/// Opens an alert, or counts the cause with the one that is open.
///
/// # Errors
/// As any statement's.
///
/// # Cancel safety
/// It goes with the transaction.
pub async fn open(tx: &TenantTx, cause: &Cause) -> Result<Opened> {
    let (kind, severity) = (cause.kind.as_str(), cause.severity.number());
    let details = cause.details.to_string();
    let row = tx
        .query_one(
            OPEN,
            &[
                &tx.tenant(),
                &cause.fingerprint,
                &kind,
                &severity,
                &cause.site,
                &cause.device,
                &cause.summary,
                &cause.policy,
                &cause.rule,
                &details,
            ],
        )
        .await?;
    let opened = Opened { id: row.try_get(0)?, is_new: row.try_get(1)? };
    if opened.is_new {
        told(tx, AlertStatus::Open, get(tx, opened.id).await?).await?;
    }
    Ok(opened)
}

/// The alert of this number.
///
/// # Errors
/// As any statement's.
///
/// # Cancel safety
/// Only reads.
pub async fn get(tx: &TenantTx, id: i64) -> Result<Option<Stored>> {
    tx.query_opt(GET, &[&tx.tenant(), &id]).await?.as_ref().map(alert).transpose()
}

/// Up to `limit` alerts in this state with numbers below `below`, the newest first.
///
/// # Errors
/// As any statement's.
///
/// # Cancel safety
/// Only reads.
pub async fn page(tx: &TenantTx, status: AlertStatus, below: i64, limit: i64) -> Result<Vec<Stored>> {
    let rows = tx.query(PAGE, &[&tx.tenant(), &status.as_str(), &below, &limit]).await?;
    rows.iter().map(alert).collect()
}

/// Somebody looks at it, and it is escalated no further. Nothing if it is not there, or not OPEN.
///
/// # Errors
/// As any statement's.
///
/// # Cancel safety
/// It goes with the transaction.
pub async fn acknowledge(tx: &TenantTx, id: i64, by: &str) -> Result<Option<Stored>> {
    let row = tx.query_opt(ACKNOWLEDGE, &[&tx.tenant(), &id, &by]).await?;
    told(tx, AlertStatus::Acknowledged, row.as_ref().map(alert).transpose()?).await
}

/// It is over. Nothing if it is not there, or over already.
///
/// # Errors
/// As any statement's.
///
/// # Cancel safety
/// It goes with the transaction.
pub async fn close(tx: &TenantTx, id: i64) -> Result<Option<Stored>> {
    let row = tx.query_opt(CLOSE, &[&tx.tenant(), &id]).await?;
    told(tx, AlertStatus::Closed, row.as_ref().map(alert).transpose()?).await
}

/// It is not escalated for so many minutes. Nothing if it is not there, or over.
///
/// # Errors
/// As any statement's.
///
/// # Cancel safety
/// It goes with the transaction.
pub async fn silence(tx: &TenantTx, id: i64, minutes: i32) -> Result<Option<Stored>> {
    tx.query_opt(SILENCE, &[&tx.tenant(), &id, &minutes]).await?.as_ref().map(alert).transpose()
}

/// Writes the messages of an alert whose state has just changed.
async fn told(tx: &TenantTx, event: AlertStatus, alert: Option<Stored>) -> Result<Option<Stored>> {
    if let Some(alert) = &alert {
        enqueue::of_alerts(tx, event, std::slice::from_ref(alert)).await?;
    }
    Ok(alert)
}

/// Closes those of these alerts that are open, because what they are about is over; `details` joins those that they have. Gives
/// how many that were.
///
/// # Errors
/// As any statement's.
///
/// # Cancel safety
/// It goes with the transaction.
pub async fn close_by_itself(tx: &TenantTx, ids: &[i64], details: &Value) -> Result<usize> {
    let rows = tx.query(CLOSE_ALL, &[&tx.tenant(), &ids, &details.to_string()]).await?;
    let closed = rows.iter().map(alert).collect::<Result<Vec<_>>>()?;
    if !closed.is_empty() {
        enqueue::of_alerts(tx, AlertStatus::Closed, &closed).await?;
    }
    Ok(closed.len())
}

/// Those of the alerts of these numbers that are there.
///
/// # Errors
/// As any statement's.
///
/// # Cancel safety
/// Only reads.
pub async fn of_ids(tx: &TenantTx, ids: &[i64]) -> Result<Vec<Stored>> {
    tx.query(OF_IDS, &[&tx.tenant(), &ids]).await?.iter().map(alert).collect()
}

fn alert(row: &Row) -> Result<Stored> {
    let severity: i32 = row.try_get(6)?;
    Ok(Stored {
        id: row.try_get(0)?,
        site: row.try_get(1)?,
        device: row.try_get(2)?,
        kind: row.try_get(3)?,
        fingerprint: row.try_get(4)?,
        status: row.try_get(5)?,
        severity: Severity::of_number(severity)
            .ok_or_else(|| Error::abort(format!("an alert has a severity unknown here: {severity}")))?,
        summary: row.try_get(7)?,
        details: row.try_get(8)?,
        created_at: row.try_get(9)?,
        closed_at: row.try_get(10)?,
        silenced_until: row.try_get(11)?,
        acknowledged_by: row.try_get(12)?,
        acknowledged_at: row.try_get(13)?,
        escalation_level: row.try_get(14)?,
        escalated_at: row.try_get(15)?,
        next_escalation_at: row.try_get(16)?,
        trigger_count: row.try_get(17)?,
        last_triggered_at: row.try_get(18)?,
        rule: row.try_get(19)?,
    })
}
