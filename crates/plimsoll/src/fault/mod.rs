//! What went wrong, in one word.
//!
//! Everything that has to decide something about a failure (retry, breaker, eviction, an HTTP status, a counter)
//! reads this table and nothing else. It is exhaustive without a wildcard over [`Fault`], so a new fault does not
//! compile until every column has been thought about; a SQLSTATE that nobody has thought about is [`Fault::Server`]
//! and is never retried.

use std::io;

mod reference;

/// Makes of each fault and what is written about it: the variant, its place in [`Fault::ALL`] and its meaning in the
/// error reference, so that a fault cannot be without any of them.
macro_rules! faults {
    ($( $(#[doc = $doc:literal])+ $name:ident, )+) => {
        /// The class of a failure.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Fault {
            $( $(#[doc = $doc])+ $name, )+
        }

        impl Fault {
            /// Every fault.
            pub const ALL: [Fault; [$( Fault::$name ),+].len()] = [$( Fault::$name ),+];

            /// What it means, in a sentence.
            #[must_use]
            pub fn meaning(self) -> &'static str {
                match self {
                    $( Fault::$name => concat!($( $doc ),+).trim_ascii(), )+
                }
            }
        }
    };
}

faults! {
    /// The settings contradict themselves or hold a value out of range.
    Settings,
    /// No connection became free within the limit.
    PoolExhausted,
    /// Too many callers were waiting already.
    QueueFull,
    /// It could not have been served in time, and was told so at once.
    Overloaded,
    /// Every lease is held by a task that waits for another lease.
    SelfDeadlock,
    /// The pool was closed.
    PoolClosed,
    /// The circuit breaker is open: the server does not answer, or was isolated.
    CircuitOpen,
    /// The request's deadline passed.
    DeadlinePassed,
    /// The server could not be reached: refused, no route, no such host.
    Unreachable,
    /// The server did not finish the connection in time.
    ConnectTimeout,
    /// TLS was refused, or the certificate did not verify.
    Tls,
    /// The server refused this user or password, or the database does not exist.
    Authentication,
    /// The server has no connection left (53300).
    TooManyConnections,
    /// The server is starting up, shutting down or in recovery (57P03).
    NotAccepting,
    /// A limit that must be in force is not.
    GuardrailMissing,
    /// The connection broke.
    ConnectionLost,
    /// The server ended this connection: restart, shutdown, an administrator (57P01, 57P02).
    ServerShutdown,
    /// The server ended this session for idleness (25P03, 57P05).
    IdleSessionEnded,
    /// A statement ran into its time limit.
    StatementTimeout,
    /// A transaction ran into its time limit.
    TransactionTimeout,
    /// A lock was not to be had in time (55P03).
    LockTimeout,
    /// Somebody else cancelled the statement (57014 that we did not send).
    CancelledByOther,
    /// Serialisable transactions collided (40001).
    SerializationFailure,
    /// Transactions waited for each other (40P01).
    Deadlock,
    /// A write reached a server that only reads (25006).
    ReadOnlyServer,
    /// A constraint said no (class 23).
    Constraint,
    /// A value does not fit (class 22).
    Data,
    /// The statement is wrong: syntax, unknown names or types (class 42).
    BadStatement,
    /// The role may not do this (42501, class 28 inside a session).
    Privilege,
    /// The transaction has already failed (25P02) or is in the wrong state (class 25).
    TransactionState,
    /// A prepared statement no longer fits (26000, or a changed result type).
    StalePlan,
    /// The server is short of memory, disk or another resource (class 53, 54).
    ServerResources,
    /// The server failed inside, or said something that nobody has classified.
    Server,
    /// A value could not be converted between Rust and SQL.
    Conversion,
    /// Rows other than the expected number came back.
    RowCount,
    /// The caller asked for something that cannot be had here.
    Usage,
    /// The driver met something that it did not expect.
    Driver,
    /// A migration could not be read or applied.
    Migration,
    /// The closure of a transaction returned an error of its own.
    Aborted,
}

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

    fn of_class(class: &str) -> Fault {
        match class {
            "08" => Fault::ConnectionLost,
            "22" | "21" | "20" | "10" => Fault::Data,
            "23" | "44" | "27" => Fault::Constraint,
            "24" | "25" | "2D" | "3B" | "0B" | "34" | "55" => Fault::TransactionState,
            "28" | "0L" | "0P" => Fault::Authentication,
            "42" | "0A" | "2F" | "38" | "39" | "3F" | "P0" | "07" | "09" | "0Z" => Fault::BadStatement,
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

    /// Whether the fault says that the server cannot be reached, rather than that it said no.
    #[must_use]
    pub fn is_connectivity(self) -> bool {
        match self {
            Fault::Unreachable
            | Fault::ConnectTimeout
            | Fault::TooManyConnections
            | Fault::NotAccepting
            | Fault::ConnectionLost
            | Fault::ServerShutdown => true,
            Fault::Settings
            | Fault::PoolExhausted
            | Fault::QueueFull
            | Fault::Overloaded
            | Fault::SelfDeadlock
            | Fault::PoolClosed
            | Fault::CircuitOpen
            | Fault::DeadlinePassed
            | Fault::Tls
            | Fault::Authentication
            | Fault::GuardrailMissing
            | Fault::IdleSessionEnded
            | Fault::StatementTimeout
            | Fault::TransactionTimeout
            | Fault::LockTimeout
            | Fault::CancelledByOther
            | Fault::SerializationFailure
            | Fault::Deadlock
            | Fault::ReadOnlyServer
            | Fault::Constraint
            | Fault::Data
            | Fault::BadStatement
            | Fault::Privilege
            | Fault::TransactionState
            | Fault::StalePlan
            | Fault::ServerResources
            | Fault::Server
            | Fault::Conversion
            | Fault::RowCount
            | Fault::Usage
            | Fault::Driver
            | Fault::Migration
            | Fault::Aborted => false,
        }
    }

    /// Whether waiting can heal it when it strikes while connecting. What cannot heal fails at start-up.
    #[must_use]
    pub fn heals_by_waiting(self) -> bool {
        match self {
            Fault::Settings | Fault::Tls | Fault::Authentication | Fault::GuardrailMissing | Fault::Usage => {
                false
            }
            other => other.is_connectivity() || !matches!(other, Fault::Privilege | Fault::BadStatement),
        }
    }

    /// Whether the same work may be run again.
    #[must_use]
    pub fn again(self) -> Again {
        match self {
            Fault::SerializationFailure
            | Fault::Deadlock
            | Fault::LockTimeout
            | Fault::Unreachable
            | Fault::ConnectTimeout
            | Fault::TooManyConnections
            | Fault::NotAccepting
            | Fault::ConnectionLost
            | Fault::ServerShutdown
            | Fault::IdleSessionEnded
            | Fault::StalePlan => Again::IfRolledBack,
            Fault::Settings
            | Fault::PoolExhausted
            | Fault::QueueFull
            | Fault::Overloaded
            | Fault::SelfDeadlock
            | Fault::PoolClosed
            | Fault::CircuitOpen
            | Fault::DeadlinePassed
            | Fault::Tls
            | Fault::Authentication
            | Fault::GuardrailMissing
            | Fault::StatementTimeout
            | Fault::TransactionTimeout
            | Fault::CancelledByOther
            | Fault::ReadOnlyServer
            | Fault::Constraint
            | Fault::Data
            | Fault::BadStatement
            | Fault::Privilege
            | Fault::TransactionState
            | Fault::ServerResources
            | Fault::Server
            | Fault::Conversion
            | Fault::RowCount
            | Fault::Usage
            | Fault::Driver
            | Fault::Migration
            | Fault::Aborted => Again::Never,
        }
    }

    /// Whether a connection on which it struck is thrown away.
    #[must_use]
    pub fn evicts(self) -> bool {
        matches!(
            self,
            Fault::ConnectionLost
                | Fault::ServerShutdown
                | Fault::IdleSessionEnded
                | Fault::TransactionTimeout
                | Fault::ReadOnlyServer
                | Fault::NotAccepting
                | Fault::Driver
        )
    }

    /// The stable code.
    #[must_use]
    pub fn code(self) -> &'static str {
        self.advice().code
    }

    /// Code, likely cause and remedy: one row of the error reference.
    #[must_use]
    pub fn advice(self) -> Advice {
        let (code, cause, remedy) = match self {
            Fault::Settings => (
                "PL-SET-01",
                "a setting is missing, out of range or contradicts another",
                "correct the settings that the message lists",
            ),
            Fault::PoolExhausted => (
                "PL-ACQ-01",
                "connections are held for long, or there are too few of them",
                "look at who holds the oldest lease; shorten that work, or raise pool_max",
            ),
            Fault::QueueFull => (
                "PL-ACQ-02",
                "far more work arrives than the pool can carry",
                "shed load earlier, or raise max_waiting if callers can afford the wait",
            ),
            Fault::Overloaded => (
                "PL-ACQ-05",
                "more work arrives than the pool can carry, and the queue is longer than the time that was left",
                "come back after retry_after, give the request more time, or shed load earlier",
            ),
            Fault::SelfDeadlock => (
                "PL-ACQ-03",
                "tasks take a second connection while they hold a first",
                "pass the connection or transaction on instead of acquiring again",
            ),
            Fault::PoolClosed => (
                "PL-ACQ-04",
                "the pool was closed, usually by shutdown",
                "stop calling after close, or keep the Database alive",
            ),
            Fault::CircuitOpen => (
                "PL-BRK-01",
                "the server is frozen, down or unreachable, or somebody isolated it",
                "look at the server; calls go through again as soon as it answers, within a second at most",
            ),
            Fault::DeadlinePassed => (
                "PL-DEA-01",
                "the request's time was used up",
                "see which phase used it; give the request more time or do less in it",
            ),
            Fault::Unreachable => (
                "PL-CON-01",
                "the server is down, or host or port is wrong",
                "check that PostgreSQL runs and that host and port are right",
            ),
            Fault::ConnectTimeout => (
                "PL-CON-02",
                "the server or the way to it is frozen or overloaded",
                "check the server and the network; connect_timeout bounds this wait",
            ),
            Fault::Tls => (
                "PL-CON-03",
                "the server offers no TLS, or its certificate does not verify",
                "give sslrootcert, or say sslmode= explicitly if the link is trusted",
            ),
            Fault::Authentication => (
                "PL-CON-04",
                "user, password or database name is wrong",
                "check the credentials and pg_hba.conf",
            ),
            Fault::TooManyConnections => (
                "PL-CON-05",
                "the server's max_connections or the role's limit is used up",
                "lower pool_max over all instances, or put a pooler in front",
            ),
            Fault::NotAccepting => {
                ("PL-CON-06", "the server is starting, stopping or recovering", "wait; the pool keeps trying")
            }
            Fault::GuardrailMissing => (
                "PL-CON-07",
                "a limit was dropped on the way, usually by a pooler",
                "set it on the login role, or say on_missing_guardrail = \"degraded\"",
            ),
            Fault::ConnectionLost => (
                "PL-LNK-01",
                "the network or the server broke the connection",
                "see the outcome: only what is rolled back may simply run again",
            ),
            Fault::ServerShutdown => (
                "PL-LNK-02",
                "the server was restarted, or an administrator ended the session",
                "see the outcome; the pool reconnects by itself",
            ),
            Fault::IdleSessionEnded => (
                "PL-LNK-03",
                "the session was idle for longer than the server allows",
                "do not wait for other things inside a transaction",
            ),
            Fault::StatementTimeout => (
                "PL-STM-01",
                "the statement is slow, or waits for a lock",
                "explain the statement; raise the limit for this work only if it must be slow",
            ),
            Fault::TransactionTimeout => {
                ("PL-TXN-01", "the transaction as a whole took too long", "do less in one transaction")
            }
            Fault::LockTimeout => (
                "PL-STM-02",
                "another transaction holds the lock",
                "find the blocker (pg_blocking_pids); keep transactions short",
            ),
            Fault::CancelledByOther => (
                "PL-STM-03",
                "somebody cancelled the statement on the server",
                "ask who ran pg_cancel_backend",
            ),
            Fault::SerializationFailure => (
                "PL-TXN-02",
                "concurrent transactions touched the same rows",
                "run the transaction again (retrying)",
            ),
            Fault::Deadlock => (
                "PL-TXN-03",
                "transactions lock the same rows in different orders",
                "lock in one order everywhere; run the transaction again",
            ),
            Fault::ReadOnlyServer => (
                "PL-LNK-04",
                "the server is a standby, was demoted, or is not of the kind that target_session_attrs asks for",
                "connect with target_session_attrs=read-write",
            ),
            Fault::Constraint => (
                "PL-SQL-01",
                "the data breaks a constraint",
                "correct the data; this is the database doing its work",
            ),
            Fault::Data => ("PL-SQL-02", "a value is out of range or malformed", "correct the value"),
            Fault::BadStatement => (
                "PL-SQL-03",
                "the statement does not fit the schema",
                "correct the statement, or migrate the schema",
            ),
            Fault::Privilege => ("PL-SQL-04", "the role lacks a right", "grant it, or use the right role"),
            Fault::TransactionState => (
                "PL-TXN-04",
                "an earlier statement of the transaction failed, or it is in the wrong state",
                "look at the first error; use a savepoint where failure is expected",
            ),
            Fault::StalePlan => (
                "PL-STM-04",
                "the schema changed under a prepared statement",
                "nothing outside transactions: it is prepared anew; inside one, run the transaction again",
            ),
            Fault::ServerResources => (
                "PL-SRV-01",
                "the server is short of disk, memory or another resource",
                "look at the server's log and disk",
            ),
            Fault::Server => {
                ("PL-SRV-02", "the server failed, or said something unclassified", "look at the server's log")
            }
            Fault::Conversion => (
                "PL-USE-01",
                "a Rust type does not fit the SQL type",
                "match the types; the message names the parameter or column",
            ),
            Fault::RowCount => (
                "PL-USE-02",
                "the statement gave another number of rows than was asked for",
                "use query_opt or query, or correct the statement",
            ),
            Fault::Usage => ("PL-USE-03", "this cannot be done in this place", "do as the message says"),
            Fault::Driver => (
                "PL-USE-04",
                "the driver met an unexpected message",
                "report it with the message; the connection was discarded",
            ),
            Fault::Migration => {
                ("PL-MIG-01", "a migration file or the history does not fit", "do as the message says")
            }
            Fault::Aborted => {
                ("PL-TXN-05", "the transaction's own code gave up", "look at the source of this error")
            }
        };
        Advice { code, cause, remedy }
    }
}
