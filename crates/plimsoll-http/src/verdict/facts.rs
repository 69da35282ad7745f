//! What is known of a database without asking it.

use plimsoll::monitor::ConnectionMetrics;
use plimsoll::pool::{LeaseStatus, PoolStatus};
use plimsoll::settings::Enforcement;
use plimsoll::{BreakerState, Database};
use std::time::{Duration, SystemTime};

/// So many of the latest snapshots, of which one is taken each second, tell what happens at present.
const PRESENT: usize = 5;
/// The pool asks nothing for so many snapshots, and is idle.
const QUIET: usize = 10;

/// What is known of a database at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Facts {
    pub(super) now: Option<SystemTime>,
    pub(super) is_closed: bool,
    pub(super) breaker: Breaker,
    /// Why no call would go through although the breaker does not say so.
    pub(super) demotion: Option<String>,
    pub(super) is_paused: bool,
    pub(super) lent: usize,
    pub(super) waiting: usize,
    pub(super) maximum: usize,
    pub(super) opened: u64,
    pub(super) connect_failures: u64,
    /// For how long callers have been waiting without a break.
    pub(super) queued_for: Duration,
    /// Acquisitions in the last seconds, and how many of them were in vain.
    pub(super) recent: Recent,
    pub(super) oldest: Option<Held>,
    pub(super) unused: Vec<Held>,
    pub(super) pile_up: Option<PileUp>,
    /// The share of the latest statements that failed, and how many were slow.
    pub(super) failing: f64,
    pub(super) slow: usize,
    pub(super) p95_ms: f64,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Breaker {
    pub(super) state: BreakerState,
    pub(super) open_for: Duration,
    pub(super) silent_for: Option<Duration>,
    pub(super) is_frozen: bool,
    /// It only counts what it would refuse.
    pub(super) is_dark: bool,
}

impl Default for Breaker {
    fn default() -> Self {
        Breaker {
            state: BreakerState::Closed,
            open_for: Duration::ZERO,
            silent_for: None,
            is_frozen: false,
            is_dark: false,
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Recent {
    /// In the last second.
    pub(super) a_second: u64,
    pub(super) failed: u64,
    pub(super) is_quiet: bool,
}

/// A lease: for which work, and for how long.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Held {
    pub(super) work: String,
    pub(super) held: Duration,
}

/// Sessions wait behind a lock.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct PileUp {
    pub(super) waiting: u64,
    pub(super) lock: Option<String>,
    /// Who blocks them.
    pub(super) blocker: Option<String>,
    pub(super) lasted: Duration,
}

impl Facts {
    pub(super) fn of(db: &Database) -> Self {
        let (monitor, pool, breaker) = (db.monitor(), db.pool_status(), db.breaker());
        let (pulse, snapshots) = (monitor.pulse(), monitor.pool_snapshots());
        let ready = db.readiness();
        let is_let_through = breaker.state == BreakerState::Closed && breaker.silent_for.is_none();
        Facts {
            now: Some(pulse.at),
            is_closed: db.is_closed(),
            demotion: ready.reason.filter(|_| is_let_through),
            breaker: Breaker {
                state: breaker.state,
                open_for: breaker.open_for.unwrap_or_default(),
                silent_for: breaker.silent_for,
                is_frozen: breaker.is_frozen,
                is_dark: db.plan().breaker() != Enforcement::On,
            },
            is_paused: pool.is_paused,
            lent: pool.checked_out,
            waiting: pool.waiting,
            maximum: pool.maximum,
            opened: pool.opened,
            connect_failures: pool.connect_failures,
            queued_for: queued_for(&snapshots, &pool, pulse.at),
            recent: recent(&snapshots, monitor.is_enabled()),
            oldest: pool.leases.first().map(Held::from),
            unused: unused(db, &pool),
            pile_up: pile_up(db),
            failing: pulse.failing,
            slow: pulse.slow,
            p95_ms: pulse.server.p95,
        }
    }
}

impl From<&LeaseStatus> for Held {
    fn from(lease: &LeaseStatus) -> Self {
        Held { work: lease.work.clone(), held: lease.held }
    }
}

/// For how long callers have been waiting, by the snapshots of the last minute.
fn queued_for(snapshots: &[ConnectionMetrics], now: &PoolStatus, at: SystemTime) -> Duration {
    if now.waiting == 0 {
        return Duration::ZERO;
    }
    let first = snapshots.iter().rev().take_while(|one| one.waiting_threads > 0).last();
    first.and_then(|first| at.duration_since(first.timestamp.0).ok()).unwrap_or_default()
}

fn recent(snapshots: &[ConnectionMetrics], is_recorded: bool) -> Recent {
    let back = |count: usize| snapshots.len().checked_sub(count + 1).and_then(|place| snapshots.get(place));
    let Some(last) = snapshots.last() else { return Recent::default() };
    let before = back(PRESENT).or(snapshots.first()).unwrap_or(last);
    let quiet_since = back(QUIET);
    Recent {
        a_second: back(1).map_or(0, |one| last.total_acquisitions.saturating_sub(one.total_acquisitions)),
        failed: last.acquisition_failures.saturating_sub(before.acquisition_failures),
        is_quiet: is_recorded
            && quiet_since.is_some_and(|one| one.total_acquisitions == last.total_acquisitions),
    }
}

/// Leases that are held for long and not used.
fn unused(db: &Database, pool: &PoolStatus) -> Vec<Held> {
    let after = db.plan().leak_after().unwrap_or(Duration::from_secs(300));
    let is_unused = |lease: &&LeaseStatus| lease.held >= after && lease.hold().is_idle();
    pool.leases.iter().filter(is_unused).map(Held::from).collect()
}

/// The largest pile-up that lasts.
fn pile_up(db: &Database) -> Option<PileUp> {
    let episodes = db.monitor().lock_episodes();
    let open = episodes.iter().filter(|episode| !episode.is_over);
    let worst = open.max_by_key(|episode| episode.most_waiting)?;
    let blocker = worst.blockers.last().map(|blocker| match &blocker.work {
        Some(work) => work.clone(),
        None if blocker.application_name.is_empty() => format!("the session with pid {}", blocker.pid),
        None => format!("{} (pid {})", blocker.application_name, blocker.pid),
    });
    Some(PileUp {
        waiting: worst.most_waiting,
        lock: worst.object.clone(),
        blocker,
        lasted: Duration::try_from_secs_f64(worst.lasted_seconds).unwrap_or_default(),
    })
}
