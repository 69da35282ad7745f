//! The words about subscriptions, and what becomes of one whose term is over.

/// The state of a subscription. The table has the same list in a CHECK; a test compares them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubscriptionStatus {
    /// Tried out, until its term is over.
    Trial,
    /// In force.
    Active,
    /// Its term is over, and its devices may still send.
    Grace,
    /// Its grace is over: its devices may not send.
    Suspended,
    /// It is over without a grace.
    Expired,
}

impl SubscriptionStatus {
    /// Every state.
    pub const ALL: [SubscriptionStatus; 5] = [
        SubscriptionStatus::Trial,
        SubscriptionStatus::Active,
        SubscriptionStatus::Grace,
        SubscriptionStatus::Suspended,
        SubscriptionStatus::Expired,
    ];

    /// As the database and the API write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            SubscriptionStatus::Trial => "TRIAL",
            SubscriptionStatus::Active => "ACTIVE",
            SubscriptionStatus::Grace => "GRACE",
            SubscriptionStatus::Suspended => "SUSPENDED",
            SubscriptionStatus::Expired => "EXPIRED",
        }
    }

    /// The state of that name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }
}

/// What kind of subscription it is. The table has the same list in a CHECK; a test compares them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubscriptionType {
    /// The tenant's own.
    Main,
    /// More devices for a main one, whose term it shares.
    Addon,
    /// To try the service out.
    Trial,
    /// For a time, such as an event.
    Temporary,
}

impl SubscriptionType {
    /// Every kind.
    pub const ALL: [SubscriptionType; 4] = [
        SubscriptionType::Main,
        SubscriptionType::Addon,
        SubscriptionType::Trial,
        SubscriptionType::Temporary,
    ];

    /// As the database and the API write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            SubscriptionType::Main => "MAIN",
            SubscriptionType::Addon => "ADDON",
            SubscriptionType::Trial => "TRIAL",
            SubscriptionType::Temporary => "TEMPORARY",
        }
    }

    /// The kind of that name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// What becomes of a subscription whose end has come, and the event that tells of it. Who pays gets a grace; who tries it out
/// or has it for a time knew the day.
#[must_use]
pub fn after_its_end(
    kind: SubscriptionType,
    status: SubscriptionStatus,
) -> Option<(SubscriptionStatus, &'static str)> {
    use SubscriptionStatus::{Active, Expired, Grace, Suspended, Trial};
    match (status, kind) {
        (Active, SubscriptionType::Main | SubscriptionType::Addon) => Some((Grace, "GRACE_STARTED")),
        (Active, SubscriptionType::Trial | SubscriptionType::Temporary) | (Trial, _) => {
            Some((Expired, "STATUS_EXPIRED"))
        }
        (Grace, _) => Some((Suspended, "STATUS_SUSPENDED")),
        (Suspended | Expired, _) => None,
    }
}

/// Whether a text can be a subscription's id: `SUB-YYYYMMDD-NNNNN`. The table checks the same.
#[must_use]
pub fn is_id(text: &str) -> bool {
    let is_right = |(place, byte): (usize, u8)| match place {
        0 => byte == b'S',
        1 => byte == b'U',
        2 => byte == b'B',
        3 | 12 => byte == b'-',
        _ => byte.is_ascii_digit(),
    };
    text.len() == 18 && text.bytes().enumerate().all(is_right)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_end_leads_to_one_that_has_none() {
        for kind in SubscriptionType::ALL {
            for first in SubscriptionStatus::ALL {
                let (mut status, mut steps) = (first, 0);
                while let Some((next, _)) = after_its_end(kind, status) {
                    (status, steps) = (next, steps + 1);
                }
                assert!(steps <= 2, "{kind:?} {first:?}");
                assert!(matches!(status, SubscriptionStatus::Suspended | SubscriptionStatus::Expired));
            }
        }
        let of = |kind| after_its_end(kind, SubscriptionStatus::Active).map(|(next, _)| next);
        assert_eq!(of(SubscriptionType::Main), Some(SubscriptionStatus::Grace));
        assert_eq!(of(SubscriptionType::Temporary), Some(SubscriptionStatus::Expired));
    }

    #[test]
    fn an_id_has_one_form() {
        assert!(is_id("SUB-20250101-00001"));
        for wrong in
            ["", "SUB-20250101-0001", "sub-20250101-00001", "SUB-2025010a-00001", "SUB-20250101-000011"]
        {
            assert!(!is_id(wrong), "{wrong}");
        }
    }
}
