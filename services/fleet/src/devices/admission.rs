//! May this device send? The rules, without a database.
//!
//! The proof is a device's own token, or the tenant's provisioning key. A device that is registered with a token of its
//! own shows that one and no other: otherwise whoever knows the key could speak for any device of the tenant. The key
//! counts for a device that has no token yet, and for one that is not registered: such a first message registers the
//! device, and the key it came with becomes its token.
//!
//! Whoever proves nothing is told nothing: an unknown tenant, an unknown device and a wrong token get the same answer.

use super::refusal::AdmissionRefusal;
use super::{DeviceStatus, SiteId};
use crate::credentials::TokenHash;

/// What is on record about a tenant and a device of this id.
#[derive(Clone, Debug)]
pub struct Record {
    /// Whether the tenant is ACTIVE.
    pub tenant_is_active: bool,
    /// The hash of its provisioning key, if it has one.
    pub tenant_key_hash: Option<String>,
    /// The device, if it is registered.
    pub device: Option<Registered>,
}

/// A registered device.
#[derive(Clone, Debug)]
pub struct Registered {
    /// Its state.
    pub status: DeviceStatus,
    /// Where it is.
    pub site: SiteId,
    /// The hash of its token, if it has one.
    pub token_hash: Option<String>,
    /// The state of the subscription that it counts against, if there is one.
    pub subscription: Option<String>,
}

/// What becomes of a message.
#[derive(Clone, Debug)]
pub enum Admission {
    /// It is taken, as of this site.
    Accepted(SiteId),
    /// The device is to be registered first.
    ToBeProvisioned,
    /// It is not taken.
    Refused(AdmissionRefusal),
}

/// Decides about a message whose sender showed this token.
#[must_use]
pub fn decide(record: Option<&Record>, shown: &TokenHash, auto_provision: bool) -> Admission {
    let Some(record) = record else { return Admission::Refused(AdmissionRefusal::NotProved) };
    let is_tenants_key = record.tenant_key_hash.as_deref().is_some_and(|key| shown.is(key));
    let is_proved = match &record.device {
        Some(Registered { token_hash: Some(own), .. }) => shown.is(own),
        Some(Registered { token_hash: None, .. }) | None => is_tenants_key,
    };
    if !is_proved {
        return Admission::Refused(AdmissionRefusal::NotProved);
    }
    if !record.tenant_is_active {
        return Admission::Refused(AdmissionRefusal::TenantSuspended);
    }
    match &record.device {
        Some(device) => of_registered(device),
        None if auto_provision => Admission::ToBeProvisioned,
        None => Admission::Refused(AdmissionRefusal::Unregistered),
    }
}

fn of_registered(device: &Registered) -> Admission {
    if !device.status.may_send() {
        return Admission::Refused(AdmissionRefusal::DeviceRevoked);
    }
    match device.subscription.as_deref() {
        Some("SUSPENDED") => Admission::Refused(AdmissionRefusal::SubscriptionSuspended),
        Some("EXPIRED") => Admission::Refused(AdmissionRefusal::SubscriptionExpired),
        _ => Admission::Accepted(device.site.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::refusal::Refusal;

    fn record(device: Option<Registered>) -> Record {
        Record { tenant_is_active: true, tenant_key_hash: Some(TokenHash::of("key").hex()), device }
    }

    fn device(token: Option<&str>) -> Registered {
        Registered {
            status: DeviceStatus::Active,
            site: SiteId::default_site(),
            token_hash: token.map(|token| TokenHash::of(token).hex()),
            subscription: Some("ACTIVE".to_owned()),
        }
    }

    fn code(record: Option<&Record>, token: &str, auto: bool) -> &'static str {
        match decide(record, &TokenHash::of(token), auto) {
            Admission::Accepted(_) => "accepted",
            Admission::ToBeProvisioned => "to be provisioned",
            Admission::Refused(refusal) => refusal.code(),
        }
    }

    #[test]
    fn a_device_with_a_token_of_its_own_shows_that_one() {
        let known = record(Some(device(Some("own"))));
        assert_eq!(code(Some(&known), "own", true), "accepted");
        assert_eq!(code(Some(&known), "key", true), "TOKEN_INVALID");
        assert_eq!(code(Some(&known), "", true), "TOKEN_INVALID");
        let without = record(Some(device(None)));
        assert_eq!(code(Some(&without), "key", true), "accepted");
        assert_eq!(code(Some(&without), "other", true), "TOKEN_INVALID");
    }

    #[test]
    fn only_the_tenants_key_brings_a_new_device_in() {
        assert_eq!(code(Some(&record(None)), "key", true), "to be provisioned");
        assert_eq!(code(Some(&record(None)), "key", false), "UNREGISTERED_DEVICE");
        assert_eq!(code(Some(&record(None)), "other", true), "TOKEN_INVALID");
        assert_eq!(code(None, "key", true), "TOKEN_INVALID");
        let keyless = Record { tenant_key_hash: None, ..record(None) };
        assert_eq!(code(Some(&keyless), "key", true), "TOKEN_INVALID");
    }

    #[test]
    fn who_may_not_send_is_told_so_after_the_proof_and_not_before() {
        let asleep = Record { tenant_is_active: false, ..record(Some(device(Some("own")))) };
        assert_eq!(code(Some(&asleep), "own", true), "TENANT_SUSPENDED");
        assert_eq!(code(Some(&asleep), "other", true), "TOKEN_INVALID");
        for status in DeviceStatus::ALL {
            let known = record(Some(Registered { status, ..device(Some("own")) }));
            let expected = if status.may_send() { "accepted" } else { "DEVICE_REVOKED" };
            assert_eq!(code(Some(&known), "own", true), expected);
        }
        let expired = Registered { subscription: Some("EXPIRED".to_owned()), ..device(Some("own")) };
        assert_eq!(code(Some(&record(Some(expired))), "own", true), "SUBSCRIPTION_EXPIRED");
    }
}
