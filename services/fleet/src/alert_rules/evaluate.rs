//! Rules about thresholds, looked at for readings that were stored.
//!
//! A look is one transaction: it takes the oldest notes of a tenant, reads the readings that they name, opens and closes alerts,
//! keeps what was seen of each device, and deletes the notes. What fails is looked at again, all of it.

use super::closing;
use super::watch::{Seen, Verdict, look};
use crate::alerts::Severity;
use crate::alerts::alert::{AlertType, Cause};
use crate::alerts::store;
use crate::tenants::{TenantId, TenantTx, transaction};
use jiff::Timestamp;
use plimsoll::tokio_postgres::Row;
use plimsoll::tokio_postgres::types::ToSql;
use plimsoll::{Database, Error, Result};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::sync::watch;

/// How often it is looked for readings.
const EVERY: Duration = Duration::from_secs(1);
/// How long after a failure.
const AFTER_FAILURE: Duration = Duration::from_secs(5);
/// The most tenants of one round.
const MOST_TENANTS: i32 = 200;
/// The most notes of one look; each has at most 500 readings.
const MOST_NOTES: i64 = 8;

const TENANTS: &str = "SELECT * FROM public.tenants_with_rule_work($1)";

/// A rule that is changed or deleted meanwhile waits until what it has opened is there, and closes it.
const RULES: &str = "
    SELECT rule_id, name, duration_seconds, severity, escalation_policy_id, metric_name, operator, threshold::text
    FROM public.alert_rules WHERE tenant_id = $1 AND kind = 'THRESHOLD' AND enabled ORDER BY rule_id FOR SHARE";

const NOTES: &str = "
    DELETE FROM public.alert_rule_work WHERE tenant_id = $1 AND work_id = ANY (ARRAY (
        SELECT work_id FROM public.alert_rule_work WHERE tenant_id = $1 ORDER BY work_id LIMIT $2))
    RETURNING devices, times, seqs";

/// Numbers are compared as decimal numbers; what is no number is beyond no limit.
const READINGS: &str = "
    SELECT r.rule_id, w.device, w.time, t.site_id, n.value::text,
           CASE r.operator WHEN 'GT' THEN n.value > r.threshold WHEN 'GTE' THEN n.value >= r.threshold
                           WHEN 'LT' THEN n.value < r.threshold ELSE n.value <= r.threshold END
    FROM unnest($2::text[], $3::timestamptz[], $4::bigint[]) AS w (device, time, seq)
    JOIN public.telemetry t ON t.tenant_id = $1 AND t.device_id = w.device AND t.time = w.time AND t.seq = w.seq
    JOIN public.alert_rules r ON r.tenant_id = $1 AND r.rule_id = ANY ($5::bigint[])
                             AND (cardinality(r.site_ids) = 0 OR t.site_id = ANY (r.site_ids))
    CROSS JOIN LATERAL (SELECT CASE jsonb_typeof(t.metrics -> r.metric_name)
                               WHEN 'number' THEN (t.metrics ->> r.metric_name)::numeric END) AS n (value)
    WHERE n.value IS NOT NULL
    ORDER BY r.rule_id, w.device, w.time, w.seq";

const SEEN: &str = "
    SELECT rule_id, device_id, newest, beyond_since FROM public.alert_rule_state
    WHERE tenant_id = $1 AND rule_id = ANY ($2) AND device_id = ANY ($3)";

const OPEN: &str = "
    SELECT rule_id, device_id, id FROM public.fleet_alert
    WHERE tenant_id = $1 AND rule_id = ANY ($2) AND device_id = ANY ($3) AND status IN ('OPEN', 'ACKNOWLEDGED')";

const KEEP: &str = "
    INSERT INTO public.alert_rule_state (tenant_id, rule_id, device_id, newest, beyond_since)
    SELECT $1, s.* FROM unnest($2::bigint[], $3::text[], $4::timestamptz[], $5::timestamptz[]) AS s
    ON CONFLICT (tenant_id, rule_id, device_id)
    DO UPDATE SET newest = excluded.newest, beyond_since = excluded.beyond_since";

/// A rule, as far as its alerts say it.
struct Rule {
    name: String,
    duration: i32,
    severity: Severity,
    policy: Option<i64>,
    metric: String,
    operator: String,
    threshold: String,
}

/// A reading under a rule.
struct Reading {
    rule: i64,
    device: String,
    time: Timestamp,
    site: String,
    value: String,
    is_beyond: bool,
}

/// By rule and device.
type By<T> = BTreeMap<(i64, String), T>;

/// Looks at what there is, of all tenants; gives how many notes that were. What one tenant's look fails with does not keep the
/// others from theirs.
///
/// # Errors
/// When it cannot be asked who has readings to look at, and the last of those with which a tenant's look failed.
///
/// # Cancel safety
/// Dropped, some of it was looked at, each look whole.
pub async fn once(db: &Database) -> Result<usize> {
    let (mut looked, mut failed) = (0, None);
    for row in db.named("who has readings for rules").query(TENANTS, &[&MOST_TENANTS]).await? {
        let tenant = TenantId::parse(row.try_get(0)?)
            .ok_or_else(|| Error::abort("a note for rules belongs to a tenant whose id is none"))?;
        let work = async |tx: TenantTx| step(&tx).await;
        match transaction::retrying(db.named("look at rules").resolvable(), &tenant, work).await {
            Ok(count) => looked += count,
            Err(error) => failed = Some(error),
        }
    }
    failed.map_or(Ok(looked), Err)
}

/// Looks at a tenant's oldest notes, and gives how many those are; none while another instance is at it.
///
/// # Errors
/// As any statement's; the transaction has to be given up then.
///
/// # Cancel safety
/// It goes with the transaction.
pub async fn step(tx: &TenantTx) -> Result<usize> {
    if !tx.try_advisory_lock(("alert rules at work", tx.tenant())).await? {
        return Ok(0);
    }
    let mut rules = BTreeMap::new();
    for row in tx.query(RULES, &[&tx.tenant()]).await? {
        rules.insert(row.try_get::<_, i64>(0)?, rule(&row)?);
    }
    let notes = tx.query(NOTES, &[&tx.tenant(), &MOST_NOTES]).await?;
    let (mut devices, mut times, mut seqs) = (Vec::new(), Vec::new(), Vec::new());
    for row in &notes {
        devices.append(&mut row.try_get::<_, Vec<String>>(0)?);
        times.append(&mut row.try_get::<_, Vec<Timestamp>>(1)?);
        seqs.append(&mut row.try_get::<_, Vec<i64>>(2)?);
    }
    if !rules.is_empty() && !devices.is_empty() {
        let ids: Vec<i64> = rules.keys().copied().collect();
        let rows = tx.query(READINGS, &[&tx.tenant(), &devices, &times, &seqs, &ids]).await?;
        let readings = rows.iter().map(reading).collect::<Result<Vec<_>>>()?;
        look_at(tx, &rules, &readings).await?;
    }
    Ok(notes.len())
}

fn rule(row: &Row) -> Result<Rule> {
    let severity: i32 = row.try_get(3)?;
    Ok(Rule {
        name: row.try_get(1)?,
        duration: row.try_get(2)?,
        severity: Severity::of_number(severity)
            .ok_or_else(|| Error::abort(format!("a rule has a severity unknown here: {severity}")))?,
        policy: row.try_get(4)?,
        metric: row.try_get(5)?,
        operator: row.try_get(6)?,
        threshold: row.try_get(7)?,
    })
}

fn reading(row: &Row) -> Result<Reading> {
    Ok(Reading {
        rule: row.try_get(0)?,
        device: row.try_get(1)?,
        time: row.try_get(2)?,
        site: row.try_get(3)?,
        value: row.try_get(4)?,
        is_beyond: row.try_get(5)?,
    })
}

/// The readings are in the order of rules, devices and times.
async fn look_at(tx: &TenantTx, rules: &BTreeMap<i64, Rule>, readings: &[Reading]) -> Result<()> {
    let ids: Vec<i64> = readings.iter().map(|one| one.rule).collect::<BTreeSet<_>>().into_iter().collect();
    let devices: Vec<&str> =
        readings.iter().map(|one| one.device.as_str()).collect::<BTreeSet<_>>().into_iter().collect();
    if ids.is_empty() {
        return Ok(());
    }
    let mut seen: By<Seen> = BTreeMap::new();
    for row in tx.query(SEEN, &[&tx.tenant(), &ids, &devices]).await? {
        let was = Seen { newest: row.try_get(2)?, beyond_since: row.try_get(3)? };
        seen.insert((row.try_get(0)?, row.try_get(1)?), was);
    }
    let mut open: By<i64> = BTreeMap::new();
    for row in tx.query(OPEN, &[&tx.tenant(), &ids, &devices]).await? {
        open.insert((row.try_get(0)?, row.try_get(1)?), row.try_get(2)?);
    }
    let mut changed: By<Seen> = BTreeMap::new();
    // Of several readings at which a rule fires one after the other, the first opens and the others are one more trigger.
    let mut counted: By<()> = BTreeMap::new();
    for one in readings {
        let Some(rule) = rules.get(&one.rule) else { continue };
        let key = (one.rule, one.device.clone());
        let (now, verdict) = look(seen.get(&key).copied(), rule.duration, one.time, one.is_beyond);
        seen.insert(key.clone(), now);
        changed.insert(key.clone(), now);
        match verdict {
            Verdict::Fires if counted.insert(key.clone(), ()).is_none() => {
                open.insert(key, store::open(tx, &cause(rule, one, now)).await?.id);
            }
            Verdict::Ends => {
                counted.remove(&key);
                if let Some(id) = open.remove(&key) {
                    let why = format!("{} is {}", rule.metric, one.value);
                    store::close_by_itself(tx, &[id], &closing::resolved(&why, Some(one.time))).await?;
                }
            }
            Verdict::Fires | Verdict::Nothing => {}
        }
    }
    keep(tx, &changed).await
}

async fn keep(tx: &TenantTx, changed: &By<Seen>) -> Result<()> {
    let rules: Vec<i64> = changed.keys().map(|(rule, _)| *rule).collect();
    let devices: Vec<&str> = changed.keys().map(|(_, device)| device.as_str()).collect();
    let newest: Vec<Timestamp> = changed.values().map(|seen| seen.newest).collect();
    let since: Vec<Option<Timestamp>> = changed.values().map(|seen| seen.beyond_since).collect();
    let values: [&(dyn ToSql + Sync); 5] = [&tx.tenant(), &rules, &devices, &newest, &since];
    tx.execute(KEEP, &values).await.map(drop)
}

fn cause(rule: &Rule, one: &Reading, seen: Seen) -> Cause {
    let words = match rule.operator.as_str() {
        "GT" => "above",
        "GTE" => "at or above",
        "LT" => "below",
        _ => "at or below",
    };
    let lasting = if rule.duration > 0 { format!(" for {} s", rule.duration) } else { String::new() };
    Cause {
        fingerprint: fingerprint(one.rule, &one.device),
        kind: AlertType::Threshold,
        severity: rule.severity,
        site: Some(one.site.clone()),
        device: Some(one.device.clone()),
        summary: format!(
            "{}: {} of {} is {}, {words} {}{lasting}",
            rule.name, rule.metric, one.device, one.value, rule.threshold
        ),
        policy: rule.policy,
        rule: Some(one.rule),
        details: json!({
            "rule_id": one.rule,
            "metric_name": rule.metric,
            "operator": rule.operator,
            "threshold": rule.threshold,
            "value": one.value,
            "at": one.time.to_string(),
            "since": seen.beyond_since.map(|since| since.to_string()),
        }),
    }
}

/// One cause: this rule about this device.
pub(super) fn fingerprint(rule: i64, device: &str) -> String {
    format!("rule:{rule}:{device}")
}

/// Looks at what is stored, until `stop` is raised; a background task of the service.
pub(crate) async fn run(db: Database, mut stop: watch::Receiver<bool>) {
    loop {
        let looked = tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            looked = once(&db) => looked,
        };
        let pause = match looked {
            Ok(0) => EVERY,
            // There may be more.
            Ok(_) => Duration::ZERO,
            Err(error) => {
                let after = AFTER_FAILURE.as_secs();
                tracing::error!(
                    "readings could not be looked at by rules, it is tried again in {after} s: {error}"
                );
                AFTER_FAILURE
            }
        };
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}
