//! The figures at the end: as text for whoever ran the demo, as Markdown for a README.
//!
//! The rows that must be zero come last, since they are what the reader is to take along. Times are of every answer, and
//! again of the answers that were no, because a quick no is worth as much to a caller as a quick yes, and a mean over
//! both would hide it.

use super::show::Figures;
use std::fmt::Write;

/// What a row says, and of which figure.
type Row = (&'static str, fn(&Figures) -> String);

const ROWS: [Row; 15] = [
    ("requests", |lane| count(lane.verdict.attempts)),
    ("acknowledged", |lane| count(lane.verdict.acknowledged)),
    ("refused, nothing was begun", |lane| count(lane.verdict.refused)),
    ("failed for certain", |lane| count(lane.verdict.failed)),
    ("unknown", |lane| count(lane.verdict.unknown)),
    ("of these stored", |lane| count(lane.verdict.unknown_stored)),
    ("time to an answer, p50", |lane| ms(lane.times.p50)),
    ("time to an answer, p99", |lane| ms(lane.times.p99)),
    ("time to a no, p50", |lane| ms(lane.times.no_p50)),
    ("time to a no, p99", |lane| ms(lane.times.no_p99)),
    ("most in flight", |lane| count(lane.times.most_in_flight as u64)),
    ("stored", |lane| count(lane.verdict.stored)),
    ("lost: acknowledged and not stored", |lane| count(lane.verdict.lost)),
    ("doubled: stored more than once", |lane| count(lane.verdict.doubled)),
    ("phantoms: told no and stored", |lane| count(lane.verdict.phantoms)),
];

/// Aligned, with the errors by kind and a sentence at the end.
pub(super) fn text(lanes: &[Figures]) -> String {
    let mut text = String::new();
    let mut line = |first: &str, cells: &[String]| {
        let cells: String = cells.iter().map(|cell| format!("{cell:>14}")).collect();
        // Writing to a string does not fail.
        let _ = writeln!(text, "{first:<36}{cells}");
    };
    line("", &lanes.iter().map(|lane| lane.name.to_owned()).collect::<Vec<_>>());
    for (name, of) in ROWS {
        line(name, &lanes.iter().map(of).collect::<Vec<_>>());
    }
    for lane in lanes {
        let errors: Vec<_> =
            lane.errors.iter().map(|(word, many)| format!("{word} {}", count(*many))).collect();
        let errors = if errors.is_empty() { "none".to_owned() } else { errors.join(", ") };
        let _ = writeln!(text, "errors of {}: {errors}", lane.name);
    }
    for lane in lanes {
        let _ = writeln!(text, "{}", sentence(lane));
    }
    let _ = writeln!(text, "{}", conclusion(lanes));
    text
}

/// A table that a README can hold.
pub(super) fn markdown(lanes: &[Figures]) -> String {
    let mut text = String::from("|");
    for lane in lanes {
        let _ = write!(text, " | {}", lane.name);
    }
    let _ = writeln!(text, " |\n|---{}|", "|---:".repeat(lanes.len()));
    for (name, of) in ROWS {
        let cells: Vec<_> = lanes.iter().map(of).collect();
        let _ = writeln!(text, "| {name} | {} |", cells.join(" | "));
    }
    let _ = writeln!(text, "\n{}", conclusion(lanes));
    text
}

/// One sentence for all of it: `plimsoll: 0 lost, 0 doubled of 11,998; deadpool: 0 lost, 37 doubled of 11,998.`
fn conclusion(lanes: &[Figures]) -> String {
    let parts: Vec<String> = lanes
        .iter()
        .rev()
        .map(|lane| {
            let verdict = &lane.verdict;
            let phantoms = match verdict.phantoms {
                0 => String::new(),
                many => format!(", {} phantoms", count(many)),
            };
            format!(
                "{}: {} lost, {} doubled{phantoms} of {}",
                lane.name,
                count(verdict.lost),
                count(verdict.doubled),
                count(verdict.attempts)
            )
        })
        .collect();
    format!("{}.", parts.join("; "))
}

fn sentence(lane: &Figures) -> String {
    let verdict = &lane.verdict;
    let numbers = if verdict.adds_up() {
        String::new()
    } else {
        format!(
            "; the figures do NOT add up: {} without an answer, {} with two, {} rows from nowhere",
            verdict.unanswered, verdict.repeated, verdict.strangers
        )
    };
    // Two lines, each of which fits into 80 columns.
    format!(
        "{}: {} acknowledged, {} stored: {} lost, {} doubled, {} phantoms\n{:>10}{} unknown, of these {} stored{numbers}",
        lane.name,
        count(verdict.acknowledged),
        count(verdict.stored),
        count(verdict.lost),
        count(verdict.doubled),
        count(verdict.phantoms),
        "",
        count(verdict.unknown),
        count(verdict.unknown_stored)
    )
}

/// `12,345`
pub(super) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `2.1 ms`, `2,001 ms`, or a dash where there was nothing to measure.
pub(super) fn ms(ms: f64) -> String {
    match ms {
        ms if ms.is_nan() => "-".to_owned(),
        ms if ms < 100.0 => format!("{ms:.1} ms"),
        ms => format!("{} ms", count(ms.round() as u64)),
    }
}
