//! Why a question about messages is refused.

use crate::refusal::{Refusal, RefusalKind};
use std::borrow::Cow;

/// Why the list of messages is not given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryRefusal {
    /// The state in the query is none.
    UnknownStatus,
    /// The alert in the query is no number.
    BadAlert,
    /// The limit in the query is none.
    BadLimit,
}

impl Refusal for DeliveryRefusal {
    fn kind(&self) -> RefusalKind {
        RefusalKind::Malformed
    }

    fn code(&self) -> &'static str {
        match self {
            DeliveryRefusal::UnknownStatus => "UNKNOWN_STATUS",
            DeliveryRefusal::BadAlert => "INVALID_ID",
            DeliveryRefusal::BadLimit => "BAD_LIMIT",
        }
    }

    fn detail(&self) -> Cow<'static, str> {
        match self {
            DeliveryRefusal::UnknownStatus => "status is PENDING, SENT or DEAD".into(),
            DeliveryRefusal::BadAlert => "alert is the number of an alert".into(),
            DeliveryRefusal::BadLimit => "limit is a whole number from 1 to 200".into(),
        }
    }
}
