//! The words about devices: their ids, their sites' ids, and the states they can be in.

use std::fmt;

/// The last word of `GET /customer/devices/summary`.
pub(super) const SUMMARY: &str = "summary";
/// The last word of `POST /customer/devices/import`.
pub(super) const IMPORT: &str = "import";

/// The words that stand in paths where a device's id does. The routes are made of them, and a device that had one as its id could
/// not be addressed, so none gets one.
pub const RESERVED_IDS: [&str; 2] = [SUMMARY, IMPORT];

/// A device's id: a letter or digit, then up to 127 letters, digits and `. _ : -`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DeviceId(String);

impl DeviceId {
    /// The id, if it is one. The table of devices checks the same.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let first = text.bytes().next()?;
        let rest = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b':' | b'-');
        let is_one = first.is_ascii_alphanumeric() && text.len() <= 128 && text.bytes().all(rest);
        is_one.then(|| DeviceId(text.to_owned()))
    }

    /// Whether the paths of the API have another meaning for it: then no device is registered under it.
    #[must_use]
    pub fn is_reserved(&self) -> bool {
        RESERVED_IDS.contains(&self.0.as_str())
    }

    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A site's id: 1 to 128 characters, none of which is a control character.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SiteId(String);

impl SiteId {
    /// The id, if it is one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let length = text.chars().take(129).count();
        let is_one = (1..=128).contains(&length) && !text.chars().any(char::is_control);
        is_one.then(|| SiteId(text.to_owned()))
    }

    /// The site of devices that were never told of one.
    #[must_use]
    pub fn default_site() -> Self {
        SiteId("default".to_owned())
    }

    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The state of a device in the registry. The table has the same list in a CHECK; a test compares them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceStatus {
    /// Registered, and not heard of yet.
    Pending,
    /// In use.
    Active,
    /// Put aside.
    Inactive,
    /// Stopped for a time by its tenant or by an operator.
    Suspended,
    /// Its right to send was taken away.
    Revoked,
    /// Gone; kept for the record.
    Deleted,
}

impl DeviceStatus {
    /// Every state.
    pub const ALL: [DeviceStatus; 6] = [
        DeviceStatus::Pending,
        DeviceStatus::Active,
        DeviceStatus::Inactive,
        DeviceStatus::Suspended,
        DeviceStatus::Revoked,
        DeviceStatus::Deleted,
    ];

    /// As the database and the API write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            DeviceStatus::Pending => "PENDING",
            DeviceStatus::Active => "ACTIVE",
            DeviceStatus::Inactive => "INACTIVE",
            DeviceStatus::Suspended => "SUSPENDED",
            DeviceStatus::Revoked => "REVOKED",
            DeviceStatus::Deleted => "DELETED",
        }
    }

    /// The state of that name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }

    /// Whether a device in this state may send.
    #[must_use]
    pub fn may_send(self) -> bool {
        match self {
            DeviceStatus::Pending | DeviceStatus::Active => true,
            DeviceStatus::Inactive
            | DeviceStatus::Suspended
            | DeviceStatus::Revoked
            | DeviceStatus::Deleted => false,
        }
    }

    /// Whether a device in this state counts against its subscription: it was not put aside, and is not gone.
    #[must_use]
    pub fn is_counted(self) -> bool {
        !matches!(self, DeviceStatus::Inactive | DeviceStatus::Deleted)
    }
}
