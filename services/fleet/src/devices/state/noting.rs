//! Since when devices are in their states: a background task of every instance, one of which is at it at a time.
//!
//! A row says what was noted last (`noted_state`) and since when (`last_state_change_at`). Where that is not what follows from
//! the time at which the device was last heard of, it is noted anew, with the time at which the limit was passed, not the one at
//! which it was noticed; of a device that came back, the time at which it was heard of. Who has to tell somebody of a change
//! (an alert that a device is silent) reads these two columns, and joins the registry: a device that was deleted keeps its row.
//!
//! Rows are claimed a thousand at a time, those that a batch of readings holds are left for the next look (`SKIP LOCKED`), and
//! each thousand is a transaction: readings never wait for this for longer than that. An advisory lock of the transaction says
//! which instance is at it. One that was killed loses it with its connection, and any other takes over at its own next look.

use super::{StateLimits, StateSettings, state_sql};
use plimsoll::{Database, Result, Transaction};
use std::time::Duration;
use tokio::sync::watch;

/// The most rows of one transaction.
const MOST: i64 = 1000;

const STATEMENT_LIMIT: Duration = Duration::from_secs(10);
const LOCK_LIMIT: Duration = Duration::from_secs(5);

/// For this transaction, policies let the rows of all tenants be seen and changed.
const BECOME: &str = "
    SELECT pg_catalog.set_config('app.work', 'device state', true),
           pg_catalog.set_config('row_security', 'on', true)";

const NOTE: &str = concat!(
    "WITH due AS MATERIALIZED (
        SELECT tenant_id, device_id, ",
    state_sql!("s", "$2", "$3"),
    " AS state, last_seen_at
        FROM public.device_state s WHERE noted_state <> ",
    state_sql!("s", "$2", "$3"),
    " ORDER BY tenant_id, device_id LIMIT $1 FOR UPDATE SKIP LOCKED
    )
    UPDATE public.device_state d
    SET noted_state = due.state,
        last_state_change_at = due.last_seen_at + make_interval(secs =>
            CASE due.state WHEN 'ONLINE' THEN 0 WHEN 'STALE' THEN $2 ELSE $3 END)
    FROM due WHERE d.tenant_id = due.tenant_id AND d.device_id = due.device_id"
);

/// Notes every change that there is, unless another instance is at it; gives how many were noted here.
///
/// # Errors
/// As any transaction's.
///
/// # Cancel safety
/// Each thousand of them is all or nothing.
pub async fn once(db: &Database, limits: StateLimits) -> Result<u64> {
    let [online, stale] = limits.sql_values();
    let mut noted: u64 = 0;
    loop {
        let work = async |tx: Transaction| {
            tx.query_one(BECOME, &[]).await?;
            if !tx.try_advisory_lock(("device state", "all tenants")).await? {
                return Ok(0);
            }
            tx.execute(NOTE, &[&MOST, &online, &stale]).await
        };
        let call = db.named("note device states").statement_timeout(STATEMENT_LIMIT).lock_timeout(LOCK_LIMIT);
        let changed = call.retrying(work).await?;
        noted = noted.saturating_add(changed);
        // As many as were asked for: there may be more.
        if i64::try_from(changed).is_ok_and(|changed| changed < MOST) {
            return Ok(noted);
        }
    }
}

/// Does so until `stop` is raised; a background task of the service.
pub(crate) async fn keep_noting(db: Database, settings: StateSettings, mut stop: watch::Receiver<bool>) {
    loop {
        // Instances that were started together look at different times.
        let pause = settings.poll.mul_f64(0.75 + 0.5 * fastrand::f64());
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            () = tokio::time::sleep(pause) => {}
        }
        let done = tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            done = once(&db, settings.limits) => done,
        };
        match done {
            Ok(0) => {}
            Ok(noted) => tracing::debug!("the states of {noted} devices have changed"),
            Err(error) => {
                tracing::warn!(
                    "changes of devices' states could not be noted, it is tried again soon: {error}"
                );
            }
        }
    }
}
