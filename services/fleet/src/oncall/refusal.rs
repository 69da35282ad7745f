//! Why something about schedules is refused.

use crate::delivery::address::NotTaken;
use crate::refusal::{Refusal, RefusalKind};
use std::borrow::Cow;

/// Why a schedule is not taken, or not deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScheduleRefusal {
    /// A field says what cannot be.
    Invalid(&'static str),
    /// A responder is the address of a webhook that no message would be sent to.
    Responder(NotTaken),
    /// The name of the time zone is none that is known.
    UnknownZone,
    /// A level of an escalation policy asks it.
    InUse,
}

impl Refusal for ScheduleRefusal {
    fn kind(&self) -> RefusalKind {
        match self {
            ScheduleRefusal::Invalid(_) | ScheduleRefusal::Responder(_) | ScheduleRefusal::UnknownZone => {
                RefusalKind::Malformed
            }
            ScheduleRefusal::InUse => RefusalKind::Conflict,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            ScheduleRefusal::Invalid(_) | ScheduleRefusal::Responder(_) => "INVALID_SCHEDULE",
            ScheduleRefusal::UnknownZone => "UNKNOWN_TIMEZONE",
            ScheduleRefusal::InUse => "SCHEDULE_IN_USE",
        }
    }

    fn detail(&self) -> Cow<'static, str> {
        match self {
            ScheduleRefusal::Invalid(why) => (*why).into(),
            ScheduleRefusal::Responder(why) => format!("a responder cannot be told: {why}").into(),
            ScheduleRefusal::UnknownZone => {
                "timezone is a name of the IANA database, such as Europe/Berlin".into()
            }
            ScheduleRefusal::InUse => {
                "a level of an escalation policy asks this schedule: change that policy first".into()
            }
        }
    }
}
