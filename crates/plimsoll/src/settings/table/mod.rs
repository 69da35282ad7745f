//! Every setting there is.
//!
//! This list is the only place where a setting is written down: its name, its type, its default, its range, and the
//! text that explains it. The macro around it (see `definition.rs`) makes of it the fields and setters of
//! [`Settings`], the getters of [`Plan`], the reading from environment and files, the range checks, and
//! `docs/settings.md`. A new setting is one row here and the code that reads its getter. Only what depends on more
//! than one setting (an order, a derived default) is in `check.rs` and `order.rs`.
//!
//! A default holds for programs that set nothing, so each was chosen to be harmless on a small server, and to exist at
//! all: a stock PostgreSQL limits nothing. Where a default would contradict a value that *was* set, the default gives
//! way ("follows" in the texts below); a value that was set never does.

mod beside;

use std::time::Duration;

use super::definition::{Definition, Range, settings};
use super::duration::Limit;
use super::host::DEFAULT_PORT;
use super::listen::ListenUrl;
use super::plan::TlsRoots;
use super::problem::Problem;
use super::value::{Hosts, Profiles, Value, put};
use super::words::{
    ChannelBinding, Enforcement, OnMissingGuardrail, PoolerMode, ReplicaFallback, SlowParameters,
    TargetSessionAttrs, TlsMode,
};
use crate::secret::Password;
use beside::with_beside;

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

with_beside! {
    settings! {
    /// The settings that were given, not checked yet.
    ///
    /// A `Settings` may be read from the environment, from a file, from another configuration (it is
    /// `Deserialize`), or set in code with one chained method for each setting. It promises nothing:
    /// [`check`](Settings::check) returns either everything that is wrong with it, or a [`Plan`](super::Plan).
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
        /// `production,service`. A value that was set is stronger than a profile, and a size profile is stronger than
        /// the sizes of a connection profile.
        profile: Profiles, set by_hand, get by_hand, default Profiles::new(), otherwise "none; the values below hold";
    }

    section "Connection" {
        /// The servers, in the order in which they are tried. A host is a name or an address, with `:port` if its port
        /// is not `port`, or the directory of a Unix socket.
        hosts: Hosts, set by_hand, get by_hand, default Hosts::new(), otherwise "none; it must be set";

        /// The port of the hosts that are named without one.
        port: u16, get by_hand, default DEFAULT_PORT, range Range::Numbers(1, 65_535);

        /// The database.
        dbname: String, set (impl Into<String>), default String::new(), otherwise "the same as `user`";

        /// The role that logs in. Role defaults belong to it, so it should be a role of this program's own.
        user: String, set (impl Into<String>), default String::new(), otherwise "none; it must be set";

        /// The role's password. In code it may also be a function that is called at each connect, for tokens that
        /// expire.
        password: Password, set (impl Into<Password>), get by_hand, otherwise "none";

        /// A password file as libpq reads it (`~/.pgpass`), a line `host:port:database:role:password` for each server. It is
        /// read at each connect for which `password` gives none, and only if its owner alone may read it.
        passfile: String, set (impl Into<String>), get by_hand, default String::new(), otherwise "none";

        /// How connections are encrypted, in libpq's words. `require` encrypts without knowing to whom, unless
        /// `sslrootcert` names a file: then it is `verify-ca`. The `verify` modes verify the server's certificate.
        sslmode: TlsMode, get by_hand, default TlsMode::VerifyFull,
            otherwise "`prefer` if every host is this machine, else `verify-full`";

        /// The certificates against which a server's certificate is verified: a PEM file, or `system`, which needs
        /// `verify-full`. `disable` and `prefer` would not be held to it, so setting it with them is refused.
        sslrootcert: TlsRoots, set by_hand, get by_hand, default TlsRoots::System;

        /// Whether SCRAM is tied to the TLS session, which excludes a machine in the middle.
        channel_binding: ChannelBinding, default ChannelBinding::Prefer;

        /// Which servers of the list may be used.
        target_session_attrs: TargetSessionAttrs, default TargetSessionAttrs::Any;

        /// The name in `pg_stat_activity`; PostgreSQL keeps its first 63 bytes. Instances that share a database should
        /// differ in it, as they do by default.
        application_name: String, set (impl Into<String>), default String::new(),
            otherwise "the name of the program, the host and the process id: `orders@web-3:4711`";

        /// Whether a transaction shows its request and its work in `pg_stat_activity` and in the server's log, behind
        /// `application_name`: `orders@web-3:4711 #3fa9c0d2 nightly report`. It costs the server 2 µs for each
        /// transaction, and 6 µs before PostgreSQL 18. There `SET TRANSACTION` comes too late inside a transaction, and
        /// isolation must be asked for with the transaction.
        session_names: bool, default true;

        /// More startup options, as in `-c search_path=app`. Limits have settings of their own and are refused here;
        /// behind a transaction pooler every option is refused, because PgBouncer would refuse the connection.
        options: String, set (impl Into<String>), default String::new(), otherwise "none";

        /// Silence on a connection before the kernel probes whether the peer still exists; `off` for never.
        keepalives_idle: Limit, set (impl Into<Limit>), get by_hand, default limit(secs(30)),
            range Range::Seconds(secs(1), hours(2));

        /// Silence between two such probes.
        keepalives_interval: Duration, get by_hand, default secs(10), range Range::Seconds(secs(1), hours(1));

        /// Unanswered probes before the connection is given up.
        keepalives_count: u32, get by_hand, default 3, range Range::Numbers(1, 100);

        /// How long sent bytes may stay unacknowledged before the kernel gives the connection up (Linux). Must be
        /// below `pool_timeout`, or a dead connection outlives the waiters for it. If only `pool_timeout` is set, this
        /// follows it down to 1 s.
        tcp_user_timeout: Limit, set (impl Into<Limit>), default limit(secs(10)),
            range Range::Times(secs(1), hours(1));

        /// The server's major version, if it is known beforehand. From 17 on, `transaction_timeout` is then part of the
        /// connect and saves one round trip after it. A version that is too high costs one more connect, once.
        server_version: u16, otherwise "unknown; asked at connect", range Range::Numbers(14, 99);

        /// The longest message of the server that is read, in MiB: a row, a row of a COPY, an error. A longer one ends its
        /// connection before it is in memory, with an error that says its length, and its statement is not run again.
        /// PostgreSQL itself sends no longer one than 1 GiB.
        max_message: usize, default 256, range Range::Numbers(1, 1_024);
    }

    section "Pool" {
        /// Connections that are kept open even when the pool is idle. If only `pool_max` is set, this follows it down.
        pool_min: usize, default 2, range Range::Numbers(0, 10_000);

        /// Connections that are kept after they were opened. If this is set and `max_overflow` is not, there are never
        /// more.
        pool_max: usize, default 10, range Range::Numbers(1, 10_000);

        /// Connections above `pool_max`, opened under load and closed as soon as they are returned. `Database::resize`
        /// leaves it as it is.
        max_overflow: usize, default 20, range Range::Numbers(0, 10_000);

        /// Callers that may wait at a time while the pool has all its connections and every one is lent; one more is
        /// refused at once. Callers that wait for a connection that is being opened are not counted. With 30
        /// connections and 30 s, the thousandth waiter is served in time only while statements take less than 0.9 s: a
        /// longer queue would promise what it cannot keep. The last tenth of the places is reserved for the highest
        /// priority.
        max_waiting: usize, default 1_000, range Range::Numbers(0, 1_000_000);

        /// Connections that are reserved for work of the highest priority. Must be below the sum of `pool_max` and
        /// `max_overflow`.
        priority_reserve: usize, default 0, range Range::Numbers(0, 10_000);

        /// Connections that work of one name may hold at a time, unless the call sets another number; `0` for no bound.
        /// A caller above it waits until one of them is returned, while callers of other names are served before it.
        max_per_name: usize, default 0, range Range::Numbers(0, 10_000);

        /// Whether the pool shares the connections of the server with the other live instances. Each shows itself in
        /// `pg_stat_activity` by the name of its heartbeat's connection, and takes an even part of what the server
        /// (`max_connections`), the role and the database allow; what it does not get it opens as soon as others leave. When
        /// the server refuses a connection because it has none left, callers wait for those that the pool has, within their
        /// own limits, and the breaker takes it for an answer. `dark` tells what it would do. `off` opens what the settings
        /// say. Behind a pooler, and without a heartbeat, nothing is shared and only a refusal is heeded.
        connection_budget: Enforcement, default Enforcement::On;

        /// What happens to a caller that, by the pace of the queue before it, cannot be served before its deadline or
        /// its limit on waiting: with `on` it is refused at once and told when to come back; with `off` it waits. With
        /// `dark` it waits and is counted; then `max_per_name` and `priority_reserve` make no caller wait either, and
        /// only count.
        admission: Enforcement, default Enforcement::On;

        /// The longest wait for a connection.
        pool_timeout: Duration, default secs(30), range Range::Times(ms(10), hours(1)),
            also ["DATABASE_POOL_TIMEOUT"];

        /// The longest that one connect may take, with TLS and authentication. May be greater than `pool_timeout`: a
        /// connect belongs to the pool and goes on after the caller that first needed it has left.
        connect_timeout: Duration, default secs(10), range Range::Times(ms(1), hours(1)),
            also ["DATABASE_CONNECT_TIMEOUT"];

        /// Idle time after which a connection above `pool_min` is closed. Must be below `max_lifetime`; follows it.
        idle_timeout: Limit, set (impl Into<Limit>), default limit(secs(600)), range Range::Times(ms(1), hours(24));

        /// Age at which a connection is replaced, as soon as it is not lent.
        max_lifetime: Limit, set (impl Into<Limit>), default limit(secs(1_800)),
            range Range::Times(ms(10), hours(168));

        /// The part of `max_lifetime` by which a connection's life is shortened at random when it is opened, so that
        /// connections that were opened together are not replaced together.
        lifetime_jitter: f64, default 0.1, range Range::Fractions(0.0, 0.5);

        /// Idle time after which a connection is checked by a round trip before it is lent; `0ms` checks every time,
        /// `off` never. Must be below `idle_timeout`.
        check_after_idle: Limit, set (impl Into<Limit>), default limit(secs(1)), range Range::Times(ms(0), hours(1));

        /// Connects at a time. Thirty at once would overload a server that has just come back.
        connect_limit: usize, default 4, range Range::Numbers(1, 1_000);

        /// The longest that stopping an abandoned statement and reading the rest of its answer may take before the
        /// connection is discarded instead.
        reclaim_timeout: Duration, default secs(5), range Range::Times(ms(1), secs(300));

        /// How long a COMMIT may go on after its caller has stopped waiting for it. It is never cancelled; after this
        /// time its connection is ended, and an event reports that its outcome is unknown. A commit that waits for a
        /// standby, or for deferred constraints, may need longer. Closing the pool waits for it by its own two limits.
        commit_grace: Duration, default secs(10), range Range::Times(ms(1), hours(1));

        /// Cancel requests at a time; each needs a connection of its own to the server.
        cancel_limit: usize, default 8, range Range::Numbers(1, 1_000);

        /// The longest that closing the pool waits for connections that are still lent.
        close_timeout: Duration, default secs(10), range Range::Times(ms(0), hours(1));

        /// Time after which a connection that is still lent is reported as leaked, with the place in the source where
        /// it was acquired; `off` for never.
        leak_after: Limit, set (impl Into<Limit>), default limit(secs(300)), range Range::Times(ms(1), hours(24));

        /// Time after which a lent connection on which nothing has gone on is taken back: it is ended, and another may be
        /// opened in its stead. Its holder, should it come back to it, gets an error. A lease that runs a statement, or
        /// has run one within this time, is left alone. `off` for never.
        leak_reclaim_after: Limit, set (impl Into<Limit>), default Limit::Off, range Range::Times(ms(10), hours(24));

        /// How long every connection must have been idle in the hands of a task that waits for a second connection,
        /// before this counts as a deadlock and the youngest waiter is refused; `off` for never. A task that holds several
        /// proves nothing, since its branches may be at work elsewhere; then, and where a wait ends earlier, the error of
        /// the limit says that it may be a deadlock.
        deadlock_after: Limit, set (impl Into<Limit>), default limit(secs(5)), range Range::Times(ms(1), hours(1));
    }

    section "Replicas" {
        /// Servers that reads may go to: hot standbys of the primary, each with a pool of its own of the same sizes. User,
        /// password, database and TLS are those of `hosts`. The primary and servers that may take over may be named here
        /// too: a server is read from only while it follows the primary. Each name must lead to one server, because role
        /// and lag are asked of one. With replicas, `target_session_attrs` follows to `read-write` unless it is set. A role
        /// that is a member of `pg_read_all_stats` sees at once when a standby follows a new primary; for any other role that
        /// standby is read from again after its next restart point, which may take `checkpoint_timeout`.
        replica_hosts: Hosts, set by_hand, get by_hand, default Hosts::new(),
            otherwise "none; all work goes to `hosts`";

        /// How far behind the primary a replica may be, for a read that does not say so itself (`Call::max_lag`); `off`
        /// for any distance. While the primary does not answer, what was known last stands.
        max_replica_lag: Limit, set (impl Into<Limit>), default limit(secs(5)), range Range::Times(ms(1), hours(24));

        /// How often each server is asked for its role and for how far it is, by one task on the connections of the
        /// heartbeat. No read can demand a lag that is shorter than about twice this.
        replica_check: Duration, default ms(250), range Range::Times(ms(10), secs(60));

        /// How long a read that must see a commit (`Call::after`) waits for a replica to replay it, before it goes to the
        /// primary.
        replica_wait: Duration, default ms(100), range Range::Times(ms(0), secs(60));

        /// Where a read goes that no replica may serve: `primary`, within `replica_fallback_share`, or nowhere: with
        /// `refuse` it is refused.
        replica_fallback: ReplicaFallback, default ReplicaFallback::Primary;

        /// The part of the primary's connections (`pool_max` and `max_overflow`) that such reads may hold together, at
        /// least one connection. Others wait for up to a second and are refused then, so that a lost replica does not move
        /// all of its load to the primary.
        replica_fallback_share: f64, default 0.25, range Range::Fractions(0.0, 1.0);
    }

    section "Breaker" {
        /// The circuit breaker: while the server does not answer, calls fail at once instead of waiting for it.
        /// `dark` counts what it would have refused and refuses nothing.
        breaker: Enforcement, default Enforcement::On;

        /// How long the server must have owed answers and sent none, on any connection, before the breaker opens. A
        /// shorter stall does not open it. Neither does a slow statement, because the heartbeat beside it is answered, nor
        /// a single connection that stands still, because a new connect beside it is answered.
        /// Must be at least twice `heartbeat`.
        breaker_after: Duration, default ms(900), range Range::Times(ms(100), hours(1));

        /// Silence after which the server is asked for an answer, on a connection of its own (one more than `pool_max`
        /// and `max_overflow`, shown as "... (heartbeat)"). `off` saves that connection; then only failed connects open
        /// the breaker, and a frozen server is noticed only by the limits of each call.
        heartbeat: Limit, set (impl Into<Limit>), default limit(ms(200)), range Range::Times(ms(20), hours(1));
    }

    section "Limits" {
        /// The server's limit on waiting for one lock. The limits must grow in this order: `lock_timeout`,
        /// `statement_timeout`, `client_statement_timeout`, `transaction_timeout`; those that are not set follow those
        /// that are.
        lock_timeout: Limit, set (impl Into<Limit>), default limit(secs(5)), range Range::Times(ms(1), hours(24));

        /// The server's limit on one statement. If this is `off`, the two limits above it are off too unless set.
        statement_timeout: Limit, set (impl Into<Limit>), default limit(secs(30)),
            range Range::Times(ms(10), hours(24)), also ["DATABASE_QUERY_TIMEOUT"];

        /// This program's own limit on one statement, after which it sends a cancel request. Greater than the server's,
        /// so that the error comes from the server and names the cause. Follows `statement_timeout` at a distance of
        /// 2 s.
        client_statement_timeout: Limit, set (impl Into<Limit>), default limit(secs(32)),
            otherwise "`32s`: 2 s more than `statement_timeout`",
            range Range::Times(ms(10), hours(24));

        /// The limit on one transaction, enforced by the server from PostgreSQL 17 on. Follows `statement_timeout`: at
        /// least twice as long.
        transaction_timeout: Limit, set (impl Into<Limit>), default limit(secs(60)),
            range Range::Times(ms(10), hours(24));

        /// The server's limit on idle time inside a transaction. Must be below `transaction_timeout`, since the server
        /// ignores the longer of the two.
        idle_in_transaction_session_timeout: Limit, set (impl Into<Limit>), default limit(secs(30)),
            range Range::Times(ms(1), hours(24));

        /// How often the server checks, while it runs a statement, whether its client still exists. Without it the
        /// statements of a killed program run on, and commit. Must be below `statement_timeout`.
        client_connection_check_interval: Limit, set (impl Into<Limit>), default limit(secs(2)),
            range Range::Times(ms(1), hours(1));

        /// How much earlier than a caller's deadline a statement is stopped, so that the answer still arrives in
        /// time. Must be below `statement_timeout`.
        deadline_margin: Duration, default ms(100), range Range::Times(ms(0), secs(10));

        /// With less time than this before a caller's deadline, no statement is sent: its answer would come too late,
        /// and the server's work would be wasted.
        deadline_floor: Duration, default ms(1), range Range::Times(ms(0), secs(1));

        /// What to do with a connection on which one of these limits is missing when they are read back.
        on_missing_guardrail: OnMissingGuardrail, default OnMissingGuardrail::Error;
    }

    section "Pooler" {
        /// The pooler between this program and the server; `auto` detects it at the first connect.
        /// `USE_PGBOUNCER=true` means `transaction`. Unless a connection profile is named, `transaction` implies the
        /// sizes and times of the profile `pooler`, and so does `auto` if a host has port 6432 or 6543.
        pooler: PoolerMode, default PoolerMode::Auto;
    }

    section "Retry" {
        /// Retries that all calls of a `Database` together may make within 10 s, as a share of the calls that may run
        /// again. `0` leaves only `retry_floor`. When everything fails at once, this bound keeps the retries from
        /// multiplying the load by five.
        retry_share: f64, default 0.2, range Range::Fractions(0.0, 1.0);

        /// Retries within 10 s that are allowed beyond the share, for programs that make few calls: ten are all the
        /// tries of two calls, and one a second. With `0` here and in `retry_share` nothing runs again.
        retry_floor: u32, default 10, range Range::Numbers(0, 100_000);
    }

    section "Statements" {
        /// Prepared statements that are kept on each connection, as long as they take no more than 1 MiB together. A
        /// statement with more than 8 KiB of text or 256 parameters gets no name: it is sent with its types. `0` keeps
        /// none.
        statement_cache: usize, default 256, range Range::Numbers(0, 65_536);

        /// How long a prepared statement and its types are used before they are asked for anew, in case the schema has
        /// changed unnoticed. A change that the heartbeat sees ends them within a few seconds. `off` for as long as the
        /// connection lives.
        statement_expiry: Limit, set (impl Into<Limit>), default limit(secs(60)),
            range Range::Times(ms(10), hours(24));

        /// Statements whose types all connections remember together, in at most 4 MiB, so that one connection need not
        /// ask for what another has learned. `0` remembers none.
        type_cache: usize, default 4_096, range Range::Numbers(0, 1_048_576);
    }
    }
}
