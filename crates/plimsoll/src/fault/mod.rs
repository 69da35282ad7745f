//! Faults: what went wrong, in one word.
//!
//! Every decision about a failure (retry, breaker, eviction, HTTP status, counter) reads one [`table`], in which a
//! fault has all its columns or does not compile. A SQLSTATE that is not in the lists below is [`Fault::Server`] and
//! is never retried.

use std::io;

mod case;
mod reference;
mod table;

pub use case::SqlstateAdvice;
pub use table::Fault;

/// Whether the same work may be run again after a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Again {
    /// Running it again gives the same answer, or might do it twice.
    Never,
    /// It may run again when it was rolled back, or never started.
    IfRolledBack,
}

/// The texts of a fault: its code, its likely cause and the remedy.
#[derive(Clone, Copy, Debug)]
pub struct Advice {
    /// The stable code, `PL-...`.
    pub code: &'static str,
    /// The likely cause.
    pub cause: &'static str,
    /// What to do about it.
    pub remedy: &'static str,
}

impl Fault {
    /// The fault of a SQLSTATE. Source: PostgreSQL's appendix A; the classes are the first two characters.
    ///
    /// 57014 is "query canceled", both for the server's own timeout and for a cancel request of any client. Only the
    /// caller of this function knows which, so here it is [`Fault::CancelledByOther`].
    #[must_use]
    pub fn of_sqlstate(code: &str) -> Fault {
        match code {
            "57014" => Fault::CancelledByOther,
            "57P01" | "57P02" | "57P04" => Fault::ServerShutdown,
            "57P03" => Fault::NotAccepting,
            "57P05" | "25P03" => Fault::IdleSessionEnded,
            "25P04" => Fault::TransactionTimeout,
            "55P03" => Fault::LockTimeout,
            "40001" | "40000" => Fault::SerializationFailure,
            "40P01" => Fault::Deadlock,
            "40002" => Fault::Constraint,
            "40003" => Fault::ConnectionLost,
            "25006" => Fault::ReadOnlyServer,
            "42501" => Fault::Privilege,
            "26000" => Fault::StalePlan,
            "53300" => Fault::TooManyConnections,
            "3D000" => Fault::Authentication,
            _ => Fault::of_class(code.get(..2).unwrap_or_default()),
        }
    }

    /// The same for an error after which the session goes on. A code that says that the session or the server is gone
    /// then comes from another server, or was raised by code in the database.
    #[must_use]
    pub fn of_sqlstate_in_session(code: &str) -> Fault {
        match Fault::of_sqlstate(code) {
            Fault::ConnectionLost
            | Fault::ServerShutdown
            | Fault::NotAccepting
            | Fault::TooManyConnections
            | Fault::IdleSessionEnded
            | Fault::TransactionTimeout => Fault::ForeignServer,
            Fault::Authentication => Fault::Privilege,
            fault => fault,
        }
    }

    fn of_class(class: &str) -> Fault {
        match class {
            "08" => Fault::ConnectionLost,
            "22" | "21" | "20" | "10" => Fault::Data,
            "23" | "44" | "27" => Fault::Constraint,
            "24" | "25" | "2D" | "3B" | "0B" | "34" | "55" => Fault::TransactionState,
            "28" | "0L" | "0P" => Fault::Authentication,
            "42" | "0A" | "2F" | "38" | "39" | "3F" | "07" | "09" | "0Z" => Fault::BadStatement,
            "P0" => Fault::Raised,
            "HV" => Fault::ForeignServer,
            "53" | "54" => Fault::ServerResources,
            _ => Fault::Server,
        }
    }

    /// The fault of an error of the operating system.
    #[must_use]
    pub fn of_io(kind: io::ErrorKind) -> Fault {
        match kind {
            io::ErrorKind::TimedOut => Fault::ConnectTimeout,
            io::ErrorKind::ConnectionRefused
            | io::ErrorKind::NotFound
            | io::ErrorKind::AddrNotAvailable
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::PermissionDenied => Fault::Unreachable,
            _ => Fault::ConnectionLost,
        }
    }

    /// Whether a connect that fails with it may succeed later. A start-up fails at once with any other fault.
    #[must_use]
    pub fn heals_by_waiting(self) -> bool {
        !matches!(
            self,
            Fault::Settings
                | Fault::Tls
                | Fault::Authentication
                | Fault::GuardrailMissing
                | Fault::Usage
                | Fault::Privilege
                | Fault::BadStatement
        )
    }

    /// The stable code.
    #[must_use]
    pub fn code(self) -> &'static str {
        self.advice().code
    }
}
