//! What the pairs come to: medians, the spread, and whether a call has become dearer.

use crate::race::quantile;
use anyhow::{Result, ensure};
use serde::Deserialize;
use std::fmt::Write;

/// What one call of a case took one of the two programs, in microseconds.
#[derive(Clone, Debug, Deserialize)]
pub struct Sample {
    pub case: String,
    /// Of the processor.
    pub cpu: f64,
    /// On the clock; printed and not judged.
    pub wall: f64,
}

/// All turns of one case, in order.
#[derive(Clone, Debug, Default)]
struct Case {
    name: String,
    old: Vec<f64>,
    new: Vec<f64>,
    old_wall: Vec<f64>,
    new_wall: Vec<f64>,
}

/// All turns of all cases.
#[derive(Clone, Debug, Default)]
pub struct Pairs {
    cases: Vec<Case>,
}

impl Case {
    /// New over old of each pair.
    fn quotients(&self) -> Vec<f64> {
        self.old.iter().zip(&self.new).map(|(old, new)| new / old).collect()
    }

    /// By what share a call has become dearer; below zero when it has become cheaper.
    fn difference(&self) -> f64 {
        quantile(&self.quotients(), 0.5) - 1.0
    }

    /// The distance between the quartiles of the quotients.
    fn spread(&self) -> f64 {
        let quotients = self.quotients();
        quantile(&quotients, 0.75) - quantile(&quotients, 0.25)
    }

    fn is_within(&self) -> bool {
        self.difference() <= self.spread()
    }
}

impl Pairs {
    /// Adds a turn of each.
    pub fn add(&mut self, old: &[Sample], new: &[Sample]) -> Result<()> {
        ensure!(
            !old.is_empty() && old.len() == new.len(),
            "one program measured {} cases and the other {}",
            old.len(),
            new.len()
        );
        for (old, new) in old.iter().zip(new) {
            ensure!(old.case == new.case, "{:?} cannot be compared with {:?}", new.case, old.case);
            let is_known = self.cases.iter().any(|case| case.name == old.case);
            if !is_known {
                self.cases.push(Case { name: old.case.clone(), ..Case::default() });
            }
            if let Some(case) = self.cases.iter_mut().find(|case| case.name == old.case) {
                case.old.push(old.cpu);
                case.new.push(new.cpu);
                case.old_wall.push(old.wall);
                case.new_wall.push(new.wall);
            }
        }
        Ok(())
    }

    /// Whether no case has become dearer by more than its spread.
    pub fn is_within(&self) -> bool {
        self.cases.iter().all(Case::is_within)
    }

    /// For people.
    pub fn table(&self) -> String {
        let pairs = self.cases.first().map_or(0, |case| case.old.len());
        let mut text = format!(
            "\nCPU time of one call, us; medians of {pairs} pairs. A difference within the spread passes.\n\n"
        );
        let mut line = |case: &str, cells: [&str; 6], rest: &str| {
            let _ = write!(text, "  {case:<28}");
            for cell in cells {
                let _ = write!(text, "{cell:>12}");
            }
            let _ = writeln!(text, "  {rest}");
        };
        line("case", ["old", "new", "difference", "spread", "old, clock", "new, clock"], "");
        for case in &self.cases {
            let middle = |values: &[f64]| format!("{:.3}", quantile(values, 0.5));
            let percent = |share: f64| format!("{:+.1} %", share * 100.0);
            let spread = format!("{:.1} %", case.spread() * 100.0);
            let verdict = match case.difference() {
                difference if difference > case.spread() => "DEARER",
                difference if -difference > case.spread() => "cheaper",
                _ => "the same",
            };
            let cells = [
                &middle(&case.old),
                &middle(&case.new),
                &percent(case.difference()),
                &spread,
                &middle(&case.old_wall),
                &middle(&case.new_wall),
            ];
            line(&case.name, cells.map(String::as_str), verdict);
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(cpu: f64) -> [Sample; 1] {
        [Sample { case: "query".to_owned(), cpu, wall: cpu }]
    }

    fn pairs(old: &[f64], new: &[f64]) -> Pairs {
        let mut pairs = Pairs::default();
        for (old, new) in old.iter().zip(new) {
            pairs.add(&sample(*old), &sample(*new)).unwrap();
        }
        pairs
    }

    #[test]
    fn a_difference_within_the_spread_passes_and_one_beyond_it_does_not() {
        let old = [10.0, 10.0, 10.0, 10.0, 10.0];
        // The median is 2 % more, the quartiles 1 and 4 %.
        assert!(pairs(&old, &[10.0, 10.1, 10.2, 10.4, 10.5]).is_within());
        // The median is 5 % more, the quartiles 4.9 and 5.1 %.
        let dearer = pairs(&old, &[10.48, 10.49, 10.5, 10.51, 10.52]);
        assert!(!dearer.is_within());
        assert!(dearer.table().contains("DEARER"), "{}", dearer.table());
    }

    #[test]
    fn what_has_become_cheaper_passes_whatever_the_spread() {
        let cheaper = pairs(&[10.0, 10.0, 10.0], &[8.0, 8.0, 8.0]);
        assert!(cheaper.is_within());
        assert!(cheaper.table().contains("cheaper"), "{}", cheaper.table());
    }

    #[test]
    fn an_hour_in_which_the_machine_is_slower_changes_nothing() {
        let slowing = pairs(&[10.0, 15.0, 30.0, 20.0], &[10.0, 15.0, 30.0, 20.0]);
        assert!(slowing.is_within());
        assert!(slowing.table().contains("the same"), "{}", slowing.table());
    }

    #[test]
    fn programs_that_measure_different_cases_are_not_compared() {
        let other = [Sample { case: "acquire".to_owned(), cpu: 1.0, wall: 1.0 }];
        assert!(Pairs::default().add(&sample(1.0), &other).is_err());
        assert!(Pairs::default().add(&sample(1.0), &[]).is_err());
    }
}
