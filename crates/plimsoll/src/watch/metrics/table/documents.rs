//! The nine figures that operators' documents ask for, under the names that they have there.

use super::definitions;
use crate::watch::metrics::definition::{Metric, Target, Unit, count, level, perhaps, size};
use std::time::Duration;

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

definitions! {
    /// Lent connections, in per cent of all that there may be. A pool grows when it is needed, so that few connections are
    /// idle says nothing.
    UTILIZATION = Metric::gauge("pool.utilization_pct", Unit::Percent, |reading| {
        level(reading.utilization())
    }).target(Target::Below(80.0));

    /// Acquisitions that failed or were given up.
    ACQUISITION_FAILURES = Metric::counter("pool.acquisition_failures", "acquisition", |reading| {
        count(reading.acquisition_failures)
    }).target(Target::Zero);

    /// The mean of the latest acquisitions (as many as `monitor_window` says). It exists from the first one on.
    AVG_ACQUISITION = Metric::gauge("pool.avg_acquisition_ms", Unit::Milliseconds, |reading| {
        perhaps(reading.acquisition.map(ms))
    }).target(Target::Below(50.0));

    /// Statements that took longer than `monitor_slow_after`.
    SLOW_COUNT = Metric::counter("queries.slow_count", "statement", |reading| {
        count(reading.statements.slow)
    }).target(Target::Trend);

    /// The mean of the latest statements (as many as `monitor_window` says). It exists from the first one on.
    AVG_DURATION = Metric::gauge("queries.avg_duration_ms", Unit::Milliseconds, |reading| {
        perhaps(reading.statement.map(ms))
    }).target(Target::Below(100.0));

    /// The share of the latest statements that failed, were stopped or were given up. It exists from the first one on.
    ERROR_RATE = Metric::gauge("queries.error_rate", Unit::Ratio, |reading| {
        perhaps(reading.failing)
    }).target(Target::Below(0.01));

    /// Leases that are held for longer than `leak_after`, or 5 minutes where that is off, and on which nothing goes on. Whose they are is told by
    /// `Database::snapshot`, the log and `Event::HeldLong`, since a name of work is no label.
    CONNECTION_LEAKS = Metric::gauge("system.connection_leaks", Unit::Each("lease"), |reading| {
        size(reading.leaks)
    }).target(Target::Zero);

    /// What limits on time have ended: waits for a connection, and statements.
    TIMEOUT_ERRORS = Metric::counter("system.timeout_errors", "timeout", |reading| {
        count(reading.timeouts())
    }).target(Target::Zero);

    /// How often the pool was exhausted. It begins with a caller that is refused because there are too few connections,
    /// and ends when none was refused for a second and a connection can be had at once.
    EXHAUSTION_EVENTS = Metric::counter("system.pool_exhaustion_events", "exhaustion", |reading| {
        count(reading.exhaustion.count())
    }).target(Target::Zero);
}
