//! What a statement leaves behind in the session.
//!
//! A session outlives its borrower: a `SET`, a `LISTEN`, a temporary table or an advisory lock taken at session level
//! waits for whoever comes next. Resetting after every return would cost a round trip each time; so the text of each
//! statement is read once, where it passes the wire, and only a session in which something was left is reset.
//!
//! This reads SQL as a lexer does (strings, quoted names, dollar quotes and nested comments are skipped) and looks at
//! how each statement begins, plus a few function names anywhere. It errs towards "something was left": that costs a
//! round trip; the other error would cost a stranger his settings.

use std::ops::BitOr;

/// What may have been left behind, as a set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Residue(u32);

impl Residue {
    pub(crate) const NONE: Residue = Residue(0);
    /// A setting of the session was changed.
    pub(crate) const SETTING: Residue = Residue(1);
    /// A channel is listened to.
    pub(crate) const LISTEN: Residue = Residue(2);
    /// A temporary object exists.
    pub(crate) const TEMPORARY: Residue = Residue(4);
    /// An advisory lock is held at session level.
    pub(crate) const LOCK: Residue = Residue(8);
    /// A cursor outlives its transaction.
    pub(crate) const CURSOR: Residue = Residue(16);
    /// Anything may have happened (`DO`, `CALL`).
    pub(crate) const ANYTHING: Residue = Residue(31);
    /// Something that no reset undoes without breaking this crate's own prepared statements.
    pub(crate) const BEYOND_RESET: Residue = Residue(32);

    pub(crate) fn bits(self) -> u32 {
        self.0
    }

    pub(crate) fn from_bits(bits: u32) -> Self {
        Residue(bits)
    }

    pub(crate) fn is_none(self) -> bool {
        self.0 == 0
    }

    pub(crate) fn contains(self, other: Residue) -> bool {
        self.0 & other.0 == other.0
    }
}

impl BitOr for Residue {
    type Output = Residue;
    fn bitor(self, other: Residue) -> Residue {
        Residue(self.0 | other.0)
    }
}

/// How a whole message of SQL begins, for those that must not be cancelled half-way.
pub(crate) fn ends_transaction(sql: &[u8]) -> bool {
    let mut lexer = Lexer::new(sql);
    matches!(lexer.next(), Some(Token::Word(w)) if is(w, "commit") || is(w, "rollback") || is(w, "end") || is(w, "abort"))
}

/// Whether running this text would leave a transaction open.
pub(crate) fn opens_transaction(sql: &[u8]) -> bool {
    let mut lexer = Lexer::new(sql);
    let (mut is_open, mut is_first) = (false, true);
    while let Some(token) = lexer.next() {
        match token {
            Token::Word(word) if is_first => {
                is_open = match word.to_ascii_lowercase().as_slice() {
                    b"begin" | b"start" => true,
                    b"commit" | b"rollback" | b"end" | b"abort" => false,
                    _ => is_open,
                };
                is_first = false;
            }
            token => is_first = matches!(token, Token::Semicolon),
        }
    }
    is_open
}

/// What running this text may leave behind.
pub(crate) fn of_sql(sql: &[u8]) -> Residue {
    let mut found = Residue::NONE;
    let mut lexer = Lexer::new(sql);
    let mut head: [&[u8]; 4] = [&[]; 4];
    let mut words = 0;
    let mut previous: &[u8] = &[];
    while let Some(token) = lexer.next() {
        match token {
            Token::Semicolon => {
                found = found | of_head(&head);
                head = [&[]; 4];
                words = 0;
                previous = &[];
            }
            Token::Open | Token::Close => {}
            Token::Word(word) => {
                if let Some(place) = head.get_mut(words) {
                    *place = word;
                }
                words += 1;
                if !(is(word, "set_config") && is_local(&lexer)) {
                    found = found | of_word(word, previous);
                }
                previous = word;
            }
        }
    }
    found | of_head(&head)
}

fn is(word: &[u8], keyword: &str) -> bool {
    word.eq_ignore_ascii_case(keyword.as_bytes())
}

/// What the beginning of a statement tells.
fn of_head(head: &[&[u8]; 4]) -> Residue {
    let [first, second, third, fourth] = *head;
    let temporary = |word| is(word, "temp") || is(word, "temporary");
    match first.to_ascii_lowercase().as_slice() {
        b"set" if is(second, "local") || is(second, "transaction") || is(second, "constraints") => {
            Residue::NONE
        }
        b"set" | b"reset" | b"load" => Residue::SETTING,
        b"listen" | b"unlisten" => Residue::LISTEN,
        b"declare" => Residue::CURSOR,
        b"prepare" if is(second, "transaction") => Residue::NONE,
        b"prepare" | b"deallocate" | b"discard" => Residue::BEYOND_RESET,
        b"do" | b"call" | b"execute" => Residue::ANYTHING,
        b"create" if temporary(second) || temporary(third) || temporary(fourth) => Residue::TEMPORARY,
        _ => Residue::NONE,
    }
}

/// `set_config(.., .., true)` is SET LOCAL by another name. The lexer stands behind the name; anything less plain than a
/// last argument that is the bare word may be the session's.
fn is_local(lexer: &Lexer<'_>) -> bool {
    let mut ahead = lexer.clone();
    if !matches!(ahead.next(), Some(Token::Open)) {
        return false;
    }
    loop {
        match ahead.next() {
            Some(Token::Word(_)) => {}
            Some(Token::Close) => break,
            _ => return false,
        }
    }
    let length = lexer.rest.len().saturating_sub(ahead.rest.len() + 1);
    let arguments = lexer.rest.get(..length).unwrap_or_default();
    let last = arguments.rsplit(|&c| c == b',').next().unwrap_or_default();
    is(last.trim_ascii(), "true") && !arguments.windows(2).any(|pair| pair == b"--")
}

/// What a word anywhere tells.
fn of_word(word: &[u8], previous: &[u8]) -> Residue {
    if is(word, "set_config") {
        return Residue::SETTING;
    }
    if is(word, "pg_temp") || (is(previous, "into") && (is(word, "temp") || is(word, "temporary"))) {
        return Residue::TEMPORARY;
    }
    // pg_advisory_lock, pg_try_advisory_lock, .._shared; the transaction-scoped ones are named .._xact_lock.
    let lower = word.to_ascii_lowercase();
    if lower.windows(13).any(|part| part == b"advisory_lock") {
        return Residue::LOCK;
    }
    Residue::NONE
}

/// What the beginnings and ends of statements are found by.
pub(crate) enum Token<'a> {
    Word(&'a [u8]),
    Open,
    Close,
    Semicolon,
}

/// Reads SQL word by word; strings, quoted names, dollar quotes and comments are passed over.
#[derive(Clone)]
pub(crate) struct Lexer<'a> {
    rest: &'a [u8],
    length: usize,
    at: usize,
}

impl<'a> Lexer<'a> {
    pub(crate) fn new(sql: &'a [u8]) -> Self {
        Lexer { rest: sql, length: sql.len(), at: 0 }
    }

    /// Where the last token began.
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    pub(crate) fn next(&mut self) -> Option<Token<'a>> {
        loop {
            let (&first, after) = self.rest.split_first()?;
            self.at = self.length - self.rest.len();
            match first {
                b';' => {
                    self.rest = after;
                    return Some(Token::Semicolon);
                }
                b'(' | b')' => {
                    self.rest = after;
                    return Some(if first == b'(' { Token::Open } else { Token::Close });
                }
                b'-' if after.first() == Some(&b'-') => self.skip_line(),
                b'/' if after.first() == Some(&b'*') => self.skip_comment(),
                b'\'' => self.skip_quoted(b'\''),
                b'"' => self.skip_quoted(b'"'),
                b'$' => self.skip_dollar(),
                c if c.is_ascii_alphabetic() || c == b'_' || c >= 0x80 => return Some(self.word()),
                _ => self.rest = after,
            }
        }
    }

    fn word(&mut self) -> Token<'a> {
        let end = self
            .rest
            .iter()
            .position(|&c| !(c.is_ascii_alphanumeric() || c == b'_' || c == b'$' || c >= 0x80))
            .unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        // E'..' takes backslash escapes, and nothing else that begins with a letter and a quote does.
        if is(word, "e") && rest.first() == Some(&b'\'') {
            self.skip_escaped();
        }
        Token::Word(word)
    }

    fn skip_line(&mut self) {
        let end = self.rest.iter().position(|&c| matches!(c, b'\n' | b'\r')).unwrap_or(self.rest.len());
        self.rest = self.rest.get(end..).unwrap_or_default();
    }

    /// Block comments nest in PostgreSQL.
    fn skip_comment(&mut self) {
        let mut depth = 0usize;
        while let Some((&first, after)) = self.rest.split_first() {
            match (first, after.first()) {
                (b'/', Some(b'*')) => depth += 1,
                (b'*', Some(b'/')) => depth -= 1,
                _ => {
                    self.rest = after;
                    continue;
                }
            }
            self.rest = after.get(1..).unwrap_or_default();
            if depth == 0 {
                return;
            }
        }
    }

    /// A doubled quote inside reads as the end of one string and the beginning of the next: the same for us.
    fn skip_quoted(&mut self, quote: u8) {
        let inside = self.rest.get(1..).unwrap_or_default();
        let end = inside.iter().position(|&c| c == quote).map_or(inside.len(), |at| at + 1);
        self.rest = inside.get(end..).unwrap_or_default();
    }

    fn skip_escaped(&mut self) {
        let mut inside = self.rest.get(1..).unwrap_or_default();
        while let Some((&first, after)) = inside.split_first() {
            match first {
                b'\\' => inside = after.get(1..).unwrap_or_default(),
                b'\'' => {
                    inside = after;
                    break;
                }
                _ => inside = after,
            }
        }
        self.rest = inside;
    }

    /// `$tag$ .. $tag$`, or a parameter such as `$1`.
    fn skip_dollar(&mut self) {
        let after = self.rest.get(1..).unwrap_or_default();
        let length =
            after.iter().position(|&c| !(c.is_ascii_alphanumeric() || c == b'_')).unwrap_or(after.len());
        let is_tag = after.get(length) == Some(&b'$') && !after.first().is_some_and(u8::is_ascii_digit);
        if !is_tag {
            self.rest = after.get(length..).unwrap_or_default();
            return;
        }
        let tag_length = length + 2;
        let tag = self.rest.get(..tag_length).unwrap_or_default();
        let body = self.rest.get(tag_length..).unwrap_or_default();
        let end =
            body.windows(tag_length).position(|part| part == tag).map_or(body.len(), |at| at + tag_length);
        self.rest = body.get(end..).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_that_leave_something_are_told_from_those_that_do_not() {
        let cases: &[(&str, Residue)] = &[
            ("select 1", Residue::NONE),
            ("update t set temp = 1 where listen", Residue::NONE),
            ("select temp from t", Residue::NONE),
            ("begin; set local statement_timeout = 5; select 1", Residue::NONE),
            ("set transaction read only", Residue::NONE),
            ("select 'set x = 1; set y'", Residue::NONE),
            ("select $$; set x = 1$$, $1, E'\\'; set x'", Residue::NONE),
            ("-- set x\n/* ; set /* y */ ; set */ select 1", Residue::NONE),
            ("select pg_advisory_xact_lock(1)", Residue::NONE),
            ("  /* c */ SET statement_timeout = 0", Residue::SETTING),
            ("select 1; reset all", Residue::SETTING),
            ("select set_config('x', 'y', false)", Residue::SETTING),
            ("select pg_catalog.set_config('x', $1, true)", Residue::NONE),
            ("select set_config('x', $1, TRUE ), set_config('y', $2, true)", Residue::NONE),
            ("select set_config('x', 'y', true), set_config('y', 'z', false)", Residue::SETTING),
            ("select set_config('x', 'y', $1)", Residue::SETTING),
            ("select set_config('x', 'y', not true)", Residue::SETTING),
            ("select set_config('x', 'y', $1 = true)", Residue::SETTING),
            ("select set_config('x', 'y', f('a', true))", Residue::SETTING),
            ("select set_config('x', 'y', false -- , true\n)", Residue::SETTING),
            ("select set_config('x', 'y', 'a, true')", Residue::SETTING),
            ("LISTEN news", Residue::LISTEN),
            ("create temp table t (a int)", Residue::TEMPORARY),
            ("create local temporary table t (a int)", Residue::TEMPORARY),
            ("create or replace temp view v as select 1", Residue::TEMPORARY),
            ("select 1 into temp t", Residue::TEMPORARY),
            ("select pg_try_advisory_lock(1)", Residue::LOCK),
            ("select pg_advisory_lock_shared(1)", Residue::LOCK),
            ("declare c cursor with hold for select 1", Residue::CURSOR),
            ("do $$ begin end $$", Residue::ANYTHING),
            ("discard all", Residue::BEYOND_RESET),
            ("deallocate all", Residue::BEYOND_RESET),
        ];
        for (sql, expected) in cases {
            assert_eq!(of_sql(sql.as_bytes()), *expected, "{sql}");
        }
    }

    #[test]
    fn a_text_that_leaves_a_transaction_open_is_told_from_one_that_ends_it() {
        for sql in ["BEGIN", " /* c */ begin; select 1", "select 1; START TRANSACTION", "commit; begin;"] {
            assert!(opens_transaction(sql.as_bytes()), "{sql}");
        }
        for sql in [
            "",
            ";",
            "select 'begin'",
            "select begin from t",
            "begin; select 1; commit",
            "begin; end;",
            "commit",
        ] {
            assert!(!opens_transaction(sql.as_bytes()), "{sql}");
        }
    }

    #[test]
    fn the_end_of_a_transaction_is_recognised() {
        assert!(ends_transaction(b" /* x */ COMMIT"));
        assert!(ends_transaction(b"rollback to savepoint a"));
        assert!(!ends_transaction(b"select 'commit'"));
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(sql: Vec<u8>) {
            let _ = of_sql(&sql);
            let _ = ends_transaction(&sql);
        }
    }
}
