//! The first message of a device registers it: exactly once, and never beyond what the tenant pays for.
//!
//! Hundreds of devices come to life at once when a site gets its power back, each sends several times before it hears
//! an answer, and any instance of the service may get any of them. So the registration runs under an advisory lock whose
//! key every instance computes alike, and looks again under it. The lock only keeps the peace: the truth is the primary
//! key of the registry, and the count goes up only if the insert was the one that won. Capacity is looked at and taken
//! while the subscription's row is locked. The order is: the device's advisory lock, the subscription, the device.

use super::{DeviceId, SiteId, store};
use crate::credentials::TokenHash;
use crate::subscriptions;
use crate::tenants::{TenantId, TenantTx, transaction};
use plimsoll::{Database, Result};

const SITE: &str = "SELECT 1 FROM public.sites WHERE tenant_id = $1 AND site_id = $2";

const INSERT: &str = "
    INSERT INTO public.device_registry (tenant_id, device_id, site_id, subscription_id, status, provision_token_hash)
    VALUES ($1, $2, $3, $4, 'ACTIVE', $5)
    ON CONFLICT (tenant_id, device_id) DO NOTHING";

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provisioned {
    /// The device was registered now.
    Made,
    /// It was there already; nothing was changed.
    Existed,
    /// No subscription of the tenant has room for another device.
    NoCapacity,
    /// The tenant has no site of that name.
    UnknownSite,
}

/// Registers a device whose first message showed the tenant's key; that key's hash becomes the device's own.
///
/// # Errors
/// Everything is rolled back then.
///
/// # Cancel safety
/// Dropped before its COMMIT was sent, nothing was registered.
pub async fn provision(
    db: &Database,
    tenant: &TenantId,
    device: &DeviceId,
    site: &SiteId,
    proof: &TokenHash,
) -> Result<Provisioned> {
    let call = db.named("auto-provision");
    let work = async |tx: TenantTx| register(&tx, device, site, proof).await;
    let outcome = transaction::retrying(call, tenant, work).await;
    match &outcome {
        Ok(Provisioned::Made) => tracing::info!("Auto-provisioned device {device} for tenant {tenant}"),
        Ok(Provisioned::Existed) => {}
        Ok(Provisioned::NoCapacity) => {
            tracing::warn!(
                "Auto-provision failed for {device}: no subscription of tenant {tenant} has capacity"
            );
        }
        Ok(Provisioned::UnknownSite) => {
            tracing::warn!("Auto-provision failed for {device}: tenant {tenant} has no such site");
        }
        Err(error) => tracing::error!("Auto-provision failed for {device}: {error}"),
    }
    outcome
}

async fn register(tx: &TenantTx, device: &DeviceId, site: &SiteId, proof: &TokenHash) -> Result<Provisioned> {
    tx.advisory_lock(("device", tx.tenant(), device.as_str())).await?;
    if store::record(tx, device).await?.is_some_and(|record| record.device.is_some()) {
        return Ok(Provisioned::Existed);
    }
    if tx.query_opt(SITE, &[&tx.tenant(), &site.as_str()]).await?.is_none() {
        return Ok(Provisioned::UnknownSite);
    }
    let Some(room) = subscriptions::store::with_room(tx).await? else { return Ok(Provisioned::NoCapacity) };
    let (tenant, hash) = (tx.tenant(), proof.hex());
    let values: [&(dyn plimsoll::tokio_postgres::types::ToSql + Sync); 5] =
        [&tenant, &device.as_str(), &site.as_str(), &room.id(), &hash];
    if tx.execute(INSERT, &values).await? == 0 {
        // Somebody registered it without the lock. Nothing was counted, so nothing has to be undone.
        return Ok(Provisioned::Existed);
    }
    subscriptions::store::take(tx, room, device.as_str()).await?;
    Ok(Provisioned::Made)
}
