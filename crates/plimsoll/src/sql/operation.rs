//! The operation of a text of one statement: its first word, where that is a command.
//!
//! A text that begins with `WITH` or a parenthesis may do several things, and one with a semicolon inside may hold several
//! statements; of these none is told.

use super::Strings;
use super::lexer::{Lexer, Token};

/// The commands that are told. Whatever else a text begins with is no command, or too rare to be grouped by.
const COMMANDS: [&str; 36] = [
    "ALTER",
    "ANALYZE",
    "CALL",
    "CHECKPOINT",
    "CLOSE",
    "CLUSTER",
    "COMMENT",
    "COPY",
    "CREATE",
    "DECLARE",
    "DELETE",
    "DISCARD",
    "DO",
    "DROP",
    "EXECUTE",
    "EXPLAIN",
    "FETCH",
    "GRANT",
    "INSERT",
    "LISTEN",
    "LOCK",
    "MERGE",
    "MOVE",
    "NOTIFY",
    "PREPARE",
    "REFRESH",
    "REINDEX",
    "RESET",
    "REVOKE",
    "SELECT",
    "SET",
    "SHOW",
    "TRUNCATE",
    "UPDATE",
    "VACUUM",
    "VALUES",
];

/// The operation of this text, if there is one for certain.
pub(crate) fn operation(sql: &str) -> Option<&'static str> {
    let statement = sql.trim_end_matches(|c: char| c == ';' || c.is_whitespace());
    if statement.contains(';') {
        return None;
    }
    // The first word is the same however strings are read.
    let Some(Token::Word(word)) = Lexer::new(statement.as_bytes(), Strings::Standard).next() else {
        return None;
    };
    COMMANDS.into_iter().find(|command| word.eq_ignore_ascii_case(command.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_word_is_the_operation() {
        assert_eq!(operation("select 1"), Some("SELECT"));
        assert_eq!(operation(" /* insert */ -- update\n Delete FROM t; "), Some("DELETE"));
        assert_eq!(operation("COPY t FROM STDIN"), Some("COPY"));
    }

    #[test]
    fn where_it_is_not_certain_there_is_none() {
        for text in [
            "",
            ";",
            "WITH a AS (DELETE FROM t) SELECT 1",
            "(SELECT 1)",
            "SELECT 1; DELETE FROM t",
            "\"select\" 1",
            "selects",
        ] {
            assert_eq!(operation(text), None, "{text}");
        }
        // A semicolon in a constant is not looked into.
        assert_eq!(operation("SELECT ';'"), None);
    }
}
