//! Why something that operators ask is not done.

use crate::refusal::{Refusal, RefusalKind};
use std::borrow::Cow;

/// Why an operator's request is not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OperatorRefusal {
    /// A field or a filter says what cannot be, and why.
    Invalid(Cow<'static, str>),
    /// There is no such tenant.
    TenantNotFound,
    /// A tenant of this id is there, or was.
    TenantExists,
    /// The tenant was deleted, which is not taken back.
    TenantDeleted,
    /// The tenant has no subscription of this id.
    SubscriptionNotFound,
    /// An add-on names no subscription that it can be added to.
    BadParent(&'static str),
    /// More devices count against the subscription than the new limit allows.
    LimitBelowCount {
        /// How many count.
        count: i32,
    },
    /// The term of the subscription is over.
    TermOver,
    /// A tenant has no more numbers for subscriptions of today.
    TooManyToday,
}

impl Refusal for OperatorRefusal {
    fn kind(&self) -> RefusalKind {
        match self {
            OperatorRefusal::Invalid(_) | OperatorRefusal::BadParent(_) => RefusalKind::Malformed,
            OperatorRefusal::TenantNotFound | OperatorRefusal::SubscriptionNotFound => RefusalKind::NotFound,
            OperatorRefusal::TenantExists
            | OperatorRefusal::TenantDeleted
            | OperatorRefusal::LimitBelowCount { .. }
            | OperatorRefusal::TermOver
            | OperatorRefusal::TooManyToday => RefusalKind::Conflict,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            OperatorRefusal::Invalid(_) => "INVALID_REQUEST",
            OperatorRefusal::TenantNotFound => "TENANT_NOT_FOUND",
            OperatorRefusal::TenantExists => "TENANT_EXISTS",
            OperatorRefusal::TenantDeleted => "TENANT_DELETED",
            OperatorRefusal::SubscriptionNotFound => "SUBSCRIPTION_NOT_FOUND",
            OperatorRefusal::BadParent(_) => "BAD_PARENT",
            OperatorRefusal::LimitBelowCount { .. } => "LIMIT_BELOW_COUNT",
            OperatorRefusal::TermOver => "TERM_OVER",
            OperatorRefusal::TooManyToday => "TOO_MANY_TODAY",
        }
    }

    fn detail(&self) -> Cow<'static, str> {
        match self {
            OperatorRefusal::Invalid(why) => why.clone(),
            OperatorRefusal::TenantNotFound => "Tenant not found".into(),
            OperatorRefusal::TenantExists => {
                "a tenant of this id is there, or was and has been deleted; ids are not given twice".into()
            }
            OperatorRefusal::TenantDeleted => "the tenant was deleted, which is not taken back".into(),
            OperatorRefusal::SubscriptionNotFound => "Subscription not found".into(),
            OperatorRefusal::BadParent(why) => (*why).into(),
            OperatorRefusal::LimitBelowCount { count } => format!(
                "{count} devices count against this subscription, and the limit may not be lower: delete or put aside devices \
                 first"
            )
            .into(),
            OperatorRefusal::TermOver => {
                "the term of this subscription is over, so it would be turned again within the hour: renew it instead".into()
            }
            OperatorRefusal::TooManyToday => {
                "the tenant was given 99999 subscriptions today, and there are no more numbers".into()
            }
        }
    }
}
