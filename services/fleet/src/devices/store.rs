//! The registry of devices in SQL.

use super::admission::{Record, Registered};
use super::{DeviceId, DeviceStatus, SiteId};
use crate::tenants::TenantTx;
use plimsoll::{Error, Result};
use std::collections::HashMap;

/// The tenant and those of these devices that exist: a row for each of them, and one without a device where there is none.
const RECORDS: &str = "
    SELECT t.status = 'ACTIVE', t.provision_key_hash, d.status, d.site_id, d.provision_token_hash, s.status, d.device_id
    FROM public.tenants t
    LEFT JOIN public.device_registry d ON d.tenant_id = t.tenant_id AND d.device_id = ANY($2::text[])
    LEFT JOIN public.subscriptions s ON s.tenant_id = d.tenant_id AND s.subscription_id = d.subscription_id
    WHERE t.tenant_id = $1";

/// What is on record about a tenant and some devices.
#[derive(Clone, Debug, Default)]
pub struct Records {
    /// The tenant as it is for a device that is not registered, if it exists.
    tenant: Option<Record>,
    devices: HashMap<String, Registered>,
}

impl Records {
    /// What is on record about this device, which is one of those that were asked for.
    #[must_use]
    pub fn of(&self, device: &DeviceId) -> Option<Record> {
        let tenant = self.tenant.clone()?;
        Some(Record { device: self.devices.get(device.as_str()).cloned(), ..tenant })
    }
}

/// What is on record about this tenant and these devices, in one statement.
///
/// # Errors
/// As any statement's.
///
/// # Cancel safety
/// Only reads.
pub async fn records(tx: &TenantTx, devices: &[&str]) -> Result<Records> {
    let mut records = Records::default();
    for row in tx.query(RECORDS, &[&tx.tenant(), &devices]).await? {
        if records.tenant.is_none() {
            records.tenant = Some(Record {
                tenant_is_active: row.try_get(0)?,
                tenant_key_hash: row.try_get(1)?,
                device: None,
            });
        }
        let Some(status) = row.try_get::<_, Option<&str>>(2)? else { continue };
        let device = Registered {
            status: DeviceStatus::parse(status)
                .ok_or_else(|| Error::abort(format!("the registry holds a state unknown here: {status}")))?,
            site: SiteId::parse(row.try_get(3)?)
                .ok_or_else(|| Error::abort("the registry holds a site id that is none"))?,
            token_hash: row.try_get(4)?,
            subscription: row.try_get(5)?,
        };
        records.devices.insert(row.try_get(6)?, device);
    }
    Ok(records)
}

/// What is on record about this tenant and this device.
///
/// # Errors
/// As any statement's.
///
/// # Cancel safety
/// Only reads.
pub async fn record(tx: &TenantTx, device: &DeviceId) -> Result<Option<Record>> {
    Ok(records(tx, &[device.as_str()]).await?.of(device))
}
