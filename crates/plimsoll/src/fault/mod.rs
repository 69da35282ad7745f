//! What went wrong, in one word.
//!
//! Everything that has to decide something about a failure (retry, breaker, eviction, an HTTP status, a counter)
//! reads one [`table`] and nothing else, in which a fault has all its columns or does not compile. A SQLSTATE that
//! nobody has thought about is [`Fault::Server`] and is never retried.

use std::io;

mod reference;
mod table;

pub use table::Fault;

/// What may be done about a fault by running the same work again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Again {
    /// Running it again gives the same answer, or might do it twice.
    Never,
    /// It may run again when it was rolled back, or never started.
    IfRolledBack,
}

/// What an error says of its cause and of what to do: the texts of the error reference.
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
    /// The fault behind a SQLSTATE. Source: PostgreSQL's appendix A; the classes are the first two characters.
    ///
    /// 57014 is "query canceled" for the server's own timeout and for anybody's cancel alike; the caller of this
    /// table knows who cancelled, so here it is [`Fault::CancelledByOther`].
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

    /// The same for an error after which the session goes on: then it cannot say that this session, or the way to it, is
    /// gone. Such a code was handed on from another server, or raised by code inside.
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

    /// The fault behind an error of the operating system.
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

    /// Whether waiting can heal it when it strikes while connecting. What cannot heal fails at start-up.
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
