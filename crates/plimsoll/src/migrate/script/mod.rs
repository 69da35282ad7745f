//! Splits a migration file into its statements.
//!
//! Statements are sent one at a time, so that a failure names its statement and line, and so that a statement that
//! must run alone (`CREATE INDEX CONCURRENTLY`) does. `sql/statements.rs` decides where a statement ends. In addition,
//! lines that are meant for psql are recognised here, and lines are counted.
//!
//! The first words of a statement tell its kind, so that a statement that could only fail half-way is refused before
//! anything runs.

use super::psql;
use super::psql::Command;
use crate::sql::Strings;
use crate::sql::lexer::{Lexer, Token};
use crate::sql::nature;
use crate::sql::nature::Nature;
use crate::sql::statements::Nesting;

/// One statement of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Statement<'a> {
    /// Its text, with the comments before it and without the semicolon.
    pub(super) sql: &'a str,
    /// Its number in the file, from one.
    pub(super) number: usize,
    /// The line where it begins, from one.
    pub(super) line: usize,
    pub(super) kind: Kind,
    /// Whether it contains a semicolon that does not end it.
    pub(super) has_inner_semicolon: bool,
}

/// What must be known of a statement before it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Begins or ends a transaction.
    EndsTransaction,
    /// PostgreSQL refuses it inside a transaction.
    StandsAlone,
    /// Reads rows from the client, which sends none.
    CopiesFromClient,
    /// A command of psql.
    ForPsql,
    /// Any other.
    Ordinary,
}

impl Statement<'_> {
    /// The line of the file at a position in this statement (in characters, from one, as the server counts).
    pub(super) fn line_at(&self, position: u32) -> usize {
        let before = usize::try_from(position).unwrap_or(usize::MAX).saturating_sub(1);
        let first = self.line - breaks(self.sql.get(..self.lead()).unwrap_or_default());
        let end = self.sql.char_indices().nth(before).map_or(self.sql.len(), |(at, _)| at);
        first + breaks(self.sql.get(..end).unwrap_or_default())
    }

    /// The text from a position in this statement up to the next blank, at most 64 characters.
    pub(super) fn text_at(&self, position: u32) -> String {
        let before = usize::try_from(position).unwrap_or(usize::MAX).saturating_sub(1);
        self.sql.chars().skip(before).take_while(|c| !c.is_ascii_whitespace()).take(64).collect()
    }

    /// How many bytes of comments and white space precede the first word.
    fn lead(&self) -> usize {
        let mut lexer = Lexer::new(self.sql.as_bytes(), Strings::Standard);
        lexer.next().map_or(0, |_| lexer.at())
    }

    /// Whether it says `CONCURRENTLY`, so that no other statement waits behind it.
    pub(super) fn is_concurrent(&self) -> bool {
        let mut lexer = Lexer::new(self.sql.as_bytes(), Strings::Standard);
        lexer.any(|token| token.is("concurrently"))
    }

    /// Whether nothing of it stays if it fails outside a transaction: it is no procedure or block that may commit, and
    /// no command that commits in steps.
    pub(super) fn is_atomic(&self) -> bool {
        let nature = nature::of_sql(self.sql.as_bytes(), None);
        self.kind == Kind::Ordinary && !self.has_inner_semicolon && !nature.contains(Nature::UNCLEAR)
    }

    /// Whether it contains this name, quoted or not.
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

/// The statements of a text, without empty ones and without the harmless commands of psql.
pub(super) fn statements(sql: &str) -> Vec<Statement<'_>> {
    let mut reader = TokenReader { sql, base: 0, lexer: Lexer::new(sql.as_bytes(), Strings::Standard) };
    let mut found = StatementList { sql, statements: Vec::new(), counted: (0, 1) };
    let mut shape = StatementReader::default();
    let mut start = 0;
    loop {
        let (token, at) = match reader.next() {
            Next::Command(command) => {
                if !command.is_harmless() || shape.first.is_some() {
                    found.add(command.at, command.line, Kind::ForPsql, false);
                }
                if shape.first.is_none() {
                    start = command.end;
                }
                continue;
            }
            Next::Token(token, at) => (Some(token), at),
            Next::End => (None, sql.len()),
        };
        match token {
            Some(Token::Semicolon) if shape.nesting.is_inside() => shape.has_inner_semicolon = true,
            Some(Token::Semicolon) | None => {
                if let (Some(first), Some(text)) = (shape.first, sql.get(start..at)) {
                    found.add(first, text, shape.kind(), shape.has_inner_semicolon);
                }
                if token.is_none() {
                    return found.statements;
                }
                start = at + 1;
                if shape.kind() == Kind::CopiesFromClient
                    && let Some(end) = psql::end_of_rows(sql, at)
                {
                    reader.go_to(end);
                    start = end;
                }
                shape = StatementReader::default();
            }
            Some(token) => shape.take(token, at),
        }
    }
}

/// Reads token by token, and recognises the lines that are for psql.
struct TokenReader<'a> {
    sql: &'a str,
    /// Where the lexer begins in the text.
    base: usize,
    lexer: Lexer<'a>,
}

enum Next<'a> {
    Token(Token<'a>, usize),
    Command(Command<'a>),
    End,
}

impl<'a> TokenReader<'a> {
    fn next(&mut self) -> Next<'a> {
        let Some(token) = self.lexer.next() else { return Next::End };
        let at = self.base + self.lexer.at();
        let Some(command) = Command::at(self.sql, &token, at) else { return Next::Token(token, at) };
        self.go_to(command.end);
        Next::Command(command)
    }

    fn go_to(&mut self, at: usize) {
        self.base = at;
        self.lexer = Lexer::new(self.sql.get(at..).unwrap_or_default().as_bytes(), Strings::Standard);
    }
}

/// The statements found so far, and the line count: up to which byte, and the line of that byte.
struct StatementList<'a> {
    sql: &'a str,
    statements: Vec<Statement<'a>>,
    counted: (usize, usize),
}

impl<'a> StatementList<'a> {
    fn add(&mut self, first: usize, text: &'a str, kind: Kind, has_inner_semicolon: bool) {
        let (from, line) = self.counted;
        // A command of psql inside a statement comes after the beginning of that statement.
        let line = match self.sql.get(from..first) {
            Some(skipped) => line + breaks(skipped),
            None => line - breaks(self.sql.get(first..from).unwrap_or_default()),
        };
        self.counted = (first, line);
        let number = self.statements.len() + 1;
        self.statements.push(Statement { sql: text, number, line, kind, has_inner_semicolon });
    }
}

/// How many line ends it contains: line feeds, carriage returns, or both in that order.
fn breaks(text: &str) -> usize {
    let bytes = text.as_bytes();
    let feeds = bytes.iter().filter(|&&byte| byte == b'\n').count();
    let returns = bytes.iter().filter(|&&byte| byte == b'\r').count();
    let both = bytes.windows(2).filter(|pair| pair == b"\r\n").count();
    feeds + returns - both
}

fn is(word: &[u8], keyword: &str) -> bool {
    word.eq_ignore_ascii_case(keyword.as_bytes())
}

/// The state of reading one statement.
#[derive(Default)]
struct StatementReader<'a> {
    first: Option<usize>,
    head: [&'a [u8]; 3],
    words: usize,
    nesting: Nesting,
    previous: &'a [u8],
    has_concurrently: bool,
    has_from_stdin: bool,
    has_inner_semicolon: bool,
}

impl<'a> StatementReader<'a> {
    fn take(&mut self, token: Token<'a>, at: usize) {
        self.first.get_or_insert(at);
        self.nesting.take(&token);
        if let Token::Word(word) = token {
            self.word(word);
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
    }

    fn kind(&self) -> Kind {
        let [first, second, third] = self.head;
        match first.to_ascii_lowercase().as_slice() {
            // ROLLBACK TO a savepoint stays inside the transaction.
            b"rollback" if is(second, "to") || is(third, "to") => Kind::Ordinary,
            b"begin" | b"commit" | b"end" | b"rollback" | b"abort" => Kind::EndsTransaction,
            b"start" | b"prepare" if is(second, "transaction") => Kind::EndsTransaction,
            b"copy" if self.has_from_stdin => Kind::CopiesFromClient,
            b"vacuum" => Kind::StandsAlone,
            b"create" | b"drop" | b"reindex" | b"alter" if self.has_concurrently => Kind::StandsAlone,
            b"create" | b"drop" if is(second, "database") || is(second, "tablespace") => Kind::StandsAlone,
            b"alter" if is(second, "system") => Kind::StandsAlone,
            _ => Kind::Ordinary,
        }
    }
}

#[cfg(test)]
mod tests;
