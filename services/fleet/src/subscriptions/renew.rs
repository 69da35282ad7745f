//! A renewal in the database: one transaction under the subscription's lock, so of two that run at the same time the second one
//! sees what the first has done.
//!
//! The order of locks is: the key's advisory lock, the subscription, its devices by their ids.

use super::refusal::SubscriptionRefusal;
use super::renewal::{Held, Renewal, Verdict, decide};
use super::store::{Actor, Event, log};
use super::subscription::{SubscriptionStatus, SubscriptionType};
use crate::affected::exactly;
use crate::instant::StoredInstant;
use crate::refusal::NotDone;
use crate::tenants::{TenantId, TenantTx, transaction};
use plimsoll::{Database, Error, Result};
use serde_json::{Value, json};

const OPERATION: &str = "renew";

const STORED: &str = "
    SELECT request_hash, result FROM public.stored_results WHERE tenant_id = $1 AND operation = $2 AND key = $3";

const STORE: &str = "
    INSERT INTO public.stored_results (tenant_id, operation, key, request_hash, result) VALUES ($1, $2, $3, $4, $5)";

const HELD: &str = "
    SELECT subscription_type, status, term_end > now() + interval '30 days', device_limit, active_device_count, plan_id
    FROM public.subscriptions WHERE tenant_id = $1 AND subscription_id = $2 FOR UPDATE";

/// As `DeviceStatus::is_counted` has it.
const COUNTED: &str = "
    SELECT device_id FROM public.device_registry
    WHERE tenant_id = $1 AND subscription_id = $2 AND device_id = ANY($3) AND status NOT IN ('INACTIVE', 'DELETED')
    ORDER BY device_id FOR UPDATE";

const PUT_ASIDE: &str = "
    UPDATE public.device_registry
    SET status = 'INACTIVE', decommissioned_at = coalesce(decommissioned_at, now()), updated_at = now()
    WHERE tenant_id = $1 AND subscription_id = $2 AND device_id = ANY($3) AND status NOT IN ('INACTIVE', 'DELETED')";

const RENEW: &str = "
    UPDATE public.subscriptions
    SET term_end = CASE WHEN $3 > 0 THEN greatest(term_end, now()) + make_interval(days => $3) ELSE term_end END,
        status = 'ACTIVE', grace_end = NULL,
        plan_id = coalesce($4, plan_id), device_limit = coalesce($5, device_limit),
        active_device_count = greatest(active_device_count - $6, 0), updated_at = now()
    WHERE tenant_id = $1 AND subscription_id = $2
    RETURNING term_end, device_limit";

/// Add-ons have the term of their main subscription.
const ADDONS: &str = "
    UPDATE public.subscriptions a
    SET term_end = m.term_end, status = 'ACTIVE', grace_end = NULL, updated_at = now()
    FROM public.subscriptions m
    WHERE m.tenant_id = $1 AND m.subscription_id = $2
      AND a.tenant_id = m.tenant_id AND a.parent_id = m.subscription_id AND a.subscription_type = 'ADDON'";

const LOG_DEVICES: &str = "
    INSERT INTO public.subscription_event_log
        (tenant_id, subscription_id, event_type, device_id, actor_type, actor_id, details)
    SELECT $1, $2, 'DEVICE_REMOVED', unnest($3::text[]), $4, $5, '{\"reason\": \"renewal\"}'";

type Answer = std::result::Result<Value, SubscriptionRefusal>;

/// Renews a subscription. With a key, the same request sent again has the answer of the first, and does nothing.
///
/// # Errors
/// Why not, and what the database failed with; nothing was changed then, unless the outcome is unknown.
///
/// # Cancel safety
/// All or nothing.
pub async fn renew(
    db: &Database,
    tenant: &TenantId,
    asked: &Renewal,
    key: Option<&str>,
    actor: &Actor,
) -> std::result::Result<Value, NotDone<SubscriptionRefusal>> {
    let call = db.named("renew subscription").resolvable();
    let work = async |tx: TenantTx| with_key(&tx, asked, key, actor).await;
    Ok(transaction::retrying(call, tenant, work).await??)
}

async fn with_key(tx: &TenantTx, asked: &Renewal, key: Option<&str>, actor: &Actor) -> Result<Answer> {
    let Some(key) = key else { return attempt(tx, asked, false, actor).await };
    tx.advisory_lock(("stored result", tx.tenant(), OPERATION, key)).await?;
    let hash = asked.hash();
    if let Some(row) = tx.query_opt(STORED, &[&tx.tenant(), &OPERATION, &key]).await? {
        if row.try_get::<_, &str>(0)? != hash {
            return Ok(Err(SubscriptionRefusal::KeyReused));
        }
        let stored = serde_json::from_str(row.try_get(1)?);
        return stored.map(Ok).map_err(|_| Error::abort("a stored result is no JSON"));
    }
    let answer = attempt(tx, asked, true, actor).await?;
    if let Ok(result) = &answer {
        let text = result.to_string();
        let values: [&(dyn plimsoll::tokio_postgres::types::ToSql + Sync); 5] =
            [&tx.tenant(), &OPERATION, &key, &hash, &text];
        exactly(1, tx.execute(STORE, &values).await?, "storing a result")?;
    }
    Ok(answer)
}

async fn attempt(tx: &TenantTx, asked: &Renewal, has_key: bool, actor: &Actor) -> Result<Answer> {
    let Some(held) = hold(tx, asked).await? else { return Ok(Err(SubscriptionRefusal::NotFound)) };
    match decide(&held, asked, has_key) {
        Err(refusal) => Ok(Err(refusal)),
        Ok(Verdict::AlreadyActive(undone)) => Ok(Ok(already_active(asked, &undone))),
        Ok(Verdict::Renew { days }) => write(tx, asked, &held, days, actor).await.map(Ok),
    }
}

fn already_active(asked: &Renewal, undone: &[&str]) -> Value {
    let mut told = json!({
        "subscription_id": asked.subscription,
        "renewed": true,
        "note": "Already active",
    });
    if let (false, Some(told)) = (undone.is_empty(), told.as_object_mut()) {
        told.insert("not_changed".to_owned(), json!(undone));
        let advice = "it is in force for more than 30 days, so these were left as they are: to change them now, send the \
                      request with a header Idempotency-Key";
        told.insert("advice".to_owned(), json!(advice));
    }
    told
}

/// The subscription and those of the named devices that count against it, locked.
async fn hold(tx: &TenantTx, asked: &Renewal) -> Result<Option<Held>> {
    let Some(row) = tx.query_opt(HELD, &[&tx.tenant(), &asked.subscription]).await? else { return Ok(None) };
    let (kind, status): (&str, &str) = (row.try_get(0)?, row.try_get(1)?);
    let unknown =
        || Error::abort(format!("a subscription is of a kind or in a state unknown here: {kind}, {status}"));
    let mut held = Held {
        kind: SubscriptionType::parse(kind).ok_or_else(unknown)?,
        status: SubscriptionStatus::parse(status).ok_or_else(unknown)?,
        ends_late: row.try_get(2)?,
        limit: row.try_get(3)?,
        count: row.try_get(4)?,
        plan: row.try_get(5)?,
        counted: std::collections::BTreeSet::new(),
    };
    if !asked.devices.is_empty() {
        for row in tx.query(COUNTED, &[&tx.tenant(), &asked.subscription, &asked.devices]).await? {
            held.counted.insert(row.try_get(0)?);
        }
    }
    Ok(Some(held))
}

async fn write(tx: &TenantTx, asked: &Renewal, held: &Held, days: i32, actor: &Actor) -> Result<Value> {
    let (tenant, id) = (tx.tenant(), asked.subscription.as_str());
    let gone = i32::try_from(asked.devices.len()).unwrap_or(i32::MAX);
    if gone > 0 {
        let aside = tx.execute(PUT_ASIDE, &[&tenant, &id, &asked.devices]).await?;
        exactly(gone.unsigned_abs().into(), aside, "putting devices aside")?;
    }
    let values: [&(dyn plimsoll::tokio_postgres::types::ToSql + Sync); 6] =
        [&tenant, &id, &days, &asked.plan, &asked.limit, &gone];
    let row = tx.query_one(RENEW, &values).await?;
    let (term_end, limit): (StoredInstant, i32) = (row.try_get(0)?, row.try_get(1)?);
    if held.kind == SubscriptionType::Main && days > 0 {
        tx.execute(ADDONS, &[&tenant, &id]).await?;
    }
    if gone > 0 {
        let (kind, by) = (actor.kind(), actor.id());
        let logged = tx.execute(LOG_DEVICES, &[&tenant, &id, &asked.devices, &kind, &by]).await?;
        exactly(gone.unsigned_abs().into(), logged, "writing down which devices were put aside")?;
    }
    let told = json!({
        "subscription_id": id,
        "renewed": true,
        "status": "ACTIVE",
        "new_term_end": term_end.to_string(),
        "device_limit": limit,
        "devices_deactivated": gone,
    });
    let details = json!({
        "from": held.status.as_str(),
        "term_days": days,
        "new_term_end": term_end.to_string(),
        "device_limit": [held.limit, limit],
        "devices_deactivated": gone,
    });
    let event = Event { subscription: Some(id), kind: "RENEWED", device: None, details: &details };
    log(tx, event, actor).await?;
    Ok(told)
}
