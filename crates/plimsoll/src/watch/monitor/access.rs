//! How a program asks the monitor, and tells it what it did itself.

use super::report::{
    BreakerTotals, Durations, HealthStatus, LeakWarning, PoolConfig, QueryMetrics, Snapshot, StatementTotals,
    ms,
};
use super::suggested::SuggestedLimit;
use crate::call::database::Database;
use crate::moment::Moment;
use crate::pool::PoolStatus;
use crate::record::Monitor;
use crate::record::endings::Ending;
use crate::record::locks::LockEpisode;
use crate::record::pool::ConnectionMetrics;
use crate::record::queries::Execution;
use crate::record::time::Timestamp;
use std::time::{Duration, SystemTime};

/// Kinds of statements in a report, unless another number is asked for.
const SLOWEST: usize = 10;

/// A lease that is held for longer is a leak, unless another time is asked for.
const LEAK: Duration = Duration::from_secs(5 * 60);

/// What was recorded of a [`Database`], and the switch: [`Database::monitor`].
#[derive(Clone, Copy)]
pub struct Monitoring<'a> {
    db: &'a Database,
    monitor: &'a Monitor,
}

impl std::fmt::Debug for Monitoring<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Monitoring").field("is_enabled", &self.is_enabled()).finish_non_exhaustive()
    }
}

impl Database {
    /// Everything that is known of the pool and of the statements that went through it, ready to be written as JSON. It
    /// asks the server nothing.
    ///
    /// ```no_run
    /// # fn example(db: &plimsoll::Database) -> Result<(), Box<dyn std::error::Error>> {
    /// println!("{}", serde_json::to_string_pretty(&db.snapshot())?);
    /// # Ok(()) }
    /// ```
    #[must_use]
    #[doc(alias = "get_pool_metrics")]
    pub fn snapshot(&self) -> Snapshot {
        self.monitor().snapshot()
    }

    /// What was recorded, part by part, and the switch.
    #[must_use]
    pub fn monitor(&self) -> Monitoring<'_> {
        Monitoring { db: self, monitor: &self.server.monitor }
    }
}

impl<'a> Monitoring<'a> {
    pub(in crate::watch) fn database(&self) -> &'a Database {
        self.db
    }

    pub(super) fn record(&self) -> &'a Monitor {
        self.monitor
    }
}

impl Monitoring<'_> {
    /// Whether anything is recorded now.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.monitor.is_on()
    }

    /// Records from now on, or does not. What was recorded before stays.
    pub fn set_enabled(&self, is_enabled: bool) {
        self.monitor.switch(is_enabled);
    }

    /// Records an acquisition that did not go through this pool. Those that do are recorded already.
    pub fn record_acquisition(&self, took: Duration, is_success: bool) {
        if self.is_enabled() {
            self.monitor.add_acquisition(took, is_success);
        }
    }

    /// Records an execution of a statement that did not go through this pool. Those that do are recorded already. Of the
    /// text nothing is kept that is a constant.
    pub fn record_query_execution(&self, text: &str, took: Duration, is_failed: bool) {
        if self.is_enabled() {
            let ending = if is_failed { Ending::FailedElsewhere } else { Ending::Answered };
            let is_slow = self.monitor.is_slow(took);
            let ended = SystemTime::now();
            let execution = Execution { took, rows: 0, ending, is_slow, ended };
            let number = self.monitor.number(Some(text), None);
            self.monitor.add_execution(number, text, None, &execution);
        }
    }

    /// The pool now; kept among the latest 60 of its snapshots, of which one is taken each second anyway.
    pub fn capture_pool_snapshot(&self) -> ConnectionMetrics {
        let metrics = metrics(self.monitor, &self.db.pool.numbers());
        if self.is_enabled() {
            self.monitor.keep(metrics.clone());
        }
        metrics
    }

    /// The latest snapshots of the pool, oldest first.
    #[must_use]
    pub fn pool_snapshots(&self) -> Vec<ConnectionMetrics> {
        self.monitor.pool.lock().snapshots()
    }

    /// How the pool is. It warns above 90 % of connections lent, above 5 % of failed acquisitions and above 10 slow
    /// statements among the latest, and while any caller waits.
    #[must_use]
    #[doc(alias = "get_health_status")]
    pub fn health_status(&self) -> HealthStatus {
        self.judge(&metrics(self.monitor, &self.db.pool.numbers()))
    }

    /// So many kinds of statements of which an execution was slow, the slowest on average first.
    #[must_use]
    #[doc(alias = "get_slow_queries")]
    pub fn slow_queries(&self, limit: usize) -> Vec<QueryMetrics> {
        self.monitor.slowest(limit, true)
    }

    /// So many kinds of statements, the slowest on average first.
    #[must_use]
    #[doc(alias = "get_query_performance")]
    pub fn query_performance(&self, limit: usize) -> Vec<QueryMetrics> {
        self.monitor.slowest(limit, false)
    }

    /// For each kind of statement the limit that would fit what it usually takes, with the reason; the most frequent kind
    /// first. Nothing follows from it by itself: set a limit by [`Call::statement_timeout`](crate::Call::statement_timeout),
    /// or let it follow by [`Call::adaptive`](crate::Call::adaptive).
    ///
    /// ```no_run
    /// # fn example(db: &plimsoll::Database) {
    /// db.monitor().suggested_limits().iter().for_each(|suggested| println!("{suggested}"));
    /// # }
    /// ```
    #[must_use]
    pub fn suggested_limits(&self) -> Vec<SuggestedLimit> {
        let configured = self.db.server.limits.configured();
        let mut kinds = self.monitor.statements.lock().table.slowest(usize::MAX, |_| true);
        kinds.sort_by_key(|(_, kind)| std::cmp::Reverse(kind.executions));
        kinds.iter().map(|(hash, kind)| SuggestedLimit::of(*hash, kind, configured)).collect()
    }

    /// The leases that are held for longer than this, the oldest first; 5 minutes is a usual threshold.
    #[must_use]
    pub fn detect_connection_leaks(&self, threshold: Duration) -> Vec<LeakWarning> {
        leaks(&self.db.pool_status(), threshold)
    }

    /// Who waited for locks in the last 15 minutes, in this database, and who let them wait; oldest first, so that a stall
    /// that is over can still be explained. Sessions of other programs take part too, by their application names, as do
    /// those of this one behind a pooler. Of sessions of other roles a role without `pg_read_all_stats` sees only who blocks
    /// its own: see [`LockEpisode::is_partial`]. This asks the server nothing: it is looked at once a second, while
    /// monitoring is on and the heartbeat is not off.
    #[must_use]
    pub fn lock_episodes(&self) -> Vec<LockEpisode> {
        self.monitor.locks.lock().episodes(Moment::now())
    }

    fn judge(&self, now: &ConnectionMetrics) -> HealthStatus {
        let down = match self.db.is_closed() {
            true => Some("the pool is closed".to_owned()),
            false => self.db.server.breaker.refuses().map(|reason| format!("calls are refused: {reason}")),
        };
        let failing = self.monitor.pool.lock().latest.share_marked();
        HealthStatus::judge(now, failing, down.as_deref())
    }

    fn snapshot(&self) -> Snapshot {
        let status = self.db.pool_status();
        let breaker = self.db.breaker();
        let pool_metrics = metrics(self.monitor, &status);
        let min_connections = self.db.pool.inner.slots.lock().limits.min;
        Snapshot {
            monitoring_enabled: self.is_enabled(),
            health_status: self.judge(&pool_metrics),
            slow_queries: self.slow_queries(SLOWEST),
            query_performance: self.query_performance(SLOWEST),
            pool_config: PoolConfig { min_connections, max_connections: status.maximum },
            lock_episodes: self.lock_episodes(),
            leak_warnings: leaks(&status, LEAK),
            pool_status: (&status).into(),
            pool_metrics,
            pool_history: self.pool_snapshots(),
            statements: self.monitor.statement_totals(),
            breaker: BreakerTotals {
                state: breaker.state.to_string(),
                trips: breaker.trips,
                refused: breaker.refused,
            },
            connection_budget: self.db.connection_budget(),
            durations: self.monitor.durations(),
        }
    }
}

/// The pool as it is, with what was recorded of it.
pub(super) fn metrics(monitor: &Monitor, status: &PoolStatus) -> ConnectionMetrics {
    let slow_queries = monitor.statements.lock().latest.marked();
    let pool = monitor.pool.lock();
    ConnectionMetrics {
        timestamp: Timestamp(SystemTime::now()),
        pool_size: status.total_connections,
        available_connections: status.checked_in,
        active_connections: status.checked_out,
        maximum: status.maximum,
        waiting_threads: status.waiting,
        total_acquisitions: pool.acquisitions,
        acquisition_failures: pool.failures,
        avg_acquisition_time_ms: ms(pool.latest.mean()),
        max_acquisition_time_ms: ms(pool.latest.max()),
        slow_queries,
    }
}

fn leaks(status: &PoolStatus, threshold: Duration) -> Vec<LeakWarning> {
    let long = status.leases.iter().filter(|lease| lease.held > threshold);
    long.map(LeakWarning::from).collect()
}

impl Monitor {
    fn slowest(&self, limit: usize, only_slow: bool) -> Vec<QueryMetrics> {
        let kinds = self.statements.lock().table.slowest(limit, |kind| !only_slow || kind.slow > 0);
        kinds.iter().map(|(fingerprint, kind)| QueryMetrics::new(*fingerprint, kind)).collect()
    }

    fn statement_totals(&self) -> StatementTotals {
        // Copied under the lock, sorted outside.
        let (counts, kinds_forgotten, latest) = {
            let statements = self.statements.lock();
            (statements.counts, statements.table.left(), statements.latest.clone())
        };
        let latest = latest.summary();
        StatementTotals {
            executed: counts.executed,
            failed: counts.failed,
            timeouts: counts.timeouts,
            slow: counts.slow,
            unwrapped_multi_writes: self.write_audit.found(),
            kinds_forgotten,
            avg_duration_ms: ms(latest.mean),
            p50_duration_ms: ms(latest.p50),
            p95_duration_ms: ms(latest.p95),
            p99_duration_ms: ms(latest.p99),
        }
    }

    fn durations(&self) -> Durations {
        Durations {
            wait: self.wait.snapshot(),
            connect: self.connect.snapshot(),
            check: self.check.snapshot(),
            server: self.server.snapshot(),
            held: self.held.snapshot(),
        }
    }
}
