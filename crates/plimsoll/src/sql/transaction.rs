//! Whether a text begins or ends a transaction.

use super::Strings;
use super::lexer::{Lexer, Token};
use super::statements::statements;

fn ends(token: &Token<'_>) -> bool {
    ["commit", "rollback", "end", "abort"].iter().any(|word| token.is(word))
}

/// How a whole message of SQL begins, for those that must not be cancelled half-way. No string stands before the first
/// word, so it does not matter how strings are read.
pub(crate) fn ends_transaction(sql: &[u8]) -> bool {
    let first = Lexer::new(sql, Strings::Standard).find(|token| *token != Token::Semicolon);
    first.is_some_and(|token| ends(&token))
}

/// Whether running this text would leave a transaction open, in any way of reading it.
pub(crate) fn opens_transaction(sql: &[u8], strings: Option<Strings>) -> bool {
    Strings::readings(sql, strings).iter().any(|strings| {
        let opened = statements(sql, *strings).filter_map(|statement| leaves_open(statement.tokens()));
        opened.last().unwrap_or(false)
    })
}

/// Whether a transaction is open after this statement; nothing if it changes nothing about that.
fn leaves_open(mut tokens: Lexer<'_>) -> Option<bool> {
    let first = tokens.next()?;
    if first.is("begin") || first.is("start") {
        return Some(true);
    }
    if !ends(&first) {
        return None;
    }
    let mut previous = first;
    for token in tokens {
        if token.is("to") {
            return None;
        }
        if token.is("chain") {
            return Some(!previous.is("no"));
        }
        previous = token;
    }
    Some(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_leaves_a_transaction_open_is_told_from_one_that_ends_it() {
        for sql in [
            "BEGIN",
            " /* c */ begin; select 1",
            "select 1; START TRANSACTION",
            "commit; begin;",
            "-- c\rbegin",
            "begin; rollback to savepoint a",
            "begin; commit and chain",
            "begin; create function f() returns int begin atomic select 1; end",
        ] {
            assert!(opens_transaction(sql.as_bytes(), Some(Strings::Standard)), "{sql}");
        }
        for sql in [
            "",
            ";",
            "select 'begin'",
            "select begin from t",
            "begin; select 1; commit",
            "begin; end;",
            "commit",
            "begin; commit and no chain",
        ] {
            assert!(!opens_transaction(sql.as_bytes(), Some(Strings::Standard)), "{sql}");
        }
    }

    #[test]
    fn where_the_way_of_reading_is_not_known_both_are_looked_at() {
        for sql in [r"select '\'; begin; select '", r"select '\''; begin; select '1"] {
            assert!(opens_transaction(sql.as_bytes(), None), "{sql}");
        }
        assert!(!opens_transaction(br"select '\'; begin; select '", Some(Strings::Escaped)));
    }

    #[test]
    fn the_end_of_a_transaction_is_recognised() {
        for sql in [" /* x */ COMMIT", "rollback to savepoint a", "; ;end", "-- x\rabort"] {
            assert!(ends_transaction(sql.as_bytes()), "{sql}");
        }
        for sql in ["select 'commit'", "\"commit\"", "-- x commit", ""] {
            assert!(!ends_transaction(sql.as_bytes()), "{sql}");
        }
    }
}
