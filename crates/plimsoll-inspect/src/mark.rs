//! How our own questions are told from the statements of an application.
//!
//! `pg_stat_statements` keeps the text of a statement and not who sent it, so each question ends with a comment.

/// The comment. It stands at the end, since newer servers leave out what stands before a statement.
pub(crate) const MARK: &str = "/* asked by plimsoll */";

/// What stands around a question, as versions of PostgreSQL keep it that keep the constants of such statements.
const AROUND: [&str; 20] = [
    "BEGIN TRANSACTION READ ONLY",
    "SET LOCAL statement_timeout = 5000",
    "SET LOCAL statement_timeout = 300",
    "SET LOCAL statement_timeout TO DEFAULT",
    "SET LOCAL lock_timeout = 200",
    "SET LOCAL lock_timeout = 100",
    "SET LOCAL lock_timeout TO DEFAULT",
    "SET LOCAL search_path = pg_catalog",
    "SET LOCAL search_path = ''",
    "SET LOCAL jit = off",
    "SET LOCAL datestyle = 'ISO'",
    "SET LOCAL intervalstyle = 'postgres'",
    "SET LOCAL transaction_read_only = on",
    "SET LOCAL constraint_exclusion = off",
    "SET LOCAL enable_nestloop = off",
    "SET LOCAL enable_indexscan = off",
    "SET LOCAL enable_indexonlyscan = off",
    "SET LOCAL enable_bitmapscan = off",
    "SHOW statement_timeout",
    "SHOW lock_timeout",
];

/// Whether a row `s` of `pg_stat_statements` is ours, as SQL. What stands around a question could be said by an application as well, so it
/// is ours only under the role that asks.
pub(crate) fn is_ours() -> String {
    let around: Vec<String> = AROUND.iter().map(|text| format!("'{}'", text.replace('\'', "''"))).collect();
    format!(
        "COALESCE(pg_catalog.strpos(s.query, '{MARK}') > 0 \
         OR s.userid = pg_catalog.quote_ident(current_user)::pg_catalog.regrole \
            AND (s.query LIKE 'SET LOCAL plimsoll.%' OR s.query IN ({})), false)",
        around.join(", ")
    )
}

/// A question without the comment that it begins with: the server keeps that with the first statement, which may be one of [`AROUND`].
#[cfg(feature = "checks")]
pub(crate) fn without_comment(question: &str) -> &str {
    let mut rest = question.trim_start();
    while rest.starts_with("--") {
        rest = rest.split_once('\n').map_or("", |(_, rest)| rest).trim_start();
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::{MARK, without_comment};
    use crate::blocking::{BLOCKING, LOCK_WAITS};
    use crate::integrity::RULES;
    use crate::statements::COLLECTED;

    #[test]
    fn a_question_begins_with_its_first_statement() {
        for (text, left) in [
            ("-- a\n-- b\n\n  SELECT 1 -- c\n", "SELECT 1 -- c\n"),
            ("SELECT 1", "SELECT 1"),
            ("-- a", ""),
            ("", ""),
        ] {
            assert_eq!(without_comment(text), left);
        }
    }

    /// Those that are sent as they are; all others get the mark where they are sent.
    #[test]
    fn each_question_that_programs_send_by_themselves_bears_the_mark() {
        for question in [BLOCKING, LOCK_WAITS, RULES, COLLECTED] {
            assert!(question.trim_end().ends_with(MARK), "{question}");
        }
    }
}
