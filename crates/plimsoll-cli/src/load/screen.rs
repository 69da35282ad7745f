//! A load as people and as the shell read it.

use super::baseline::ms;
use super::figures::{Kind, Report, Target};
use super::schedule::Arrivals;
use super::spread::Spread;
use super::tally::{Counts, Percentiles};
use crate::columns::{columns, count, counted, lines};
use crate::show::{fields, paint, without_control};
use plimsoll_inspect::span::rough;
use std::fmt::Write;
use std::time::Duration;

/// A round of fewer times the median call is a short one.
const SHORT_ROUND: f64 = 20.0;

/// The table.
pub(super) fn table(report: &Report) -> String {
    let mut text = head(report);
    text.push('\n');
    let row = |name: &str, spread: &Spread, word: fn(f64) -> String| {
        [word(spread.middle), word(spread.least), word(spread.most), name.to_owned()]
    };
    let mut rows =
        vec![row("answered well, a second", &report.spread.throughput, |value| format!("{value:.1}"))];
    for (name, spread) in report.spread.times() {
        rows.push(row(&format!("{name} of the times since due"), spread, ms));
    }
    text.push_str(&columns(["middle round", "least", "most", "of each round"], &rows));
    text.push('\n');
    text.push_str(&counts(report));
    if !report.kinds.is_empty() {
        text.push_str("\nWhat came instead of an answer\n\n");
        let rows: Vec<[String; 2]> =
            report.kinds.iter().map(|(kind, number)| [count(*number), kind.clone()]).collect();
        text.push_str(&columns(["calls", "kind"], &rows));
        if report.kinds.keys().any(|kind| kind.contains("PL-")) {
            text.push_str("plimsoll explain CODE tells what a code means.\n");
        }
    }
    text.push('\n');
    text.push_str(&remarks(report));
    text.push_str(&against(report));
    text
}

pub(super) fn head(report: &Report) -> String {
    let load = &report.load;
    let called = match load.kind {
        Kind::Http => "a service by HTTP".to_owned(),
        Kind::Sql => {
            let connections = u64::from(load.connections.unwrap_or_default());
            format!("a database through a pool of {}", counted(connections, "connection", "connections"))
        }
    };
    let arrivals = match load.arrivals {
        Arrivals::Constant => "evenly",
        Arrivals::Poisson => "at random",
    };
    let rounds = counted(report.rounds.len() as u64, "round", "rounds");
    let mut text = lines(
        &format!(
            "Load on {called}: {} calls a second, {arrivals}, in {rounds} of {}; at most {} in flight, each for at most {}.",
            load.rate,
            rough(Duration::try_from_secs_f64(load.seconds).unwrap_or_default()),
            count(load.in_flight as u64),
            rough(Duration::from_millis(load.timeout_ms))
        ),
        0,
    );
    if report.is_partial {
        text.push_str(&paint::paint(paint::BOLD, "Interrupted: this is what there was until then."));
        text.push('\n');
    }
    text
}

/// The longest name that stands in the table itself.
const SHORT: usize = 20;

fn counts(report: &Report) -> String {
    let row = |name: String, counts: &Counts, times: &Percentiles| {
        let Counts { due, answered, timed_out, refused, failed, skipped, .. } = *counts;
        let numbers = [due, answered, timed_out, refused, failed, skipped].map(count);
        let [due, answered, timed_out, refused, failed, skipped] = numbers;
        [due, answered, timed_out, refused, failed, skipped, ms(times.p99), name]
    };
    let are_short = report.targets.iter().all(|target| target.name.chars().count() <= SHORT);
    let name =
        |number: usize, name: &str| if are_short { name.to_owned() } else { format!("target {number}") };
    let of_target = |(number, target): (usize, &Target)| {
        row(name(number + 1, &target.name), &target.counts, &target.times_ms)
    };
    let mut rows: Vec<[String; 8]> = report.targets.iter().enumerate().map(of_target).collect();
    if rows.len() > 1 {
        rows.push(row("all".to_owned(), &report.counts, &report.times_ms));
    }
    let heads = ["due", "answered", "timed out", "refused", "failed", "skipped", "p99", "target"];
    let mut text = columns(heads, &rows);
    if !are_short {
        text.push('\n');
        for (number, target) in report.targets.iter().enumerate() {
            text.push_str(&lines(&format!("target {}: {}", number + 1, target.name), 10));
        }
    }
    text
}

pub(super) fn remarks(report: &Report) -> String {
    let Percentiles { mean, p99, p999, max, .. } = report.times_ms;
    let mut text = lines(
        &format!(
            "All rounds together: p99 {}, p99.9 {}, max {}, mean {}.",
            ms(p99),
            ms(p999),
            ms(max),
            ms(mean)
        ),
        0,
    );
    if let (Some(waits), Some(works)) = (report.waits_ms, report.works_ms) {
        let told = format!(
            "Of a call, the wait for a connection took {} on average (p99 {}), the work on it {} (p99 {}).",
            ms(waits.mean),
            ms(waits.p99),
            ms(works.mean),
            ms(works.p99)
        );
        text.push_str(&lines(&told, 0));
    }
    if report.counts.skipped > 0 {
        let told = format!(
            "{} were due while {} were in flight, and were never begun: the times know nothing of them, and would be worse with them.",
            counted(report.counts.skipped, "call", "calls"),
            count(report.load.in_flight as u64)
        );
        text.push_str(&lines(&told, 0));
    }
    if report.is_begun_late() {
        let told = format!(
            "This program began its calls late (p99 {}): the machine that makes the load is at its limit, and the times are partly its own.",
            ms(report.begun_late_ms.p99)
        );
        text.push_str(&lines(&told, 0));
    }
    if report.times_ms.p50 * SHORT_ROUND > report.load.seconds * 1_000.0 {
        let told = "The rounds are short beside the times of the calls: those that were answered after the end of a round are missing in \
                    the answers a second. A longer --for has fewer of them.";
        text.push_str(&lines(told, 0));
    }
    if report.rounds.len() < 3 {
        text.push_str(&lines("With fewer than three rounds the spread tells little.", 0));
    }
    text
}

fn against(report: &Report) -> String {
    let Some(against) = &report.against else { return String::new() };
    let mut text = format!("\nAgainst {}\n\n", without_control(&against.file));
    for compared in &against.compared {
        let word = match compared.change {
            super::baseline::Change::Worse => "worse",
            super::baseline::Change::Same => "the same, within the spread",
            super::baseline::Change::Better => "better",
        };
        let _ =
            write!(text, "{}", lines(&format!("{}: {word}: {}", compared.figure, compared.in_words()), 2));
    }
    text
}

/// When a figure is worse.
pub(super) fn against_in_words() -> &'static str {
    "A figure is worse, or better, only beyond the spread of both runs: the middle round of each lies outside of all rounds of the \
     other."
}

/// A line for each figure.
pub(super) fn plain(report: &Report) -> String {
    let mut text = String::new();
    let number = |value: f64| format!("{value:.3}");
    let spreads = [("throughput", &report.spread.throughput)].into_iter().chain(report.spread.times());
    for (name, spread) in spreads {
        let [middle, least, most] = [spread.middle, spread.least, spread.most].map(number);
        text.push_str(&fields([name, &middle, &least, &most]));
    }
    let Counts { due, answered, timed_out, refused, failed, skipped, .. } = report.counts;
    for (name, number) in [
        ("due", due),
        ("answered", answered),
        ("timed out", timed_out),
        ("refused", refused),
        ("failed", failed),
        ("skipped", skipped),
    ] {
        text.push_str(&fields([name, &number.to_string()]));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::columns::is_the_screen;
    use crate::load::baseline::Against;
    use crate::load::example;

    #[test]
    fn the_screens_are_what_they_were() {
        let then = example::http();
        is_the_screen("load-http.txt", &table(&then));
        let mut now = example::sql();
        now.against = Some(Against::compare(&now, &then, "baseline.json", 0.05));
        is_the_screen("load-sql.txt", &table(&now));
        is_the_screen("load-plain.txt", &plain(&now));
    }
}
