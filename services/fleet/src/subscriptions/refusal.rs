//! Why a subscription is not shown or renewed.

use crate::refusal::{Refusal, RefusalKind};
use std::borrow::Cow;

/// Why it is not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SubscriptionRefusal {
    /// The tenant has no such subscription.
    NotFound,
    /// The term of an add-on is that of its main subscription.
    FollowsItsParent,
    /// Some of the devices that are to be put aside do not count against this subscription.
    ForeignDevices(Vec<String>),
    /// More devices would remain than the new limit allows.
    LimitTooLow {
        /// How many would remain.
        remaining: i64,
        /// The limit that was asked for, or that there is.
        limit: i64,
    },
    /// A field that cannot be used, and why.
    BadField(&'static str),
    /// The key was used for another request.
    KeyReused,
}

/// So many ids are named in an answer.
const NAMED: usize = 10;

impl Refusal for SubscriptionRefusal {
    fn kind(&self) -> RefusalKind {
        match self {
            SubscriptionRefusal::NotFound => RefusalKind::NotFound,
            SubscriptionRefusal::FollowsItsParent | SubscriptionRefusal::KeyReused => RefusalKind::Conflict,
            SubscriptionRefusal::ForeignDevices(_)
            | SubscriptionRefusal::LimitTooLow { .. }
            | SubscriptionRefusal::BadField(_) => RefusalKind::Malformed,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            SubscriptionRefusal::NotFound => "SUBSCRIPTION_NOT_FOUND",
            SubscriptionRefusal::FollowsItsParent => "ADDON_FOLLOWS_PARENT",
            SubscriptionRefusal::ForeignDevices(_) => "DEVICES_NOT_OF_SUBSCRIPTION",
            SubscriptionRefusal::LimitTooLow { .. } => "LIMIT_BELOW_DEVICES",
            SubscriptionRefusal::BadField(_) => "BAD_FIELD",
            SubscriptionRefusal::KeyReused => "IDEMPOTENCY_KEY_REUSED",
        }
    }

    fn detail(&self) -> Cow<'static, str> {
        match self {
            SubscriptionRefusal::NotFound => "Subscription not found".into(),
            SubscriptionRefusal::FollowsItsParent => {
                "an add-on has the term of its main subscription: renew that one".into()
            }
            SubscriptionRefusal::ForeignDevices(devices) => {
                let named: Vec<&str> = devices.iter().take(NAMED).map(String::as_str).collect();
                let count = devices.len();
                format!("{count} devices do not count against this subscription: {}", named.join(", ")).into()
            }
            SubscriptionRefusal::LimitTooLow { remaining, limit } => format!(
                "{remaining} devices would remain and the limit is {limit}: name {} more in devices_to_deactivate",
                remaining - limit
            )
            .into(),
            SubscriptionRefusal::BadField(why) => (*why).into(),
            SubscriptionRefusal::KeyReused => {
                "this Idempotency-Key was used for another request: take a new one for each".into()
            }
        }
    }
}
