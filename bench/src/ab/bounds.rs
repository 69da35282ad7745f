//! What holds whatever came before: how much of the bare driver's and of the best peer's throughput must be left.
//!
//! These are ratios within one run, which the benches `query` and `overhead` take themselves.

use crate::options::Options;
use crate::report::Row;
use crate::{overhead, query};
use anyhow::{Context, Result};
use std::fmt::Write;

/// A sentence, the bench, its case, and the least that the ratio may be.
type Bound = (&'static str, &'static str, &'static str, f64);

const BOUNDS: [Bound; 2] = [
    ("everything on, over the bare driver", "overhead", "all", 0.94),
    ("query, over the best peer", "query", "64 tasks", 0.95),
];

/// The bounds and what was measured.
pub struct Kept {
    measured: Vec<(Bound, f64)>,
}

/// Runs the two benches.
pub async fn of(options: &Options) -> Result<Kept> {
    let query = query::run(options).await?;
    let overhead = overhead::run(options).await?;
    let rows: Vec<Row> = query.rows().chain(overhead.rows()).cloned().collect();
    judge(&rows)
}

fn judge(rows: &[Row]) -> Result<Kept> {
    let find = |bench: &str, case: &str| {
        rows.iter().find(|row| row.bench == bench && row.case == case)?.ratio_to_best_peer
    };
    let mut measured = Vec::new();
    for bound in BOUNDS {
        let (what, bench, case, _) = bound;
        let ratio = find(bench, case);
        measured.push((bound, ratio.with_context(|| format!("{bench} has no figure for {what:?}"))?));
    }
    Ok(Kept { measured })
}

impl Kept {
    /// Whether all are.
    pub fn are_kept(&self) -> bool {
        self.measured.iter().all(|((.., least), ratio)| ratio >= least)
    }

    /// For people.
    pub fn table(&self) -> String {
        let mut text = format!("  {:<40}{:>8}{:>10}\n", "bound, within one run", "least", "measured");
        for ((what, .., least), ratio) in &self.measured {
            let verdict = if ratio >= least { "kept" } else { "BROKEN" };
            let _ = writeln!(text, "  {what:<40}{least:>8.2}{ratio:>10.3}  {verdict}");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(bench: &str, case: &str, ratio: f64) -> Row {
        let line = format!(
            r#"{{"bench":"{bench}","case":"{case}","unit":"per s","plimsoll":1.0,"deadpool":null,"bb8":null,"sqlx":null,"ratio_to_best_peer":{ratio},"spread":0.1}}"#
        );
        serde_json::from_str(&line).unwrap()
    }

    #[test]
    fn a_ratio_below_its_bound_is_broken_and_named() {
        let kept =
            |all, query| judge(&[row("overhead", "all", all), row("query", "64 tasks", query)]).unwrap();
        assert!(kept(0.94, 0.95).are_kept());
        assert!(!kept(0.939, 1.0).are_kept());
        let broken = kept(1.0, 0.9);
        assert!(!broken.are_kept());
        assert!(broken.table().contains("0.900  BROKEN"), "{}", broken.table());
    }

    #[test]
    fn a_figure_that_is_missing_is_no_figure_that_is_kept() {
        assert!(judge(&[row("query", "64 tasks", 1.0)]).is_err());
    }
}
