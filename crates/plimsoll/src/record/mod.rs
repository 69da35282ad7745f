//! What is recorded of the work between this program and its database, at almost no cost and in bounded memory.
//!
//! It is fed from two places: where a statement ends, and where an acquisition or a lease ends. It takes each of its two
//! locks for as long as it takes to add a few numbers, and reads no clock: what is recorded brings its times along. How a
//! program asks for it is in `watch::monitor`.
//!
//! | file | what it holds |
//! |---|---|
//! | here | the record as a whole |
//! | [`statement`] | a statement that has ended |
//! | [`window`] | the latest samples: mean, longest, percentiles |
//! | [`histogram`] | times since the start, in OpenTelemetry's buckets |
//! | [`queries`] | the bounded table of kinds of statements |
//! | [`locks`] | pile-ups behind locks, for 15 minutes |
//! | [`slow_log`] | which statements go to the slow log |
//! | [`pool`] | acquisitions and the latest snapshots of the pool |
//! | [`counters`], [`keeper`] | the totals, and the file in which they outlive the program |
//! | [`endings`] | times of statements by how they ended |
//! | [`events`] | how often each kind of event happened |
//! | [`spread`] | how the times of a kind of statement are spread |
//! | [`share`] | the share of the latest that failed |
//! | [`audit`] | leases and requests that write more than once outside a transaction |
//! | [`time`] | points in time as reports write them |

pub(crate) mod audit;
pub(crate) mod counters;
pub(crate) mod endings;
pub(crate) mod events;
pub(crate) mod histogram;
pub(crate) mod keeper;
pub(crate) mod locks;
pub(crate) mod pool;
pub(crate) mod queries;
pub(crate) mod share;
pub(crate) mod slow_log;
pub(crate) mod spread;
pub(crate) mod statement;
pub(crate) mod time;
pub(crate) mod window;

use crate::rules::exhaustion::Exhaustion;
use crate::rules::repeated::Repetitions;
use crate::rules::suggestion::Observed;
use crate::settings::{Enforcement, Plan};
use crate::sql::Strings;
use crate::sql::fingerprint;
use audit::WriteAudit;
use endings::{Ending, Endings};
use events::EventCounts;
use histogram::Histogram;
use keeper::Keeper;
use locks::LockRecord;
use parking_lot::Mutex;
use plimsoll_inspect::blocking::WaitEvent;
use pool::{ConnectionMetrics, PoolRecord};
use queries::{Execution, Queries};
use share::Share;
use statement::{End, Ended};
#[cfg(feature = "metrics")]
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};
use window::Window;

/// Stands for the text of a statement that the caller has prepared itself: the driver does not tell it.
pub(crate) const PREPARED: &str = "\"a statement that the caller prepared\"";

/// What recorders of the `metrics` facade were told of counters: for each recorder, by the name of the metric and the values
/// of its labels.
#[cfg(feature = "metrics")]
pub(crate) type Published = HashMap<usize, HashMap<(&'static str, Vec<&'static str>), u64>>;

/// Everything that is recorded.
pub(crate) struct Monitor {
    is_on: AtomicBool,
    /// A statement that takes longer is slow.
    slow_after: Duration,
    pub(crate) pool: Mutex<PoolRecord>,
    pub(crate) statements: Mutex<Statements>,
    pub(crate) locks: Mutex<LockRecord>,
    /// What active sessions waited for at the last look, and when that was; at most sixteen.
    pub(crate) wait_events: Mutex<Option<(SystemTime, Vec<WaitEvent>)>>,
    /// Makes a number of a text; a client cannot choose two texts that have one number.
    hasher: RandomState,
    pub(crate) wait: Histogram,
    pub(crate) connect: Histogram,
    pub(crate) check: Histogram,
    pub(crate) server: Endings,
    pub(crate) held: Histogram,
    pub(crate) events: EventCounts,
    pub(crate) exhaustion: Mutex<Exhaustion>,
    /// The failures that go on, which the log tells once and then counts.
    pub(crate) repetitions: Mutex<Repetitions>,
    #[cfg(feature = "metrics")]
    pub(crate) published: Mutex<Published>,
    /// The file in which the totals are kept, if they are.
    keeper: Option<Keeper>,
    pub(crate) write_audit: WriteAudit,
}

/// Everything that is recorded of statements.
pub(crate) struct Statements {
    pub(crate) table: Queries,
    /// The latest; those that were slow are marked.
    pub(crate) latest: Window,
    /// Of the latest, those that failed, were stopped or were given up.
    pub(crate) failing: Share,
    pub(crate) counts: Counts,
    /// What earlier runs have added to the counts.
    pub(crate) earlier: Counts,
}

/// Executions since the start, and how many of them were what.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) executed: u64,
    pub(crate) failed: u64,
    pub(crate) timeouts: u64,
    pub(crate) slow: u64,
}

impl Counts {
    /// Without those of earlier runs.
    pub(crate) fn since(&self, earlier: &Counts) -> Counts {
        Counts {
            executed: self.executed.saturating_sub(earlier.executed),
            failed: self.failed.saturating_sub(earlier.failed),
            timeouts: self.timeouts.saturating_sub(earlier.timeouts),
            slow: self.slow.saturating_sub(earlier.slow),
        }
    }

    fn add(&mut self, execution: &Execution) {
        self.executed += 1;
        self.failed += u64::from(execution.ending.is_failed());
        self.timeouts += u64::from(execution.ending.is_timeout());
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
                failing: Share::new(window),
                counts: Counts::default(),
                earlier: Counts::default(),
            }),
            locks: Mutex::new(LockRecord::default()),
            wait_events: Mutex::new(None),
            hasher: RandomState::new(),
            wait: Histogram::default(),
            connect: Histogram::default(),
            check: Histogram::default(),
            server: Endings::default(),
            held: Histogram::default(),
            events: EventCounts::default(),
            exhaustion: Mutex::new(Exhaustion::default()),
            repetitions: Mutex::default(),
            #[cfg(feature = "metrics")]
            published: Mutex::new(Published::default()),
            keeper: None,
            write_audit: WriteAudit::new(Enforcement::Off),
        }
    }

    /// The monitor that these settings ask for.
    pub(crate) fn of(plan: &Plan) -> Self {
        let monitor = Monitor::new(plan.monitoring(), plan.monitor_window(), plan.monitor_slow_after());
        let write_audit = WriteAudit::new(plan.write_audit());
        Monitor { keeper: Keeper::of(plan.monitor_counters()), write_audit, ..monitor }
    }

    /// Whether anything is wanted. While it is not, nothing is measured.
    pub(crate) fn is_on(&self) -> bool {
        self.is_on.load(Ordering::Relaxed)
    }

    pub(crate) fn switch(&self, is_on: bool) {
        self.is_on.store(is_on, Ordering::Relaxed);
    }

    pub(crate) fn add_acquisition(&self, took: Duration, is_success: bool) {
        self.wait.record(took);
        self.pool.lock().acquired(took, is_success);
    }

    /// Keeps a snapshot of the pool. It is made before the lock is taken, since making it takes the lock too.
    pub(crate) fn keep(&self, snapshot: ConnectionMetrics) {
        self.pool.lock().keep(snapshot);
    }

    /// Whether a statement that takes so long is slow.
    pub(crate) fn is_slow(&self, took: Duration) -> bool {
        took > self.slow_after
    }

    /// A statement has ended.
    pub(crate) fn ended(&self, statement: &Ended<'_>) {
        let (rows, ending) = match statement.end {
            End::Answered { rows } => (rows, Ending::Answered),
            End::Failed { fault, .. } => (0, Ending::Failed(fault)),
            End::Dropped => (0, Ending::Dropped),
        };
        let execution = Execution {
            took: statement.took,
            rows,
            ending,
            is_slow: self.is_slow(statement.took),
            ended: statement.at,
        };
        let text = statement.text.unwrap_or(PREPARED);
        self.add_execution(statement.number, text, statement.strings, &execution);
    }

    /// A number that stands for a text. What it stands for is known once a statement with that text has ended.
    pub(crate) fn number(&self, text: Option<&str>, strings: Option<Strings>) -> u64 {
        let text = text.unwrap_or(PREPARED).as_bytes();
        self.hasher.hash_one((text.get(..fingerprint::READ).unwrap_or(text), strings))
    }

    /// The fingerprint behind such a number, and the text without its constants.
    pub(crate) fn statement(&self, number: u64) -> Option<(u64, String)> {
        self.statements.lock().table.kind_of(number)
    }

    /// What is known of how long a statement with this text takes.
    pub(crate) fn observed(&self, text: &str, strings: Option<Strings>) -> Option<Observed> {
        let number = self.number(Some(text), strings);
        self.statements.lock().table.known(number).map(|kind| kind.spread.observed())
    }

    /// Adds an execution. Only a text that is new costs more than a look into a table.
    pub(crate) fn add_execution(
        &self,
        number: u64,
        text: &str,
        strings: Option<Strings>,
        execution: &Execution,
    ) {
        self.server.record(execution.took, execution.ending);
        {
            let mut statements = self.statements.lock();
            statements.counts.add(execution);
            statements.latest.push(execution.took, execution.is_slow);
            statements.failing.push(execution.ending.is_failed());
            if statements.table.add_known(number, execution) {
                return;
            }
        }
        // Not under the lock, since a text may be long.
        let normalised = fingerprint::normalise(text, strings);
        self.statements.lock().table.add(number, normalised, execution);
    }
}

#[cfg(test)]
mod tests;
