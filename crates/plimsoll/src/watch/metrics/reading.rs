//! Everything that metrics are made of, read once for all of them.

use crate::call::postgres::Postgres;
use crate::call::server::Server;
use crate::moment::Moment;
use crate::monitor::HistogramSnapshot;
use crate::pool::{LeaseStatus, Pool, PoolStatus, snapshot};
use crate::record::Counts;
use crate::record::endings::Ending;
use crate::record::events::EventCounts;
use crate::rules::circuit::BreakerState;
use crate::rules::exhaustion::Exhaustion;
use crate::rules::given_up::{GivenUp, GivenUps};
use crate::rules::slots::{Closing, Totals};
use crate::settings::Enforcement;
use std::time::Duration;

/// Leases that are held for longer are leaks, where `leak_after` is off.
const LEAK: Duration = Duration::from_secs(5 * 60);

/// A pool and its statements at one moment.
pub(crate) struct Reading<'a> {
    pub(super) status: PoolStatus,
    pub(super) min: usize,
    totals: Totals,
    pub(super) given_up: GivenUps,
    pub(super) exhaustion: Exhaustion,
    /// Acquisitions that failed since the start.
    pub(super) acquisition_failures: u64,
    /// The mean of the latest acquisitions.
    pub(super) acquisition: Option<Duration>,
    /// Statements since the start.
    pub(super) statements: Counts,
    /// The mean of the latest statements.
    pub(super) statement: Option<Duration>,
    /// The share of the latest statements that failed.
    pub(super) failing: Option<f64>,
    pub(super) wait: HistogramSnapshot,
    pub(super) connect: HistogramSnapshot,
    pub(super) check: HistogramSnapshot,
    pub(super) held: HistogramSnapshot,
    pub(super) operations: Vec<(Ending, HistogramSnapshot)>,
    pub(super) events: &'a EventCounts,
    pub(super) breaker: Breaker,
    pub(super) admission: Enforcement,
    /// Leases that are held for longer than a lease should be, and on which nothing goes on.
    pub(super) leaks: usize,
    pub(super) is_recording: bool,
    /// Leases and requests that wrote more than once outside a transaction.
    pub(super) unwrapped_writes: u64,
}

/// The breaker.
pub(super) struct Breaker {
    pub(super) state: BreakerState,
    pub(super) mode: Enforcement,
    pub(super) trips: u64,
    pub(super) refused: u64,
    /// Calls that it would have refused if it were `on`.
    pub(super) let_through: u64,
}

impl<'a> Reading<'a> {
    pub(super) fn of(pool: &'a Pool<Postgres>) -> Self {
        let inner = &pool.inner;
        let server: &Server = &inner.manager.server;
        let monitor = &server.monitor;
        let status = pool.status();
        let given_up = snapshot::given_up(inner);
        let exhaustion = look_for_exhaustion(pool, &status, &given_up);
        let (min, totals) = {
            let slots = inner.slots.lock();
            (slots.limits.min, slots.totals)
        };
        let (acquisition_failures, acquisition) = {
            let pool = monitor.pool.lock();
            (
                pool.failures.saturating_sub(pool.earlier_failures),
                pool.latest.any().then(|| pool.latest.mean()),
            )
        };
        let (statements, statement, failing) = {
            let all = monitor.statements.lock();
            (all.counts.since(&all.earlier), all.latest.any().then(|| all.latest.mean()), all.failing.get())
        };
        let leak_after = server.plan.leak_after().unwrap_or(LEAK);
        let is_leak = |lease: &&LeaseStatus| lease.held > leak_after && lease.hold().is_idle();
        Reading {
            leaks: status.leases.iter().filter(is_leak).count(),
            status,
            min,
            totals,
            given_up,
            exhaustion,
            acquisition_failures,
            acquisition,
            statements,
            statement,
            failing,
            wait: monitor.wait.since_start(),
            connect: monitor.connect.since_start(),
            check: monitor.check.since_start(),
            held: monitor.held.since_start(),
            operations: monitor.server.each(),
            events: &monitor.events,
            breaker: Breaker::of(server),
            admission: server.plan.admission(),
            is_recording: monitor.is_on(),
            unwrapped_writes: monitor.write_audit.found(),
        }
    }

    /// Lent connections, in per cent of all that there may be. A pool that has not grown yet is not a full one.
    pub(super) fn utilization(&self) -> f64 {
        100.0 * self.status.checked_out as f64 / self.status.maximum.max(1) as f64
    }

    pub(super) fn opened(&self) -> u64 {
        self.totals.opened
    }

    pub(super) fn closings(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.totals.closed.each().map(|(why, count)| (Closing::word(why), count))
    }

    pub(super) fn refusals(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.given_up.each().map(|(why, count)| (GivenUp::word(why), count))
    }

    /// What limits on time have ended: waits for a connection, and statements.
    pub(super) fn timeouts(&self) -> u64 {
        self.given_up.that(GivenUp::is_timeout) + self.statements.timeouts
    }

    /// This count where admission is dark, else nothing.
    pub(super) fn if_dark(&self, count: u64) -> u64 {
        if self.admission == Enforcement::Dark { count } else { 0 }
    }
}

impl Breaker {
    fn of(server: &Server) -> Self {
        let (status, let_through) = (server.breaker.status(), server.breaker.let_through());
        Breaker {
            state: status.state,
            mode: server.breaker.mode(),
            trips: status.trips,
            refused: status.refused.saturating_sub(let_through),
            let_through,
        }
    }
}

/// Looks whether the pool is exhausted. The sampler does so each second, and each reading once more.
pub(super) fn look_for_exhaustion(
    pool: &Pool<Postgres>,
    status: &PoolStatus,
    given_up: &GivenUps,
) -> Exhaustion {
    let is_free = status.waiting == 0 && status.checked_out < status.maximum;
    let mut exhaustion = pool.inner.manager.server.monitor.exhaustion.lock();
    exhaustion.look(given_up.that(GivenUp::is_exhaustion), is_free, Moment::now());
    *exhaustion
}
