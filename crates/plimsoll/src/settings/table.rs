//! Every setting there is.
//!
//! This list is the only place where a setting is written down: its name, its type, its default, its range, and the
//! text that explains it. The macro around it (see `definition.rs`) makes the fields and setters of [`Settings`] of
//! it, the reading from environment and files, the range checks, and `docs/settings.md`. What depends on more than
//! one setting (an order, a derived default) is in `check.rs` and `order.rs`.
//!
//! A default is a promise to somebody who said nothing, so each was chosen to be harmless on a small server and to be
//! there at all: a stock PostgreSQL limits nothing. Where a plain value would contradict something that *was* said,
//! the default gives way ("follows" in the texts below); what was said never does.

use std::time::Duration;

use super::definition::{Definition, Range, settings};
use super::duration::Limit;
use super::host::DEFAULT_PORT;
use super::plan::TlsRoots;
use super::problem::Problem;
use super::value::{Hosts, Profiles, Value, put};
use super::words::{
    ChannelBinding, Enforcement, OnMissingGuardrail, PoolerMode, TargetSessionAttrs, TlsMode,
};
use crate::secret::Password;

/// Every setting, in the order in which they are documented.
pub fn table() -> &'static [Definition] {
    TABLE
}

const fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

const fn secs(count: u64) -> Duration {
    Duration::from_secs(count)
}

const fn hours(count: u64) -> Duration {
    Duration::from_secs(count * 3_600)
}

const fn limit(duration: Duration) -> Limit {
    Limit::After(duration)
}

settings! {
    /// What was said; nothing more.
    ///
    /// A `Settings` may be read from the environment, from a file, from another configuration (it is
    /// `Deserialize`), or said in code with one chained method a setting. It promises nothing: what it holds is
    /// looked at by [`check`](Settings::check), which answers with all that is wrong, or with a
    /// [`Plan`](super::Plan).
    ///
    /// ```
    /// # use plimsoll::settings::{Profile, Settings};
    /// # use std::time::Duration;
    /// let plan = Settings::default()
    ///     .hosts("localhost:5433")
    ///     .user("app")
    ///     .profile(Profile::Service)
    ///     .statement_timeout(Duration::from_secs(60))
    ///     .check()?;
    /// assert_eq!(plan.pool_max(), 10);
    /// assert_eq!(plan.client_statement_timeout(), Some(Duration::from_secs(62)));
    /// # Ok::<(), plimsoll::settings::SettingsError>(())
    /// ```

    section "Profiles" {
        /// Named sets of values, at most one for each of size (`service`, `probe`), connection (`direct`, `pooler`)
        /// and pace (`development`, `production`, `high-load`). Several are separated by commas or `+`:
        /// `production,service`. Anything that was said is stronger than a profile, and a size is stronger than what
        /// a connection profile says about size.
        profile: Profiles, set by_hand, get by_hand, default Profiles::new(), otherwise "none; the values below hold";
    }

    section "Connection" {
        /// The servers, in the order in which they are tried. A host is a name or an address, with `:port` where it
        /// is not the common one, or the directory of a Unix socket.
        hosts: Hosts, set by_hand, get by_hand, default Hosts::new(), otherwise "none; it must be said";

        /// The port of the hosts that were named without one.
        port: u16, get by_hand, default DEFAULT_PORT, range Range::Numbers(1, 65_535);

        /// The database.
        dbname: String, set (impl Into<String>), default String::new(), otherwise "the same as `user`";

        /// The role that logs in. Role defaults belong to it, so it should be a role of this program's own.
        user: String, set (impl Into<String>), default String::new(), otherwise "none; it must be said";

        /// Its password. In code it may also be a function that is asked at each connect, for tokens that expire.
        password: Password, set (impl Into<Password>), get by_hand, otherwise "none";

        /// How connections are encrypted, in libpq's words. `require` encrypts, but to whoever answers; only the
        /// `verify` modes look at the certificate.
        sslmode: TlsMode, get by_hand, default TlsMode::VerifyFull,
            otherwise "`prefer` where every host is this machine, else `verify-full`";

        /// The certificates that a server's is held against: a PEM file, or `system`. Only the `verify` modes look
        /// at it, so saying it with a weaker `sslmode` is refused.
        sslrootcert: TlsRoots, set by_hand, get by_hand, default TlsRoots::System;

        /// Whether SCRAM is tied to the TLS session, so that nobody can sit between.
        channel_binding: ChannelBinding, default ChannelBinding::Prefer;

        /// What a server of the list must be to be used.
        target_session_attrs: TargetSessionAttrs, default TargetSessionAttrs::Any;

        /// The name that is shown in `pg_stat_activity`; PostgreSQL keeps its first 63 bytes.
        application_name: String, set (impl Into<String>), default String::new(), otherwise "the name of the program";

        /// More startup options, as in `-c search_path=app`. Limits have settings of their own and are refused
        /// here; behind a transaction pooler nothing is allowed here, because PgBouncer refuses the connection.
        options: String, set (impl Into<String>), default String::new(), otherwise "none";

        /// Silence on a connection before the kernel asks whether the other side is still there; `off` for never.
        keepalives_idle: Limit, set (impl Into<Limit>), get by_hand, default limit(secs(30)),
            range Range::Seconds(secs(1), hours(2));

        /// Silence between two such questions.
        keepalives_interval: Duration, get by_hand, default secs(10), range Range::Seconds(secs(1), hours(1));

        /// Unanswered questions before the connection is given up.
        keepalives_count: u32, get by_hand, default 3, range Range::Numbers(1, 100);

        /// How long sent bytes may stay unacknowledged before the kernel gives the connection up (Linux). Must be
        /// below `pool_timeout`, or a dead connection outlives the patience of whoever waits for it; follows it
        /// down to 1 s where only `pool_timeout` is said.
        tcp_user_timeout: Limit, set (impl Into<Limit>), default limit(secs(10)),
            range Range::Times(secs(1), hours(1));

        /// The server's major version, if it is known beforehand. From 17 on, `transaction_timeout` then travels
        /// with the connect instead of costing one more round trip after it. Said too high, it costs one
        /// more connect, once.
        server_version: u16, otherwise "unknown; asked at connect", range Range::Numbers(14, 99);
    }

    section "Pool" {
        /// Connections kept open even when nothing happens. Follows `pool_max` down where only that is said.
        pool_min: usize, default 2, range Range::Numbers(0, 10_000);

        /// Connections kept. Where this is said and `max_overflow` is not, it is the most there will be.
        pool_max: usize, default 10, range Range::Numbers(1, 10_000);

        /// Connections above `pool_max`, opened under load and closed as soon as they are given back.
        max_overflow: usize, default 20, range Range::Numbers(0, 10_000);

        /// Callers that may wait at a time while every connection that there may be is lent; one more is refused at
        /// once. Whoever waits for one that is still being opened is not counted. With 30 connections and 30 s, the thousandth in the queue is served in time only while statements take less than 0.9 s: a longer
        /// queue would promise what it cannot keep. The last tenth of the places is kept for the highest priority.
        max_waiting: usize, default 1_000, range Range::Numbers(0, 1_000_000);

        /// Connections that are lent to work of the highest priority only. Must be below `pool_max` and
        /// `max_overflow` together.
        priority_reserve: usize, default 0, range Range::Numbers(0, 10_000);

        /// Connections that work of one name may hold at a time, unless it asks for another number; `0` for as many
        /// as there are. One more waits until one of them comes back, while others pass it by.
        max_per_name: usize, default 0, range Range::Numbers(0, 10_000);

        /// What becomes of a caller that, by the pace of the queue before it, cannot be served before its deadline or
        /// its patience ends: with `on` it is refused at once and told when to come back; with `dark` it waits, and is
        /// only counted, and neither `max_per_name` nor `priority_reserve` holds anybody back, which is counted too; with
        /// `off` it waits.
        admission: Enforcement, default Enforcement::On;

        /// The longest wait for a connection.
        pool_timeout: Duration, default secs(30), range Range::Times(ms(10), hours(1)),
            also ["DATABASE_POOL_TIMEOUT"];

        /// The longest one connect may take, with TLS and authentication. May be greater than `pool_timeout`: a
        /// connect belongs to the pool and outlives the caller who first needed it.
        connect_timeout: Duration, default secs(10), range Range::Times(ms(1), hours(1)),
            also ["DATABASE_CONNECT_TIMEOUT"];

        /// Idleness after which a connection above `pool_min` is closed. Must be below `max_lifetime`; follows it.
        idle_timeout: Limit, set (impl Into<Limit>), default limit(secs(600)), range Range::Times(ms(1), hours(24));

        /// Age at which a connection is replaced, as soon as nobody holds it.
        max_lifetime: Limit, set (impl Into<Limit>), default limit(secs(1_800)),
            range Range::Times(ms(10), hours(168));

        /// The part of `max_lifetime` by which a connection's life is shortened by lot, once, at its birth, so that
        /// a pool opened in one moment is not replaced in one moment.
        lifetime_jitter: f64, default 0.1, range Range::Fractions(0.0, 0.5);

        /// Idleness after which a connection is asked for a sign of life before it is lent; `0ms` asks every time,
        /// `off` never. Must be below `idle_timeout`.
        check_after_idle: Limit, set (impl Into<Limit>), default limit(secs(1)), range Range::Times(ms(0), hours(1));

        /// Connects under way at a time. A server that has just come back is not helped by thirty at once.
        connect_limit: usize, default 4, range Range::Numbers(1, 1_000);

        /// The longest that stopping an abandoned statement and draining its answer may take before the connection
        /// is discarded instead.
        reclaim_timeout: Duration, default secs(5), range Range::Times(ms(1), secs(300));

        /// How long a COMMIT goes on whose caller has stopped waiting for it. It is never cancelled; when this is over
        /// its connection is ended, and an event tells that its outcome is unknown. A commit that waits for a standby, or
        /// for deferred constraints, may need longer. Closing the pool waits for it by its own two limits.
        commit_grace: Duration, default secs(10), range Range::Times(ms(1), hours(1));

        /// Cancel requests under way at a time; each is a connection of its own to the server.
        cancel_limit: usize, default 8, range Range::Numbers(1, 1_000);

        /// The longest that closing the pool waits for what is still lent.
        close_timeout: Duration, default secs(10), range Range::Times(ms(0), hours(1));

        /// Lending time after which a connection is reported as leaked, with the place where it was taken; `off`
        /// for never.
        leak_after: Limit, set (impl Into<Limit>), default limit(secs(300)), range Range::Times(ms(1), hours(24));

        /// How long every connection must have been quiet, and held by a task that waits for another one, before
        /// it is called a deadlock and the youngest waiter is sent away; `off` for never. A wait that ends by its
        /// own limit before that names the entanglement too.
        deadlock_after: Limit, set (impl Into<Limit>), default limit(secs(5)), range Range::Times(ms(1), hours(1));
    }

    section "Breaker" {
        /// The circuit breaker: while the server does not answer, calls fail at once instead of waiting for it.
        /// `dark` counts what it would have refused and refuses nothing.
        breaker: Enforcement, default Enforcement::On;

        /// How long the server must have owed answers and given none, to anybody, before the breaker opens. A stall
        /// that is shorter passes unnoticed. A slow statement is no silence, because the heartbeat beside it is
        /// answered. Must be at least twice `heartbeat`.
        breaker_after: Duration, default ms(900), range Range::Times(ms(100), hours(1));

        /// Silence after which the server is asked for a sign of life, on a connection of its own (one more than
        /// `pool_max` and `max_overflow`, shown as "... (heartbeat)"). `off` spares that connection; then only
        /// connects that fail open the breaker, and a frozen server is noticed by the limits of each call alone.
        heartbeat: Limit, set (impl Into<Limit>), default limit(ms(200)), range Range::Times(ms(20), hours(1));
    }

    section "Limits" {
        /// The server's limit on waiting for one lock. The limits must grow in this order: `lock_timeout`,
        /// `statement_timeout`, `client_statement_timeout`, `transaction_timeout`; those that nobody said follow
        /// those that somebody did.
        lock_timeout: Limit, set (impl Into<Limit>), default limit(secs(5)), range Range::Times(ms(1), hours(24));

        /// The server's limit on one statement. Where this is `off`, the two limits above it are off too unless said.
        statement_timeout: Limit, set (impl Into<Limit>), default limit(secs(30)),
            range Range::Times(ms(10), hours(24)), also ["DATABASE_QUERY_TIMEOUT"];

        /// This program's own limit on one statement, after which it is cancelled from here. Greater than the
        /// server's, so that it is the server that says why. Follows `statement_timeout` at a distance of 2 s.
        client_statement_timeout: Limit, set (impl Into<Limit>), default limit(secs(32)),
            otherwise "`32s`: 2 s more than `statement_timeout`",
            range Range::Times(ms(10), hours(24));

        /// The limit on one transaction, kept by the server from PostgreSQL 17 on. Follows `statement_timeout`: at
        /// least twice as long.
        transaction_timeout: Limit, set (impl Into<Limit>), default limit(secs(60)),
            range Range::Times(ms(10), hours(24));

        /// The server's limit on sitting idle inside a transaction. Must be below `transaction_timeout`, since the
        /// server ignores the longer of the two.
        idle_in_transaction_session_timeout: Limit, set (impl Into<Limit>), default limit(secs(30)),
            range Range::Times(ms(1), hours(24));

        /// How often the server looks whether its client is still there while it works for it. Without it the
        /// statements of a killed program run on, and commit. Must be below `statement_timeout`.
        client_connection_check_interval: Limit, set (impl Into<Limit>), default limit(secs(2)),
            range Range::Times(ms(1), hours(1));

        /// How much earlier than a caller's deadline a statement is stopped, so that the answer still arrives in
        /// time. Must be below `statement_timeout`.
        deadline_margin: Duration, default ms(100), range Range::Times(ms(0), secs(10));

        /// With less time than this before a caller's deadline, nothing is sent any more: the answer would not be
        /// back in time, and the server would have worked for nobody.
        deadline_floor: Duration, default ms(1), range Range::Times(ms(0), secs(1));

        /// What to do with a connection on which one of these limits was found missing when it was read back.
        on_missing_guardrail: OnMissingGuardrail, default OnMissingGuardrail::Error;
    }

    section "Pooler" {
        /// What stands between this program and the server; `auto` finds out at the first connect.
        /// `USE_PGBOUNCER=true` means `transaction`. Unless a connection profile is said, `transaction` brings the
        /// sizes and times of the profile `pooler`, and so does `auto` where a host has port 6432 or 6543.
        pooler: PoolerMode, default PoolerMode::Auto;
    }

    section "Retry" {
        /// Retries that all calls of a `Database` together may make, as a share of those calls that may run again,
        /// over 10 s. `0` leaves only `retry_floor`. When everything fails at once, it is this that keeps a load from
        /// becoming five times that load.
        retry_share: f64, default 0.2, range Range::Fractions(0.0, 1.0);

        /// Retries over 10 s that are allowed beyond the share, for programs that make few calls: ten are all the
        /// tries of two calls, and one a second. With `0` here and in `retry_share` nothing runs again.
        retry_floor: u32, default 10, range Range::Numbers(0, 100_000);
    }

    section "Statements" {
        /// Prepared statements kept on each connection.
        statement_cache: usize, default 256, range Range::Numbers(0, 65_536);

        /// How long a prepared statement, and the types that were learned of it, are used before they are asked for anew,
        /// in case that the schema was changed and nothing has told so. A change that the heartbeat sees ends them within
        /// a few seconds. `off` for as long as the connection lives.
        statement_expiry: Limit, set (impl Into<Limit>), default limit(secs(60)),
            range Range::Times(ms(10), hours(24));

        /// Types kept of those that were looked up in the server's catalogue.
        type_cache: usize, default 4_096, range Range::Numbers(0, 1_048_576);
    }
}
