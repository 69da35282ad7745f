//! Arguments that several commands take, each in one form: a time, a table, and the word that something is to be done.
//!
//! | file | what it holds |
//! |---|---|
//! | `time` | spans of time, with their bounds |
//! | `table` | the name of a table, as SQL accepts it |
//! | `consent` | `--run`, `--yes` and `--dry-run` |
//!
//! The form of a result is in [`crate::show`], the server in [`crate::connect`]. A test walks through all commands and holds them to
//! this.

mod consent;
pub(crate) mod table;
pub(crate) mod time;

#[cfg(test)]
mod tests;

pub(crate) use consent::Consent;
pub(crate) use table::TableName;
