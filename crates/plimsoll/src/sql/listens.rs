//! Whether a text begins to listen to a channel.
//!
//! Only a statement of its own can: `PREPARE`, `EXPLAIN` and rules take no `LISTEN`. One inside a function or a `DO`
//! block is not seen here.

use super::Strings;
use super::lexer::{Lexer, Token};
use super::statements::statements;

const LISTEN: &str = "listen";

/// Whether a text that holds one statement is a `LISTEN`. This is asked of every statement, so the first letter answers
/// for nearly all of them.
#[inline]
pub(crate) fn is_listen(sql: &[u8]) -> bool {
    match sql.trim_ascii_start().first() {
        Some(b'l' | b'L' | b'-' | b'/' | b';' | b'\x0b') => begins_with_listen(sql),
        _ => false,
    }
}

#[cold]
fn begins_with_listen(sql: &[u8]) -> bool {
    let mut tokens = Lexer::new(sql, Strings::Standard);
    tokens.find(|token| *token != Token::Semicolon).is_some_and(|token| token.is(LISTEN))
}

/// Whether one of the statements of a text is a `LISTEN`.
pub(crate) fn has_listen(sql: &[u8], strings: Option<Strings>) -> bool {
    let may = sql.windows(LISTEN.len()).any(|word| word.eq_ignore_ascii_case(LISTEN.as_bytes()));
    may && Strings::readings(sql, strings).iter().any(|strings| {
        statements(sql, *strings)
            .any(|statement| statement.tokens().next().is_some_and(|token| token.is(LISTEN)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listen_is_found_wherever_it_begins_a_statement() {
        for sql in [
            "LISTEN a",
            "listen \"A\"",
            " \n\tListen a",
            "/* x */ LISTEN a",
            "-- x\nLISTEN a",
            "; ;listen a",
            "\x0blisten a",
        ] {
            assert!(is_listen(sql.as_bytes()), "{sql}");
            assert!(has_listen(sql.as_bytes(), None), "{sql}");
        }
        for sql in ["SELECT 1; LISTEN a", "BEGIN; /* ; */ listen a; COMMIT"] {
            assert!(has_listen(sql.as_bytes(), Some(Strings::Standard)), "{sql}");
        }
        assert!(has_listen(br"SELECT '\'; LISTEN a; --'", None), "one of the two ways of reading says so");
    }

    #[test]
    fn what_only_looks_like_it_is_none() {
        for sql in [
            "",
            "UNLISTEN a",
            "UNLISTEN *",
            "SELECT listen FROM t",
            "select 'x; listen a'",
            "-- LISTEN a",
            "/* LISTEN a */ SELECT 1",
            "SELECT $$; LISTEN a$$",
            "listener_cleanup",
            "\"listen\" a",
            "NOTIFY a",
            "LOCK TABLE t",
        ] {
            assert!(!is_listen(sql.as_bytes()), "{sql}");
            assert!(!has_listen(sql.as_bytes(), Some(Strings::Standard)), "{sql}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic_and_both_ways_agree(sql: Vec<u8>) {
            if is_listen(&sql) {
                proptest::prop_assert!(has_listen(&sql, None));
            }
        }
    }
}
