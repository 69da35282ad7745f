//! Whether a text may be put behind EXPLAIN: it must then be one statement that EXPLAIN takes and does not run.

use super::Strings;
use super::fingerprint::READ;
use super::lexer::Token;
use super::statements;

/// Statements that can be explained.
const EXPLAINED: [&str; 8] = ["select", "insert", "update", "delete", "merge", "values", "with", "table"];

/// What is known of a text that can be explained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Explainable {
    /// Whether it has parameters.
    pub(crate) has_parameters: bool,
}

/// Reads a text. It is read as a session reads it whose `standard_conforming_strings` is not known, since it is explained
/// in another session than it ran in: whichever way that reads it, it must be one statement. A long text is not read.
pub(crate) fn read(sql: &str) -> Option<Explainable> {
    let sql = sql.as_bytes();
    if sql.len() > READ {
        return None;
    }
    let mut readings = Strings::readings(sql, None).iter().map(|strings| read_as(sql, *strings));
    let first = readings.next().flatten()?;
    readings.all(|other| other == Some(first)).then_some(first)
}

fn read_as(sql: &[u8], strings: Strings) -> Option<Explainable> {
    let mut all = statements::statements(sql, strings);
    let (statement, None) = (all.next()?, all.next()) else { return None };
    let mut tokens = statement.tokens().skip_while(|token| *token == Token::Open).peekable();
    let first = tokens.peek()?;
    let is_explained = EXPLAINED.iter().any(|word| first.is(word));
    let has_parameters = tokens.any(|token| matches!(token, Token::Parameter(_)));
    is_explained.then_some(Explainable { has_parameters })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn one_statement_that_explain_takes() {
        for (sql, has_parameters) in [
            ("SELECT 1", false),
            (" /* a */ select $1 ;;", true),
            ("(SELECT 1) UNION (SELECT 2)", false),
            ("WITH a AS (SELECT 1) INSERT INTO t SELECT * FROM a", false),
            ("DELETE FROM t WHERE a = '$1;'", false),
            ("UPDATE t SET a = $2", true),
        ] {
            assert_eq!(read(sql), Some(Explainable { has_parameters }), "{sql}");
        }
    }

    #[test]
    fn nothing_else() {
        for sql in [
            "",
            ";",
            "CREATE TABLE a ()",
            "EXPLAIN ANALYZE SELECT 1",
            "ANALYZE t",
            "SELECT 1; DELETE FROM t",
            "\"select\" 1",
            "(ANALYZE) SELECT 1",
            "CALL a()",
            r"SELECT 'a\'; DELETE FROM t; --'",
        ] {
            assert_eq!(read(sql), None, "{sql}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".{0,200}") {
            let _ = read(&text);
        }
    }
}
