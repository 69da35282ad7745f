//! What the curves are drawn from: a point a second, kept for five minutes, so that a page that has just been opened is not
//! empty.

use plimsoll::BreakerState;
use plimsoll::monitor::{HistogramSnapshot, Percentiles, Pulse};
use serde::Serialize;
use std::collections::VecDeque;

/// Points that are kept: five minutes.
const KEPT: usize = 300;

/// One second of a pool.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(super) struct Point {
    /// When it ended, in milliseconds since 1970.
    pub(super) at: u64,
    pub(super) lent: usize,
    pub(super) idle: usize,
    pub(super) connecting: usize,
    pub(super) waiting: usize,
    pub(super) maximum: usize,
    /// Acquisitions and statements in this second, and what became of them.
    pub(super) calls: f64,
    pub(super) statements: f64,
    pub(super) errors: f64,
    pub(super) refused: f64,
    pub(super) retries: f64,
    /// Milliseconds that 50, 95 and 99 per cent took at the most; none where nothing of the kind happened.
    pub(super) wait: Option<[f64; 3]>,
    pub(super) connect: Option<[f64; 3]>,
    pub(super) server: Option<[f64; 3]>,
    /// 0 closed, 1 half-open, 2 open, 3 isolated.
    pub(super) breaker: u8,
}

/// The latest points, oldest first.
#[derive(Debug, Default)]
pub(super) struct History {
    points: VecDeque<Point>,
    last: Option<Pulse>,
}

impl History {
    /// Takes in a pulse; gives the point of the time since the one before it.
    pub(super) fn add(&mut self, pulse: Pulse) -> Point {
        let before = self.last.as_ref().unwrap_or(&pulse);
        let point = Point::between(before, &pulse);
        self.last = Some(pulse);
        if self.points.len() >= KEPT {
            self.points.pop_front();
        }
        self.points.push_back(point.clone());
        point
    }

    /// All points by column, which is a third as long as a list of points.
    pub(super) fn columns(&self) -> Columns {
        let mut columns = Columns::default();
        self.points.iter().for_each(|point| columns.add(point));
        columns
    }
}

macro_rules! columns {
    ($($name:ident: $of:ty),* $(,)?) => {
        /// Points by column, oldest first.
        #[derive(Clone, Debug, Default, Serialize)]
        pub(super) struct Columns { $($name: Vec<$of>),* }

        impl Columns {
            fn add(&mut self, point: &Point) {
                $(self.$name.push(point.$name);)*
            }
        }
    };
}

columns! {
    at: u64,
    lent: usize,
    idle: usize,
    connecting: usize,
    waiting: usize,
    maximum: usize,
    calls: f64,
    statements: f64,
    errors: f64,
    refused: f64,
    retries: f64,
    wait: Option<[f64; 3]>,
    connect: Option<[f64; 3]>,
    server: Option<[f64; 3]>,
    breaker: u8,
}

impl Point {
    fn between(before: &Pulse, now: &Pulse) -> Self {
        let seconds = now.at.duration_since(before.at).map_or(0.0, |span| span.as_secs_f64());
        let rate = |before: u64, now: u64| match now.saturating_sub(before) {
            count if seconds > 0.0 => (10.0 * count as f64 / seconds).round() / 10.0,
            _ => 0.0,
        };
        let calls = |pulse: &Pulse| pulse.pool.acquired + pulse.pool.failed;
        let refused = |pulse: &Pulse| pulse.pool.failed + pulse.breaker.refused;
        Point {
            at: super::marks::millis(now.at),
            lent: now.pool.checked_out,
            idle: now.pool.checked_in,
            connecting: now.pool.connecting,
            waiting: now.pool.waiting,
            maximum: now.pool.maximum,
            calls: rate(calls(before), calls(now)),
            statements: rate(before.executed, now.executed),
            errors: rate(before.failed, now.failed),
            refused: rate(refused(before), refused(now)),
            retries: rate(before.retries.retries, now.retries.retries),
            wait: (calls(now) > calls(before)).then(|| three(&now.wait)),
            connect: of_difference(&before.connect, &now.connect),
            server: (now.executed > before.executed).then(|| three(&now.server)),
            breaker: match now.breaker.state {
                BreakerState::Closed => 0,
                BreakerState::HalfOpen => 1,
                BreakerState::Isolated => 3,
                // One that is not closed and not known refuses calls.
                _ => 2,
            },
        }
    }
}

fn three(times: &Percentiles) -> [f64; 3] {
    [times.p50, times.p95, times.p99]
}

/// Percentiles of what was added to a histogram, in milliseconds: inside a bucket times are taken to be spread evenly.
fn of_difference(before: &HistogramSnapshot, now: &HistogramSnapshot) -> Option<[f64; 3]> {
    let added: Vec<u64> =
        now.counts.iter().zip(&before.counts).map(|(now, before)| now.saturating_sub(*before)).collect();
    let count: u64 = added.iter().sum();
    (count > 0).then(|| [0.5, 0.95, 0.99].map(|share| percentile(now.bounds, &added, share * count as f64)))
}

fn percentile(bounds: &[f64], counts: &[u64], rank: f64) -> f64 {
    let (mut below, mut lower) = (0.0, 0.0);
    for (bucket, count) in counts.iter().enumerate() {
        // Above the last bound nothing is known but that.
        let upper = bounds.get(bucket).copied().unwrap_or(lower);
        let count = *count as f64;
        if count > 0.0 && below + count >= rank {
            let place = (rank - below) / count;
            return ((lower + (upper - lower) * place) * 1e6).round() / 1e3;
        }
        below += count;
        lower = upper;
    }
    lower * 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_lies_in_its_bucket() {
        let bounds = [0.001, 0.005, 0.01];
        let at = |counts: &[u64], share: f64| {
            percentile(&bounds, counts, share * counts.iter().sum::<u64>() as f64)
        };
        assert!((at(&[10, 0, 0, 0], 0.5) - 0.5).abs() < 1e-9, "half-way into the first");
        assert!((at(&[0, 10, 0, 0], 0.5) - 3.0).abs() < 1e-9);
        assert!((at(&[90, 0, 10, 0], 0.95) - 7.5).abs() < 1e-9);
        assert!(
            (at(&[0, 0, 0, 4], 0.99) - 10.0).abs() < 1e-9,
            "above the last bound, no more than that is known"
        );
    }

    proptest::proptest! {
        #[test]
        fn a_higher_percentile_is_no_lower(counts in proptest::collection::vec(0_u64..100, 4)) {
            let bounds = [0.001, 0.005, 0.01];
            let total = counts.iter().sum::<u64>() as f64;
            let [p50, p95, p99] = [0.5, 0.95, 0.99].map(|share| percentile(&bounds, &counts, share * total));
            proptest::prop_assert!(p50 <= p95 && p95 <= p99 && p99 <= 10.0);
        }
    }
}
