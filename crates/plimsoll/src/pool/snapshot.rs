//! What the pool looks like now, as numbers and as a sentence.

use super::{Inner, Manage};
use crate::event::Hold;
use crate::moment::Moment;
use crate::rules::given_up::{GivenUp, GivenUps};
use crate::rules::request::Holder;
use crate::rules::slots::{SlotState, Slots};
use std::fmt::{self, Write};
use std::str::FromStr;
use std::time::Duration;

/// How many connections there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolSize {
    /// Kept open even when nothing happens.
    pub min: usize,
    /// Kept open while they are in use now and then.
    pub max: usize,
    /// Opened above `max` under load, and closed when they come back.
    pub overflow: usize,
}

/// The numbers of a pool at one moment.
///
/// `size`, `checked_in`, `checked_out`, `overflow` and `total_connections` mean what they mean in SQLAlchemy; a
/// connection that is being made clean counts as checked out.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct PoolStatus {
    /// Connections kept at the most.
    pub size: usize,
    /// Idle connections.
    pub checked_in: usize,
    /// Lent connections, and those that are being made clean.
    pub checked_out: usize,
    /// Connections above `size`.
    pub overflow: usize,
    /// Connections that exist.
    pub total_connections: usize,
    /// Connections that are being opened.
    pub connecting: usize,
    /// Connections that are being made clean.
    pub returning: usize,
    /// Callers that wait.
    pub waiting: usize,
    /// The most connections there may be now, overflow counted: what the settings say, or less where the connection budget
    /// allows less.
    pub maximum: usize,
    /// How often a connection was lent.
    pub acquired: u64,
    /// How often a caller had to wait and was served.
    pub waited: u64,
    /// How often a caller was refused.
    pub failed: u64,
    /// Connections opened.
    pub opened: u64,
    /// Connections closed.
    pub closed: u64,
    /// Connects that failed.
    pub connect_failures: u64,
    /// How often a caller was refused because the queue was full.
    pub refused_full: u64,
    /// How often a caller was refused because it could not have been served in time.
    pub refused_overloaded: u64,
    /// How often a caller would have been refused so; counted where admission is dark.
    pub would_refuse: u64,
    /// How often a caller stood aside because its name had reached its cap; where admission is dark, how often it would
    /// have.
    pub capped: u64,
    /// How often a caller waited although a connection was idle, because that was kept for the highest priority; where
    /// admission is dark, how often it would have.
    pub held_back: u64,
    /// Whether nothing is lent at present.
    pub is_paused: bool,
    /// The time that served callers waited, all together.
    pub wait_total: Duration,
    /// The longest of those waits.
    pub wait_longest: Duration,
    /// The leases, oldest first.
    pub leases: Vec<LeaseStatus>,
}

/// One lease: which work holds a connection, for how long, and what it does with it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct LeaseStatus {
    /// For which work, with the place in the source.
    pub work: String,
    /// The id of the request for which it works, if it has one.
    pub request_id: Option<String>,
    /// The process id of the backend. `None` behind a pooler, which does not tell it.
    pub pid: Option<i32>,
    /// What goes on on the connection.
    pub state: LeaseState,
    /// For how long nothing was received on it. In an idle state that is how long it has been in that state.
    pub silent: Duration,
    /// The fingerprint of the statement that began last on the connection. `None` while monitoring is off, for a text
    /// of which no execution has ended yet, and for one that was forgotten.
    pub fingerprint: Option<u64>,
    /// The text of that statement, without any constant.
    pub last_statement: Option<String>,
    /// For how long it is held.
    pub held: Duration,
    /// Names what runs on it at this moment: see [`Database::cancel_running`](crate::Database::cancel_running).
    pub running: RunningId,
}

/// Names what runs on one lease at one moment, whether that is a statement or nothing. Once that has ended, or the lease has,
/// it names nothing any more, so who acts on what was seen a second ago does not hit what came after it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct RunningId {
    pub(super) slot: usize,
    /// When the lease began, as the number of a moment: no other lease of the slot began then.
    pub(super) since: u64,
    /// How many requests were answered on the connection.
    pub(crate) answered: u64,
}

/// A text that names nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a running statement is named by three numbers, as in 3-81021-44")]
pub struct NotARunningId;

impl fmt::Display for RunningId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{}", self.slot, self.since, self.answered)
    }
}

impl FromStr for RunningId {
    type Err = NotARunningId;

    fn from_str(text: &str) -> Result<Self, NotARunningId> {
        let mut parts = text.split('-');
        let mut next = || parts.next().and_then(|part| part.parse::<u64>().ok()).ok_or(NotARunningId);
        let (slot, since, answered) = (next()?, next()?, next()?);
        let slot = usize::try_from(slot).map_err(|_| NotARunningId)?;
        if parts.next().is_some() {
            return Err(NotARunningId);
        }
        Ok(RunningId { slot, since, answered })
    }
}

/// What goes on on a lent connection, in PostgreSQL's own words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LeaseState {
    /// Nothing, and no transaction is open.
    #[default]
    Idle,
    /// A statement runs.
    Active,
    /// Nothing, inside a transaction.
    IdleInTransaction,
    /// Nothing, inside a transaction that has failed.
    IdleInFailedTransaction,
}

impl fmt::Display for LeaseState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            LeaseState::Idle => "idle",
            LeaseState::Active => "active",
            LeaseState::IdleInTransaction => "idle in transaction",
            LeaseState::IdleInFailedTransaction => "idle in transaction (aborted)",
        })
    }
}

impl LeaseStatus {
    /// What a lease that is held for so long looks like.
    #[must_use]
    pub fn hold(&self) -> Hold {
        hold(self.state, self.held, self.silent)
    }
}

/// What a lease looks like. Silence counts for as much as it lasts of the lease: a lease that runs a statement now and then
/// is in use, whatever it does at the moment at which it is looked at.
pub(super) fn hold(state: LeaseState, held: Duration, silent: Duration) -> Hold {
    let is_mostly_silent = silent.min(held) >= held / 2;
    match state {
        _ if !is_mostly_silent => Hold::InUse,
        LeaseState::Active => Hold::SlowQuery,
        LeaseState::Idle => Hold::Leak,
        LeaseState::IdleInTransaction | LeaseState::IdleInFailedTransaction => Hold::IdleInTransaction,
    }
}

/// What shows of a connection without asking it.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct Observed {
    pub(crate) pid: Option<i32>,
    pub(crate) state: LeaseState,
    pub(crate) silent: Duration,
    /// Stands for the text of the last statement; 0 for none.
    pub(crate) statement: u64,
    /// How many requests were answered on it.
    pub(crate) answered: u64,
}

/// The leases, oldest first. What a number stands for is looked up when the pool's lock is free again.
pub(crate) fn leases<M: Manage>(inner: &Inner<M>, slots: &Slots<M::Connection, M::Handle>) -> Vec<Seen> {
    let lent = slots.slots.iter().enumerate().filter(|(_, slot)| slot.state == SlotState::Lent);
    let mut leases: Vec<_> = lent
        .filter_map(|(index, slot)| {
            let (holder, handle) = (slot.holder.clone()?, slot.handle.as_ref()?);
            Some(Seen { holder, slot: index, since: slot.since, observed: inner.manager.observed(handle) })
        })
        .collect();
    leases.sort_by_key(|lease| lease.since);
    leases
}

/// A lease as it is seen under the pool's lock.
pub(crate) struct Seen {
    pub(super) holder: Holder,
    pub(super) slot: usize,
    pub(super) since: Moment,
    pub(super) observed: Observed,
}

impl Seen {
    pub(super) fn told<M: Manage>(self, inner: &Inner<M>, now: Moment) -> LeaseStatus {
        let statement = inner.manager.statement(self.observed.statement);
        self.with_statement(statement, now)
    }

    /// The number of the statement that began last.
    pub(crate) fn statement(&self) -> u64 {
        self.observed.statement
    }

    /// The lease, with the fingerprint and the text of that statement, as far as they are known.
    pub(crate) fn with_statement(self, statement: Option<(u64, String)>, now: Moment) -> LeaseStatus {
        let Observed { pid, state, silent, answered, .. } = self.observed;
        let (fingerprint, last_statement) = statement.unzip();
        LeaseStatus {
            work: self.holder.name.to_string(),
            request_id: self.holder.id.map(|id| id.to_string()),
            pid,
            state,
            silent,
            fingerprint,
            last_statement,
            held: now.since(self.since),
            running: RunningId { slot: self.slot, since: self.since.number(), answered },
        }
    }
}

/// The connection of the lease that is meant, if that has not ended.
pub(super) fn lent<M: Manage>(inner: &Inner<M>, running: RunningId) -> Option<M::Handle> {
    let slots = inner.slots.lock();
    let slot = slots.slots.get(running.slot)?;
    let is_same = slot.state == SlotState::Lent && slot.since.number() == running.since;
    slot.handle.clone().filter(|_| is_same)
}

pub(super) fn status<M: Manage>(inner: &Inner<M>) -> PoolStatus {
    let now = Moment::now();
    let (seen, mut status) = {
        let slots = inner.slots.lock();
        (leases(inner, &slots), numbers(&slots))
    };
    status.leases = seen.into_iter().map(|lease| lease.told(inner, now)).collect();
    status
}

/// Everything but the leases, for those who look often.
pub(crate) fn numbers<C, H>(slots: &Slots<C, H>) -> PoolStatus {
    let existing = slots.total() - slots.opening();
    let (waits, totals) = (slots.waits, slots.totals);
    PoolStatus {
        size: slots.limits.max,
        checked_in: slots.idle(),
        checked_out: slots.lent() + slots.returning(),
        overflow: existing.saturating_sub(slots.limits.max),
        total_connections: existing,
        connecting: slots.opening(),
        returning: slots.returning(),
        waiting: slots.waiters.len(),
        maximum: slots.ceiling(),
        acquired: slots.acquired(),
        waited: waits.count,
        failed: totals.failed,
        opened: totals.opened,
        closed: totals.closed.total(),
        connect_failures: totals.connect_failures,
        refused_full: slots.refusals.full.total,
        refused_overloaded: slots.refusals.overloaded.total,
        would_refuse: slots.refusals.would_be.total,
        capped: totals.capped,
        held_back: totals.held_back,
        is_paused: slots.is_paused(),
        wait_total: waits.total(),
        wait_longest: waits.longest(),
        leases: Vec::new(),
    }
}

/// Callers that got no connection, by reason.
pub(crate) fn given_up<M: Manage>(inner: &Inner<M>) -> GivenUps {
    let slots = inner.slots.lock();
    let mut counts = slots.totals.given_up;
    counts.set(GivenUp::QueueFull, slots.refusals.full.total);
    counts.set(GivenUp::Overloaded, slots.refusals.overloaded.total);
    counts.set(GivenUp::Dropped, inner.metering.left());
    counts
}

/// `20 of 20 lent, 31 waiting, oldest held 48 s by "nightly report" (report.rs:88); last connect ok 3 min ago`
pub(super) fn sentence<M: Manage>(inner: &Inner<M>) -> String {
    let now = Moment::now();
    let last = inner.last_connect.lock().clone();
    let slots = inner.slots.lock();
    let paused = if slots.is_paused() { "the pool is paused, " } else { "" };
    let mut text = format!("{paused}{} of {} lent", slots.lent(), slots.ceiling());
    if let Some(why) = slots.restriction().filter(|_| slots.ceiling() < slots.configured()) {
        let _ = write!(text, " ({why})");
    }
    for (count, what) in [
        (slots.idle(), "idle"),
        (slots.opening(), "being opened"),
        (slots.returning(), "being made clean"),
        (slots.waiters.len(), "waiting"),
    ] {
        if count > 0 {
            let _ = write!(text, ", {count} {what}");
        }
    }
    if let Some((holder, since)) = slots.leases().first() {
        let _ = write!(text, ", oldest held {} by {}", span(now.since(*since)), holder.name);
    }
    drop(slots);
    let _ = write!(text, "; {}", last.told(now));
    if let Some(told) = inner.metering.meter().and_then(|meter| meter.pile_up()) {
        let _ = write!(text, "; {told}");
    }
    text
}

/// The names of the leases, as many as a sentence can hold.
pub(super) fn name_leases(leases: &[(&Holder, Moment)], now: Moment) -> String {
    const NAMED: usize = 5;
    let mut text = String::new();
    for (index, (holder, since)) in leases.iter().take(NAMED).enumerate() {
        let comma = if index == 0 { "" } else { ", " };
        let held = span(now.since(*since));
        let _ = write!(text, "{comma}{} (held {held})", holder.name);
    }
    if leases.len() > NAMED {
        let _ = write!(text, " and {} more", leases.len() - NAMED);
    }
    text
}

/// A span as a person says it.
pub(crate) fn span(span: Duration) -> String {
    match span.as_secs() {
        0 => format!("{} ms", span.as_millis()),
        seconds @ 1..=119 => format!("{seconds} s"),
        seconds @ 120..=7199 => format!("{} min", seconds / 60),
        seconds => format!("{} h", seconds / 3600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_runs_is_named_by_three_numbers_and_by_nothing_else() {
        let running = RunningId { slot: 3, since: u64::MAX, answered: 44 };
        assert_eq!(running.to_string().parse(), Ok(running));
        for wrong in ["", "3", "3-1", "3-1-", "3-1-2-4", "3-1-x", "-3-1-2", "3-1-18446744073709551616"] {
            assert_eq!(wrong.parse::<RunningId>(), Err(NotARunningId), "{wrong}");
        }
    }
}
