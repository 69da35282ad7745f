//! How an answer of the simple query protocol is read: columns by name, values as text.

use std::str::FromStr;
use tokio_postgres::{SimpleQueryMessage, SimpleQueryRow};

/// The server's answer is not what the question asks for: another version of the server, or a pooler that answered itself.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the answer has no usable column `{column}`{}", .found.as_ref().map(|text| format!(": {text:?}")).unwrap_or_default())]
pub struct Unreadable {
    column: &'static str,
    found: Option<String>,
}

/// The rows of an answer.
pub(crate) fn rows(answer: &[SimpleQueryMessage]) -> impl Iterator<Item = Row<'_>> {
    answer.iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(Row(row)),
        _ => None,
    })
}

/// One row.
#[derive(Clone, Copy)]
pub(crate) struct Row<'a>(&'a SimpleQueryRow);

impl<'a> Row<'a> {
    /// Whether the row has such a column. One message may hold several questions, whose rows differ by their columns.
    pub(crate) fn has(self, column: &str) -> bool {
        self.0.columns().iter().any(|known| known.name() == column)
    }

    /// The text of a column; `None` for NULL.
    pub(crate) fn text(self, column: &'static str) -> Result<Option<&'a str>, Unreadable> {
        self.0.try_get(column).map_err(|_| Unreadable { column, found: None })
    }

    /// The number in a column; `None` for NULL.
    pub(crate) fn number<T: FromStr>(self, column: &'static str) -> Result<Option<T>, Unreadable> {
        let read = |text: &str| text.parse().map_err(|_| Unreadable { column, found: Some(text.to_owned()) });
        self.text(column)?.map(read).transpose()
    }

    /// The truth in a column; NULL is no.
    pub(crate) fn flag(self, column: &'static str) -> Result<bool, Unreadable> {
        match self.text(column)? {
            Some("t") => Ok(true),
            Some("f") | None => Ok(false),
            Some(other) => Err(Unreadable { column, found: Some(other.to_owned()) }),
        }
    }
}
