//! One figure of several rounds: the middle round, and between which values all of them lay.

use serde::{Deserialize, Serialize};

/// What the rounds gave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Spread {
    /// Half of the rounds gave at least this, half at most.
    pub(super) middle: f64,
    pub(super) least: f64,
    pub(super) most: f64,
}

impl Spread {
    /// All are 0 where there was no round.
    pub(super) fn of(rounds: impl IntoIterator<Item = f64>) -> Self {
        let mut rounds: Vec<f64> = rounds.into_iter().filter(|figure| figure.is_finite()).collect();
        rounds.sort_by(f64::total_cmp);
        let at = |place: usize| rounds.get(place).copied().unwrap_or_default();
        let last = rounds.len().saturating_sub(1);
        let middle = f64::midpoint(at(last / 2), at(rounds.len() / 2));
        Spread { middle, least: at(0), most: at(last) }
    }

    /// How far the rounds lay apart, as a share of the middle one.
    pub(super) fn share(&self) -> f64 {
        if self.middle > 0.0 { (self.most - self.least) / self.middle } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_is_that_of_the_rounds() {
        assert_eq!(Spread::of([3.0, 1.0, 2.0]), Spread { middle: 2.0, least: 1.0, most: 3.0 });
        assert_eq!(Spread::of([4.0, 1.0, 2.0, 3.0]).middle, 2.5);
        assert_eq!(Spread::of([7.0]), Spread { middle: 7.0, least: 7.0, most: 7.0 });
        assert_eq!((Spread::of([]), Spread::of([f64::NAN])), (Spread::default(), Spread::default()));
        assert_eq!((Spread::of([3.0, 1.0, 2.0]).share(), Spread::default().share()), (1.0, 0.0));
    }
}
