//! The sizes as a page of HTML: the curve as bars, and what follows from it.

use super::found::{Found, Step};
use super::screen::{conclusions, head};
use crate::load::baseline::ms;
use crate::page::{Cell, Column, Level, Page, Section, Table, html};

/// The page.
pub(super) fn of(found: &Found) -> Page {
    let (level, word, sentence) = match (found.recommended, found.is_partial) {
        (_, true) => (Level::Unknown, "interrupted", "This is what there was until then.".to_owned()),
        (None, _) => (Level::Trouble, "no answer", "No call was answered, so nothing follows.".to_owned()),
        (Some(size), _) => {
            let level = if found.left.is_some_and(|left| left < 0) { Level::Warn } else { Level::Well };
            let of_each = found.of_each.unwrap_or(size);
            (level, "found", format!("{size} connections in all; pool_max = {of_each} in each instance."))
        }
    };
    let mut text = Section::new("why", "What follows");
    for paragraph in conclusions(found) {
        text = text.text(&paragraph);
    }
    let note = "Throughput of the middle round; times of all rounds.";
    Page::new("How large should the pool be?")
        .subtitle(head(found))
        .verdict(level, word, &sentence)
        .section(Section::new("sizes", "The sizes").note(note).table(sizes(found)))
        .section(text)
}

fn sizes(found: &Found) -> Table {
    let numbers = ["size", "calls/s", "spread"].map(Column::number);
    let rest = ["p99", "mean wait", "mean work", "not well"].map(Column::number);
    let mut table = Table::new(
        numbers.into_iter().chain([Column::wide("of the best")]).chain(rest).chain([Column::text("")]),
    );
    let best = found.knee.map_or(0.0, |knee| knee.best.throughput);
    for step in &found.steps {
        let is_chosen = found.recommended == Some(step.size);
        let mut cells = cells(step, best);
        cells.push(if is_chosen { Cell::badge(Level::Well, "recommended") } else { "".into() });
        table.row_that_is(if is_chosen { Level::Well } else { Level::Plain }, cells);
    }
    table
}

fn cells(step: &Step, best: f64) -> Vec<Cell> {
    let throughput = step.throughput;
    let share = if best > 0.0 { throughput.middle / best } else { 0.0 };
    let spread = throughput.share();
    let time = |value: f64| Cell::measured(&ms(value), value);
    vec![
        u64::from(step.size).into(),
        Cell::measured(&format!("{:.1}", throughput.middle), throughput.middle),
        Cell::measured(&format!("{:.0} %", spread * 100.0), spread),
        bar(share),
        time(step.times_ms.p99),
        time(step.waits_ms.mean),
        time(step.works_ms.mean),
        step.not_well.into(),
    ]
}

/// A bar of this share of its room. Its word is the share too.
fn bar(share: f64) -> Cell {
    let width = format!("{:.1}", share.clamp(0.0, 1.0) * 160.0);
    Cell::of(html! {
        svg viewBox="0 0 160 10" width="160" height="10" role="img" aria-label=(format!("{:.0} %", share * 100.0)) {
            rect width=(width) height="10" rx="2" fill="currentColor" opacity="0.6" {}
        }
    })
}
