//! Why something that people ask about a device is not done.

use super::device::RESERVED_IDS;
use crate::refusal::{Refusal, RefusalKind};
use std::borrow::Cow;
use std::time::Duration;

/// Why the registry does not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RegistryRefusal {
    /// There is no such device, or it was deleted.
    DeviceNotFound,
    /// A device of this id is registered, or was.
    Exists,
    /// The tenant has no site of this name.
    UnknownSite,
    /// The tenant has no subscription of this name.
    SubscriptionNotFound,
    /// There is no room for another device.
    NoCapacity,
    /// The device was put aside, so it gets no token.
    NotInUse,
    /// A change was asked for that changes nothing.
    NothingToChange,
    /// The id has another meaning in the paths of the API.
    ReservedId,
    /// A field that cannot be used, and why.
    BadField(Cow<'static, str>),
    /// A file that cannot be read as a whole, and why.
    BadCsv(Cow<'static, str>),
    /// A row that was not reached: the time was over, or the database was away.
    NotTried,
    /// Other requests changed the same device again and again.
    Busy,
}

/// How an id is refused that has another meaning in paths, whatever way the device came.
pub(super) const RESERVED_CODE: &str = "DEVICE_ID_RESERVED";

pub(super) fn reserved_sentence() -> String {
    let words = RESERVED_IDS.join(" and ");
    format!(
        "{words} are words of the API where a device's id stands, so no device gets one: choose another id"
    )
}

impl Refusal for RegistryRefusal {
    fn kind(&self) -> RefusalKind {
        match self {
            RegistryRefusal::DeviceNotFound | RegistryRefusal::SubscriptionNotFound => RefusalKind::NotFound,
            RegistryRefusal::Exists | RegistryRefusal::NotInUse => RefusalKind::Conflict,
            RegistryRefusal::NoCapacity => RefusalKind::Forbidden,
            RegistryRefusal::UnknownSite
            | RegistryRefusal::NothingToChange
            | RegistryRefusal::ReservedId
            | RegistryRefusal::BadField(_)
            | RegistryRefusal::BadCsv(_) => RefusalKind::Malformed,
            RegistryRefusal::NotTried | RegistryRefusal::Busy => RefusalKind::NotNow(Duration::from_secs(1)),
        }
    }

    fn code(&self) -> &'static str {
        match self {
            RegistryRefusal::DeviceNotFound => "DEVICE_NOT_FOUND",
            RegistryRefusal::Exists => "DEVICE_EXISTS",
            RegistryRefusal::UnknownSite => "UNKNOWN_SITE",
            RegistryRefusal::SubscriptionNotFound => "SUBSCRIPTION_NOT_FOUND",
            RegistryRefusal::NoCapacity => "NO_SUBSCRIPTION_CAPACITY",
            RegistryRefusal::NotInUse => "DEVICE_NOT_IN_USE",
            RegistryRefusal::NothingToChange => "NOTHING_TO_CHANGE",
            RegistryRefusal::ReservedId => RESERVED_CODE,
            RegistryRefusal::BadField(_) => "BAD_FIELD",
            RegistryRefusal::BadCsv(_) => "BAD_CSV",
            RegistryRefusal::NotTried => "NOT_TRIED",
            RegistryRefusal::Busy => "BUSY",
        }
    }

    fn detail(&self) -> Cow<'static, str> {
        match self {
            RegistryRefusal::DeviceNotFound => "Device not found".into(),
            RegistryRefusal::Exists => {
                "a device of this id is registered, or was and has been deleted".into()
            }
            RegistryRefusal::UnknownSite => "the tenant has no site of this name".into(),
            RegistryRefusal::SubscriptionNotFound => "Subscription not found".into(),
            RegistryRefusal::NoCapacity => "no subscription of the tenant has room for another device".into(),
            RegistryRefusal::NotInUse => "the device is put aside or revoked, so it gets no token".into(),
            RegistryRefusal::NothingToChange => "the body names nothing that is to be changed".into(),
            RegistryRefusal::ReservedId => reserved_sentence().into(),
            RegistryRefusal::BadField(why) | RegistryRefusal::BadCsv(why) => why.clone(),
            RegistryRefusal::NotTried => {
                "this row was not tried, since the time was over or the database was away: send it again"
                    .into()
            }
            RegistryRefusal::Busy => "other requests are changing this device; ask again".into(),
        }
    }
}
