//! May this device send, and where is it? The one answer, for every protocol by which a message can come in.
//!
//! The rules are those of [`admission`]; a first message that they let in registers its device.

use super::admission::{self, Admission, Record};
use super::provision::{Provisioned, provision};
use super::refusal::AdmissionRefusal;
use super::{DeviceId, SiteId, store};
use crate::credentials::TokenHash;
use crate::refusal::NotDone;
use crate::tenants::{TenantId, TenantTx, transaction};
use plimsoll::{Database, Error, Fault, Outcome, Result};

/// Lets a device in of which this is on record, and whose message showed this token and says to come from this site; and registers
/// it if this is its first message and `auto_provision` allows that. The answer is its site.
///
/// What is on record has to have been read after the message came: a device that was revoked before is then not let in.
///
/// # Errors
/// Why it may not send, and what the database failed with.
///
/// # Cancel safety
/// Dropped, the device may have been registered; its next message is then taken as a known device's.
pub async fn admit(
    db: &Database,
    tenant: &TenantId,
    device: &DeviceId,
    known: Option<&Record>,
    shown: &TokenHash,
    said: Option<&SiteId>,
    auto_provision: bool,
) -> Result<SiteId, NotDone<AdmissionRefusal>> {
    let decision = match admission::decide(known, shown, auto_provision) {
        Admission::ToBeProvisioned if device.is_reserved() => return Err(AdmissionRefusal::ReservedId.into()),
        Admission::ToBeProvisioned => {
            let site = said.cloned().unwrap_or_else(SiteId::default_site);
            match provision(db, tenant, device, &site, shown).await.map_err(not_registered)? {
                // From here it is a message like any other.
                Provisioned::Made => return Ok(site),
                Provisioned::Existed => {
                    let known = on_record(db, tenant, device).await?;
                    admission::decide(known.as_ref(), shown, false)
                }
                Provisioned::NoCapacity => return Err(AdmissionRefusal::NoCapacity.into()),
                Provisioned::UnknownSite => return Err(AdmissionRefusal::UnknownSite.into()),
            }
        }
        decision => decision,
    };
    match decision {
        Admission::Accepted(site) if said.is_some_and(|said| *said != site) => {
            Err(AdmissionRefusal::SiteMismatch.into())
        }
        Admission::Accepted(site) => Ok(site),
        Admission::Refused(refusal) => Err(refusal.into()),
        Admission::ToBeProvisioned => Err(AdmissionRefusal::BeingRegistered.into()),
    }
}

/// A registration that may have been done can be asked for again, since it is done once. The values that it writes were checked:
/// where the database takes them not, that is for the service's operator, whose log has been told, and not for the device.
fn not_registered(error: Error) -> NotDone<AdmissionRefusal> {
    match (error.outcome(), error.fault()) {
        (Outcome::Unknown, _) => AdmissionRefusal::OutcomeUnknown.into(),
        (_, Fault::Constraint | Fault::Data) => AdmissionRefusal::NotRegistered.into(),
        _ => error.into(),
    }
}

/// What is on record about this device now, asked for it alone.
///
/// # Errors
/// As any statement's.
///
/// # Cancel safety
/// Only reads.
pub async fn on_record(db: &Database, tenant: &TenantId, device: &DeviceId) -> Result<Option<Record>> {
    let call = db.named("look device up").read_only();
    transaction::retrying(call, tenant, async |tx: TenantTx| store::record(&tx, device).await).await
}
