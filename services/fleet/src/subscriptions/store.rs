//! Counting devices has one path, so that the count cannot be wrong in one of several.
//!
//! [`with_room`] locks a subscription that has room, and only what it gives can be handed to [`take`]: nobody counts
//! without holding the lock under which the room was seen. The UPDATE checks the limit once more, and exactly one row
//! must have changed; a policy or a missing right that hides the row is then an error and not a wrong count.

use crate::affected::exactly;
use crate::tenants::TenantTx;
use plimsoll::Result;

const WITH_ROOM: &str = "
    SELECT subscription_id, active_device_count < device_limit AND status IN ('TRIAL', 'ACTIVE', 'GRACE')
    FROM public.subscriptions
    WHERE tenant_id = $1
      AND CASE WHEN $2::text IS NULL THEN subscription_type = 'MAIN' AND status IN ('TRIAL', 'ACTIVE', 'GRACE')
               ELSE subscription_id = $2 END
    ORDER BY active_device_count < device_limit DESC, term_end DESC, subscription_id
    LIMIT 1 FOR UPDATE";

const TAKE: &str = "
    UPDATE public.subscriptions SET active_device_count = active_device_count + 1, updated_at = now()
    WHERE tenant_id = $1 AND subscription_id = $2 AND active_device_count < device_limit";

const LOCK: &str =
    "SELECT 1 FROM public.subscriptions WHERE tenant_id = $1 AND subscription_id = $2 FOR UPDATE";

const GIVE_BACK: &str = "
    UPDATE public.subscriptions SET active_device_count = greatest(active_device_count - 1, 0), updated_at = now()
    WHERE tenant_id = $1 AND subscription_id = $2";

const LOG: &str = "
    INSERT INTO public.subscription_event_log
        (tenant_id, subscription_id, event_type, device_id, actor_type, actor_id, details)
    VALUES ($1, $2, $3, $4, $5, $6, $7::text::jsonb)";

/// Who did it, as the event log tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    kind: &'static str,
    id: String,
}

impl Actor {
    /// A part of the service.
    #[must_use]
    pub fn service(name: &str) -> Self {
        Actor { kind: "service", id: name.to_owned() }
    }

    /// Somebody of the tenant.
    #[must_use]
    pub fn tenant(id: &str) -> Self {
        Actor { kind: "tenant", id: id.to_owned() }
    }

    /// What kind of actor: `service` or `tenant`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        self.kind
    }

    /// Which one.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }
}

/// What the event log tells.
#[derive(Clone, Copy, Debug)]
pub struct Event<'a> {
    /// Of which subscription, if the device had one.
    pub subscription: Option<&'a str>,
    /// What happened: one of the table's list.
    pub kind: &'static str,
    /// Of which device, if it is about one.
    pub device: Option<&'a str>,
    /// What else there is to say.
    pub details: &'a serde_json::Value,
}

/// Writes an event down.
///
/// # Errors
/// As any statement's.
///
/// # Cancel safety
/// It goes with the transaction.
pub async fn log(tx: &TenantTx, event: Event<'_>, actor: &Actor) -> Result<()> {
    let details = event.details.to_string();
    let values: [&(dyn plimsoll::tokio_postgres::types::ToSql + Sync); 7] =
        [&tx.tenant(), &event.subscription, &event.kind, &event.device, &actor.kind, &actor.id, &details];
    exactly(1, tx.execute(LOG, &values).await?, "writing an event down")
}

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

/// What was found where room was looked for.
#[derive(Debug)]
pub enum Wanted {
    /// Room for one more.
    Room(Room),
    /// None.
    Full,
    /// There is no subscription of the name that was said.
    NotThere,
}

/// Locks the subscription of this name, or else the tenant's main one, and says whether one more device has room in it.
///
/// # Errors
/// As any statement's.
///
/// # Cancel safety
/// The lock goes with the transaction.
pub async fn with_room(tx: &TenantTx, named: Option<&str>) -> Result<Wanted> {
    // The one with room may be full once its lock is had. Another may still have some, which a second look sees.
    let looks = if named.is_none() { 2 } else { 1 };
    for _ in 0..looks {
        let Some(row) = tx.query_opt(WITH_ROOM, &[&tx.tenant(), &named]).await? else {
            return Ok(if named.is_some() { Wanted::NotThere } else { Wanted::Full });
        };
        if row.try_get(1)? {
            return Ok(Wanted::Room(Room { subscription: row.try_get(0)? }));
        }
    }
    Ok(Wanted::Full)
}

/// Counts one more device, and writes down which.
///
/// # Errors
/// When the count could not be raised by exactly one; the transaction has to be given up then.
///
/// # Cancel safety
/// Dropped, it may have been counted; that goes with the transaction.
pub async fn take(tx: &TenantTx, room: Room, device: &str, actor: &Actor) -> Result<()> {
    exactly(1, tx.execute(TAKE, &[&tx.tenant(), &room.id()]).await?, "counting a device")?;
    let details = serde_json::json!({});
    let event = Event {
        subscription: Some(room.id()),
        kind: "DEVICE_ADDED",
        device: Some(device),
        details: &details,
    };
    log(tx, event, actor).await
}

/// Locks a subscription before one of its devices is, which is the order everywhere.
///
/// # Errors
/// When it is not there, which no foreign key allows, and as any statement's.
///
/// # Cancel safety
/// The lock goes with the transaction.
pub async fn lock(tx: &TenantTx, subscription: &str) -> Result<()> {
    let found = tx.execute(LOCK, &[&tx.tenant(), &subscription]).await?;
    exactly(1, found, "locking a device's subscription")
}

/// Counts one device less, never below zero. The caller has locked the subscription, and writes the event down.
///
/// # Errors
/// When not exactly one row changed; the transaction has to be given up then.
///
/// # Cancel safety
/// It goes with the transaction.
pub async fn give_back(tx: &TenantTx, subscription: &str) -> Result<()> {
    exactly(1, tx.execute(GIVE_BACK, &[&tx.tenant(), &subscription]).await?, "counting a device less")
}
