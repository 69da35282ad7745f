//! One way into the registry, for a first message, for people and for a file: exactly once, and never beyond what the
//! tenant pays for.
//!
//! The registration runs under an advisory lock whose key every instance computes alike, and looks again under it. The lock
//! only keeps the peace: the truth is the primary key of the registry, and the count goes up only if the insert was the one
//! that won. Capacity is looked at and taken while the subscription's row is locked. The order is: the device's advisory
//! lock, the subscription, the device.

use super::draft::Draft;
use super::registry_refusal::RegistryRefusal;
use super::store;
use crate::affected;
use crate::credentials::{TokenHash, new_token};
use crate::refusal::NotDone;
use crate::subscriptions::store::{Actor, Wanted, take, with_room};
use crate::tenants::{TenantId, TenantTx, transaction};
use plimsoll::{Database, Error, Result};

const SITE: &str = "SELECT 1 FROM public.sites WHERE tenant_id = $1 AND site_id = $2";

const INSERT: &str = "
    INSERT INTO public.device_registry (tenant_id, device_id, site_id, subscription_id, status, provision_token_hash,
                                        name, device_type, model, manufacturer, serial, notes)
    SELECT $1, $2, $3, $4, 'ACTIVE', $5, d.said->>'name', d.said->>'device_type', d.said->>'model',
           d.said->>'manufacturer', d.said->>'serial', d.said->>'notes'
    FROM (SELECT $6::text::jsonb AS said) d
    ON CONFLICT (tenant_id, device_id) DO NOTHING";

const TOKEN: &str = "
    INSERT INTO public.device_api_tokens (tenant_id, device_id, token_hash, label, created_at)
    VALUES ($1, $2, $3, $4, clock_timestamp()) RETURNING client_id";

const TAGS: &str = "
    INSERT INTO public.device_tags (tenant_id, device_id, tag) SELECT $1, $2, unnest($3::text[])";

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Registration {
    /// The device was registered now, and counts against this subscription.
    Made {
        /// Which.
        subscription: String,
        /// By which name its token is known, where it was given one of its own.
        client_id: Option<String>,
    },
    /// It was there already; nothing was changed.
    Existed,
    /// No subscription has room for another device.
    NoCapacity,
    /// The tenant has no site of that name.
    UnknownSite,
    /// The tenant has no subscription of that name.
    UnknownSubscription,
}

/// By what a new device will prove itself.
#[derive(Clone, Copy, Debug)]
pub enum Shows<'a> {
    /// The tenant's key, with which its first message came.
    TheTenantsKey(&'a TokenHash),
    /// A token of its own; the label says who gave it.
    ItsOwn(&'a TokenHash, &'static str),
}

/// Registers a device, if it is not there and there is room.
///
/// # Errors
/// As any statement's; the transaction has to be given up then.
///
/// # Cancel safety
/// What was written goes with the transaction.
pub async fn register(tx: &TenantTx, draft: &Draft, shows: Shows<'_>, actor: &Actor) -> Result<Registration> {
    let (tenant, device, site) = (tx.tenant(), draft.device.as_str(), draft.site.as_str());
    tx.advisory_lock(("device", tenant, device)).await?;
    if store::record(tx, &draft.device).await?.is_some_and(|record| record.device.is_some()) {
        return Ok(Registration::Existed);
    }
    if tx.query_opt(SITE, &[&tenant, &site]).await?.is_none() {
        return Ok(Registration::UnknownSite);
    }
    let room = match with_room(tx, draft.subscription.as_deref()).await? {
        Wanted::Room(room) => room,
        Wanted::Full => return Ok(Registration::NoCapacity),
        Wanted::NotThere => return Ok(Registration::UnknownSubscription),
    };
    let hash = match shows {
        Shows::TheTenantsKey(hash) | Shows::ItsOwn(hash, _) => hash.hex(),
    };
    let said = draft.details.json();
    let values: [&(dyn plimsoll::tokio_postgres::types::ToSql + Sync); 6] =
        [&tenant, &device, &site, &room.id(), &hash, &said];
    if tx.execute(INSERT, &values).await? == 0 {
        // Another session registered it without the lock. Nothing was counted, so nothing has to be undone.
        return Ok(Registration::Existed);
    }
    let client_id = match shows {
        Shows::TheTenantsKey(_) => None,
        Shows::ItsOwn(_, label) => {
            Some(tx.query_one(TOKEN, &[&tenant, &device, &hash, &label]).await?.try_get(0)?)
        }
    };
    put_tags(tx, device, &draft.tags).await?;
    let subscription = room.id().to_owned();
    take(tx, room, device, actor).await?;
    Ok(Registration::Made { subscription, client_id })
}

/// Gives a device that has no tags these.
pub(super) async fn put_tags(tx: &TenantTx, device: &str, tags: &[String]) -> Result<()> {
    if tags.is_empty() {
        return Ok(());
    }
    let put = tx.execute(TAGS, &[&tx.tenant(), &device, &tags]).await?;
    affected::exactly(u64::try_from(tags.len()).unwrap_or(u64::MAX), put, "tagging a device")
}

/// A device that was registered by its tenant's people, with its secret: this is the only time that it is told.
#[derive(Debug)]
pub struct Created {
    /// Which subscription it counts against.
    pub subscription: String,
    /// By which name its token is known.
    pub client_id: String,
    /// The token.
    pub token: String,
}

/// Registers a device that people named, with a token of its own.
///
/// # Errors
/// Why not, and what the database failed with; nothing was registered then, unless the outcome is unknown.
///
/// # Cancel safety
/// Dropped before its COMMIT was sent, nothing was registered.
pub async fn create(
    db: &Database,
    tenant: &TenantId,
    draft: &Draft,
    label: &'static str,
    actor: &Actor,
) -> std::result::Result<Created, NotDone<RegistryRefusal>> {
    let token = new_token().map_err(|problem| Error::abort(problem.to_string()))?;
    let hash = TokenHash::of(&token);
    let call = db.named("create device").resolvable();
    let work = async |tx: TenantTx| register(&tx, draft, Shows::ItsOwn(&hash, label), actor).await;
    match transaction::retrying(call, tenant, work).await? {
        Registration::Made { subscription, client_id } => {
            Ok(Created { subscription, client_id: client_id.unwrap_or_default(), token })
        }
        Registration::Existed => Err(RegistryRefusal::Exists.into()),
        Registration::NoCapacity => Err(RegistryRefusal::NoCapacity.into()),
        Registration::UnknownSite => Err(RegistryRefusal::UnknownSite.into()),
        Registration::UnknownSubscription => Err(RegistryRefusal::SubscriptionNotFound.into()),
    }
}
