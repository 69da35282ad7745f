//! The one table from a fault to what a client is told of it.
//!
//! A client is told what it can act on: whether it is at fault, whether to come back, and when. What the operator should do
//! is in the log, with the sentence of the error; neither that nor anything that the server or the driver said goes to a
//! client, since such texts hold SQL, parameters and names of machines.
//!
//! | status | when |
//! |---|---|
//! | 409 | other work changes the same rows; nothing was changed |
//! | 422 | the database does not take these values |
//! | 500 | a mistake of the service or its schema |
//! | 503 | there is no room or no database now; come back after `Retry-After` |
//! | 504 | the time of the request, or of its statement, is over |

use axum::http::StatusCode;
use plimsoll::Fault;
use std::time::Duration;

/// What a client is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) title: &'static str,
    pub(crate) advice: &'static str,
    /// When to come back, unless the error knows better.
    pub(crate) retry_after: Option<Duration>,
}

const fn answer(status: StatusCode, seconds: u64, title: &'static str, advice: &'static str) -> Answer {
    let retry_after = if seconds == 0 { None } else { Some(Duration::from_secs(seconds)) };
    Answer { status, title, advice, retry_after }
}

/// The database is there and has no room.
const BUSY: Answer = answer(
    StatusCode::SERVICE_UNAVAILABLE,
    1,
    "More is asked of the database than it can take now.",
    "Nothing was done. Send the request again after the time in Retry-After.",
);
/// The database is not there now.
const AWAY: Answer = answer(
    StatusCode::SERVICE_UNAVAILABLE,
    2,
    "The database cannot be reached now.",
    "Send the request again after the time in Retry-After.",
);
/// The database will not serve until its operator has done something.
const OUT: Answer = answer(
    StatusCode::SERVICE_UNAVAILABLE,
    5,
    "The database does not serve this now.",
    "Send the request again after the time in Retry-After; if that does not help, tell the operator the request id.",
);
/// The time is over.
const LATE: Answer = answer(
    StatusCode::GATEWAY_TIMEOUT,
    0,
    "The request was not done within its time.",
    "Ask for less at once, or give the request more time if this service allows it.",
);
/// Others work on the same.
const CONTENDED: Answer = answer(
    StatusCode::CONFLICT,
    1,
    "Other requests are changing the same data.",
    "Nothing was changed. Send the request again.",
);
/// The values are not fit.
const UNFIT: Answer = answer(
    StatusCode::UNPROCESSABLE_ENTITY,
    0,
    "The database does not take these values.",
    "Nothing was stored. Correct the values; sending the same again changes nothing.",
);
/// The service's own mistake, or its operator's.
const MISTAKE: Answer = answer(
    StatusCode::INTERNAL_SERVER_ERROR,
    0,
    "The service made a mistake.",
    "Tell the operator the request id: the log has the rest under it.",
);

/// A row for each fault.
const TABLE: [(Fault, Answer); Fault::ALL.len()] = [
    (Fault::Settings, MISTAKE),
    (Fault::PoolExhausted, BUSY),
    (Fault::QueueFull, BUSY),
    (Fault::Overloaded, BUSY),
    (Fault::SelfDeadlock, BUSY),
    (Fault::PoolClosed, OUT),
    (Fault::NoReplica, BUSY),
    (Fault::CircuitOpen, AWAY),
    (Fault::DeadlinePassed, LATE),
    (Fault::Unreachable, AWAY),
    (Fault::ConnectTimeout, AWAY),
    (Fault::Tls, OUT),
    (Fault::Authentication, OUT),
    (Fault::TooManyConnections, AWAY),
    (Fault::NotAccepting, AWAY),
    (Fault::GuardrailMissing, OUT),
    (Fault::ConnectionLost, AWAY),
    (Fault::ServerShutdown, AWAY),
    (Fault::IdleSessionEnded, AWAY),
    (Fault::StatementTimeout, LATE),
    (Fault::TransactionTimeout, LATE),
    (Fault::LockTimeout, CONTENDED),
    (Fault::CancelledByOther, AWAY),
    (Fault::CancelStrayed, AWAY),
    (Fault::SerializationFailure, CONTENDED),
    (Fault::Deadlock, CONTENDED),
    (Fault::ReadOnlyServer, OUT),
    (Fault::Constraint, UNFIT),
    (Fault::Data, UNFIT),
    (Fault::BadStatement, MISTAKE),
    (Fault::Raised, MISTAKE),
    (Fault::Privilege, MISTAKE),
    (Fault::TransactionState, MISTAKE),
    (Fault::NotReplicated, AWAY),
    (Fault::StalePlan, MISTAKE),
    (Fault::ServerResources, OUT),
    (Fault::Server, MISTAKE),
    (Fault::ForeignServer, MISTAKE),
    (Fault::Conversion, MISTAKE),
    (Fault::RowCount, MISTAKE),
    (Fault::Usage, MISTAKE),
    (Fault::Driver, MISTAKE),
    (Fault::Migration, MISTAKE),
    (Fault::Aborted, MISTAKE),
];

/// What a client is told of this fault.
pub(crate) fn of(fault: Fault) -> Answer {
    TABLE.iter().find(|(known, _)| *known == fault).map_or(MISTAKE, |(_, answer)| *answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_has_its_row() {
        for fault in Fault::ALL {
            let rows = TABLE.iter().filter(|(known, _)| *known == fault).count();
            assert_eq!(
                rows, 1,
                "{fault:?}: a new fault needs a row here, and no other place chooses a status"
            );
        }
    }

    #[test]
    fn a_client_that_is_told_to_come_back_is_told_when() {
        for fault in Fault::ALL {
            let Answer { status, retry_after, .. } = of(fault);
            let is_for_later = [StatusCode::SERVICE_UNAVAILABLE, StatusCode::CONFLICT].contains(&status);
            assert_eq!(retry_after.is_some(), is_for_later, "{fault:?}");
            // The library itself would run it again: then a client may, too.
            if fault.is_connectivity() {
                assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{fault:?}");
            }
        }
    }
}
