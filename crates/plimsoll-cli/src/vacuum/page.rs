//! What autovacuum does, as tables on a page of HTML.

use super::{Found, screen};
use crate::page::{Cell, Column, Level, Section, Table};
use plimsoll_inspect::checks::Remedy;

pub(crate) fn add(mut section: Section, found: &Found, limit: usize) -> Section {
    section = section.subheading("Autovacuum, the nearest to its turn first");
    if found.is_off == Some(true) {
        section = section.verdict(
            Level::Warn,
            "off",
            "Autovacuum is off for the whole server: what is due is left undone.",
        );
    }
    section = section.table(tables(found, limit));
    let statements = |section: Section, heading: &str, statements: Vec<String>| {
        if statements.is_empty() { section } else { section.subheading(heading).sql(&statements.join("\n")) }
    };
    let advice = found.advice.iter().take(limit).map(|it| format!("{};  -- {}", it.run, it.why.join("; ")));
    section = statements(section, "Options that fit these tables better", advice.collect());
    let analyze = found.analyze.iter().take(limit).map(|it| format!("{};  -- {}", it.run, it.why));
    section = statements(section, "Statistics to renew", analyze.collect());
    if !found.holders.is_empty() {
        section = section.subheading("What holds dead rows back, the oldest first").table(holders(found));
    }
    for work in found.under_way.iter().take(limit) {
        section = section.verdict(Level::Info, "under way", &screen::under_way(work));
    }
    for why in &found.unknown {
        section = section.missing(why);
    }
    section
}

fn tables(found: &Found, limit: usize) -> Table {
    let rows = |heading| Column::number(heading);
    let mut table = Table::new([
        Column::text("Table"),
        rows("Dead rows"),
        rows("limit"),
        rows("Added"),
        rows("limit"),
        rows("Changed"),
        rows("limit"),
        Column::wide("When it came last"),
    ])
    .when_empty("Nothing was counted of any table since its last vacuum and analyze.");
    for state in found.tables.iter().take(limit) {
        let count = |rows: f32| Cell::measured(&screen::count(rows), f64::from(rows));
        let toast = if state.is_toast { "TOAST of " } else { "" };
        let level = if state.due_vacuum || state.due_analyze { Level::Warn } else { Level::Plain };
        table.row_that_is(
            level,
            [
                Cell::code(&format!("{toast}{}", state.table)),
                count(state.dead),
                count(state.dead_limit),
                count(state.inserted),
                state.inserted_limit.map_or(Cell::from("never"), count),
                if state.is_toast { Cell::unknown() } else { count(state.modified) },
                if state.is_toast { Cell::unknown() } else { count(state.modified_limit) },
                screen::history(state).into(),
            ],
        );
    }
    table
}

fn holders(found: &Found) -> Table {
    let mut table =
        Table::new([Column::text("Holder"), Column::number("Transactions"), Column::wide("What ends it")]);
    for held in found.holders.iter().take(5) {
        let level = if held.holder.xids > found.held_warn.cast_signed() { Level::Warn } else { Level::Plain };
        let ends = match &held.remedy {
            Remedy::Sql { run, .. } => run.join("; "),
            Remedy::Advice { text } => text.clone(),
            _ => String::new(),
        };
        let xids = held.holder.xids.max(0).cast_unsigned();
        table.row_that_is(level, [held.holder.subject().into(), xids.into(), ends.into()]);
    }
    table
}
