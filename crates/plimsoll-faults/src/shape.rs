//! How late, how fast and in which pieces the bytes pass that may pass.
//!
//! Two places, as on a real line. What delays ([`fate`]) is drawn when a segment is read, and is a time of arrival: many
//! segments are on their way at once. What narrows ([`Shape`], [`Flow`]) acts at the moment of passing, one piece
//! after another, so that lifting it acts at once and a cut still falls on its byte.
//!
//! All of it is pure: the faults, the dice and the time are arguments.

use std::time::{Duration, Instant};

use fastrand::Rng;

use crate::fault::{Armed, Fault, SEGMENT, Way};

/// A throttled way passes a piece this often, unless its pieces are single bytes already.
const PIECES_PER_SECOND: u64 = 200;
/// What being late is made up for. It is also how much of its rate a throttled way may save up while nothing is sent.
const FORGIVEN: Duration = Duration::from_millis(20);

/// So long that nobody waits for its end: longer waits are cut down to it, since the clock ends somewhere.
const FOREVER: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// So much after `from`.
pub(crate) fn after(from: Instant, by: Duration) -> Instant {
    from.checked_add(by.min(FOREVER)).unwrap_or(from)
}

/// What becomes of one segment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fate {
    /// It arrives later by this much.
    pub(crate) later: Duration,
    /// How often it was lost on the way.
    pub(crate) lost: u64,
}

/// The dice of one way of one connection: the same for the same seed and the same connection number.
pub(crate) fn dice(seed: u64, connection: u64, way: Way) -> Rng {
    let which = connection.wrapping_mul(2).wrapping_add(u64::from(way == Way::ToClient));
    // An odd constant without a pattern keeps neighbours apart.
    Rng::with_seed(seed ^ which.wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

/// Draws what becomes of the next segment.
pub(crate) fn fate(faults: &[Armed], way: Way, dice: &mut Rng) -> Fate {
    let mut fate = Fate::default();
    for armed in faults {
        match armed.fault {
            Fault::Delay { direction, by, spread } if direction.covers(way) => {
                fate.later = fate.later.saturating_add(drawn(by, spread, dice));
            }
            Fault::Loss { direction, per_million, resent_after }
                if direction.covers(way) && dice.u32(0..1_000_000) < per_million =>
            {
                fate.lost += 1;
                fate.later = fate.later.saturating_add(resent_after);
            }
            _ => {}
        }
    }
    fate
}

fn drawn(by: Duration, spread: Duration, dice: &mut Rng) -> Duration {
    let Ok(width @ 1..) = u64::try_from(spread.as_nanos().saturating_mul(2)) else { return by };
    by.saturating_add(Duration::from_nanos(dice.u64(0..=width))).saturating_sub(spread)
}

/// The longest segment that is drawn for as a whole.
pub(crate) fn segment(faults: &[Armed], way: Way) -> usize {
    let loses = |armed: &Armed| matches!(armed.fault, Fault::Loss { direction, .. } if direction.covers(way));
    if faults.iter().any(loses) { SEGMENT } else { usize::MAX }
}

/// Whether nothing passes this way.
pub(crate) fn is_black(faults: &[Armed], way: Way) -> bool {
    faults.iter().any(|armed| matches!(armed.fault, Fault::Blackhole { direction } if direction.covers(way)))
}

/// How narrow a way is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Shape {
    slice: Option<usize>,
    pause: Duration,
    bytes_per_second: Option<u64>,
}

impl Shape {
    pub(crate) fn of(faults: &[Armed], way: Way) -> Self {
        let mut shape = Self::default();
        for armed in faults {
            match armed.fault {
                Fault::Throttle { direction, bytes_per_second } if direction.covers(way) => {
                    let rate = bytes_per_second.max(1);
                    shape.bytes_per_second =
                        Some(shape.bytes_per_second.map_or(rate, |least| least.min(rate)));
                }
                Fault::Slice { direction, bytes, pause } if direction.covers(way) => {
                    let bytes = bytes.max(1);
                    shape.slice = Some(shape.slice.map_or(bytes, |least| least.min(bytes)));
                    shape.pause = shape.pause.max(pause);
                }
                _ => {}
            }
        }
        shape
    }

    /// How many bytes may pass at one time; never 0.
    pub(crate) fn room(&self) -> usize {
        let rate = self.bytes_per_second.map_or(usize::MAX, |rate| {
            usize::try_from(rate / PIECES_PER_SECOND).unwrap_or(usize::MAX).max(1)
        });
        self.slice.unwrap_or(usize::MAX).min(rate)
    }
}

/// What has passed one way lately, as far as the next piece has to wait for it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Flow {
    last: Option<Instant>,
    /// When all that has passed would have passed at the rate that held.
    level: Option<Instant>,
}

impl Flow {
    /// When the next piece may pass; `None` is at once.
    pub(crate) fn due(&self, shape: &Shape) -> Option<Instant> {
        let paused = self.last.filter(|_| shape.slice.is_some()).map(|last| after(last, shape.pause));
        let throttled = self.level.filter(|_| shape.bytes_per_second.is_some());
        paused.max(throttled)
    }

    /// So many bytes have passed now.
    pub(crate) fn passed(&mut self, shape: &Shape, bytes: usize, now: Instant) {
        self.last = Some(now);
        let Some(rate) = shape.bytes_per_second else {
            self.level = None;
            return;
        };
        let soonest = now.checked_sub(FORGIVEN).unwrap_or(now);
        let from = self.level.map_or(now, |level| level.max(soonest));
        let nanos =
            u128::try_from(bytes).unwrap_or(u128::MAX).saturating_mul(1_000_000_000) / u128::from(rate);
        self.level = Some(after(from, Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))));
    }
}
