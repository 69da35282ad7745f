//! How a device goes: it is deleted, or put aside. Its place in the subscription is free from then on.
//!
//! Whether it is there is looked at first, before anything is locked: most requests for a device that is none cost one
//! read. Then one transaction does all of it: the state, the count, the event. The count goes down only on the edge from a
//! state that counts, seen under the device's own lock, so a hundred requests for the same device count once. The
//! subscription is locked before the device, as everywhere. Which one that is stands in the device's row, so it is read
//! without a lock, and checked once the device is locked; if it was moved in between, all of it begins anew.

use super::registry_refusal::RegistryRefusal;
use super::{DeviceId, DeviceStatus};
use crate::affected::exactly;
use crate::instant::StoredInstant;
use crate::refusal::NotDone;
use crate::subscriptions::store::{self, Actor, Event};
use crate::tenants::{TenantId, TenantTx, transaction};
use plimsoll::{Database, Error, Result};
use serde_json::json;

const LOOK: &str = "
    SELECT status, subscription_id, decommissioned_at FROM public.device_registry
    WHERE tenant_id = $1 AND device_id = $2 AND status <> 'DELETED'";

const LOOK_LOCKED: &str = "
    SELECT status, subscription_id, decommissioned_at FROM public.device_registry
    WHERE tenant_id = $1 AND device_id = $2 AND status <> 'DELETED' FOR UPDATE";

const DELETE: &str = "
    UPDATE public.device_registry SET status = 'DELETED', updated_at = now()
    WHERE tenant_id = $1 AND device_id = $2 AND status <> 'DELETED'
    RETURNING coalesce(decommissioned_at, updated_at)";

const PUT_ASIDE: &str = "
    UPDATE public.device_registry
    SET status = 'INACTIVE', decommissioned_at = coalesce(decommissioned_at, now()), updated_at = now()
    WHERE tenant_id = $1 AND device_id = $2 AND status NOT IN ('DELETED', 'INACTIVE')
    RETURNING decommissioned_at";

/// Requests that find the device moved so often give up.
const TRIES: u32 = 5;

/// Where to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retirement {
    /// It is gone; its row stays for the record.
    Deleted,
    /// It is put aside, and may not send.
    Decommissioned,
}

impl Retirement {
    fn statement(self) -> &'static str {
        match self {
            Retirement::Deleted => DELETE,
            Retirement::Decommissioned => PUT_ASIDE,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Retirement::Deleted => "delete device",
            Retirement::Decommissioned => "decommission device",
        }
    }

    fn reason(self) -> &'static str {
        match self {
            Retirement::Deleted => "deleted",
            Retirement::Decommissioned => "decommissioned",
        }
    }
}

struct Looked {
    status: DeviceStatus,
    subscription: Option<String>,
    since: Option<StoredInstant>,
}

enum Attempt {
    /// It is so, since then.
    Done(Option<StoredInstant>),
    NotThere,
    Moved,
}

/// Retires a device, and gives the time since which it is retired. To decommission one that was is a success too; to delete
/// one that was is not, since it is not there any more.
///
/// # Errors
/// [`RegistryRefusal::DeviceNotFound`], and what the database failed with; nothing was changed then, unless the outcome is
/// unknown.
///
/// # Cancel safety
/// All or nothing.
pub async fn retire(
    db: &Database,
    tenant: &TenantId,
    device: &DeviceId,
    to: Retirement,
    actor: &Actor,
) -> std::result::Result<Option<StoredInstant>, NotDone<RegistryRefusal>> {
    let call = db.named("look device up").read_only();
    let found =
        transaction::retrying(call, tenant, async |tx: TenantTx| look(&tx, device, LOOK).await).await?;
    if found.is_none() {
        return Err(RegistryRefusal::DeviceNotFound.into());
    }
    for _ in 0..TRIES {
        let call = db.named(to.name()).resolvable();
        let work = async |tx: TenantTx| attempt(&tx, device, to, actor).await;
        match transaction::retrying(call, tenant, work).await? {
            Attempt::Done(since) => return Ok(since),
            Attempt::NotThere => return Err(RegistryRefusal::DeviceNotFound.into()),
            Attempt::Moved => {}
        }
    }
    Err(RegistryRefusal::Busy.into())
}

async fn attempt(tx: &TenantTx, device: &DeviceId, to: Retirement, actor: &Actor) -> Result<Attempt> {
    let Some(seen) = look(tx, device, LOOK).await? else { return Ok(Attempt::NotThere) };
    if let Some(subscription) = &seen.subscription {
        store::lock(tx, subscription).await?;
    }
    let Some(locked) = look(tx, device, LOOK_LOCKED).await? else { return Ok(Attempt::NotThere) };
    if locked.subscription != seen.subscription {
        return Ok(Attempt::Moved);
    }
    if to == Retirement::Decommissioned && locked.status == DeviceStatus::Inactive {
        return Ok(Attempt::Done(locked.since));
    }
    let rows = tx.query(to.statement(), &[&tx.tenant(), &device.as_str()]).await?;
    exactly(1, u64::try_from(rows.len()).unwrap_or(u64::MAX), to.name())?;
    let since = rows.first().map(|row| row.try_get(0)).transpose()?;
    if locked.status.is_counted() {
        free_place(tx, device, locked.subscription.as_deref(), to, actor).await?;
    }
    Ok(Attempt::Done(since))
}

async fn free_place(
    tx: &TenantTx,
    device: &DeviceId,
    subscription: Option<&str>,
    to: Retirement,
    actor: &Actor,
) -> Result<()> {
    if let Some(subscription) = subscription {
        store::give_back(tx, subscription).await?;
    }
    let details = json!({ "reason": to.reason() });
    let event =
        Event { subscription, kind: "DEVICE_REMOVED", device: Some(device.as_str()), details: &details };
    store::log(tx, event, actor).await
}

async fn look(tx: &TenantTx, device: &DeviceId, sql: &str) -> Result<Option<Looked>> {
    let Some(row) = tx.query_opt(sql, &[&tx.tenant(), &device.as_str()]).await? else { return Ok(None) };
    let status: &str = row.try_get(0)?;
    let status = DeviceStatus::parse(status)
        .ok_or_else(|| Error::abort(format!("the registry holds a state unknown here: {status}")))?;
    Ok(Some(Looked { status, subscription: row.try_get(1)?, since: row.try_get(2)? }))
}
