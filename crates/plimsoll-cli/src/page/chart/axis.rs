//! Which values an axis covers, and where its ticks are. Pure numbers.

/// An axis from its least to its most value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Axis {
    pub(super) from: f64,
    pub(super) to: f64,
    is_logarithmic: bool,
}

impl Axis {
    /// From zero to the last of these, as they are: time.
    pub(super) fn exact(values: impl Iterator<Item = f64>) -> Self {
        let to = values.fold(0.0, f64::max);
        Axis { from: 0.0, to: if to > 0.0 { to } else { 1.0 }, is_logarithmic: false }
    }

    /// From zero, or from the least of these if it is below, to a round number above all.
    pub(super) fn linear(values: impl Iterator<Item = f64>) -> Self {
        let (least, most) =
            values.fold((0.0_f64, 0.0_f64), |(least, most), it| (least.min(it), most.max(it)));
        let step = step((most - least).max(f64::MIN_POSITIVE), 4.0);
        let (from, to) = ((least / step).floor() * step, (most / step).ceil() * step);
        let is_flat = to - from < step / 2.0 || !step.is_normal();
        Axis {
            from: if is_flat { 0.0 } else { from },
            to: if is_flat { 1.0 } else { to },
            is_logarithmic: false,
        }
    }

    /// Whole powers of ten around all of these that are above zero.
    pub(super) fn logarithmic(values: impl Iterator<Item = f64>) -> Self {
        let above = values.filter(|value| *value > 0.0);
        let (least, most) =
            above.fold((f64::MAX, 0.0_f64), |(least, most), it| (least.min(it), most.max(it)));
        if most <= 0.0 {
            return Axis { from: 1.0, to: 10.0, is_logarithmic: true };
        }
        let (from, to) = (least.log10().floor(), most.log10().ceil());
        // Nine powers are more than anything measures; the least values then lie at the bottom.
        let to = if to > from { to } else { from + 1.0 };
        Axis { from: 10_f64.powf(from.max(to - 9.0)), to: 10_f64.powf(to), is_logarithmic: true }
    }

    /// Where a value lies, from 0 to 1.
    pub(super) fn share(self, value: f64) -> f64 {
        let share = if self.is_logarithmic {
            (value.max(self.from) / self.from).ln() / (self.to / self.from).ln()
        } else {
            (value - self.from) / (self.to - self.from)
        };
        share.clamp(0.0, 1.0)
    }

    /// Values to be written beside it, about `count` of them.
    pub(super) fn ticks(self, count: f64) -> Vec<f64> {
        let mut ticks = Vec::new();
        if self.is_logarithmic {
            let mut tick = self.from;
            while tick <= self.to * 1.001 && ticks.len() < 16 {
                ticks.push(tick);
                tick *= 10.0;
            }
            return ticks;
        }
        let step = step(self.to - self.from, count);
        let mut nth = (self.from / step).ceil();
        while nth * step <= self.to + step * 0.001 && ticks.len() < 64 {
            ticks.push(nth * step);
            nth += 1.0;
        }
        ticks
    }
}

/// A round step, so that about `count` of them make up a span.
fn step(span: f64, count: f64) -> f64 {
    let rough = span / count;
    let power = 10_f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().find(|step| step * power >= rough * 0.999).unwrap_or(10.0);
    step * power
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ticks_are_round() {
        let axis = Axis::linear([3.0, 87.0].into_iter());
        assert_eq!((axis.from, axis.to), (0.0, 100.0));
        assert_eq!(axis.ticks(4.0), [0.0, 50.0, 100.0]);
        let axis = Axis::logarithmic([0.0, 0.4, 2_300.0].into_iter());
        assert_eq!(axis.ticks(4.0).len(), 6, "0.1 to 10,000: {axis:?}");
        assert_eq!(Axis::exact([3.0, 42.0].into_iter()).ticks(6.0), [0.0, 10.0, 20.0, 30.0, 40.0]);
    }

    proptest! {
        /// Whatever the values are, each has a place, and larger ones lie no lower.
        #[test]
        fn every_value_has_its_place(values in prop::collection::vec(-1e12_f64..1e12, 0..20)) {
            for axis in [
                Axis::linear(values.iter().copied()),
                Axis::logarithmic(values.iter().copied()),
                Axis::exact(values.iter().copied()),
            ] {
                let mut sorted = values.clone();
                sorted.sort_by(f64::total_cmp);
                let shares: Vec<f64> = sorted.iter().map(|value| axis.share(*value)).collect();
                prop_assert!(shares.iter().all(|share| (0.0..=1.0).contains(share)), "{axis:?} {shares:?}");
                prop_assert!(shares.is_sorted(), "{axis:?} {shares:?}");
                let ticks = axis.ticks(5.0);
                prop_assert!((1..=64).contains(&ticks.len()), "{axis:?} {ticks:?}");
                prop_assert!(ticks.iter().all(|tick| tick.is_finite()), "{ticks:?}");
            }
        }
    }
}
