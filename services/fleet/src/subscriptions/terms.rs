//! What becomes of subscriptions whose end has come: a background task of every instance, once an hour.
//!
//! Any number of instances may do it at the same time. Each tenant's part is a transaction of that tenant, claimed by an advisory
//! lock: where another instance is at it, this one goes on to the next. What is due is asked again under the locks of the rows,
//! so a renewal that came in between counts. A tenant whose part fails is told in the log, and does not stop the others.

use super::store::{Actor, Event, log};
use super::subscription::{SubscriptionStatus, SubscriptionType, after_its_end};
use crate::affected::exactly;
use crate::tenants::{TenantId, TenantTx, transaction};
use plimsoll::{Database, Error, Result, Transaction};
use serde_json::json;
use std::time::Duration;
use tokio::sync::watch;

const EVERY: Duration = Duration::from_secs(3600);

const FIRST_PAUSE: Duration = Duration::from_secs(60);

/// For this transaction, policies let what is due be seen, of all tenants.
const BECOME: &str = "
    SELECT pg_catalog.set_config('app.work', 'subscription terms', true),
           pg_catalog.set_config('row_security', 'on', true)";

const TENANTS: &str = "
    SELECT DISTINCT tenant_id FROM public.subscriptions
    WHERE status IN ('TRIAL', 'ACTIVE', 'GRACE') AND coalesce(grace_end, term_end) <= now()
    ORDER BY tenant_id LIMIT 1000";

const FORGET: &str = "DELETE FROM public.stored_results WHERE created_at < now() - interval '7 days'";

const DUE: &str = "
    SELECT subscription_id, subscription_type, status FROM public.subscriptions
    WHERE tenant_id = $1 AND status IN ('TRIAL', 'ACTIVE', 'GRACE') AND coalesce(grace_end, term_end) <= now()
    ORDER BY subscription_id LIMIT 1000 FOR UPDATE";

/// A grace has its 14 days from the time at which it begins, also where that was late.
const TURN: &str = "
    UPDATE public.subscriptions
    SET status = $3, grace_end = CASE WHEN $3 = 'GRACE' THEN now() + interval '14 days' ELSE grace_end END,
        updated_at = now()
    WHERE tenant_id = $1 AND subscription_id = $2 AND status = $4";

/// Turns every subscription whose end has come; gives how many were turned here.
///
/// # Errors
/// When what is due could not be asked. A tenant's part that fails is logged.
///
/// # Cancel safety
/// Each tenant's part is all or nothing.
pub async fn advance(db: &Database) -> Result<u64> {
    let find = async |tx: Transaction| {
        tx.query_one(BECOME, &[]).await?;
        tx.query(TENANTS, &[]).await
    };
    let tenants = db.named("due subscriptions").read_only().retrying(find).await?;
    let mut turned: u64 = 0;
    for row in tenants {
        let Some(tenant) = TenantId::parse(row.try_get(0).map_err(Error::from)?) else { continue };
        match of_tenant(db, &tenant).await {
            Ok(count) => turned = turned.saturating_add(count),
            Err(error) => {
                tracing::error!(
                    "the subscriptions of tenant {tenant} could not be turned, it is tried again in an hour: {error}"
                );
            }
        }
    }
    Ok(turned)
}

async fn of_tenant(db: &Database, tenant: &TenantId) -> Result<u64> {
    let call = db.named("turn subscriptions").resolvable();
    transaction::retrying(call, tenant, async |tx: TenantTx| turn_all(&tx).await).await
}

async fn turn_all(tx: &TenantTx) -> Result<u64> {
    if !tx.try_advisory_lock(("subscription terms", tx.tenant())).await? {
        return Ok(0);
    }
    let actor = Actor::service("subscription-terms");
    let mut turned = 0;
    for row in tx.query(DUE, &[&tx.tenant()]).await? {
        let (id, kind, status): (&str, &str, &str) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        let known = SubscriptionType::parse(kind).zip(SubscriptionStatus::parse(status));
        let next = known.and_then(|(kind, status)| after_its_end(kind, status));
        let Some((next, event)) = next.map(|(next, event)| (next.as_str(), event)) else { continue };
        let changed = tx.execute(TURN, &[&tx.tenant(), &id, &next, &status]).await?;
        exactly(1, changed, "turning a subscription")?;
        let details = json!({ "from": status, "to": next });
        log(tx, Event { subscription: Some(id), kind: event, device: None, details: &details }, &actor)
            .await?;
        turned += 1;
    }
    Ok(turned)
}

/// Takes away results that were stored a week ago: no client repeats a request that late. Gives how many.
///
/// # Errors
/// As any transaction's.
///
/// # Cancel safety
/// All or nothing.
pub async fn forget(db: &Database) -> Result<u64> {
    let work = async |tx: Transaction| {
        tx.query_one(BECOME, &[]).await?;
        tx.execute(FORGET, &[]).await
    };
    db.named("forget stored results").retrying(work).await
}

/// Does so every hour until `stop` is raised; a background task of the service. It begins a minute or two after the start, when
/// the service has its other work behind it, and instances that were started together are at different times of it.
pub(crate) async fn keep(db: Database, mut stop: watch::Receiver<bool>) {
    let mut pause = FIRST_PAUSE.mul_f64(1.0 + fastrand::f64());
    loop {
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            () = tokio::time::sleep(pause) => {}
        }
        pause = EVERY;
        match advance(&db).await {
            Ok(0) => {}
            Ok(turned) => tracing::info!("{turned} subscriptions whose end had come were turned"),
            Err(error) => {
                tracing::error!(
                    "due subscriptions could not be asked for, it is tried again in an hour: {error}"
                );
            }
        }
        match forget(&db).await {
            Ok(_) => {}
            Err(error) => {
                tracing::warn!("old results could not be taken away, it is tried again in an hour: {error}");
            }
        }
    }
}
