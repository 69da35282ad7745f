//! A table. Where scripts run, a click on a heading sorts by that column; on a phone each row becomes a block whose fields have
//! their headings beside them; on paper nothing is cut off.

use super::{Level, badge};
use crate::columns::count;
use maud::{Markup, html};

/// A column.
#[derive(Clone, Debug)]
pub struct Column {
    heading: String,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Text,
    Number,
    Wide,
}

impl Column {
    /// Words, in one line where there is room.
    #[must_use]
    pub fn text(heading: &str) -> Self {
        Column { heading: heading.to_owned(), kind: Kind::Text }
    }

    /// Numbers, flush right.
    #[must_use]
    pub fn number(heading: &str) -> Self {
        Column { heading: heading.to_owned(), kind: Kind::Number }
    }

    /// Sentences or statements, which take the room that is left and go over several lines.
    #[must_use]
    pub fn wide(heading: &str) -> Self {
        Column { heading: heading.to_owned(), kind: Kind::Wide }
    }

    fn class(&self) -> &'static str {
        match self.kind {
            Kind::Text => "",
            Kind::Number => "num",
            Kind::Wide => "wide",
        }
    }
}

/// What stands in a field, and what it is sorted by.
#[derive(Clone, Debug)]
pub struct Cell {
    shown: Markup,
    by: Option<f64>,
}

impl Cell {
    /// Nothing is known of it.
    #[must_use]
    pub fn unknown() -> Self {
        Cell::of(html! { span.quiet { "–" } })
    }

    /// A value as it is to be read, with the number that it is sorted by: `1.2 GB`.
    #[must_use]
    pub fn measured(shown: &str, by: f64) -> Self {
        Cell { shown: html! { (shown) }, by: Some(by) }
    }

    /// SQL, or a name of it, in letters of one width.
    #[must_use]
    pub fn code(text: &str) -> Self {
        Cell::of(html! { code { (text) } })
    }

    /// A badge, sorted by how bad it is.
    #[must_use]
    pub fn badge(level: Level, word: &str) -> Self {
        Cell { shown: badge(level, word), by: Some(f64::from(level.rank())) }
    }

    /// Something of one's own, sorted by its text.
    #[must_use]
    pub fn of(shown: Markup) -> Self {
        Cell { shown, by: None }
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Cell::of(html! { (text) })
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Cell::from(text.as_str())
    }
}

impl From<u64> for Cell {
    fn from(number: u64) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "it is sorted by it, no more")]
        Cell::measured(&count(number), number as f64)
    }
}

/// A table.
#[derive(Clone, Debug)]
pub struct Table {
    columns: Vec<Column>,
    rows: Vec<(Level, Vec<Cell>)>,
    empty: String,
}

impl Table {
    /// A table with these columns.
    #[must_use]
    pub fn new(columns: impl IntoIterator<Item = Column>) -> Self {
        Table { columns: columns.into_iter().collect(), rows: Vec::new(), empty: "There is none.".to_owned() }
    }

    /// What is said where it has no rows.
    #[must_use]
    pub fn when_empty(mut self, text: &str) -> Self {
        text.clone_into(&mut self.empty);
        self
    }

    /// Another row: a field for each column.
    pub fn row(&mut self, cells: impl IntoIterator<Item = Cell>) {
        self.row_that_is(Level::Plain, cells);
    }

    /// Another row, in the colour of its level.
    pub fn row_that_is(&mut self, level: Level, cells: impl IntoIterator<Item = Cell>) {
        self.rows.push((level, cells.into_iter().collect()));
    }

    pub(super) fn markup(&self) -> Markup {
        if self.rows.is_empty() {
            return html! { p.text.quiet { (self.empty) } };
        }
        html! {
            div.scroll {
                table {
                    thead { tr { @for column in &self.columns { th scope="col" class=[some(column.class())] { (column.heading) } } } }
                    tbody {
                        @for (level, cells) in &self.rows {
                            tr data-level=(level.as_str()) {
                                @for (column, cell) in self.columns.iter().zip(cells) {
                                    td class=[some(column.class())] data-label=(column.heading) data-by=[cell.by] { (cell.shown) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn some(class: &'static str) -> Option<&'static str> {
    Some(class).filter(|class| !class.is_empty())
}
