//! Why an escalation policy is refused.

use crate::delivery::address::NotTaken;
use crate::refusal::{Refusal, RefusalKind};
use std::borrow::Cow;

/// Why a policy is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PolicyRefusal {
    /// A field says what cannot be.
    Invalid(&'static str),
    /// A level posts to an address that no message would be sent to.
    Webhook(NotTaken),
    /// A level asks a schedule that the tenant does not have.
    UnknownSchedule,
}

impl Refusal for PolicyRefusal {
    fn kind(&self) -> RefusalKind {
        RefusalKind::Malformed
    }

    fn code(&self) -> &'static str {
        match self {
            PolicyRefusal::Invalid(_) | PolicyRefusal::Webhook(_) => "INVALID_POLICY",
            PolicyRefusal::UnknownSchedule => "UNKNOWN_SCHEDULE",
        }
    }

    fn detail(&self) -> Cow<'static, str> {
        match self {
            PolicyRefusal::Invalid(why) => (*why).into(),
            PolicyRefusal::Webhook(why) => format!("notify_webhook cannot be used: {why}").into(),
            PolicyRefusal::UnknownSchedule => {
                "a level has an oncall_schedule_id that names no schedule of this tenant; nothing was changed"
                    .into()
            }
        }
    }
}
