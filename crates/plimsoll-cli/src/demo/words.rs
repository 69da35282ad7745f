//! What went wrong, in words that fit into half of a narrow screen, with the code behind them to look it up by.
//!
//! Both lanes use the same words for the same thing, so that their numbers can be compared: the guarded lane's
//! come from the fault, the plain lane's from the fault of the SQLSTATE. Where the driver knows no SQLSTATE, what can be
//! said is whether there was a connection.

use plimsoll::Fault;
use std::borrow::Cow;

/// The caller's time was used up, and there is no code for it.
pub(super) const OUT_OF_TIME: &str = label(Fault::DeadlinePassed);

/// `breaker open (PL-BRK-01)`
pub(super) fn of_guarded(error: &plimsoll::Error) -> Cow<'static, str> {
    with_code(error.fault(), error.code())
}

/// `server shut down (57P01)`; without an answer of the server, whether it was lost or never there.
pub(super) fn of_plain(error: &tokio_postgres::Error, was_connected: bool) -> Cow<'static, str> {
    match error.code().map(|code| code.code()) {
        Some(code) => with_code(Fault::of_sqlstate(code), code),
        None if was_connected => label(Fault::ConnectionLost).into(),
        None => label(Fault::Unreachable).into(),
    }
}

fn with_code(fault: Fault, code: &str) -> Cow<'static, str> {
    format!("{} ({code})", label(fault)).into()
}

/// At most 19 characters, so that a line with a count and a code fits into a lane of 80 columns. A test goes through [`Fault::ALL`], since the compiler cannot.
const fn label(fault: Fault) -> &'static str {
    match fault {
        Fault::Settings => "wrong settings",
        Fault::PoolExhausted => "pool exhausted",
        Fault::QueueFull => "queue full",
        Fault::Overloaded => "overloaded",
        Fault::SelfDeadlock => "self-deadlock",
        Fault::PoolClosed => "pool closed",
        Fault::NoReplica => "no replica",
        Fault::CircuitOpen => "breaker open",
        Fault::DeadlinePassed => "deadline passed",
        Fault::Unreachable => "server away",
        Fault::ConnectTimeout => "connect timed out",
        Fault::Tls => "TLS refused",
        Fault::Authentication => "login refused",
        Fault::TooManyConnections => "server full",
        Fault::NotAccepting => "server not ready",
        Fault::GuardrailMissing => "time limit missing",
        Fault::ConnectionLost => "connection lost",
        Fault::ServerShutdown => "server shut down",
        Fault::IdleSessionEnded => "idle too long",
        Fault::StatementTimeout => "statement timeout",
        Fault::TransactionTimeout => "transaction timeout",
        Fault::LockTimeout => "lock timeout",
        Fault::CancelledByOther => "cancelled by other",
        Fault::CancelStrayed => "stray cancel",
        Fault::SerializationFailure => "not serializable",
        Fault::Deadlock => "deadlock",
        Fault::ReadOnlyServer => "server only reads",
        Fault::Constraint => "constraint violated",
        Fault::Data => "value does not fit",
        Fault::BadStatement => "wrong statement",
        Fault::Raised => "raised by function",
        Fault::Privilege => "right missing",
        Fault::TransactionState => "transaction failed",
        Fault::NotReplicated => "not replicated",
        Fault::StalePlan => "stale plan",
        Fault::ServerResources => "out of resources",
        Fault::Server => "server error",
        Fault::ForeignServer => "other server failed",
        Fault::Conversion => "type does not fit",
        Fault::RowCount => "wrong row count",
        Fault::Usage => "wrong usage",
        Fault::Driver => "unexpected message",
        Fault::Migration => "migration failed",
        Fault::Aborted => "aborted by its code",
        _ => UNNAMED,
    }
}

/// Shown for a fault that is newer than this list.
const UNNAMED: &str = "other";

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// A lane on 80 columns has 38 inside its frame, a count takes seven of them, ` (PL-BRK-01)` twelve.
    const LONGEST: usize = 38 - 7 - 12;

    #[test]
    fn every_fault_has_short_words_of_its_own() {
        let mut seen = BTreeSet::new();
        for fault in Fault::ALL {
            let (words, code) = (label(fault), fault.advice().code);
            assert_ne!(words, UNNAMED, "{fault:?} has no words");
            assert!(words.len() <= LONGEST, "{fault:?}: {words} is longer than {LONGEST}");
            assert!(seen.insert(words), "{fault:?}: {words} is said of another fault, too");
            assert!(!words.contains(code), "{fault:?}: {words}");
            assert_eq!(with_code(fault, code), format!("{words} ({code})"));
        }
    }

    #[test]
    fn the_plain_lane_uses_the_same_words() {
        for (sqlstate, words) in [
            ("57P01", "server shut down (57P01)"),
            ("57P03", "server not ready (57P03)"),
            ("53300", "server full (53300)"),
        ] {
            assert_eq!(with_code(Fault::of_sqlstate(sqlstate), sqlstate), words);
        }
    }
}
