//! Why something about alerts is refused.

use crate::refusal::{Refusal, RefusalKind};
use std::borrow::Cow;

/// Why a request about alerts is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AlertRefusal {
    /// The state in the query is none.
    UnknownStatus,
    /// The limit in the query is none.
    BadLimit,
    /// The number of minutes is none.
    BadMinutes,
}

impl Refusal for AlertRefusal {
    fn kind(&self) -> RefusalKind {
        RefusalKind::Malformed
    }

    fn code(&self) -> &'static str {
        match self {
            AlertRefusal::UnknownStatus => "UNKNOWN_STATUS",
            AlertRefusal::BadLimit => "BAD_LIMIT",
            AlertRefusal::BadMinutes => "INVALID_MINUTES",
        }
    }

    fn detail(&self) -> Cow<'static, str> {
        match self {
            AlertRefusal::UnknownStatus => "status is OPEN, ACKNOWLEDGED or CLOSED".into(),
            AlertRefusal::BadLimit => "limit is a whole number from 1 to 200".into(),
            AlertRefusal::BadMinutes => "minutes is a number from 1 to 43200, which are 30 days".into(),
        }
    }
}
