//! Statements as they may be shown to those who may not see what the database holds.

use crate::sql::fingerprint::normalise;

/// A statement for people to read, without its constants and comments. It is no SQL. Where the text can be read in two ways, no more
/// than its first word is told.
#[must_use]
pub fn without_constants(sql: &str) -> String {
    normalise(sql, None).text
}
