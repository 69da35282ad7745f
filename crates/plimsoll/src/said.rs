//! What the server and the driver said, fit for a log: without the values that they quote.
//!
//! The driver's own error prints the server's message with its detail, which quotes rows (`Key (email)=(..) already
//! exists`), and loggers print an error with all its causes. So what is kept as a cause is a [`DriverError`], whose text
//! tells no value. The values are for the code that needs them: `Error::as_db_error`.

use crate::refused_value::{may_quote_a_value, without_value};
use std::error::Error as StdError;
use std::fmt;
use tokio_postgres::error::{DbError, ErrorPosition};

/// The driver's error as the cause of one of ours.
pub(crate) struct DriverError(pub(crate) tokio_postgres::Error);

impl fmt::Display for DriverError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_db_error() {
            Some(db) => f.write_str(&said(db)),
            None => self.0.fmt(f),
        }
    }
}

impl fmt::Debug for DriverError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_db_error() {
            Some(db) => write!(f, "DbError({})", db.code().code()),
            None => self.0.fmt(f),
        }
    }
}

impl StdError for DriverError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self.0.as_db_error() {
            Some(_) => None,
            None => self.0.source(),
        }
    }
}

/// The server's message and code, in words, with its hint and detail where these hold no data.
pub(crate) fn said(db: &DbError) -> String {
    said_of(db, None)
}

/// The same for an error about this text, in which the place is told by line and column.
pub(crate) fn said_of(db: &DbError, sql: Option<&str>) -> String {
    let mut told = format!("the server said \"{}\" ({})", message(db), db.code().code());
    if let Some(place) = place(db, sql) {
        told.push_str(&place);
    }
    if tells_no_data(db) {
        for (name, text) in [("detail", db.detail()), ("hint", db.hint())] {
            if let Some(text) = text {
                told.push_str(&format!(", {name}: {}", on_one_line(text)));
            }
        }
    }
    told
}

/// The server's message, without the values that it quotes. In classes other than 22 (and a syntax error's) the quoted
/// text is the name of an object.
pub(crate) fn message(db: &DbError) -> String {
    let code = db.code().code();
    if may_quote_a_value(code) { without_value(code, db.message()) } else { db.message().to_owned() }
}

/// Whether hint and detail of this error are about names and processes, and hold nothing of the data. Those of class 22
/// and 23 quote rows, and code in the database writes what it likes: what comes from there has a context.
fn tells_no_data(db: &DbError) -> bool {
    const CLASSES: [&str; 13] =
        ["0A", "25", "26", "28", "2B", "2D", "3D", "3F", "40", "42", "53", "55", "57"];
    let code = db.code().code();
    code != "42601" && db.where_().is_none() && CLASSES.iter().any(|class| code.starts_with(class))
}

/// Where in the text the error is. The server counts characters from 1.
fn place(db: &DbError, sql: Option<&str>) -> Option<String> {
    let Some(ErrorPosition::Original(position)) = db.position() else { return None };
    let Some(before) = sql.map(|sql| sql.chars().take(*position as usize).collect::<String>()) else {
        return Some(format!(" at character {position}"));
    };
    let line = before.chars().filter(|c| *c == '\n').count() + 1;
    let column = before.rsplit('\n').next().map_or(0, |rest| rest.chars().count());
    Some(format!(" at line {line}, column {column}"))
}

fn on_one_line(text: &str) -> String {
    text.lines().map(str::trim).collect::<Vec<_>>().join("; ")
}

/// The text of a driver's error: the server's words as `from_server` gives them, else the cause. The driver's own text
/// says only which part failed, and stands where there is no cause.
pub(crate) fn text_of(error: &tokio_postgres::Error, from_server: impl FnOnce(&DbError) -> String) -> String {
    match (error.as_db_error(), StdError::source(error)) {
        (Some(db), _) => from_server(db),
        (None, Some(cause)) => cause.to_string(),
        (None, None) => error.to_string(),
    }
}
