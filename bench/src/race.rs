//! Rounds in which everybody takes part, and what may be concluded from them.

use anyhow::{Context, Result};
use futures_util::future::BoxFuture;
use std::future::Future;

/// Which way a figure is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Better {
    More,
    Less,
}

/// Whom the others are compared with.
pub const OURS: &str = "plimsoll";

type Round<'a, T> = Box<dyn Fn() -> BoxFuture<'a, Result<T>> + 'a>;

/// Who takes part. A round gives one figure, or something from which several are taken ([`Race::laps`]).
pub struct Race<'a, T = f64> {
    better: Better,
    rounds: usize,
    is_rehearsed: bool,
    only: Option<&'a str>,
    entrants: Vec<(&'static str, Round<'a, T>)>,
}

impl<'a, T> Race<'a, T> {
    /// A race of so many rounds, in which only these run if names are given, by commas.
    pub fn new(better: Better, rounds: usize, only: Option<&'a str>) -> Self {
        Race { better, rounds, is_rehearsed: true, only, entrants: Vec::new() }
    }

    /// Adds one who takes part, by a function that runs one round and gives its figure.
    #[must_use]
    pub fn with<F, Fut>(mut self, name: &'static str, round: F) -> Self
    where
        F: Fn() -> Fut + 'a,
        Fut: Future<Output = Result<T>> + Send + 'a,
    {
        if self.only.is_none_or(|only| only.split(',').any(|only| only == name)) {
            self.entrants.push((name, Box::new(move || Box::pin(round()))));
        }
        self
    }

    /// Leaves out the round that does not count: for rounds that warm up by themselves and are long.
    #[must_use]
    pub fn unrehearsed(mut self) -> Self {
        self.is_rehearsed = false;
        self
    }

    /// Runs a round that does not count, then those that do, in the orders of [`order`].
    pub async fn laps(self) -> Result<Laps<T>> {
        let Race { rounds, is_rehearsed, entrants, .. } = self;
        let mut columns = Vec::new();
        for (name, round) in &entrants {
            if is_rehearsed {
                round().await.with_context(|| format!("{name}, before the first round"))?;
            }
            columns.push(Column { name, figures: Vec::with_capacity(rounds) });
        }
        for number in 0..rounds {
            let order = order(entrants.len(), number);
            for at in order {
                let (Some((name, round)), Some(column)) = (entrants.get(at), columns.get_mut(at)) else {
                    continue;
                };
                let figure = round().await.with_context(|| format!("{name}, round {}", number + 1))?;
                column.figures.push(figure);
            }
        }
        Ok(Laps { columns })
    }
}

/// Whose turn it is when in this round. What ran just before leaves its traces in caches and in the scheduler, by more
/// than the differences that are looked for; in as many rounds as there are entrants everybody takes every place once
/// and, if they are even in number, comes after every other once. Source: E. J. Williams, "Experimental designs
/// balanced for the estimation of residual effects of treatments", 1949.
fn order(entrants: usize, round: usize) -> Vec<usize> {
    let zigzag = |place: usize| if place % 2 == 1 { place.div_ceil(2) } else { entrants - place / 2 };
    let mut order: Vec<usize> = (0..entrants).map(|place| (zigzag(place) + round) % entrants).collect();
    if (round / entrants.max(1)) % 2 == 1 {
        order.reverse();
    }
    order
}

impl Race<'_> {
    /// Runs a round that does not count, then those that do, in the orders of [`order`].
    pub async fn run(self) -> Result<Figures> {
        let better = self.better;
        Ok(self.laps().await?.figures(better, |figure| *figure))
    }
}

/// What one who took part came to, round by round.
struct Column<T = f64> {
    name: &'static str,
    figures: Vec<T>,
}

/// What everybody's rounds came to, where that is more than a figure.
pub struct Laps<T> {
    columns: Vec<Column<T>>,
}

impl<T> Laps<T> {
    /// One figure of each round.
    pub fn figures(&self, better: Better, of: impl Fn(&T) -> f64) -> Figures {
        let column = |column: &Column<T>| Column {
            name: column.name,
            figures: column.figures.iter().map(&of).collect(),
        };
        Figures { better, columns: self.columns.iter().map(column).collect() }
    }

    /// Adds the rounds of another race of the same entrants.
    pub fn join(&mut self, more: Laps<T>) {
        for (column, more) in self.columns.iter_mut().zip(more.columns) {
            column.figures.extend(more.figures);
        }
    }

    /// The rounds of each who took part.
    pub fn each(&self) -> impl Iterator<Item = (&'static str, &[T])> {
        self.columns.iter().map(|column| (column.name, column.figures.as_slice()))
    }
}

/// All figures of one case.
pub struct Figures {
    better: Better,
    columns: Vec<Column>,
}

/// What the quotients of the same rounds come to.
#[derive(Clone, Copy, Debug)]
pub struct Paired {
    /// Their median; above 1 when ours is better.
    pub ratio: f64,
    /// The distance of their quartiles over the median; 1 where that cannot be told.
    pub spread: f64,
}

impl Figures {
    /// Adds the rounds of another race of the same entrants.
    pub fn join(&mut self, more: Figures) {
        for (column, more) in self.columns.iter_mut().zip(more.columns) {
            column.figures.extend(more.figures);
        }
    }

    /// The median of one who took part.
    pub fn median(&self, name: &str) -> Option<f64> {
        self.column(name).map(|column| quantile(&column.figures, 0.5))
    }

    /// Ours beside one of the others, round by round. Two zeros are equal; a single one makes a ratio of 0 or of
    /// infinity, of which no more can be said than that.
    pub fn against(&self, peer: &str) -> Option<Paired> {
        self.between(OURS, peer)
    }

    /// The same of any two.
    pub fn between(&self, one: &str, other: &str) -> Option<Paired> {
        let (ours, theirs) = (self.column(one)?, self.column(other)?);
        let quotients: Vec<f64> = ours
            .figures
            .iter()
            .zip(&theirs.figures)
            .map(|(ours, theirs)| match self.better {
                _ if ours == theirs => 1.0,
                Better::More => ours / theirs,
                Better::Less => theirs / ours,
            })
            .collect();
        let ratio = quantile(&quotients, 0.5);
        let spread = (quantile(&quotients, 0.75) - quantile(&quotients, 0.25)) / ratio;
        Some(Paired { ratio, spread: if spread.is_finite() { spread } else { 1.0 } })
    }

    /// What ours took more than another, round by round; the median is that of [`OURS`].
    pub fn beyond(&self, other: &str) -> Option<Figures> {
        let (ours, theirs) = (self.column(OURS)?, self.column(other)?);
        let more = ours.figures.iter().zip(&theirs.figures).map(|(ours, theirs)| ours - theirs).collect();
        Some(Figures { better: self.better, columns: vec![Column { name: OURS, figures: more }] })
    }

    fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }
}

/// The value below which this part of the others lies; between two values, in proportion.
pub fn quantile(values: &[f64], part: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = part * sorted.len().saturating_sub(1) as f64;
    let below = sorted.get(at.floor() as usize).copied().unwrap_or(f64::NAN);
    let above = sorted.get(at.ceil() as usize).copied().unwrap_or(below);
    // Two infinities have no distance.
    if below == above { below } else { below + (above - below) * at.fract() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn figures(better: Better) -> Figures {
        let ours = Column { name: OURS, figures: vec![2.0, 40.0, 6.0] };
        let theirs = Column { name: "theirs", figures: vec![1.0, 10.0, 2.0] };
        Figures { better, columns: vec![ours, theirs] }
    }

    #[test]
    fn quotients_are_taken_within_a_round_and_above_one_is_always_ours() {
        assert_eq!(figures(Better::More).against("theirs").map(|paired| paired.ratio), Some(3.0));
        assert_eq!(figures(Better::Less).against("theirs").map(|paired| paired.ratio), Some(1.0 / 3.0));
    }

    #[test]
    fn everybody_takes_every_place_once_and_follows_every_other_once() {
        for entrants in [2, 4, 6, 7] {
            let rounds: Vec<_> = (0..entrants).map(|round| order(entrants, round)).collect();
            for place in 0..entrants {
                let here: BTreeSet<_> = rounds.iter().filter_map(|order| order.get(place)).collect();
                assert_eq!(here.len(), entrants, "place {place} of {entrants}");
            }
            let pairs: BTreeSet<_> = rounds.iter().flat_map(|order| order.windows(2)).collect();
            let expected = if entrants % 2 == 0 { entrants * (entrants - 1) } else { entrants };
            assert!(pairs.len() >= expected, "{} pairs of {entrants}", pairs.len());
        }
        assert_eq!(order(1, 5), [0]);
    }

    #[test]
    fn two_zeros_are_equal_and_a_single_one_is_not_called_a_number() {
        let column = |name, figures: &[f64]| Column { name, figures: figures.to_vec() };
        let against = |ours: &[f64], theirs: &[f64]| {
            let columns = vec![column(OURS, ours), column("theirs", theirs)];
            Figures { better: Better::Less, columns }
                .against("theirs")
                .map(|paired| (paired.ratio, paired.spread))
        };
        assert_eq!(against(&[0.0, 0.0], &[0.0, 0.0]), Some((1.0, 0.0)));
        assert_eq!(against(&[0.0, 0.0], &[2.0, 3.0]), Some((f64::INFINITY, 1.0)));
    }

    #[test]
    fn a_difference_is_taken_within_a_round() {
        let more = figures(Better::Less).beyond("theirs").unwrap();
        assert_eq!(more.median(OURS), Some(4.0));
        assert!(more.against("theirs").is_none());
    }

    #[test]
    fn a_quantile_lies_between_its_neighbours() {
        assert_eq!(quantile(&[3.0, 1.0, 2.0], 0.5), 2.0);
        assert_eq!(quantile(&[1.0, 2.0], 0.5), 1.5);
    }
}
