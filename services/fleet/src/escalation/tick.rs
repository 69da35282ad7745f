//! Escalation itself: an alert that is due is told to the next level of its policy.
//!
//! Any number of instances do this at once. A step is one transaction: the alerts are claimed (`FOR UPDATE SKIP LOCKED`), moved
//! to their next level and given the time at which the one after it is due, and what is to be told is written beside that, with
//! who is on call at that moment, and the messages of it ([`crate::delivery`]). An instance that comes meanwhile passes over what is claimed, and one that comes later finds
//! it due at another time. Nothing is sent in here: a connection is not held while somebody else's server answers, and what was
//! sent before a rollback cannot be taken back.

use crate::delivery::enqueue::{self, Step};
use crate::oncall;
use crate::tenants::{TenantId, TenantTx, transaction};
use jiff::Timestamp;
use plimsoll::tokio_postgres::Row;
use plimsoll::{Database, Error, Result};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::sync::watch;

/// The most tenants that are looked at in one round of asking.
const MOST_TENANTS: i32 = 200;
/// The most alerts that are claimed in one transaction.
const MOST_ALERTS: i64 = 200;

const TENANTS: &str = "SELECT * FROM public.tenants_to_escalate($1)";

/// Where there is no next level, the alert is due no more.
const STEP: &str = "
    WITH due AS MATERIALIZED (
        SELECT id, escalation_policy_id AS policy, escalation_level AS level FROM public.fleet_alert
        WHERE tenant_id = $1 AND status = 'OPEN' AND next_escalation_at <= now()
          AND (silenced_until IS NULL OR silenced_until <= now())
        ORDER BY next_escalation_at, id LIMIT $2 FOR UPDATE SKIP LOCKED
    ), step AS (
        SELECT due.id, due.policy, next.* FROM due LEFT JOIN LATERAL (
            SELECT level_number, delay_minutes, notify_email, notify_webhook, oncall_schedule_id
            FROM public.escalation_levels
            WHERE tenant_id = $1 AND policy_id = due.policy AND level_number > due.level
            ORDER BY level_number LIMIT 1) AS next ON true
    ), moved AS (
        UPDATE public.fleet_alert a
        SET escalation_level = coalesce(step.level_number, a.escalation_level),
            escalated_at = CASE WHEN step.level_number IS NULL THEN a.escalated_at ELSE now() END,
            next_escalation_at = now() + make_interval(mins => step.delay_minutes)
        FROM step WHERE a.id = step.id AND a.tenant_id = $1 RETURNING a.id
    )
    SELECT step.id, step.policy, step.level_number, step.notify_email, step.notify_webhook, step.oncall_schedule_id, now()
    FROM step JOIN moved USING (id) ORDER BY step.id";

const TELL: &str = "
    INSERT INTO public.escalation_outbox (tenant_id, alert_id, policy_id, level_number, notify_email, notify_webhook,
                                          oncall_schedule_id, responder)
    SELECT $1, told.* FROM unnest($2::bigint[], $3::bigint[], $4::integer[], $5::text[], $6::text[], $7::bigint[],
                                  $8::text[]) AS told
    RETURNING outbox_id, alert_id, level_number, notify_email, notify_webhook, responder";

/// What one look has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Escalated {
    /// The alerts that were due.
    pub due: usize,
    /// The steps that are to be told; the others had no level left.
    pub told: usize,
}

/// Escalates what is due now, of all tenants. What one tenant's transaction fails with does not keep the others from theirs.
///
/// # Errors
/// When it cannot be asked who has something due, and the last of those with which a tenant's failed.
///
/// # Cancel safety
/// Dropped, some of the steps were taken, each of them whole.
pub async fn once(db: &Database) -> Result<Escalated> {
    let mut sum = Escalated::default();
    let mut failed = None;
    for row in db.named("who has something to escalate").query(TENANTS, &[&MOST_TENANTS]).await? {
        let tenant = TenantId::parse(row.try_get(0)?)
            .ok_or_else(|| Error::abort("an alert belongs to a tenant whose id is none"))?;
        match of_tenant(db, &tenant).await {
            Ok(done) => {
                sum.due += done.due;
                sum.told += done.told;
            }
            Err(error) => failed = Some(error),
        }
    }
    failed.map_or(Ok(sum), Err)
}

async fn of_tenant(db: &Database, tenant: &TenantId) -> Result<Escalated> {
    let mut sum = Escalated::default();
    loop {
        let work = async |tx: TenantTx| step(&tx).await;
        let done = transaction::retrying(db.named("escalate"), tenant, work).await?;
        sum.due += done.due;
        sum.told += done.told;
        // As many as were asked for: there may be more.
        if i64::try_from(done.due).is_ok_and(|due| due < MOST_ALERTS) {
            return Ok(sum);
        }
    }
}

/// What is to be told, as columns.
#[derive(Default)]
struct Told {
    alerts: Vec<i64>,
    policies: Vec<i64>,
    levels: Vec<i32>,
    mails: Vec<Option<String>>,
    webhooks: Vec<Option<String>>,
    schedules: Vec<Option<i64>>,
    responders: Vec<Option<String>>,
}

/// Takes one step with each of a tenant's alerts that are due.
///
/// # Errors
/// As any statement's; the transaction has to be given up then.
///
/// # Cancel safety
/// It goes with the transaction.
pub async fn step(tx: &TenantTx) -> Result<Escalated> {
    let rows = tx.query(STEP, &[&tx.tenant(), &MOST_ALERTS]).await?;
    let mut on_call: BTreeMap<i64, Option<String>> = BTreeMap::new();
    let mut told = Told::default();
    for row in &rows {
        let Some(level) = row.try_get::<_, Option<i32>>(2)? else { continue };
        let (schedule, now): (Option<i64>, Timestamp) = (row.try_get(5)?, row.try_get(6)?);
        told.alerts.push(row.try_get(0)?);
        told.policies.push(row.try_get(1)?);
        told.levels.push(level);
        told.mails.push(row.try_get(3)?);
        told.webhooks.push(row.try_get(4)?);
        told.schedules.push(schedule);
        told.responders.push(match schedule {
            Some(schedule) => responder(tx, schedule, now, &mut on_call).await?,
            None => None,
        });
    }
    if !told.alerts.is_empty() {
        let Told { alerts, policies, levels, mails, webhooks, schedules, responders } = &told;
        let told: [&(dyn plimsoll::tokio_postgres::types::ToSql + Sync); 8] =
            [&tx.tenant(), alerts, policies, levels, mails, webhooks, schedules, responders];
        let steps = tx.query(TELL, &told).await?.iter().map(told_step).collect::<Result<Vec<_>>>()?;
        enqueue::of_steps(tx, &steps).await?;
    }
    Ok(Escalated { due: rows.len(), told: told.alerts.len() })
}

fn told_step(row: &Row) -> Result<Step> {
    Ok(Step {
        id: row.try_get(0)?,
        alert: row.try_get(1)?,
        level: row.try_get(2)?,
        email: row.try_get(3)?,
        webhook: row.try_get(4)?,
        responder: row.try_get(5)?,
    })
}

/// Who is on call now; each schedule is read once.
async fn responder(
    tx: &TenantTx,
    schedule: i64,
    now: Timestamp,
    known: &mut BTreeMap<i64, Option<String>>,
) -> Result<Option<String>> {
    if let Some(known) = known.get(&schedule) {
        return Ok(known.clone());
    }
    let rota = oncall::store::rota(tx, schedule, now).await?;
    let who = rota.and_then(|rota| rota.on_call(now)).map(|turn| turn.responder);
    known.insert(schedule, who.clone());
    Ok(who)
}

/// Escalates what is due, so often, until `stop` is raised; a background task of the service. What an instance that was killed had
/// begun is due as before, and any other takes it at its own next look.
pub(crate) async fn keep_going(db: Database, every: Duration, mut stop: watch::Receiver<bool>) {
    loop {
        let done = tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            done = once(&db) => done,
        };
        match done {
            Ok(done) if done.due > 0 => {
                tracing::info!("escalated {} alerts, {} to be told", done.due, done.told)
            }
            Ok(_) => {}
            Err(error) => {
                tracing::error!("what is due could not be escalated, it is tried again in {every:?}: {error}")
            }
        }
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            () = tokio::time::sleep(every) => {}
        }
    }
}
