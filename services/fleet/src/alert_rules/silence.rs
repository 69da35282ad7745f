//! Rules about silence: every half minute it is looked for devices that were not heard of for too long.
//!
//! Each silence has one alert, from the last time that the device was heard of: who closes the alert of a device that stays
//! silent does not get another one half a minute later. The alert is closed by itself when the device is heard of again, and when
//! it is a device no more.

use super::closing;
use super::evaluate::fingerprint;
use crate::alerts::Severity;
use crate::alerts::alert::{AlertType, Cause};
use crate::alerts::store;
use crate::instant::StoredInstant;
use crate::tenants::{TenantId, TenantTx, transaction};
use plimsoll::{Database, Error, Result};
use serde_json::json;
use std::time::Duration;
use tokio::sync::watch;

/// How often it is looked for silent devices.
const EVERY: Duration = Duration::from_secs(30);
/// The most tenants that are asked for at a time.
const MOST_TENANTS: i32 = 200;
/// The most alerts that one transaction opens, and closes, for a rule.
const MOST_ALERTS: i64 = 200;

const TENANTS: &str = "SELECT * FROM public.tenants_with_silence_rules($1, $2)";

/// As of thresholds: who changes a rule waits.
const RULES: &str = "
    SELECT rule_id, name, duration_seconds, severity, escalation_policy_id FROM public.alert_rules
    WHERE tenant_id = $1 AND kind = 'NO_HEARTBEAT' AND enabled ORDER BY rule_id FOR SHARE";

/// A device that was never heard of is silent since it was registered.
const SILENT: &str = "
    SELECT d.device_id, d.site_id, h.heard
    FROM public.device_registry d
    JOIN public.alert_rules r ON r.tenant_id = $1 AND r.rule_id = $2
    CROSS JOIN LATERAL (SELECT public.device_last_heard(d.tenant_id, d.device_id)) AS h (heard)
    CROSS JOIN LATERAL (SELECT coalesce(h.heard, d.created_at)) AS s (since)
    WHERE d.tenant_id = $1 AND d.status = 'ACTIVE' AND (cardinality(r.site_ids) = 0 OR d.site_id = ANY (r.site_ids))
      AND s.since < now() - make_interval(secs => r.duration_seconds)
      AND NOT EXISTS (SELECT FROM public.fleet_alert a
                      WHERE a.tenant_id = $1 AND a.rule_id = $2 AND a.device_id = d.device_id
                        AND (a.status <> 'CLOSED' OR a.created_at > greatest(s.since, r.updated_at)))
    ORDER BY d.device_id LIMIT $3";

const HEARD: &str = "
    SELECT a.id
    FROM public.fleet_alert a
    JOIN public.alert_rules r ON r.tenant_id = $1 AND r.rule_id = $2
    LEFT JOIN public.device_registry d ON d.tenant_id = $1 AND d.device_id = a.device_id AND d.status = 'ACTIVE'
    WHERE a.tenant_id = $1 AND a.rule_id = $2 AND a.status IN ('OPEN', 'ACKNOWLEDGED')
      AND (d.device_id IS NULL OR public.device_last_heard(a.tenant_id, a.device_id)
                                  >= now() - make_interval(secs => r.duration_seconds))
    ORDER BY a.id LIMIT $3";

/// What one look has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Silence {
    /// Alerts that were opened.
    pub opened: usize,
    /// Alerts that were closed.
    pub closed: usize,
}

struct Rule {
    id: i64,
    name: String,
    duration: i32,
    severity: Severity,
    policy: Option<i64>,
}

/// Looks for silence once, at all tenants. What one tenant's look fails with does not keep the others from theirs.
///
/// # Errors
/// When it cannot be asked who has such rules, and the last of those with which a tenant's look failed.
///
/// # Cancel safety
/// Dropped, some of it was looked at, each transaction whole.
pub async fn once(db: &Database) -> Result<Silence> {
    let (mut sum, mut failed) = (Silence::default(), None);
    let mut after = String::new();
    loop {
        let rows = db.named("who has rules about silence").query(TENANTS, &[&after, &MOST_TENANTS]).await?;
        for row in &rows {
            let tenant = TenantId::parse(row.try_get(0)?)
                .ok_or_else(|| Error::abort("a rule belongs to a tenant whose id is none"))?;
            match of_tenant(db, &tenant).await {
                Ok(done) => {
                    sum.opened += done.opened;
                    sum.closed += done.closed;
                }
                Err(error) => failed = Some(error),
            }
        }
        match rows.last() {
            Some(last) if i32::try_from(rows.len()).is_ok_and(|count| count >= MOST_TENANTS) => {
                after = last.try_get(0)?;
            }
            _ => return failed.map_or(Ok(sum), Err),
        }
    }
}

async fn of_tenant(db: &Database, tenant: &TenantId) -> Result<Silence> {
    let mut sum = Silence::default();
    loop {
        let work = async |tx: TenantTx| step(&tx).await;
        let done = transaction::retrying(db.named("look for silence").resolvable(), tenant, work).await?;
        sum.opened += done.opened;
        sum.closed += done.closed;
        if done == Silence::default() {
            return Ok(sum);
        }
    }
}

/// Opens and closes as many of a tenant's alerts about silence as one transaction should; none while another instance is at it.
///
/// # Errors
/// As any statement's; the transaction has to be given up then.
///
/// # Cancel safety
/// It goes with the transaction.
pub async fn step(tx: &TenantTx) -> Result<Silence> {
    let mut done = Silence::default();
    if !tx.try_advisory_lock(("silence", tx.tenant())).await? {
        return Ok(done);
    }
    for row in tx.query(RULES, &[&tx.tenant()]).await? {
        let severity: i32 = row.try_get(3)?;
        let rule = Rule {
            id: row.try_get(0)?,
            name: row.try_get(1)?,
            duration: row.try_get(2)?,
            severity: Severity::of_number(severity)
                .ok_or_else(|| Error::abort(format!("a rule has a severity unknown here: {severity}")))?,
            policy: row.try_get(4)?,
        };
        for row in tx.query(SILENT, &[&tx.tenant(), &rule.id, &MOST_ALERTS]).await? {
            store::open(tx, &cause(&rule, row.try_get(0)?, row.try_get(1)?, row.try_get(2)?)).await?;
            done.opened += 1;
        }
        let mut heard: Vec<i64> = Vec::new();
        for row in tx.query(HEARD, &[&tx.tenant(), &rule.id, &MOST_ALERTS]).await? {
            heard.push(row.try_get(0)?);
        }
        if !heard.is_empty() {
            let why = "the device is heard of again, or is no longer active";
            done.closed += store::close_by_itself(tx, &heard, &closing::resolved(why, None)).await?;
        }
    }
    Ok(done)
}

fn cause(rule: &Rule, device: String, site: String, heard: Option<StoredInstant>) -> Cause {
    let heard = heard.map(|heard| heard.to_string());
    let since = match &heard {
        Some(heard) => format!("was last heard of at {heard}"),
        None => "was never heard of".to_owned(),
    };
    Cause {
        fingerprint: fingerprint(rule.id, &device),
        kind: AlertType::NoHeartbeat,
        severity: rule.severity,
        site: Some(site),
        summary: format!("{}: {device} {since}, longer ago than {} s", rule.name, rule.duration),
        policy: rule.policy,
        rule: Some(rule.id),
        details: json!({ "rule_id": rule.id, "duration_seconds": rule.duration, "last_heard_at": heard }),
        device: Some(device),
    }
}

/// Looks for silence, every half minute, until `stop` is raised; a background task of the service.
pub(crate) async fn run(db: Database, mut stop: watch::Receiver<bool>) {
    loop {
        let done = tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            done = once(&db) => done,
        };
        if let Err(error) = done {
            let after = EVERY.as_secs();
            tracing::error!(
                "it could not be looked for silent devices, it is tried again in {after} s: {error}"
            );
        }
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}
