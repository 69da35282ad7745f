//! The table of faults: each with all its columns in one place.
//!
//! | column | meaning |
//! |---|---|
//! | code | stable; for programs and logs |
//! | `away` or `answers` | the server could not be reached, or something else failed |
//! | `if_rolled_back` or `never` | whether the same work may run again if it was undone |
//! | `evicts` or `keeps` | whether the connection on which it occurred is discarded |
//! | likely cause, what to do | for the reader of the message |

use super::{Advice, Again};

/// Makes of each row the variant, its entry in [`Fault::ALL`] and its columns, so that a fault has every column.
macro_rules! faults {
    ($( $(#[doc = $doc:literal])+ $name:ident: $code:literal, $reach:ident $again:ident $keeps:ident;
        $cause:literal, $remedy:literal; )+) => {
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

            /// Whether the server could not be reached, as opposed to a server that answered with an error.
            #[must_use]
            pub fn is_connectivity(self) -> bool {
                match self { $( Fault::$name => column!($reach), )+ }
            }

            /// Whether the same work may be run again.
            #[must_use]
            pub fn again(self) -> Again {
                match self { $( Fault::$name => column!($again), )+ }
            }

            /// Whether the connection on which it occurred is discarded.
            #[must_use]
            pub fn evicts(self) -> bool {
                match self { $( Fault::$name => column!($keeps), )+ }
            }

            /// Code, likely cause and remedy: one row of the error reference.
            #[must_use]
            pub fn advice(self) -> Advice {
                match self {
                    $( Fault::$name => Advice { code: $code, cause: $cause, remedy: $remedy }, )+
                }
            }
        }
    };
}

/// The values of the words in the columns.
macro_rules! column {
    (away) => {
        true
    };
    (answers) => {
        false
    };
    (evicts) => {
        true
    };
    (keeps) => {
        false
    };
    (never) => {
        Again::Never
    };
    (if_rolled_back) => {
        Again::IfRolledBack
    };
}

faults! {
    /// The settings contradict themselves or hold a value out of range.
    Settings: "PL-SET-01", answers never keeps;
        "a setting is missing, out of range or contradicts another",
        "correct the settings that the message lists";

    /// No connection became free within the limit.
    PoolExhausted: "PL-ACQ-01", answers never keeps;
        "connections are held for long, or there are too few of them",
        "look at who holds the oldest lease; shorten that work, or raise pool_max";

    /// Too many callers were waiting already.
    QueueFull: "PL-ACQ-02", answers never keeps;
        "far more work arrives than the pool can carry",
        "see what sends so much work and slow it down; raise max_waiting if the callers can afford the wait";

    /// The caller could not have been served in time, and was refused at once.
    Overloaded: "PL-ACQ-05", answers never keeps;
        "more work arrives than the pool can carry, and the queue is longer than the time that was left",
        "start less work at once, or raise pool_max if the server has room; a program comes back after retry_after";

    /// Every lease is held by a task that waits for a second lease.
    SelfDeadlock: "PL-ACQ-03", answers never keeps;
        "tasks take a second connection while they hold a first",
        "pass the connection or transaction on instead of acquiring again";

    /// The pool was closed.
    PoolClosed: "PL-ACQ-04", answers never keeps;
        "the program is ending, or has closed the pool",
        "nothing at night if the program was stopped; else correct it: no calls after close, and the Database is kept alive";

    /// No replica may serve the read, and the primary takes no more reads of that kind.
    NoReplica: "PL-ACQ-06", answers never keeps;
        "replicas are away or too far behind, and their reads have all of the primary that they may have",
        "look at the replicas; ask for less freshness, or raise replica_fallback_share if the primary can carry it";

    /// The circuit breaker is open: the server does not answer, or an operator isolated it.
    CircuitOpen: "PL-BRK-01", answers never keeps;
        "the server is frozen, down or unreachable, or an operator isolated it",
        "look at the server; calls go through again as soon as it answers, within a second at most";

    /// The request's deadline passed.
    DeadlinePassed: "PL-DEA-01", answers never keeps;
        "the request's time was used up",
        "the message names the step that used it up: waiting for a connection, a statement, a commit; make that quicker, or give \
         the request more time";

    /// The server could not be reached: refused, no route, no such host.
    Unreachable: "PL-CON-01", away if_rolled_back keeps;
        "the server is down, or host or port is wrong",
        "check that PostgreSQL runs and that host and port are right";

    /// The server did not finish the connection in time.
    ConnectTimeout: "PL-CON-02", away if_rolled_back keeps;
        "the server or the network is frozen or overloaded",
        "the message names the step: before the first answer look at the network and firewalls, after it at the server's load; \
         raise connect_timeout if a connect needs that long";

    /// TLS was refused, or the certificate did not verify.
    Tls: "PL-CON-03", answers never keeps;
        "the server offers no TLS, or its certificate does not verify",
        "give sslrootcert, or say sslmode= explicitly if the link is trusted";

    /// The server refused this user or password, or the database does not exist.
    Authentication: "PL-CON-04", answers never keeps;
        "user, password or database name is wrong",
        "correct user, password and the database's name; if they are right, the server's log names the line of pg_hba.conf that decided";

    /// The server has no connection left (53300).
    TooManyConnections: "PL-CON-05", away if_rolled_back keeps;
        "the server's max_connections, a limit of the role or the database, or the pooler's max_client_conn is used up",
        "lower pool_max over all instances, or put a pooler in front";

    /// The server is starting up, shutting down or in recovery (57P03).
    NotAccepting: "PL-CON-06", away if_rolled_back evicts;
        "the server is starting, stopping or recovering",
        "wait, the pool keeps trying; if it lasts, the server's log tells how far its recovery is, or why it stops";

    /// A limit that must be in force is missing.
    GuardrailMissing: "PL-CON-07", answers never keeps;
        "a limit was dropped on the way, usually by a pooler",
        "set it on the login role, or say on_missing_guardrail = \"degraded\"";

    /// The connection broke.
    ConnectionLost: "PL-LNK-01", away if_rolled_back evicts;
        "the network or the server broke the connection",
        "the pool reconnects by itself; the outcome tells whether the work may simply run again; if it recurs, look at the \
         server's log, and at firewalls that end quiet connections";

    /// The server ended this connection: restart, shutdown, an administrator (57P01, 57P02).
    ServerShutdown: "PL-LNK-02", away if_rolled_back evicts;
        "the server was restarted, or an administrator ended the session",
        "see the outcome; the pool reconnects by itself";

    /// The server ended this session for idleness (25P03, 57P05).
    IdleSessionEnded: "PL-LNK-03", answers if_rolled_back evicts;
        "the session, or a transaction that it left open, was idle for longer than the server allows",
        "do not wait for other things inside a transaction (25P03, idle_in_transaction_session_timeout); idle_session_timeout \
         (57P05) belongs above the pool's idle_timeout";

    /// A statement ran into its time limit.
    StatementTimeout: "PL-STM-01", answers never keeps;
        "the statement is slow, or waits for a lock",
        "explain the statement; raise the limit for this work only if it must be slow";

    /// A transaction ran into its time limit.
    TransactionTimeout: "PL-TXN-01", answers never evicts;
        "the transaction as a whole took too long",
        "do less in one transaction";

    /// A lock was not granted in time (55P03).
    LockTimeout: "PL-STM-02", answers if_rolled_back keeps;
        "another transaction holds the lock",
        "find the blocker (pg_blocking_pids); keep transactions short";

    /// Another client cancelled the statement (57014 without a cancel request of this pool).
    CancelledByOther: "PL-STM-03", answers never keeps;
        "another client or an administrator cancelled the statement",
        "look for what cancels statements: an administrator's pg_cancel_backend, a monitor that ends long ones; the server's \
         log has the time and the statement";

    /// A cancel request of this pool for an earlier statement of the same lease came late and hit this one (57014).
    CancelStrayed: "PL-STM-05", answers if_rolled_back keeps;
        "a statement of the same lease was given up while this one was queued behind it",
        "run it again, it was undone; run statements that may be given up on a connection of their own";

    /// Serialisable transactions collided (40001).
    SerializationFailure: "PL-TXN-02", answers if_rolled_back keeps;
        "concurrent transactions touched the same rows",
        "run the transaction again (retrying)";

    /// Transactions waited for each other (40P01).
    Deadlock: "PL-TXN-03", answers if_rolled_back keeps;
        "transactions lock the same rows in different orders",
        "lock in one order everywhere; run the transaction again";

    /// A write reached a server that only reads (25006).
    ReadOnlyServer: "PL-LNK-04", answers if_rolled_back evicts;
        "the server is a standby, was demoted, or is not of the kind that target_session_attrs asks for",
        "connect with target_session_attrs=read-write; a demoted server's connections are given up at once";

    /// A constraint was violated (class 23).
    Constraint: "PL-SQL-01", answers never keeps;
        "the data breaks a constraint",
        "correct the data; the constraint did its work";

    /// A value does not fit (class 22).
    Data: "PL-SQL-02", answers never keeps;
        "a value is out of range or malformed",
        "correct the value";

    /// The statement is wrong: syntax, unknown names or types (class 42).
    BadStatement: "PL-SQL-03", answers never keeps;
        "the statement does not fit the schema",
        "correct the statement, or migrate the schema";

    /// A function or procedure raised an exception of its own (class P0).
    Raised: "PL-SQL-05", answers never keeps;
        "the code of a function, procedure or trigger refused",
        "read its message; a procedure that commits may have kept what came before";

    /// The role may not do this (42501, class 28 inside a session).
    Privilege: "PL-SQL-04", answers never keeps;
        "the role lacks a right",
        "grant it, or use the right role";

    /// The transaction has already failed (25P02) or is in the wrong state (class 25).
    TransactionState: "PL-TXN-04", answers never keeps;
        "an earlier statement of the transaction failed, or it is in the wrong state",
        "look at the first error; use a savepoint where failure is expected";

    /// It is committed on this server, and the wait for its synchronous standby was given up.
    NotReplicated: "PL-TXN-06", answers never keeps;
        "a limit or a cancel came while the commit waited for a standby, which does not answer or is slow",
        "see to the standby; look the work up once one answers, or once another server has taken over";

    /// A prepared statement no longer fits (26000, or a changed result type).
    StalePlan: "PL-STM-04", answers if_rolled_back keeps;
        "the schema changed under a prepared statement",
        "nothing outside transactions: it is prepared anew; inside one, run the transaction again";

    /// The server is short of memory, disk or another resource (class 53, 54).
    ServerResources: "PL-SRV-01", answers never keeps;
        "the server is short of disk, memory or another resource",
        "the message tells which: free disk, lower work_mem or the number of connections, or raise the limit that it names";

    /// The server had an internal error, or sent a SQLSTATE that is not classified.
    Server: "PL-SRV-02", answers never keeps;
        "an internal error of the server, or an unclassified SQLSTATE",
        "look at the server's log at that time; if it recurs, report it to those who run the server";

    /// A server that the database asked (dblink, a foreign table) failed or could not be reached, or a function raised
    /// such a code (classes HV and 08, and the codes that end sessions, in a session that goes on).
    ForeignServer: "PL-SRV-03", answers never keeps;
        "a statement asked another server through dblink or a foreign table, and that failed",
        "look at the other server; this connection is as good as before";

    /// A value could not be converted between Rust and SQL.
    Conversion: "PL-USE-01", answers never keeps;
        "a Rust type does not fit the SQL type, or there are more or fewer parameters than the statement takes",
        "correct the program: give one value for each of $1, $2 and so on, of the type that the message names";

    /// The number of rows was not the expected one.
    RowCount: "PL-USE-02", answers never keeps;
        "the statement gave another number of rows than was asked for",
        "use query_opt or query, or correct the statement";

    /// The caller asked for something that is not possible here.
    Usage: "PL-USE-03", answers never keeps;
        "the program asks for something that cannot be done in this place",
        "correct the program: the message tells what was refused and what to use instead; running it again does not help";

    /// The driver received something that it did not expect.
    Driver: "PL-USE-04", answers never evicts;
        "the driver met a message that it does not know, from a proxy or a server that speaks the protocol differently",
        "the pool goes on with another connection; if it recurs, report this message with the versions of server, pooler \
         and library to the library's makers";

    /// A migration could not be read or applied.
    Migration: "PL-MIG-01", answers never keeps;
        "a migration file does not fit the history in the database, or its SQL failed",
        "correct the file that the message names and migrate again; a file that runs outside a transaction may be applied in \
         part, so look at the schema first";

    /// The closure of a transaction returned an error of its own.
    Aborted: "PL-TXN-05", answers never keeps;
        "the transaction's own code gave up",
        "its own message comes first and tells why; nothing of the transaction stays";
}
