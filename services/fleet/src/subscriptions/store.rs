//! Counting devices has one path, so that the count cannot be wrong in one of several.
//!
//! [`with_room`] locks a subscription that has room, and only what it gives can be handed to [`take`]: nobody counts
//! without holding the lock under which the room was seen. The UPDATE checks the limit once more, and exactly one row
//! must have changed; a policy or a missing right that hides the row is then an error and not a wrong count.

use crate::tenants::TenantTx;
use plimsoll::{Error, Result};

const WITH_ROOM: &str = "
    SELECT subscription_id, active_device_count < device_limit FROM public.subscriptions
    WHERE tenant_id = $1 AND subscription_type = 'MAIN' AND status IN ('TRIAL', 'ACTIVE', 'GRACE')
    ORDER BY active_device_count < device_limit DESC, term_end DESC, subscription_id
    LIMIT 1 FOR UPDATE";

const TAKE: &str = "
    UPDATE public.subscriptions SET active_device_count = active_device_count + 1, updated_at = now()
    WHERE tenant_id = $1 AND subscription_id = $2 AND active_device_count < device_limit";

const LOG: &str = "
    INSERT INTO public.subscription_event_log (tenant_id, subscription_id, event_type, device_id, actor_type, actor_id)
    VALUES ($1, $2, 'DEVICE_ADDED', $3, 'service', 'auto-provision')";

/// A subscription that has room for one more device; its row is locked until the transaction ends.
#[derive(Debug)]
pub struct Room {
    subscription: String,
}

impl Room {
    /// Which subscription.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.subscription
    }
}

/// Locks the tenant's main subscription, if it has room for one more device.
///
/// # Errors
/// As any statement's.
///
/// # Cancel safety
/// The lock goes with the transaction.
pub async fn with_room(tx: &TenantTx) -> Result<Option<Room>> {
    let Some(row) = tx.query_opt(WITH_ROOM, &[&tx.tenant()]).await? else { return Ok(None) };
    let has_room: bool = row.try_get(1)?;
    Ok(if has_room { Some(Room { subscription: row.try_get(0)? }) } else { None })
}

/// Counts one more device, and writes down which.
///
/// # Errors
/// When the count could not be raised by exactly one; the transaction has to be given up then.
///
/// # Cancel safety
/// Dropped, it may have been counted; that goes with the transaction.
pub async fn take(tx: &TenantTx, room: Room, device: &str) -> Result<()> {
    let counted = tx.execute(TAKE, &[&tx.tenant(), &room.id()]).await?;
    if counted != 1 {
        return Err(Error::abort(format!("counting a device changed {counted} subscriptions instead of 1")));
    }
    tx.execute(LOG, &[&tx.tenant(), &room.id(), &device]).await.map(drop)
}
