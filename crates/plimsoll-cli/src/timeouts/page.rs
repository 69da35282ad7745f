//! The limits as a part of a page of HTML: the drawing, what is wrong with it, and the same as a table.

use super::{Found, drawing, screen, shown};
use crate::page::{Cell, Column, Level, Section, Table};
use plimsoll_inspect::layers::in_words;

pub(crate) fn section(found: &Found) -> Section {
    let mut section = Section::new("timeouts", "Who gives up, and after how long")
        .note(format!("limits of role {}", found.role))
        .picture(&drawing(found), "Each limit as a bar; the table below tells the same in words.");
    for inversion in &found.inversions {
        section = section.verdict(Level::Trouble, "out of order", &screen::sentence(inversion));
    }
    for missing in &found.missing {
        let told = format!("{} ({}): {}", missing.limit.name, missing.limit.place, missing.why);
        section = section.verdict(Level::Warn, "off", &told);
    }
    if !found.corrected.is_empty() {
        let told = found.corrected.iter().map(|it| {
            format!(
                "{}  -- {} instead of {}",
                it.as_written(&found.whose()),
                in_words(it.to),
                shown(&it.limit)
            )
        });
        let told: Vec<String> = told.collect();
        section =
            section.subheading("With these, every limit lies inside the one around it").sql(&told.join("\n"));
    }
    for note in &found.notes {
        section = section.missing(note);
    }
    section.table(limits(found))
}

fn limits(found: &Found) -> Table {
    let mut table = Table::new([
        Column::text("Layer"),
        Column::text("Limit"),
        Column::number("After"),
        Column::text("Kept by"),
        Column::wide("Set in"),
    ]);
    for limit in &found.limits {
        let level = if found.is_wrong(limit) { Level::Trouble } else { Level::Plain };
        let after = limit.after.map_or(f64::INFINITY, |after| after.as_secs_f64());
        table.row_that_is(
            level,
            [
                limit.layer.as_str().into(),
                Cell::code(limit.name),
                Cell::measured(&shown(limit), after),
                limit.keeper.as_str().into(),
                limit.place.as_str().into(),
            ],
        );
    }
    table
}
