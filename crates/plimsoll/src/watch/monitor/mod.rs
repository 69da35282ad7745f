//! The monitor: what went on between this program and its database, at almost no cost and in bounded memory.
//!
//! It is fed from two places: where a statement ends, and where an acquisition or a lease ends (the pool's side is
//! [`Meter`], the statements' side is [`StatementSink`]). It takes each of its two locks
//! for as long as it takes to add a few numbers.
//!
//! | file | what it holds |
//! |---|---|
//! | here | what is recorded |
//! | [`window`] | the latest samples: mean, longest, percentiles |
//! | [`histogram`] | times since the start, in OpenTelemetry's buckets |
//! | [`queries`] | the bounded table of kinds of statements |
//! | [`pool`] | acquisitions and the latest snapshots of the pool |
//! | [`report`], [`time`] | what is given out |
//! | [`access`], [`sampler`] | how a program asks, and the snapshot that is taken each second |

pub(crate) mod access;
pub(crate) mod histogram;
mod pool;
mod queries;
pub(crate) mod report;
pub(super) mod sampler;
pub(crate) mod time;
mod window;

use crate::call::statement::end::{End, Ended, StatementSink};
use crate::fault::Fault;
use crate::pool::meter::Meter;
use crate::settings::Plan;
use crate::sql::Strings;
use crate::sql::fingerprint;
use histogram::Histogram;
use parking_lot::Mutex;
use pool::PoolRecord;
use queries::{Execution, Queries};
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};
use window::Window;

/// Stands for the text of a statement that the caller has prepared itself: the driver does not tell it.
const PREPARED: &str = "\"a statement that the caller prepared\"";

/// Everything that is recorded.
pub(crate) struct Monitor {
    is_on: AtomicBool,
    /// A statement that takes longer is slow.
    slow_after: Duration,
    pool: Mutex<PoolRecord>,
    statements: Mutex<Statements>,
    /// Makes a number of a text; a client cannot choose two texts that have one number.
    hasher: RandomState,
    wait: Histogram,
    connect: Histogram,
    check: Histogram,
    server: Histogram,
    held: Histogram,
}

struct Statements {
    table: Queries,
    /// The latest; those that were slow are marked.
    latest: Window,
    counts: Counts,
}

/// Executions since the start, and how many of them were what.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    executed: u64,
    failed: u64,
    timeouts: u64,
    slow: u64,
}

impl Counts {
    fn add(&mut self, execution: &Execution) {
        self.executed += 1;
        self.failed += u64::from(execution.is_failed);
        self.timeouts += u64::from(execution.is_timeout);
        self.slow += u64::from(execution.is_slow);
    }
}

impl Monitor {
    pub(crate) fn new(is_on: bool, window: usize, slow_after: Duration) -> Self {
        Monitor {
            is_on: AtomicBool::new(is_on),
            slow_after,
            pool: Mutex::new(PoolRecord::new(window)),
            statements: Mutex::new(Statements {
                table: Queries::new(),
                latest: Window::new(window),
                counts: Counts::default(),
            }),
            hasher: RandomState::new(),
            wait: Histogram::default(),
            connect: Histogram::default(),
            check: Histogram::default(),
            server: Histogram::default(),
            held: Histogram::default(),
        }
    }

    /// The monitor that these settings ask for.
    pub(crate) fn of(plan: &Plan) -> Self {
        Monitor::new(plan.monitoring(), plan.monitor_window(), plan.monitor_slow_after())
    }

    fn is_on(&self) -> bool {
        self.is_on.load(Ordering::Relaxed)
    }

    fn switch(&self, is_on: bool) {
        self.is_on.store(is_on, Ordering::Relaxed);
    }

    fn add_acquisition(&self, took: Duration, is_success: bool) {
        self.wait.record(took);
        self.pool.lock().acquired(took, is_success);
    }

    /// An execution that has ended now.
    fn execution(&self, took: Duration, rows: u64, is_failed: bool, is_timeout: bool) -> Execution {
        let is_slow = took > self.slow_after;
        Execution { took, rows, is_failed, is_timeout, is_slow, ended: SystemTime::now() }
    }

    /// Adds an execution. Only a text that is new costs more than a look into a table.
    fn add_execution(&self, text: &str, strings: Option<Strings>, execution: &Execution) {
        self.server.record(execution.took);
        let head = text.as_bytes().get(..fingerprint::READ).unwrap_or(text.as_bytes());
        let number = self.hasher.hash_one((head, strings));
        {
            let mut statements = self.statements.lock();
            statements.counts.add(execution);
            statements.latest.push(execution.took, execution.is_slow);
            if statements.table.add_known(number, execution) {
                return;
            }
        }
        // Not under the lock, since a text may be long.
        let normalised = fingerprint::normalise(text, strings);
        self.statements.lock().table.add(number, normalised, execution);
    }
}

impl Meter for Monitor {
    fn is_on(&self) -> bool {
        self.is_on()
    }

    fn acquired(&self, took: Duration, is_success: bool) {
        self.add_acquisition(took, is_success);
    }

    fn checked(&self, took: Duration) {
        self.check.record(took);
    }

    fn connected(&self, took: Duration) {
        self.connect.record(took);
    }

    fn released(&self, held: Duration) {
        self.held.record(held);
    }
}

impl StatementSink for Monitor {
    fn is_on(&self) -> bool {
        self.is_on()
    }

    fn ended(&self, ended: &Ended<'_>) {
        let (rows, is_failed, is_timeout) = match ended.end {
            End::Answered { rows } => (rows, false, false),
            End::Failed { fault, .. } => (0, true, is_timeout(fault)),
            End::Dropped => (0, true, false),
        };
        let execution = self.execution(ended.took, rows, is_failed, is_timeout);
        self.add_execution(ended.text.unwrap_or(PREPARED), ended.strings, &execution);
    }
}

/// Whether a statement was ended by a limit on time.
fn is_timeout(fault: Fault) -> bool {
    matches!(fault, Fault::StatementTimeout | Fault::TransactionTimeout | Fault::DeadlinePassed)
}

#[cfg(test)]
mod tests;
