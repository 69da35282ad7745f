//! Finds what a file says to another tool, and what would go wrong here because of it.
//!
//! Some tools keep both directions in one file, separated by a comment: run as a whole, it would create something and
//! undo it at once. And if a file changed the encoding of the session, the text after it would be stored wrongly,
//! since every file is sent as UTF-8.

use super::script;
use super::script::Statement;
use crate::sql::Strings;
use crate::sql::lexer::{Lexer, Token};

/// The comments after which a file undoes the statements before them, in lower case.
const DOWN: [(&str, &str); 6] = [
    ("-- +goose down", "goose"),
    ("-- migrate:down", "dbmate"),
    ("-- +migrate down", "sql-migrate"),
    ("-- rambler down", "rambler"),
    ("-- down migration", "node-pg-migrate"),
    ("-- !downs", "Play"),
];

/// The problems of this text, one sentence each, with their lines.
pub(super) fn problems(file: &str, sql: &str) -> Vec<String> {
    let statements = script::statements(sql);
    // Below such a comment, further comments are harmless.
    let last = statements.last().map_or(0, |statement| statement.line);
    let mut problems: Vec<String> = both_ways(file, sql, last).into_iter().collect();
    problems.extend(statements.iter().filter(|statement| changes_encoding(statement)).map(
        |statement| {
            format!(
                "{file} line {}: it changes client_encoding, but files are sent as UTF-8, so that what follows would be stored as something else; take the line out",
                statement.line
            )
        },
    ));
    problems
}

/// Whether the file says in sqlx's way that it must not run inside a transaction.
pub(super) fn is_sqlx_without_transaction(sql: &str) -> bool {
    sql.lines()
        .next()
        .is_some_and(|line| line.split('\r').next().unwrap_or_default().trim_end() == "-- no-transaction")
}

fn both_ways(file: &str, sql: &str, last: usize) -> Option<String> {
    for (line, number) in lines(sql).zip(1..last) {
        let words = line.split_ascii_whitespace().collect::<Vec<_>>().join(" ").to_ascii_lowercase();
        let tool = DOWN.iter().find(|(comment, _)| {
            words.strip_prefix(comment).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
        });
        if let Some((_, tool)) = tool {
            return Some(format!(
                "{file} line {number}: below this comment of {tool}'s stands what undoes the rest, and a file is run as a whole; take out all from this line on"
            ));
        }
    }
    None
}

/// The lines of a text, with line ends of any system.
fn lines(sql: &str) -> impl Iterator<Item = &str> {
    sql.split('\n').flat_map(|line| line.strip_suffix('\r').unwrap_or(line).split('\r'))
}

/// `SET [SESSION | LOCAL] client_encoding` or `SET NAMES`, to anything but UTF-8.
fn changes_encoding(statement: &Statement<'_>) -> bool {
    let sql = statement.sql;
    let mut lexer = Lexer::new(sql.as_bytes(), Strings::Standard);
    let mut is_set = false;
    while let Some(Token::Word(word)) = lexer.next() {
        let is = |keyword: &str| word.eq_ignore_ascii_case(keyword.as_bytes());
        if !is_set {
            is_set = is("set");
            if !is_set {
                return false;
            }
        } else if is("client_encoding") || is("names") {
            let value = sql.get(lexer.at() + word.len()..).unwrap_or_default().to_ascii_lowercase();
            return !["utf8", "utf-8", "unicode", "default"].iter().any(|known| value.contains(known));
        } else if !is("session") && !is("local") {
            return false;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_goes_both_ways_is_told() {
        for (sql, part) in [
            (
                "-- +goose Up\ncreate table a (b int);\n-- +goose Down\ndrop table a;",
                "line 3: below this comment of goose's",
            ),
            (
                "-- migrate:up\r\ncreate table a ();\r\n\r\n--  migrate:down  \r\ndrop table a",
                "line 4: below this comment of dbmate's",
            ),
            ("--  +migrate Down\rdrop table a", "sql-migrate"),
        ] {
            assert!(problems("f.sql", sql).concat().contains(part), "{:?}", problems("f.sql", sql));
        }
        for sql in [
            "-- +goose Up\nselect 1",
            "-- migrate:downtown\nselect 1",
            "-- down",
            "select 1;\n-- +goose Down\n-- drop table a;",
            "select '-- migrate:up'",
        ] {
            assert!(problems("f.sql", sql).is_empty(), "{sql}");
        }
    }

    #[test]
    fn another_encoding_is_told_and_our_own_is_not() {
        for sql in
            ["set client_encoding = 'LATIN1'", "SET LOCAL client_encoding TO win1252", "set names 'sjis'"]
        {
            assert!(problems("f.sql", sql).concat().contains("line 1: it changes client_encoding"), "{sql}");
        }
        for sql in [
            "SET client_encoding = 'UTF8'",
            "set session client_encoding to unicode",
            "set names 'UTF-8'",
            "set a = 'client_encoding'",
            "select client_encoding from t",
            "set client_encoding to default",
            "set search_path = client_encoding",
        ] {
            assert!(problems("f.sql", sql).is_empty(), "{sql}");
        }
    }

    #[test]
    fn a_file_of_sqlx_says_it_in_its_first_line() {
        assert!(is_sqlx_without_transaction("-- no-transaction\r\nvacuum"));
        assert!(is_sqlx_without_transaction("-- no-transaction\rvacuum"));
        assert!(!is_sqlx_without_transaction("\n-- no-transaction\nvacuum"));
        assert!(!is_sqlx_without_transaction("-- no-transactions\nvacuum"));
    }
}
