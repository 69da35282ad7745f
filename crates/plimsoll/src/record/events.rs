//! How often each kind of event happened, since the pool was opened.
//!
//! Events are rare, so this may take a moment. What the pool, the breaker or the statements count themselves is not
//! counted here a second time.

use crate::event::{Event, Hold, StopReason};
use crate::fault::Fault;
use crate::moment::nanos;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A count.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A count for each fault.
#[derive(Debug)]
pub(crate) struct ByFault([Count; Fault::ALL.len()]);

impl Default for ByFault {
    fn default() -> Self {
        ByFault(std::array::from_fn(|_| Count::default()))
    }
}

impl ByFault {
    fn add(&self, fault: Fault) {
        if let Some(count) = self.0.get(fault as usize) {
            count.add(1);
        }
    }

    /// The faults that have occurred, with their counts.
    pub(crate) fn each(&self) -> impl Iterator<Item = (Fault, u64)> {
        let counted =
            Fault::ALL.into_iter().filter_map(|fault| Some((fault, self.0.get(fault as usize)?.get())));
        counted.filter(|(_, count)| *count > 0)
    }
}

/// How often each kind of event happened.
#[derive(Debug, Default)]
pub(crate) struct EventCounts {
    pub(crate) connect_failures: ByFault,
    /// In the order of [`STOPS`].
    stopped: [Count; STOPS.len()],
    pub(crate) reclaimed: Count,
    pub(crate) commits_settled: Count,
    /// In the order of [`HOLDS`].
    held_long: [Count; HOLDS.len()],
    pub(crate) leases_taken_back: Count,
    pub(crate) lock_pile_ups: Count,
    pub(crate) listener_connects: Count,
    pub(crate) listener_connect_failures: ByFault,
    pub(crate) listener_losses: ByFault,
    pub(crate) listener_overflows: Count,
    pub(crate) demotions: Count,
    pub(crate) role_changes: Count,
    pub(crate) replicas_lost: Count,
    pub(crate) replicas_back: Count,
    pub(crate) reads_capped: Count,
    pub(crate) budget_shrunk: Count,
    pub(crate) budget_grown: Count,
    pub(crate) self_deadlocks: Count,
    pub(crate) health_check_failures: Count,
    pub(crate) stalls: Count,
    stalled_nanos: Count,
    pub(crate) degraded: Count,
    pub(crate) sessions_polluted: Count,
    pub(crate) migrations: Count,
    /// When the schema was brought up to date last, in seconds since 1970; 0 for never.
    migrated_at: AtomicU64,
    pub(crate) retries: ByFault,
    pub(crate) retries_refused: ByFault,
}

/// Why statements are stopped, each with its word.
pub(crate) const STOPS: [(StopReason, &str); 4] = [
    (StopReason::Dropped, "dropped"),
    (StopReason::Deadline, "deadline"),
    (StopReason::Limit, "limit"),
    (StopReason::Shutdown, "shutdown"),
];

/// What a lease that is held for long looks like, each with its word.
pub(crate) const HOLDS: [(Hold, &str); 4] = [
    (Hold::Leak, "leak"),
    (Hold::IdleInTransaction, "idle_in_transaction"),
    (Hold::SlowQuery, "slow_query"),
    (Hold::InUse, "in_use"),
];

impl EventCounts {
    /// Counts an event that happened at this time.
    pub(crate) fn add(&self, event: &Event, at: SystemTime) {
        match event {
            Event::ConnectFailed { fault, .. } => self.connect_failures.add(*fault),
            Event::Stopped { reason, .. } => {
                let place = STOPS.iter().position(|(known, _)| known == reason);
                if let Some(count) = place.and_then(|place| self.stopped.get(place)) {
                    count.add(1);
                }
            }
            Event::Reclaimed { .. } => self.reclaimed.add(1),
            Event::CommitSettled { .. } => self.commits_settled.add(1),
            Event::HeldLong { hold, .. } => {
                let place = HOLDS.iter().position(|(known, _)| known == hold);
                if let Some(count) = place.and_then(|place| self.held_long.get(place)) {
                    count.add(1);
                }
            }
            Event::LeaseReclaimed { .. } => self.leases_taken_back.add(1),
            Event::LockPileUp { .. } => self.lock_pile_ups.add(1),
            Event::ListenerEstablished { .. }
            | Event::ListenerLost { .. }
            | Event::ListenerConnectFailed { .. }
            | Event::ListenerOverflowed { .. } => self.add_of_listener(event),
            Event::Demoted { .. }
            | Event::RoleChanged { .. }
            | Event::ReplicaLost { .. }
            | Event::ReplicaBack { .. }
            | Event::FallbackCapped { .. }
            | Event::BudgetShrunk { .. }
            | Event::BudgetGrown { .. } => self.add_of_servers(event),
            Event::SelfDeadlock { .. } => self.self_deadlocks.add(1),
            Event::HealthCheckFailed { .. } => self.health_check_failures.add(1),
            Event::Stalled { by } => {
                self.stalls.add(1);
                self.stalled_nanos.add(nanos(*by));
            }
            Event::Degraded { .. } => self.degraded.add(1),
            Event::SessionsPolluted { .. } => self.sessions_polluted.add(1),
            Event::Migrated { applied } => {
                self.migrations.add(u64::try_from(*applied).unwrap_or(u64::MAX));
                let since = at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
                self.migrated_at.store(since, Ordering::Relaxed);
            }
            Event::Retried { fault, .. } => self.retries.add(*fault),
            Event::RetryRefused { fault, .. } => self.retries_refused.add(*fault),
            // These are counted where they come from; the last tells of a state and not of something new.
            Event::Connected { .. }
            | Event::AcquireFailed { .. }
            | Event::Refused { .. }
            | Event::Discarded { .. }
            | Event::BreakerOpened { .. }
            | Event::BreakerStillOpen { .. }
            | Event::BreakerHalfOpened { .. }
            | Event::BreakerClosed { .. }
            | Event::UnwrappedMultiWrite { .. }
            | Event::SchemaAhead { .. } => {}
        }
    }

    fn add_of_listener(&self, event: &Event) {
        match event {
            Event::ListenerEstablished { .. } => self.listener_connects.add(1),
            Event::ListenerConnectFailed { fault, .. } => self.listener_connect_failures.add(*fault),
            Event::ListenerLost { fault, .. } => self.listener_losses.add(*fault),
            Event::ListenerOverflowed { .. } => self.listener_overflows.add(1),
            _ => {}
        }
    }

    fn add_of_servers(&self, event: &Event) {
        match event {
            Event::Demoted { .. } => self.demotions.add(1),
            Event::RoleChanged { .. } => self.role_changes.add(1),
            Event::ReplicaLost { .. } => self.replicas_lost.add(1),
            Event::ReplicaBack { .. } => self.replicas_back.add(1),
            Event::FallbackCapped { refused, .. } => self.reads_capped.add(*refused),
            Event::BudgetShrunk { is_dark: false, .. } => self.budget_shrunk.add(1),
            Event::BudgetGrown { is_dark: false, .. } => self.budget_grown.add(1),
            _ => {}
        }
    }

    /// Leases that were held for long, by what they looked like.
    pub(crate) fn held_long(&self) -> impl Iterator<Item = (&'static str, u64)> {
        HOLDS.iter().zip(&self.held_long).map(|((_, word), count)| (*word, count.get()))
    }

    /// Statements that were stopped, by reason.
    pub(crate) fn stopped(&self) -> impl Iterator<Item = (&'static str, u64)> {
        STOPS.iter().zip(&self.stopped).map(|((_, word), count)| (*word, count.get()))
    }

    /// For how long this program stood still, all together.
    pub(crate) fn stalled(&self) -> Duration {
        Duration::from_nanos(self.stalled_nanos.get())
    }

    /// When the schema was brought up to date last, in seconds since 1970.
    pub(crate) fn migrated_at(&self) -> Option<u64> {
        Some(self.migrated_at.load(Ordering::Relaxed)).filter(|at| *at > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_event_moves_its_own_count_and_no_other() {
        let counts = EventCounts::default();
        let at = UNIX_EPOCH + Duration::from_secs(77);
        let refused = Event::Refused { fault: Fault::QueueFull, count: 9, is_dark: false };
        counts.add(&refused, at);
        counts.add(&Event::Stopped { work: String::new(), pid: 1, reason: StopReason::Limit }, at);
        counts.add(&Event::ConnectFailed { fault: Fault::Tls, reason: String::new() }, at);
        assert_eq!(counts.migrated_at(), None);
        counts.add(&Event::Migrated { applied: 3 }, at);
        assert_eq!(counts.stopped().filter(|(_, count)| *count > 0).collect::<Vec<_>>(), [("limit", 1)]);
        assert_eq!(counts.connect_failures.each().collect::<Vec<_>>(), [(Fault::Tls, 1)]);
        assert_eq!((counts.migrations.get(), counts.migrated_at()), (3, Some(77)));
        assert_eq!(
            (counts.retries.each().count(), counts.health_check_failures.get(), counts.lock_pile_ups.get()),
            (0, 0, 0)
        );
    }
}
