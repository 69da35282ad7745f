//! What was checked.
//!
//! A [`Plan`] is made by [`Settings::check`](super::Settings::check) and by nothing else, so whoever holds one need not
//! ask whether `pool_min` is above `pool_max`, whether the statement limit ends before the client's, or whether a
//! default still applies: every question was answered, and every answer is a plain value of its own type. "No limit"
//! is `None`.
//!
//! Values that the program did not say are already derived here from those it did (a statement limit of 60 s brings a
//! client limit of 62 s and a transaction limit of 120 s with it), so no reader has to derive them a second time.

use std::path::PathBuf;
use std::time::Duration;

use super::host::Host;
use super::words::{
    ChannelBinding, Enforcement, OnMissingGuardrail, PoolerMode, TargetSessionAttrs, TlsMode,
};
use crate::secret::Password;

/// The certificates that a server's is held against.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TlsRoots {
    /// The operating system's.
    System,
    /// Those in a PEM file.
    File(PathBuf),
}

/// How an idle connection proves to the kernel that the other side is still there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Keepalives {
    /// Silence before the first probe.
    pub idle: Duration,
    /// Silence between probes.
    pub interval: Duration,
    /// Unanswered probes before the connection is given up.
    pub count: u32,
}

/// The struct and its getters from one list, so that a value cannot be kept without being readable.
macro_rules! plan {
    (
        copied { $( $(#[$copied_doc:meta])* $copied:ident: $copied_type:ty, )+ }
        borrowed { $( $(#[$borrowed_doc:meta])* $borrowed:ident: $owned_type:ty => $borrowed_type:ty, )+ }
    ) => {
        /// Settings that were checked: the only thing a pool can be opened with.
        #[derive(Clone, Debug)]
        pub struct Plan {
            $( pub(super) $copied: $copied_type, )+
            $( pub(super) $borrowed: $owned_type, )+
            pub(super) password: Option<Password>,
        }

        impl Plan {
            $( $(#[$borrowed_doc])* pub fn $borrowed(&self) -> &$borrowed_type { &self.$borrowed } )+
            $( $(#[$copied_doc])* pub fn $copied(&self) -> $copied_type { self.$copied } )+
        }
    };
}

plan! {
    copied {
        /// Encryption, decided: never "whatever the host suggests" any more.
        tls: TlsMode,
        /// Whether SCRAM is tied to the TLS session.
        channel_binding: ChannelBinding,
        /// What the server must be.
        target_session_attrs: TargetSessionAttrs,
        /// TCP keepalives, or none.
        keepalives: Option<Keepalives>,
        /// How long sent bytes may stay unacknowledged before the kernel gives the connection up.
        tcp_user_timeout: Option<Duration>,
        /// The server's major version, where somebody said it.
        server_version: Option<u16>,

        /// Connections kept open even when nothing happens.
        pool_min: usize,
        /// Connections kept.
        pool_max: usize,
        /// Connections above `pool_max`, opened under load and closed when given back.
        max_overflow: usize,
        /// Callers that may wait for a connection at a time.
        max_waiting: usize,
        /// Connections that are lent to the highest priority only.
        priority_reserve: usize,
        /// Connections that one work name may hold at a time; 0 for as many as there are.
        max_per_name: usize,
        /// What becomes of callers who cannot be served in time.
        admission: Enforcement,
        /// The longest wait for a connection.
        pool_timeout: Duration,
        /// The longest one connect may take, TLS and authentication included.
        connect_timeout: Duration,
        /// Idleness after which a connection above `pool_min` is closed.
        idle_timeout: Option<Duration>,
        /// Age at which a connection is replaced, as soon as nobody holds it.
        max_lifetime: Option<Duration>,
        /// The part of `max_lifetime` that is drawn by lot, once, at a connection's birth (0.1 is 10 %).
        lifetime_jitter: f64,
        /// Idleness after which a connection is checked before it is lent; `Some(0)` checks each, `None` none.
        check_after_idle: Option<Duration>,
        /// Connects under way at a time.
        connect_limit: usize,
        /// The longest that cancelling and draining a connection may take before it is discarded.
        reclaim_timeout: Duration,
        /// How long a COMMIT goes on that nobody waits for any more.
        commit_grace: Duration,
        /// Cancels under way at a time.
        cancel_limit: usize,
        /// The longest that closing waits for what is lent.
        close_timeout: Duration,
        /// Lending time after which a leak is reported.
        leak_after: Option<Duration>,
        /// How long every lease must have been quiet and held by a waiting task to be called a deadlock.
        deadlock_after: Option<Duration>,

        /// Whether the circuit breaker refuses calls.
        breaker: Enforcement,
        /// How long the server must have owed an answer and given none before it opens.
        breaker_after: Duration,
        /// Silence after which the server is asked for a sign of life.
        heartbeat: Option<Duration>,

        /// The server's limit on waiting for one lock.
        lock_timeout: Option<Duration>,
        /// The server's limit on one statement.
        statement_timeout: Option<Duration>,
        /// Our limit on one statement, greater than the server's.
        client_statement_timeout: Option<Duration>,
        /// The limit on one transaction, the server's from PostgreSQL 17 on.
        transaction_timeout: Option<Duration>,
        /// The server's limit on sitting idle inside a transaction.
        idle_in_transaction_session_timeout: Option<Duration>,
        /// How often the server looks whether its client is still there while it works.
        client_connection_check_interval: Option<Duration>,
        /// How much earlier than a deadline a statement is stopped, so that the answer still arrives in time.
        deadline_margin: Duration,
        /// Less than this before a deadline, and nothing is sent any more.
        deadline_floor: Duration,
        /// What to do with a connection on which a guardrail was found missing.
        on_missing_guardrail: OnMissingGuardrail,

        /// What stands between.
        pooler: PoolerMode,

        /// Retries over 10 s, as a share of the calls that may run again.
        retry_share: f64,
        /// Retries over 10 s that are allowed beyond that share.
        retry_floor: u32,

        /// Prepared statements kept on each connection.
        statement_cache: usize,
        /// How long what is known of a statement is used before it is asked for anew.
        statement_expiry: Option<Duration>,
        /// Types kept of those looked up in the catalogue.
        type_cache: usize,
    }
    borrowed {
        /// The servers, in the order in which they are tried; never empty, each with its port.
        hosts: Vec<Host> => [Host],
        /// The database.
        dbname: String => str,
        /// The role that logs in.
        user: String => str,
        /// The certificates that the server's is held against; looked at by `verify-ca` and `verify-full`.
        tls_roots: TlsRoots => TlsRoots,
        /// The name this program shows in `pg_stat_activity`.
        application_name: String => str,
        /// Startup options, as they were said; empty where none were.
        options: String => str,
    }
}

/// What goes with the list above but does not have its shape.
impl Plan {
    /// The most connections there can be: `pool_max` and `max_overflow` together.
    pub fn pool_total(&self) -> usize {
        self.pool_max.saturating_add(self.max_overflow)
    }

    /// The password, if one is needed.
    pub fn password(&self) -> Option<&Password> {
        self.password.as_ref()
    }

    /// The same plan under another name in `pg_stat_activity`.
    pub(crate) fn shown_as(&self, application_name: String) -> Self {
        Plan { application_name, ..self.clone() }
    }

    /// Whether a host has one of the ports that poolers use: the last hint where `pooler` is `auto`.
    pub fn has_pooler_port(&self) -> bool {
        self.hosts.iter().any(Host::has_pooler_port)
    }
}
