//! Why a message of a device is not taken, as far as that is about the device.

use super::registry_refusal::{RESERVED_CODE, reserved_sentence};
use crate::refusal::{Proof, Refusal, RefusalKind};
use std::borrow::Cow;
use std::time::Duration;

/// Why a device may not send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AdmissionRefusal {
    /// The token proves neither this device nor its tenant; or one of them does not exist, which is not told.
    NotProved,
    /// The tenant is not active.
    TenantSuspended,
    /// The device is not registered, and devices are not registered by themselves here.
    Unregistered,
    /// The state of the device does not let it send.
    DeviceRevoked,
    /// Its subscription is suspended.
    SubscriptionSuspended,
    /// Its subscription has expired.
    SubscriptionExpired,
    /// No subscription of the tenant has room for another device.
    NoCapacity,
    /// The tenant has no site of the name that the message says.
    UnknownSite,
    /// The device is registered at another site than the message says.
    SiteMismatch,
    /// The device would be registered under an id that has another meaning in the paths of the API.
    ReservedId,
    /// The device is being registered at this moment, by another message.
    BeingRegistered,
    /// The database was lost before it said whether the device is registered.
    OutcomeUnknown,
    /// The registry does not take the device, which is not its message's fault.
    NotRegistered,
}

impl Refusal for AdmissionRefusal {
    fn kind(&self) -> RefusalKind {
        match self {
            AdmissionRefusal::NotProved => RefusalKind::NotProved(Proof::ProvisionToken),
            AdmissionRefusal::TenantSuspended
            | AdmissionRefusal::Unregistered
            | AdmissionRefusal::DeviceRevoked
            | AdmissionRefusal::SubscriptionSuspended
            | AdmissionRefusal::SubscriptionExpired
            | AdmissionRefusal::NoCapacity => RefusalKind::Forbidden,
            AdmissionRefusal::UnknownSite | AdmissionRefusal::SiteMismatch | AdmissionRefusal::ReservedId => {
                RefusalKind::Malformed
            }
            AdmissionRefusal::BeingRegistered | AdmissionRefusal::OutcomeUnknown => {
                RefusalKind::NotNow(Duration::from_secs(1))
            }
            AdmissionRefusal::NotRegistered => RefusalKind::OwnMistake,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            AdmissionRefusal::NotProved => "TOKEN_INVALID",
            AdmissionRefusal::TenantSuspended => "TENANT_SUSPENDED",
            AdmissionRefusal::Unregistered => "UNREGISTERED_DEVICE",
            AdmissionRefusal::DeviceRevoked => "DEVICE_REVOKED",
            AdmissionRefusal::SubscriptionSuspended => "SUBSCRIPTION_SUSPENDED",
            AdmissionRefusal::SubscriptionExpired => "SUBSCRIPTION_EXPIRED",
            AdmissionRefusal::NoCapacity => "NO_SUBSCRIPTION_CAPACITY",
            AdmissionRefusal::UnknownSite => "UNKNOWN_SITE",
            AdmissionRefusal::SiteMismatch => "SITE_MISMATCH",
            AdmissionRefusal::ReservedId => RESERVED_CODE,
            AdmissionRefusal::BeingRegistered => "BUSY",
            AdmissionRefusal::OutcomeUnknown => "OUTCOME_UNKNOWN",
            AdmissionRefusal::NotRegistered => "INTERNAL",
        }
    }

    fn detail(&self) -> Cow<'static, str> {
        let sentence = match self {
            AdmissionRefusal::NotProved => {
                "the token in X-Provision-Token proves neither this device nor its tenant"
            }
            AdmissionRefusal::TenantSuspended => "the tenant is not active",
            AdmissionRefusal::Unregistered => {
                "the device is not registered, and devices are not registered by themselves here"
            }
            AdmissionRefusal::DeviceRevoked => {
                "the device is registered, but may not send in its present state"
            }
            AdmissionRefusal::SubscriptionSuspended => "the device's subscription is suspended",
            AdmissionRefusal::SubscriptionExpired => "the device's subscription has expired",
            AdmissionRefusal::NoCapacity => "the tenant's subscription has no room for another device",
            AdmissionRefusal::UnknownSite => "the tenant has no site of this name",
            AdmissionRefusal::SiteMismatch => "the device is registered at another site",
            AdmissionRefusal::ReservedId => return reserved_sentence().into(),
            AdmissionRefusal::BeingRegistered => "the device is just being registered; send again",
            AdmissionRefusal::OutcomeUnknown => {
                "the database was lost before it said whether the device is registered: send again, it is not registered twice"
            }
            AdmissionRefusal::NotRegistered => {
                "the service could not register the device; its log has the rest"
            }
        };
        sentence.into()
    }
}
