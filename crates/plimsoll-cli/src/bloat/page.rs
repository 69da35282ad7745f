//! What is waste, as a table on a page of HTML.

use super::{Found, MB, State};
use crate::page::{Cell, Column, Level, Section, Table};

pub(crate) fn add(mut section: Section, found: &Found, limit: usize) -> Section {
    let mut table = Table::new([
        Column::text("State"),
        Column::text("Table or index"),
        Column::number("MB"),
        Column::number("Waste, MB"),
        Column::number("Waste, %"),
        Column::wide("How that is known, and what rebuilds it"),
    ]);
    for relation in found.relations.iter().take(limit) {
        let (level, word) = match relation.state {
            // Too small to matter, whatever its waste is.
            State::Ok if relation.wasted_bytes.is_none() => (Level::Plain, "small"),
            State::Ok => (Level::Well, "ok"),
            State::Unknown => (Level::Unknown, "not known"),
            State::Warn => (Level::Warn, "warn"),
            State::Crit => (Level::Trouble, "crit"),
        };
        let name = match relation.kind {
            "toast" => format!("TOAST of {}", relation.table),
            _ => relation.name.clone(),
        };
        let least = if relation.is_least { "at least " } else { "" };
        let number = |value: Option<f64>, digits: usize| match value {
            Some(value) => Cell::measured(&format!("{least}{value:.digits$}"), value),
            None => Cell::unknown(),
        };
        let how = relation.why_not.as_deref().unwrap_or(relation.method);
        let how = relation.run.as_ref().map_or(how.to_owned(), |run| format!("{how}: {run};"));
        table.row_that_is(
            level,
            [
                Cell::badge(level, word),
                Cell::code(&name),
                Cell::measured(&format!("{:.1}", relation.bytes / MB), relation.bytes),
                number(relation.wasted_bytes.map(|bytes| bytes / MB), 1),
                number(relation.wasted_percent, 0),
                how.into(),
            ],
        );
    }
    section = section.subheading("What a rewrite would give back, the worst first").table(table);
    for why in &found.unknown {
        section = section.missing(why);
    }
    section.text(&format!(
        "A warning is {} % and {} MB of waste, trouble {} % and {} MB. All of it is estimated; plimsoll bloat --exact counts.",
        found.warn_percent, found.warn_mb, found.crit_percent, found.crit_mb
    ))
}
