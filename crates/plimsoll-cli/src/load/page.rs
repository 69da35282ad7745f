//! A load as a page of HTML: what came of it, when during the rounds calls took long or did not end well, and how that compares.

use super::baseline::{Against, Change, Compared, ms};
use super::figures::{Kind, Report};
use super::screen::{against_in_words, head, remarks};
use super::tally::{Counts, MOMENTS, Percentiles};
use crate::columns::count;
use crate::page::{Cell, Chart, Column, Level, Page, Section, Series, Table, Unit};
use std::time::Duration;

/// The page.
pub(super) fn of(report: &Report) -> Page {
    let (level, word, sentence) = verdict(report);
    let mut page = Page::new("A load")
        .subtitle(one_line(&head(report)))
        .verdict(level, word, &sentence)
        .figures(figures(report))
        .section(rounds(report))
        .section(targets(report));
    if !report.kinds.is_empty() {
        page = page.section(kinds(report));
    }
    if let Some(against) = &report.against {
        let middle = "middle round (least .. most)";
        let mut table = Table::new([Column::text("figure"), Column::text("change"), Column::wide(middle)]);
        for compared in &against.compared {
            let (level, word) = change(compared);
            table.row([compared.figure.into(), Cell::badge(level, word), compared.in_words().into()]);
        }
        let section = Section::new("against", "Against the baseline").note(against.file.clone()).table(table);
        page = page.section(section.text(against_in_words()));
    }
    page
}

/// Several lines of a screen as one.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn verdict(report: &Report) -> (Level, &'static str, String) {
    let regressions = report.against.as_ref().map(Against::regressions).unwrap_or_default();
    let not_well = report.not_well();
    if report.is_partial {
        return (Level::Unknown, "interrupted", "This is what there was until then.".to_owned());
    }
    if report.counts.answered == 0 {
        return (Level::Trouble, "no answer", "No call was answered well.".to_owned());
    }
    if !regressions.is_empty() && report.is_begun_late() {
        let why = "It was worse, and this program began its calls late: the machine that makes the load was at its limit.";
        return (Level::Unknown, "not known", why.to_owned());
    }
    if !regressions.is_empty() {
        return (Level::Trouble, "worse", regressions.join("; "));
    }
    if not_well > 0.0 {
        return (
            Level::Warn,
            "not all",
            format!("{not_well:.2} % of the calls were skipped or did not end well."),
        );
    }
    (Level::Well, "answered", "Every call was answered well.".to_owned())
}

fn figures(report: &Report) -> [(&'static str, String, Level); 5] {
    let counts = &report.counts;
    let bad = |number: u64| if number > 0 { Level::Warn } else { Level::Plain };
    let not_well = counts.timed_out + counts.refused + counts.failed;
    [
        ("answered a second", format!("{:.1}", report.spread.throughput.middle), Level::Plain),
        ("p50", ms(report.spread.p50_ms.middle), Level::Plain),
        ("p99", ms(report.spread.p99_ms.middle), Level::Plain),
        ("not well", count(not_well), bad(not_well)),
        ("skipped", count(counts.skipped), bad(counts.skipped)),
    ]
}

fn rounds(report: &Report) -> Section {
    let heads = ["round", "answered/s", "p50", "p90", "p99", "p99.9", "max", "not well", "skipped"];
    let mut table = Table::new(heads.map(Column::number));
    for (number, round) in report.rounds.iter().enumerate() {
        let Percentiles { p50, p90, p99, p999, max, .. } = round.times_ms;
        let throughput = Cell::measured(&format!("{:.1}", round.throughput), round.throughput);
        let mut cells: Vec<Cell> = vec![(number as u64 + 1).into(), throughput];
        cells.extend([p50, p90, p99, p999, max].map(time));
        cells.push((round.counts.not_well() - round.counts.skipped).into());
        cells.push(round.counts.skipped.into());
        table.row(cells);
    }
    let what = match report.load.kind {
        Kind::Http => "Times run from the moment at which a call was due.",
        Kind::Sql => "Times run from the moment at which a call was due, the wait for a connection included.",
    };
    let section = Section::new("rounds", "The rounds").note(what).table(table).chart(timeline(report));
    section.text(&one_line(&remarks(report)))
}

/// A span in which calls did not end well, in seconds, and how many.
type Bad = (f64, f64, u64);

/// The longest time of each part of each round, one round after the other.
fn timeline(report: &Report) -> Chart {
    let length = report.load.seconds;
    let part = length / MOMENTS as f64;
    let (mut longest, mut bad): (Vec<_>, Vec<Bad>) = (Vec::new(), Vec::new());
    for (number, round) in report.rounds.iter().enumerate() {
        for (place, moment) in round.moments.iter().enumerate() {
            let at = number as f64 * length + place as f64 * part;
            longest.push((at, Some(moment.longest_ms).filter(|longest| *longest > 0.0)));
            match bad.last_mut() {
                _ if moment.not_well == 0 => {}
                // Parts that follow each other are one span.
                Some((_, until, all)) if at - *until < part / 2.0 => {
                    *until = at + part;
                    *all += moment.not_well;
                }
                _ => bad.push((at, at + part, moment.not_well)),
            }
        }
    }
    let title = "The longest time of a call, by when it was due";
    let mut chart =
        Chart::new(title, Unit::Millis).logarithmic().series(Series::line("longest time", longest));
    for (from, until, number) in bad.into_iter().take(MOST_BANDS) {
        let seconds = |at: f64| Duration::try_from_secs_f64(at).unwrap_or_default();
        chart = chart.band(seconds(from), seconds(until), &format!("{} did not end well", count(number)));
    }
    chart
}

/// More of them are not told apart by a reader.
const MOST_BANDS: usize = 12;

fn time(value: f64) -> Cell {
    Cell::measured(&ms(value), value)
}

fn targets(report: &Report) -> Section {
    let numbers = ["due", "answered", "timed out", "refused", "failed", "skipped", "p50", "p99"];
    let mut table = Table::new([Column::wide("target")].into_iter().chain(numbers.map(Column::number)));
    for target in &report.targets {
        let Counts { due, answered, timed_out, refused, failed, skipped, .. } = target.counts;
        let mut cells = vec![Cell::code(&target.name)];
        cells.extend([due, answered, timed_out, refused, failed, skipped].map(Cell::from));
        cells.extend([target.times_ms.p50, target.times_ms.p99].map(time));
        let level = if target.counts.not_well() > 0 { Level::Warn } else { Level::Plain };
        table.row_that_is(level, cells);
    }
    Section::new("targets", "The targets").table(table)
}

fn kinds(report: &Report) -> Section {
    let mut table = Table::new([Column::number("calls"), Column::wide("what came instead of an answer")]);
    for (kind, number) in &report.kinds {
        table.row([(*number).into(), kind.as_str().into()]);
    }
    Section::new("kinds", "What did not end well").table(table)
}

fn change(compared: &Compared) -> (Level, &'static str) {
    match compared.change {
        Change::Worse => (Level::Trouble, "worse"),
        Change::Same => (Level::Plain, "the same"),
        Change::Better => (Level::Well, "better"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::example;
    use crate::load::spread::Spread;

    #[test]
    fn the_page_tells_what_came_and_escapes_what_is_not_its_own() {
        let then = example::http();
        let mut now = then.clone();
        now.targets[0].name = "GET /<script>alert(1)</script>".to_owned();
        now.kinds.insert("<img src=x>".to_owned(), 3);
        now.spread.p99_ms = Spread { middle: 45.0, least: 44.0, most: 47.0 };
        now.against = Some(Against::compare(&now, &then, "baseline.json", 0.05));
        let html = of(&now).html();
        assert!(html.contains("p99 is worse: 45.0 ms") && html.contains("data-level=\"trouble\""));
        assert!(html.contains("GET /&lt;script&gt;") && !html.contains("<script>alert"));
        assert!(!html.contains("<img src=x") && html.contains("did not end well") && html.contains("<svg"));
        for (report, word) in [(example::sql(), "interrupted"), (then, "not all")] {
            assert!(of(&report).html().contains(word), "{word}");
        }
    }
}
