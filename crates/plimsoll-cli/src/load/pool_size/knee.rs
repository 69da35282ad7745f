//! Where more connections stop helping: pure rules.
//!
//! A database does more at a time with more connections, until something is used up: processors, disks, a lock that all want, the
//! connections of a pooler. Beyond that point each connection more makes the others slower, and the throughput stays or falls.

use serde::Serialize;

/// The pool sizes that are tried, however much room there is.
const SIZES: [u32; 16] = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256];
/// How busy connections may be on average before callers wait for one in earnest.
const BUSY: f64 = 0.8;

/// What one size came to.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Point {
    pub(super) size: u32,
    /// Calls a second, of the middle round.
    pub(super) throughput: f64,
}

/// The size from which on more connections do not help.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Knee {
    /// The smallest that comes within the spread of the best.
    pub(super) size: u32,
    pub(super) throughput: f64,
    /// The best.
    pub(super) best: Point,
    /// The throughput was still growing at the largest size that was tried: the true one may be larger.
    pub(super) is_at_the_end: bool,
    /// What the largest size loses against the best, as a share: more connections do harm where it is more than the spread.
    pub(super) lost_beyond: f64,
}

/// The sizes to try: close to each other where they are small, up to a limit, which is one of them.
pub(super) fn sizes(limit: u32) -> Vec<u32> {
    let mut sizes: Vec<u32> = SIZES.into_iter().filter(|size| *size < limit).collect();
    if limit > 0 {
        sizes.push(limit);
    }
    sizes
}

/// The knee of what was measured, in any order; `within` is a share. `None` where nothing was measured.
pub(super) fn knee(points: &[Point], within: f64) -> Option<Knee> {
    let mut points: Vec<Point> = points
        .iter()
        .copied()
        .filter(|point| point.throughput.is_finite() && point.throughput > 0.0)
        .collect();
    points.sort_by_key(|point| point.size);
    let best = points.iter().copied().max_by(|a, b| {
        // Of two that are equal, the smaller one.
        a.throughput.total_cmp(&b.throughput).then(b.size.cmp(&a.size))
    })?;
    let enough = best.throughput * (1.0 - within);
    let knee = points.iter().find(|point| point.throughput >= enough)?;
    let last = points.last()?;
    Some(Knee {
        size: knee.size,
        throughput: knee.throughput,
        best,
        is_at_the_end: knee.size == last.size && points.len() > 1,
        lost_beyond: 1.0 - last.throughput / best.throughput,
    })
}

/// How many connections a rate of calls keeps busy.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Little {
    /// Calls a second.
    pub(super) rate: f64,
    /// How long a call has a connection, on average.
    pub(super) service_ms: f64,
    /// Connections that are busy on average: the one times the other.
    pub(super) busy: f64,
    /// The connections of which these are four fifths: with fewer, callers wait although none is idle for long.
    pub(super) at_least: u32,
}

/// Little's law.
pub(super) fn little(rate: f64, service_ms: f64) -> Little {
    let busy = (rate * service_ms / 1_000.0).max(0.0);
    let at_least = (busy / BUSY).ceil().clamp(1.0, f64::from(u32::MAX));
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped just now")]
    let at_least = at_least as u32;
    Little { rate, service_ms, busy, at_least }
}

/// The pool of each instance, where all of them together are to have so many connections.
pub(super) fn of_each(total: u32, instances: u32) -> u32 {
    total.div_ceil(instances.max(1)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn points(throughputs: &[f64]) -> Vec<Point> {
        sizes(256)
            .into_iter()
            .zip(throughputs)
            .map(|(size, throughput)| Point { size, throughput: *throughput })
            .collect()
    }

    fn size(throughputs: &[f64]) -> Option<u32> {
        knee(&points(throughputs), 0.05).map(|knee| knee.size)
    }

    #[test]
    fn the_knee_is_the_smallest_that_comes_close_to_the_best() {
        // Sizes 1, 2, 3, 4, 6, 8, 12.
        assert_eq!(size(&[100.0, 200.0, 300.0, 400.0, 402.0, 399.0, 404.0]), Some(4));
        assert_eq!(size(&[100.0, 101.0, 99.0, 100.0]), Some(1), "flat");
        assert_eq!(size(&[100.0, 190.0, 250.0, 200.0, 120.0]), Some(3), "a peak");
        assert_eq!(size(&[]), None);
        assert_eq!(size(&[0.0, f64::NAN]), None, "nothing was answered");
        assert_eq!(size(&[0.0, 50.0]), Some(2));
        let rising = knee(&points(&[100.0, 200.0, 300.0]), 0.05).unwrap();
        assert!(rising.is_at_the_end && rising.size == 3 && rising.lost_beyond == 0.0);
        let peak = knee(&points(&[100.0, 200.0, 100.0]), 0.05).unwrap();
        assert!(!peak.is_at_the_end && (peak.lost_beyond - 0.5).abs() < 1e-9);
        assert!(
            !knee(&points(&[100.0]), 0.05).unwrap().is_at_the_end,
            "one size alone tells nothing of growth"
        );
    }

    #[test]
    fn the_sizes_end_with_the_limit() {
        assert_eq!(sizes(10), [1, 2, 3, 4, 6, 8, 10]);
        assert_eq!((sizes(1), sizes(0)), (vec![1], vec![]));
        assert_eq!(sizes(1_000).last(), Some(&1_000));
    }

    #[test]
    fn little_says_how_many_are_busy() {
        let found = little(180.0, 11.0);
        assert!((found.busy - 1.98).abs() < 1e-9 && found.at_least == 3, "{found:?}");
        assert_eq!((little(0.0, 0.0).at_least, little(1e9, 1e9).at_least), (1, u32::MAX));
        assert_eq!((of_each(8, 3), of_each(2, 5), of_each(0, 0)), (3, 1, 1));
    }

    proptest! {
        /// A curve that grows up to a size and is flat after it, and rounds that lie within the spread of it.
        #[test]
        fn noise_within_the_spread_moves_it_by_no_more_than_the_spread(
            at in 0_usize..8, noise in prop::collection::vec(0.976_f64..=1.0, 12)
        ) {
            let sizes = sizes(64);
            let top = f64::from(sizes[at]);
            let found: Vec<Point> = sizes.iter().zip(noise).map(|(size, noise)| {
                Point { size: *size, throughput: f64::from(*size).min(top) * 100.0 * noise }
            }).collect();
            let knee = knee(&found, 0.05).unwrap();
            prop_assert_eq!(knee.size, sizes[at]);
        }

        #[test]
        fn it_was_measured_is_within_the_spread_of_the_best_and_none_smaller_is(
            throughputs in prop::collection::vec(0.0_f64..1_000.0, 0..12), within in 0.0_f64..0.5
        ) {
            let found = points(&throughputs);
            let Some(knee) = knee(&found, within) else {
                prop_assert!(throughputs.iter().all(|throughput| *throughput == 0.0));
                return Ok(());
            };
            let best = throughputs.iter().copied().fold(0.0, f64::max);
            prop_assert_eq!(knee.best.throughput, best);
            let itself = Point { size: knee.size, throughput: knee.throughput };
            prop_assert!(found.contains(&itself));
            prop_assert!(knee.throughput >= best * (1.0 - within));
            prop_assert!(found.iter().filter(|it| it.size < knee.size).all(|it| it.throughput < best * (1.0 - within)));
        }

        #[test]
        fn more_spread_never_asks_for_more_connections(
            throughputs in prop::collection::vec(1.0_f64..1_000.0, 1..12), a in 0.0_f64..0.5, b in 0.0_f64..0.5
        ) {
            let found = points(&throughputs);
            let size = |within| knee(&found, within).unwrap().size;
            prop_assert!(size(a.max(b)) <= size(a.min(b)));
        }

        #[test]
        fn the_order_of_what_was_measured_does_not_matter(throughputs in prop::collection::vec(1.0_f64..1_000.0, 1..12)) {
            let mut found = points(&throughputs);
            let first = knee(&found, 0.05);
            found.reverse();
            prop_assert_eq!(first, knee(&found, 0.05));
        }

        #[test]
        fn a_monotone_curve_has_its_best_at_its_end(mut throughputs in prop::collection::vec(1.0_f64..1_000.0, 2..12)) {
            throughputs.sort_by(f64::total_cmp);
            throughputs.dedup();
            let knee = knee(&points(&throughputs), 0.05).unwrap();
            prop_assert_eq!(knee.best.throughput, *throughputs.last().unwrap());
            prop_assert_eq!(knee.lost_beyond, 0.0);
        }
    }
}
