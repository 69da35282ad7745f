//! The first message of a device registers it: exactly once, and never beyond what the tenant pays for.
//!
//! Hundreds of devices come to life at once when a site gets its power back, each sends several times before it hears
//! an answer, and any instance of the service may get any of them. What keeps them from being counted twice is in
//! [`register`](super::register).

use super::draft::{Details, Draft};
use super::register::{Registration, Shows, register};
use super::{DeviceId, SiteId};
use crate::credentials::TokenHash;
use crate::subscriptions::store::Actor;
use crate::tenants::{TenantId, TenantTx, transaction};
use plimsoll::{Database, Result};

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
    let draft = Draft {
        device: device.clone(),
        site: site.clone(),
        subscription: None,
        details: Details::default(),
        tags: Vec::new(),
    };
    let actor = Actor::service("auto-provision");
    let work = async |tx: TenantTx| register(&tx, &draft, Shows::TheTenantsKey(proof), &actor).await;
    let outcome = transaction::retrying(call, tenant, work).await.map(|registration| match registration {
        Registration::Made { .. } => Provisioned::Made,
        Registration::Existed => Provisioned::Existed,
        // None was named, so none can be unknown.
        Registration::NoCapacity | Registration::UnknownSubscription => Provisioned::NoCapacity,
        Registration::UnknownSite => Provisioned::UnknownSite,
    });
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
