//! What a statement leaves in the session.
//!
//! A session outlives the lease of its connection: a `SET`, a `LISTEN`, a temporary table or an advisory lock at
//! session level would be found by the next caller. Resetting after every return would cost a round trip each time. So
//! the text of each statement is read once, when it is sent, and only a session in which something was left is reset.
//!
//! The reading considers how each statement begins, a few function names anywhere, quoted or not, and a few sequences
//! of words. If in doubt it assumes that something was left: that costs a round trip, while the opposite error would
//! give one caller's settings to another. It does not see what a function does in its body.
//!
//! Sequences are left out on purpose. `nextval` leaves a value for `lastval` and `currval`, but so does every INSERT
//! into a table with such a default, and its text does not show it. A reset after the one would not help against the
//! other, and a caller that uses `currval` without a `nextval` of its own gets a stranger's number on any pool.

use super::lexer::{Lexer, Token};
use super::{Strings, functions};
use std::borrow::Cow;
use std::ops::BitOr;

/// What may have been left in the session, as a set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Residue(u32);

impl Residue {
    pub(crate) const NONE: Residue = Residue(0);
    /// A setting of the session was changed.
    pub(crate) const SETTING: Residue = Residue(1);
    /// The session listens to a channel.
    pub(crate) const LISTEN: Residue = Residue(2);
    /// A temporary object exists.
    pub(crate) const TEMPORARY: Residue = Residue(4);
    /// An advisory lock is held at session level.
    pub(crate) const LOCK: Residue = Residue(8);
    /// A cursor outlives its transaction.
    pub(crate) const CURSOR: Residue = Residue(16);
    /// Anything may have happened (`DO`, `CALL`).
    pub(crate) const ANYTHING: Residue = Residue(31);
    /// Something that no reset undoes without removing this crate's own prepared statements.
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

/// What a text may leave in the session, in every way in which its strings may be read.
pub(crate) fn of_sql(sql: &[u8], strings: Option<Strings>) -> Residue {
    Strings::readings(sql, strings)
        .iter()
        .fold(Residue::NONE, |found, strings| found | read(Lexer::new(sql, *strings)))
}

fn read(mut lexer: Lexer<'_>) -> Residue {
    let mut found = Residue::NONE;
    let mut statement = Statement::default();
    while let Some(token) = lexer.next() {
        if token == Token::Semicolon {
            statement = Statement::default();
        } else {
            found = found | statement.take(token, &lexer);
        }
    }
    found
}

/// The state of reading one statement.
#[derive(Default)]
struct Statement<'a> {
    head: Head,
    depth: usize,
    /// The last tokens, the latest first: words as written, others as a sign, `None` before the beginning.
    before: [&'a [u8]; 3],
    /// There is a SELECT outside all parentheses.
    selects: bool,
    /// The last INTO belongs to an INSERT or a MERGE, and names the table that is written.
    inserts: bool,
    updates: bool,
}

/// What the beginning of the statement was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Head {
    #[default]
    Nothing,
    Explain,
    Set,
    SetSession,
    SetLocal,
    /// Inside the schemas of `SET LOCAL search_path`, as long as `pg_temp` could still be the first that exists.
    Path,
    Prepare,
    Declare,
    Other,
}

impl<'a> Statement<'a> {
    /// Reads the next token; the lexer stands after it.
    fn take(&mut self, token: Token<'a>, behind: &Lexer<'a>) -> Residue {
        let found =
            self.of_head(&token, behind) | self.of_place(&token, behind) | functions::of(&token, behind);
        match token {
            Token::Open => self.depth += 1,
            Token::Close => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
        let [first, second, _] = self.before;
        self.before = [sign(&token), first, second];
        found
    }

    /// Whether the token at this distance is this keyword; the latest one has distance 0.
    fn was(&self, back: usize, keyword: &str) -> bool {
        self.before.get(back).is_some_and(|word| word.eq_ignore_ascii_case(keyword.as_bytes()))
    }

    fn of_head(&mut self, token: &Token<'a>, behind: &Lexer<'a>) -> Residue {
        let next = || behind.clone().next();
        let (head, found) = match self.head {
            Head::Nothing | Head::Explain => return self.begin(token),
            // `SET local.tenant` and `SET transaction.x` set parameters of these names, for the session.
            Head::Set | Head::SetSession if token.names("seed") => (Head::Other, Residue::BEYOND_RESET),
            Head::Set if is_set_part(token) && !next().is_some_and(|next| is_assignment(&next)) => {
                (if token.is("local") { Head::SetLocal } else { Head::Other }, Residue::NONE)
            }
            Head::Set if token.is("session") => (Head::SetSession, Residue::SETTING),
            Head::Set | Head::SetSession => (Head::Other, Residue::SETTING),
            // Its effect on random() outlives the transaction.
            Head::SetLocal if token.names("seed") => (Head::Other, Residue::BEYOND_RESET),
            Head::SetLocal if token.names("search_path") || token.is("schema") => (Head::Path, Residue::NONE),
            Head::SetLocal => (Head::Other, Residue::NONE),
            Head::Path => of_path(token),
            Head::Prepare if token.is("transaction") && matches!(next(), Some(Token::Text(_))) => {
                (Head::Other, Residue::NONE)
            }
            Head::Prepare => (Head::Other, Residue::BEYOND_RESET),
            Head::Declare if token.is("hold") && self.was(0, "with") => (Head::Other, Residue::CURSOR),
            Head::Declare | Head::Other => return Residue::NONE,
        };
        self.head = head;
        found
    }

    /// The first word of a statement, or of the statement that EXPLAIN explains.
    fn begin(&mut self, token: &Token<'a>) -> Residue {
        let Token::Word(word) = token else { return Residue::NONE };
        let is_explained = self.head == Head::Explain;
        let is_option = self.depth > 0 || ["analyze", "analyse", "verbose"].iter().any(|word| token.is(word));
        if is_explained && is_option {
            return Residue::NONE;
        }
        let (head, found) = match word.to_ascii_lowercase().as_slice() {
            b"execute" => (Head::Other, Residue::ANYTHING),
            _ if is_explained => (Head::Other, Residue::NONE),
            b"explain" => (Head::Explain, Residue::NONE),
            b"set" => (Head::Set, Residue::NONE),
            b"declare" => (Head::Declare, Residue::NONE),
            b"prepare" => (Head::Prepare, Residue::NONE),
            b"reset" | b"load" => (Head::Other, Residue::SETTING),
            b"listen" | b"unlisten" => (Head::Other, Residue::LISTEN),
            b"deallocate" | b"discard" => (Head::Other, Residue::BEYOND_RESET),
            b"do" | b"call" => (Head::Other, Residue::ANYTHING),
            _ => (Head::Other, Residue::NONE),
        };
        self.head = head;
        found
    }

    /// What a word means at its place. This is called for every word, so most are dismissed by their first letter.
    fn of_place(&mut self, token: &Token<'a>, behind: &Lexer<'a>) -> Residue {
        let (Token::Word([first, ..]) | Token::Quoted(Cow::Borrowed([first, ..]))) = token else {
            return self.of_schema(token, behind);
        };
        match first.to_ascii_lowercase() {
            b's' => self.selects |= self.depth == 0 && token.is("select"),
            b'u' => self.updates |= token.is("update"),
            b'i' if token.is("into") => {
                let begins = self.before[1].is_empty() || self.before[1] == b"(";
                self.inserts = (self.was(0, "insert") || self.was(0, "merge"))
                    && (begins || (self.depth == 0 && !self.selects));
            }
            b't' if token.is("temp") || token.is("temporary") => {
                let back = usize::from(self.was(0, "local") || self.was(0, "global"));
                let is_made =
                    self.was(back, "create") || (self.was(back, "replace") && self.was(back + 1, "or"));
                let is_selected = self.was(back, "into") && !self.inserts;
                if is_made || is_selected {
                    return Residue::TEMPORARY;
                }
            }
            // CREATE TABLE .. AS EXECUTE
            b'e' if token.is("execute") && self.was(0, "as") => return Residue::ANYTHING,
            b'p' => return self.of_schema(token, behind),
            _ => {}
        }
        Residue::NONE
    }

    /// What a name that begins with `pg_` means at its place.
    fn of_schema(&self, token: &Token<'a>, behind: &Lexer<'a>) -> Residue {
        if self.updates && token.names("pg_settings") {
            return Residue::SETTING;
        }
        if is_temporary_schema(token) && (!self.is_listed() || behind.clone().next() == Some(Token::Dot)) {
            return Residue::TEMPORARY;
        }
        Residue::NONE
    }

    /// Whether a name here is an element of a list or a value, as in a search path, which creates nothing yet.
    fn is_listed(&self) -> bool {
        matches!(self.before[0], b"," | b"=" | b".") || self.was(0, "to")
    }
}

/// What is kept of a token.
fn sign<'a>(token: &Token<'a>) -> &'a [u8] {
    match token {
        Token::Word(word) => word,
        Token::Open => b"(",
        Token::Comma => b",",
        Token::Dot => b".",
        Token::Operator(b"=") => b"=",
        _ => b"?",
    }
}

fn is_set_part(token: &Token<'_>) -> bool {
    token.is("local") || token.is("transaction") || token.is("constraints")
}

fn is_assignment(token: &Token<'_>) -> bool {
    matches!(token, Token::Dot | Token::Operator(b"=")) || token.is("to")
}

/// Whether this is `pg_temp`, or its full name such as `pg_temp_3`.
fn is_temporary_schema(token: &Token<'_>) -> bool {
    // Called for every word, so most are dismissed before they are converted to lower case.
    token.is_like("pg_temp") && token.name().is_some_and(|name| names_temporary_schema(&name))
}

fn names_temporary_schema(name: &[u8]) -> bool {
    name.strip_prefix(b"pg_temp").is_some_and(|rest| match rest.split_first() {
        None => true,
        Some((b'_', number)) => !number.is_empty() && number.iter().all(u8::is_ascii_digit),
        Some(_) => false,
    })
}

/// What the next schema of `SET LOCAL search_path` means. New objects are created in the first schema that exists, and
/// are temporary if that is `pg_temp`. `"$user"` is skipped, since such a schema rarely exists.
fn of_path(token: &Token<'_>) -> (Head, Residue) {
    let name = match token {
        Token::Text(text) => text.value(),
        other => other.name().unwrap_or_default(),
    };
    match &*name {
        b"" | b"to" | b"$user" => (Head::Path, Residue::NONE),
        name if names_temporary_schema(name) => (Head::Other, Residue::TEMPORARY),
        _ => (Head::Other, Residue::NONE),
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
            (
                "select \"set_config\"('x', 'y', false), U&\"set\\005Fconfig\"('x', 'y', true)",
                Residue::SETTING,
            ),
            ("select set_config('seed', '0.5', true)", Residue::BEYOND_RESET),
            ("set seed = 0.5", Residue::BEYOND_RESET),
            ("select setseed(0.5)", Residue::BEYOND_RESET),
            ("set local.tenant = 'x'", Residue::SETTING),
            ("set local timezone = 'UTC'", Residue::NONE),
            ("select \"Set_Config\"('x', 'y', false), \"set\", \"temp\"", Residue::NONE),
            ("update pg_settings set setting = 'x'", Residue::SETTING),
            ("prepare transaction 'x'", Residue::NONE),
            ("prepare transaction as select 1", Residue::BEYOND_RESET),
            ("explain (analyze, verbose true) execute x(1)", Residue::ANYTHING),
            ("explain analyse execute x", Residue::ANYTHING),
            ("create table t as execute x", Residue::ANYTHING),
            ("create trigger a after insert on t for each row execute function f()", Residue::NONE),
            ("select pg_create_logical_replication_slot('s', 'p')", Residue::NONE),
            ("select pg_create_logical_replication_slot('s', 'p', true)", Residue::BEYOND_RESET),
            ("select dblink_connect('c', $1)", Residue::BEYOND_RESET),
            ("declare c cursor for select 1", Residue::NONE),
            ("table pg_temp_3.x", Residue::TEMPORARY),
            ("insert into temp select 1", Residue::NONE),
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
            assert_eq!(of_sql(sql.as_bytes(), Some(Strings::Standard)), *expected, "{sql}");
        }
    }

    #[test]
    fn where_the_way_of_reading_is_not_known_both_are_looked_at() {
        let sql = br"select '\'; set x = 1; --'";
        assert_eq!(of_sql(sql, Some(Strings::Standard)), Residue::SETTING);
        assert_eq!(of_sql(sql, Some(Strings::Escaped)), Residue::NONE);
        assert_eq!(of_sql(sql, None), Residue::SETTING);
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(sql: Vec<u8>) {
            let _ = of_sql(&sql, None);
        }
    }
}
