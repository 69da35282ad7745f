//! A file of SQL, taken apart into its statements.
//!
//! Statements are sent one at a time: a failure can then name its statement and line, and one that must stand alone
//! (`CREATE INDEX CONCURRENTLY`) does. A semicolon ends a statement as it does in psql: not inside strings, comments,
//! dollar quotes and parentheses, nor inside the `BEGIN ATOMIC .. END` of a function.
//!
//! What a statement *is* is read from its first words, to refuse before anything runs what could only fail half-way.

use crate::sql::Strings;
use crate::sql::lexer::{Lexer, Token};

/// One statement of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Statement<'a> {
    /// Its text, with the comments before it and without the semicolon.
    pub(super) sql: &'a str,
    /// Which of the file's it is, from one.
    pub(super) number: usize,
    /// Where it begins, from one.
    pub(super) line: usize,
    pub(super) kind: Kind,
}

/// What matters about a statement before it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Begins or ends a transaction.
    EndsTransaction,
    /// PostgreSQL refuses it inside a transaction.
    StandsAlone,
    /// Reads rows from the client, which has none.
    CopiesFromClient,
    /// Any other.
    Ordinary,
}

impl Statement<'_> {
    /// The line of the file at a place in this statement (characters, from one, as the server counts).
    pub(super) fn line_at(&self, position: u32) -> usize {
        let before = usize::try_from(position).unwrap_or(usize::MAX).saturating_sub(1);
        let first = self.line - breaks(self.sql.get(..self.lead()).unwrap_or_default());
        first + self.sql.chars().take(before).filter(|&c| c == '\n').count()
    }

    /// How many bytes of comments and white space precede the first word.
    fn lead(&self) -> usize {
        let mut lexer = Lexer::new(self.sql.as_bytes(), Strings::Standard);
        lexer.next().map_or(0, |_| lexer.at())
    }

    /// Whether it does its work beside others', so that a wait of it holds nobody up.
    pub(super) fn is_concurrent(&self) -> bool {
        let mut lexer = Lexer::new(self.sql.as_bytes(), Strings::Standard);
        lexer.any(|token| token.is("concurrently"))
    }

    /// Whether it names this, quoted or not.
    pub(super) fn names(&self, name: &str) -> bool {
        let sql = self.sql.to_lowercase();
        let name = name.to_lowercase();
        let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
        sql.match_indices(&name).any(|(at, found)| {
            let before = sql.get(..at).and_then(|text| text.chars().next_back());
            let after = sql.get(at + found.len()..).and_then(|text| text.chars().next());
            !before.is_some_and(is_part) && !after.is_some_and(is_part)
        })
    }
}

/// The statements of a text; empty ones are left out.
pub(super) fn statements(sql: &str) -> Vec<Statement<'_>> {
    let mut found = Vec::new();
    let mut lexer = Lexer::new(sql.as_bytes(), Strings::Standard);
    let mut shape = Shape::default();
    let mut start = 0;
    let mut counted = (0, 1);
    loop {
        let token = lexer.next();
        let end = if token.is_some() { lexer.at() } else { sql.len() };
        match token {
            Some(Token::Semicolon) if shape.is_nested() => {}
            Some(Token::Semicolon) | None => {
                if let (Some(first), Some(text)) = (shape.first, sql.get(start..end)) {
                    let skipped = sql.get(counted.0..first).unwrap_or_default();
                    counted = (first, counted.1 + breaks(skipped));
                    let (number, line) = (found.len() + 1, counted.1);
                    found.push(Statement { sql: text, number, line, kind: shape.kind() });
                }
                if token.is_none() {
                    return found;
                }
                shape = Shape::default();
                start = end + 1;
            }
            Some(token) => shape.take(token, end),
        }
    }
}

fn breaks(text: &str) -> usize {
    text.bytes().filter(|&byte| byte == b'\n').count()
}

fn is(word: &[u8], keyword: &str) -> bool {
    word.eq_ignore_ascii_case(keyword.as_bytes())
}

/// What has been read of one statement.
#[derive(Default)]
struct Shape<'a> {
    first: Option<usize>,
    head: [&'a [u8]; 4],
    words: usize,
    parentheses: usize,
    blocks: usize,
    previous: &'a [u8],
    has_concurrently: bool,
    has_from_stdin: bool,
}

impl<'a> Shape<'a> {
    fn take(&mut self, token: Token<'a>, at: usize) {
        self.first.get_or_insert(at);
        match token {
            Token::Open => self.parentheses += 1,
            Token::Close => self.parentheses = self.parentheses.saturating_sub(1),
            Token::Word(word) => self.word(word),
            _ => {}
        }
    }

    fn word(&mut self, word: &'a [u8]) {
        if let Some(place) = self.head.get_mut(self.words) {
            *place = word;
        }
        self.words += 1;
        self.has_concurrently |= is(word, "concurrently");
        self.has_from_stdin |= is(self.previous, "from") && is(word, "stdin");
        self.previous = word;
        if !self.makes_routine() || self.parentheses > 0 {
            return;
        }
        if is(word, "begin") || (is(word, "case") && self.blocks > 0) {
            self.blocks += 1;
        } else if is(word, "end") {
            self.blocks = self.blocks.saturating_sub(1);
        }
    }

    fn is_nested(&self) -> bool {
        self.parentheses > 0 || self.blocks > 0
    }

    /// `CREATE [OR REPLACE] FUNCTION` or `PROCEDURE`: the only statements with a body that is not a string.
    fn makes_routine(&self) -> bool {
        let [first, second, third, fourth] = self.head;
        let kind = if is(second, "or") && is(third, "replace") { fourth } else { second };
        is(first, "create") && (is(kind, "function") || is(kind, "procedure"))
    }

    fn kind(&self) -> Kind {
        let [first, second, third, _] = self.head;
        match first.to_ascii_lowercase().as_slice() {
            // Back to a savepoint is inside the transaction.
            b"rollback" if is(second, "to") || is(third, "to") => Kind::Ordinary,
            b"begin" | b"commit" | b"end" | b"rollback" | b"abort" => Kind::EndsTransaction,
            b"start" | b"prepare" if is(second, "transaction") => Kind::EndsTransaction,
            b"copy" if self.has_from_stdin => Kind::CopiesFromClient,
            b"vacuum" => Kind::StandsAlone,
            b"create" | b"drop" | b"reindex" if self.has_concurrently => Kind::StandsAlone,
            b"create" | b"drop" if is(second, "database") || is(second, "tablespace") => Kind::StandsAlone,
            b"alter" if is(second, "system") => Kind::StandsAlone,
            _ => Kind::Ordinary,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(sql: &str) -> Vec<&str> {
        statements(sql).iter().map(|statement| statement.sql.trim()).collect()
    }

    fn kind(sql: &str) -> Kind {
        statements(sql)[0].kind
    }

    #[test]
    fn a_semicolon_ends_a_statement_where_psql_says_so() {
        assert_eq!(texts("select 1; select ';'; -- ;\n/* ; */ ;"), ["select 1", "select ';'"]);
        assert_eq!(texts("do $x$ begin; end; $x$; select 2"), ["do $x$ begin; end; $x$", "select 2"]);
        assert_eq!(texts("create rule r as on insert to t do (select 1; select 2); select 3").len(), 2);
        let atomic = "create or replace function f(a int) returns int begin atomic \
                      select case a when 1 then 2 end; select 3; end";
        assert_eq!(texts(&format!("{atomic}; select 4")), [atomic, "select 4"]);
        assert_eq!(texts("select case a when 1 then 2 end; select 4").len(), 2);
        assert_eq!(texts("  \n -- nothing\n"), Vec::<&str>::new());
    }

    #[test]
    fn every_statement_knows_its_line() {
        let sql = "-- one\nselect 1;\n\nselect\n  2; select 3;\n-- four\n/* five\n*/ select 4";
        let lines: Vec<_> = statements(sql).iter().map(|statement| statement.line).collect();
        assert_eq!(lines, [2, 4, 5, 8]);
        let all = statements(sql);
        let position = |at: usize, what: &str| u32::try_from(all[at].sql.find(what).unwrap() + 1).unwrap();
        assert_eq!(all[1].line_at(position(1, "2")), 5);
        assert_eq!(all[3].line_at(position(3, "4")), 8);
        assert_eq!(all[0].line_at(position(0, "1")), 2);
    }

    #[test]
    fn what_cannot_be_part_of_a_transaction_is_recognised() {
        for sql in ["BEGIN", "commit", "END", "rollback", "abort", "start transaction", "COMMIT PREPARED 'a'"]
        {
            assert_eq!(kind(sql), Kind::EndsTransaction, "{sql}");
        }
        for sql in [
            "create unique index concurrently if not exists a on b (c)",
            "drop index concurrently a",
            "reindex (verbose) table concurrently t",
            "VACUUM t",
            "create database d",
        ] {
            assert_eq!(kind(sql), Kind::StandsAlone, "{sql}");
        }
        for sql in [
            "savepoint a",
            "rollback to savepoint a",
            "rollback work to a",
            "refresh materialized view concurrently v",
            "select 'commit'",
            "prepare x as select 1",
            "copy t to stdout",
        ] {
            assert_eq!(kind(sql), Kind::Ordinary, "{sql}");
        }
        assert_eq!(kind("copy t (a, b) from stdin"), Kind::CopiesFromClient);
    }

    #[test]
    fn a_name_is_found_only_whole() {
        let statement = statements("create index concurrently \"Idx_a\" on t (a)")[0];
        assert!(statement.names("idx_a") && statement.names("t"));
        assert!(!statement.names("idx") && !statement.names("dx_a"));
    }

    proptest::proptest! {
        #[test]
        fn nothing_is_lost_and_nothing_panics(sql in "[ab;'\"$/*\\-\\n() é]{0,60}") {
            let found = statements(&sql);
            let length: usize = found.iter().map(|statement| statement.sql.len() + 1).sum();
            proptest::prop_assert!(length <= sql.len() + 1);
            for (statement, number) in found.iter().zip(1..) {
                proptest::prop_assert_eq!(statement.number, number);
                proptest::prop_assert!(statement.line <= breaks(&sql) + 1);
                let _ = statement.line_at(7);
            }
        }

        #[test]
        fn joined_statements_come_apart_again(parts in proptest::collection::vec("[a-z]{1,8}( '[^'\\\\]{0,5}')?", 1..6)) {
            let sql = parts.join(";\n");
            let parts: Vec<&str> = parts.iter().map(|part| part.trim()).collect();
            proptest::prop_assert_eq!(texts(&sql), parts);
        }
    }
}
