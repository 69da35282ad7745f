//! What was found out, for people and for programs.

use crate::race::{Figures, OURS};
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;
use std::path::Path;

/// The peers that have a column. Others (a default, a variant) are told as further figures.
pub const PEERS: [&str; 3] = ["deadpool", "bb8", "sqlx"];

/// The driver without any pool: the ceiling and not a peer. Its column is there only where it took part.
pub const DRIVER: &str = "driver";

/// The width of a case.
const CASE: usize = 26;

/// One row; also the line of JSON, whose fields are fixed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Row {
    pub bench: String,
    pub case: String,
    pub unit: String,
    pub plimsoll: f64,
    pub deadpool: Option<f64>,
    pub bb8: Option<f64>,
    pub sqlx: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub driver: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub ratio_to_best_peer: Option<f64>,
    pub spread: f64,
}

/// A figure that has no column.
#[derive(Clone, Debug, Serialize)]
struct Further {
    bench: &'static str,
    case: String,
    what: String,
    value: f64,
    unit: &'static str,
}

/// What a figure ought to be.
#[derive(Clone, Debug, Serialize)]
struct Target {
    bench: &'static str,
    case: String,
    what: String,
    bound: String,
    value: f64,
    met: bool,
}

/// One bench.
pub struct Report {
    bench: &'static str,
    about: &'static str,
    rows: Vec<Row>,
    further: Vec<Further>,
    lines: Vec<String>,
    targets: Vec<Target>,
}

impl Report {
    pub fn new(bench: &'static str, about: &'static str) -> Self {
        eprintln!("bench {bench} ..");
        Report { bench, about, rows: Vec::new(), further: Vec::new(), lines: Vec::new(), targets: Vec::new() }
    }

    pub fn rows(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter()
    }

    /// Adds a row: medians, and the ratio to the peer that comes closest, or to the bare driver. A ratio that is not a
    /// number is left out.
    pub fn row(&mut self, case: &str, unit: &str, figures: &Figures) {
        let best = PEERS
            .into_iter()
            .chain([DRIVER])
            .filter_map(|peer| figures.against(peer))
            .filter(|paired| paired.ratio.is_finite())
            .min_by(|one, other| one.ratio.total_cmp(&other.ratio));
        self.rows.push(Row {
            bench: self.bench.to_owned(),
            case: case.to_owned(),
            unit: unit.to_owned(),
            plimsoll: rounded(figures.median("plimsoll").unwrap_or(f64::NAN)),
            deadpool: figures.median("deadpool").map(rounded),
            bb8: figures.median("bb8").map(rounded),
            sqlx: figures.median("sqlx").map(rounded),
            driver: figures.median(DRIVER).map(rounded),
            ratio_to_best_peer: best.map(|paired| rounded(paired.ratio)),
            spread: rounded(best.map_or(0.0, |paired| paired.spread)),
        });
    }

    /// Adds a row of one beside another that is no peer: its median stands where ours does, and the ratio is to the other.
    pub fn row_between(&mut self, case: &str, unit: &str, figures: &Figures, one: &str, other: &str) {
        let Some(median) = figures.median(one) else { return };
        let paired = figures.between(one, other);
        self.rows.push(Row {
            bench: self.bench.to_owned(),
            case: case.to_owned(),
            unit: unit.to_owned(),
            plimsoll: rounded(median),
            deadpool: None,
            bb8: None,
            sqlx: None,
            driver: None,
            ratio_to_best_peer: paired.map(|paired| rounded(paired.ratio)),
            spread: rounded(paired.map_or(0.0, |paired| paired.spread)),
        });
    }

    /// Adds a figure that has no column.
    pub fn further(&mut self, case: &str, what: impl Into<String>, value: f64, unit: &'static str) {
        let (what, value) = (what.into(), rounded(value));
        self.further.push(Further { bench: self.bench, case: case.to_owned(), what, value, unit });
    }

    /// What one took, if it took part.
    pub fn mean(&mut self, case: &str, name: &str, value: Option<f64>) {
        if let Some(value) = value {
            self.further(case, format!("mean, {name}"), value, "us");
        }
    }

    /// By how many percent ours took more than this one, of the same rounds.
    pub fn more(&mut self, case: &str, name: &str, figures: &Figures, entrant: &str) {
        let other = Some(entrant).filter(|entrant| *entrant != OURS);
        if let Some(paired) = other.and_then(|entrant| figures.against(entrant)) {
            self.further(case, format!("more than {name}"), percent(1.0 / paired.ratio), "%");
        }
    }

    /// Adds a line of a table that has other columns, between the figures and the targets.
    pub fn line(&mut self, line: String) {
        self.lines.push(line);
    }

    /// A figure that should not be smaller.
    pub fn at_least(&mut self, case: &str, what: &str, value: f64, bound: f64) {
        self.target(case, what, value, format!(">= {bound}"), value >= bound);
    }

    /// A figure that should not be greater.
    pub fn at_most(&mut self, case: &str, what: &str, value: f64, bound: f64) {
        self.target(case, what, value, format!("<= {bound}"), value <= bound);
    }

    fn target(&mut self, case: &str, what: &str, value: f64, bound: String, met: bool) {
        let (case, what, value) = (case.to_owned(), what.to_owned(), rounded(value));
        self.targets.push(Target { bench: self.bench, case, what, bound, value, met });
    }

    /// Prints it: with `json` the rows go to the standard output and the rest to the standard error.
    pub fn print(&self, json: bool) -> Result<()> {
        let text = self.text();
        if !json {
            println!("{text}");
            return Ok(());
        }
        eprintln!("{text}");
        for row in &self.rows {
            println!("{}", serde_json::to_string(row)?);
        }
        Ok(())
    }

    fn text(&self) -> String {
        let mut text = format!("\n{}: {}\n\n", self.bench, self.about);
        let has_driver = self.rows.iter().any(|row| row.driver.is_some());
        let mut line = |case: &str, unit: &str, peers: [&str; 4], driver: &str, rest: [&str; 2]| {
            let _ = write!(text, "  {case:<CASE$}{unit:<7}");
            let driver = has_driver.then_some(driver);
            for cell in peers.into_iter().chain(driver).chain(rest) {
                let _ = write!(text, "{cell:>10}");
            }
            text.push('\n');
        };
        if !self.rows.is_empty() {
            line("case", "unit", ["plimsoll", "deadpool", "bb8", "sqlx"], DRIVER, ["ratio", "spread"]);
        }
        for row in &self.rows {
            let cell = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), shown);
            let peers = [&shown(row.plimsoll), &cell(row.deadpool), &cell(row.bb8), &cell(row.sqlx)];
            let (ratio, spread) = (cell(row.ratio_to_best_peer), format!("{:.0} %", row.spread * 100.0));
            line(&row.case, &row.unit, peers.map(String::as_str), &cell(row.driver), [&ratio, &spread]);
        }
        text.push('\n');
        for further in &self.further {
            let value = shown(further.value);
            let _ =
                writeln!(text, "  {:<CASE$}{:<58}{value:>10} {}", further.case, further.what, further.unit);
        }
        for line in &self.lines {
            let _ = write!(text, "\n  {line}");
        }
        let _ = writeln!(text, "\n  {:<CASE$}{:<44}{:>10}{:>10}", "case", "target", "bound", "value");
        for target in &self.targets {
            let Target { case, what, bound, value, met, .. } = target;
            let met = if *met { "met" } else { "MISSED" };
            let _ = writeln!(text, "  {case:<CASE$}{what:<44}{bound:>10}{:>10}  {met}", shown(*value));
        }
        text
    }
}

/// Everything that is not a row, as JSON lines.
pub fn write_detail(path: &Path, reports: &[Report]) -> Result<()> {
    let mut lines = String::new();
    for report in reports {
        for further in &report.further {
            writeln!(lines, "{}", serde_json::to_string(further)?)?;
        }
        for target in &report.targets {
            writeln!(lines, "{}", serde_json::to_string(target)?)?;
        }
    }
    std::fs::write(path, lines).with_context(|| format!("{} could not be written", path.display()))
}

/// By how many percent something is more, of which this is the quotient.
pub fn percent(quotient: f64) -> f64 {
    (quotient - 1.0) * 100.0
}

/// Four digits that count; the rest is noise.
fn rounded(value: f64) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return value;
    }
    let scale = 10f64.powi(3 - value.abs().log10().floor() as i32);
    (value * scale).round() / scale
}

fn shown(value: f64) -> String {
    match value.abs() {
        large if large >= 1000.0 => format!("{value:.0}"),
        middle if middle >= 100.0 => format!("{value:.1}"),
        middle if middle >= 10.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percent_is_what_comes_on_top() {
        assert!((percent(12.8 / 12.5) - 2.4).abs() < 1e-9);
        assert!(percent(0.9) < 0.0);
    }
}
