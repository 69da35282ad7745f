//! How results are written: a table for people, plain lines for other programs of the shell, JSON for all others.
//!
//! Everything that is decided about that is decided here, so that all commands take the same options and none colours what is not
//! looked at. Texts are made with their colours; they are left out where the output is no terminal or `NO_COLOR` is set, and kept
//! where `CLICOLOR_FORCE` or `--color always` says so (`anstream` keeps these rules).
//!
//! | file | what is in it |
//! |---|---|
//! | `fold` | sentences and statements in lines of 80 columns |
//! | `paint` | which colour means what |
//! | `wrap` | text in lines of a width |
//! | `progress` | what goes on, where it takes over a second |

mod fold;
pub(crate) mod paint;
pub(crate) mod progress;
pub(crate) mod wrap;

pub(crate) use fold::{ago, folded, folded_sql, without_control};

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use serde::Serialize;
use std::io::{ErrorKind, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};

/// Colours, in the words of every other program.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    /// On terminals, unless NO_COLOR is set; elsewhere only if CLICOLOR_FORCE is
    #[default]
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

impl Color {
    /// Decides it for everything that this process writes.
    pub(crate) fn hold(self) {
        match self {
            Color::Auto => anstream::ColorChoice::Auto,
            Color::Always => anstream::ColorChoice::Always,
            Color::Never => anstream::ColorChoice::Never,
        }
        .write_global();
    }
}

/// The form of a result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people, as wide as the terminal (elsewhere as COLUMNS says, else 80)
    #[default]
    Table,
    /// A line for each, with tabs between the fields, for grep, cut and awk
    Plain,
    /// For programs; its form changes only with its schema_version
    Json,
}

/// The form in which a command writes its result.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Output {
    /// How the result is written
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = Format::Table, help_heading = "Output")]
    format: Format,

    /// The same as --format json
    #[arg(long, conflicts_with = "format", help_heading = "Output")]
    json: bool,
}

impl Output {
    pub(crate) fn format(&self) -> Format {
        if self.json { Format::Json } else { self.format }
    }

    /// Writes a result in the form that was asked for. `table` is given the width.
    ///
    /// # Errors
    /// It cannot be written as JSON.
    pub(crate) fn print(
        &self,
        value: &impl Serialize,
        table: impl FnOnce(usize) -> String,
        plain: impl FnOnce() -> String,
    ) -> Result<()> {
        match self.format() {
            Format::Table => print(&table(width())),
            Format::Plain => print(&plain()),
            Format::Json => print_json(value)?,
        }
        Ok(())
    }
}

/// A line of fields with tabs between them; what would end a field or the line becomes a blank.
pub(crate) fn fields<'a>(fields: impl IntoIterator<Item = &'a str>) -> String {
    let clean = |field: &str| field.replace(['\t', '\n', '\r'], " ");
    let mut line = fields.into_iter().map(clean).collect::<Vec<_>>().join("\t");
    line.push('\n');
    line
}

/// Something could not be written, though there is somebody to read it.
static IS_UNWRITTEN: AtomicBool = AtomicBool::new(false);

/// Writes to the standard output. A reader that has gone changes nothing; a disk that is full is told at the end.
pub(crate) fn print(text: &str) {
    let mut out = anstream::stdout();
    let written = write!(out, "{text}").and_then(|()| out.flush());
    if written.is_err_and(|error| error.kind() != ErrorKind::BrokenPipe) {
        IS_UNWRITTEN.store(true, Ordering::Relaxed);
    }
}

/// The same of what is no text for a terminal: nothing is taken out of it.
pub(crate) fn print_as_it_is(content: &str) {
    let mut out = std::io::stdout().lock();
    let written = out.write_all(content.as_bytes()).and_then(|()| out.flush());
    if written.is_err_and(|error| error.kind() != ErrorKind::BrokenPipe) {
        IS_UNWRITTEN.store(true, Ordering::Relaxed);
    }
}

/// Whether something could not be written.
pub(crate) fn is_unwritten() -> bool {
    IS_UNWRITTEN.load(Ordering::Relaxed)
}

/// Writes a line to the standard error, where it is in no program's way.
pub(crate) fn tell(line: &str) {
    let _ = writeln!(anstream::stderr(), "plimsoll: {line}");
}

/// Writes a value as JSON.
///
/// # Errors
/// It cannot be written as JSON.
pub(crate) fn print_json(value: &impl Serialize) -> Result<()> {
    let text = serde_json::to_string_pretty(value).context("the result cannot be written as JSON")?;
    print(&format!("{text}\n"));
    Ok(())
}

/// How wide a table may be: the terminal, or what `COLUMNS` says, or 80. Lines beyond 120 columns are hard to read.
fn width() -> usize {
    let terminal = || {
        let is_terminal = std::io::stdout().is_terminal();
        is_terminal
            .then(|| ratatui::crossterm::terminal::size().ok())
            .flatten()
            .map(|(wide, _)| usize::from(wide))
    };
    let said = std::env::var("COLUMNS").ok().and_then(|text| text.parse().ok());
    said.or_else(terminal).unwrap_or(80).clamp(40, 120)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_never_ends_its_line() {
        assert_eq!(fields(["a\tb", "c\nd", ""]), "a b\tc d\t\n");
    }
}
