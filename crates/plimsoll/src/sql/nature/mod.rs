//! What a text can do to transactions, and so what its failure means.
//!
//! If the server answers a query with an error, no part of the query stays. This is not so for `CALL` and `DO`, whose
//! body may commit half-way, for a text that contains a `COMMIT`, and for commands that use several transactions of
//! their own (`VACUUM`, `CREATE INDEX CONCURRENTLY`). So this file lists the commands that are known to be done whole
//! or not at all. Every other command is [`Nature::UNCLEAR`]: an unknown command then costs a retry, and never a row.
//!
//! Sources: PostgreSQL's manual, "Transaction Management" under PL/pgSQL; `PreventInTransactionBlock` in its sources
//! for the commands that work outside a transaction; and the command tags of `cmdtaglist.h`.

use super::Strings;
use super::lexer::{Lexer, Token};
use super::statements::statements;
use std::ops::{BitOr, BitOrAssign};

/// What a text can do to transactions, as a set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Nature(u8);

impl Nature {
    /// Each of its statements is done whole or not at all, and does not begin or end a transaction.
    pub(crate) const ATOMIC: Nature = Nature(0);
    /// It can end the transaction in which it runs (`COMMIT`, `ROLLBACK`, `PREPARE TRANSACTION`).
    pub(crate) const ENDS: Nature = Nature(1);
    /// Not known to be atomic: outside a transaction, a part of it may stay when it fails (`CALL`, `DO`, `VACUUM`).
    pub(crate) const UNCLEAR: Nature = Nature(2);
    /// It can roll back to a savepoint, which has the same command tag as the end of a transaction.
    pub(crate) const UNDOES: Nature = Nature(4);
    /// It leaves a transaction open.
    pub(crate) const OPENS: Nature = Nature(8);
    /// It contains more than one statement.
    pub(crate) const SEVERAL: Nature = Nature(16);
    /// It changes how later statements resolve names, or as which role they run (`SET search_path`, `SET ROLE`).
    pub(crate) const REDIRECTS: Nature = Nature(32);
    /// The same, to a value that its text does not show.
    pub(crate) const REDIRECTS_SOMEWHERE: Nature = Nature(32 | 64);
    /// The nature of a text that could not be read.
    pub(crate) const UNREAD: Nature = Nature(1 | 2 | 8 | 16 | 32 | 64);

    pub(crate) fn contains(self, other: Nature) -> bool {
        self.0 & other.0 == other.0
    }

    fn without(self, other: Nature) -> Nature {
        Nature(self.0 & !other.0)
    }
}

impl BitOr for Nature {
    type Output = Nature;
    fn bitor(self, other: Nature) -> Nature {
        Nature(self.0 | other.0)
    }
}

impl BitOrAssign for Nature {
    fn bitor_assign(&mut self, other: Nature) {
        self.0 |= other.0;
    }
}

/// The nature of a whole text, in every way in which its strings may be read.
pub(crate) fn of_sql(sql: &[u8], strings: Option<Strings>) -> Nature {
    let readings = Strings::readings(sql, strings).iter();
    readings.map(|strings| read(sql, *strings)).fold(Nature::ATOMIC, BitOr::bitor)
}

fn read(sql: &[u8], strings: Strings) -> Nature {
    let mut found = Nature::ATOMIC;
    for (index, statement) in statements(sql, strings).enumerate() {
        let nature = Head::of(statement.tokens()).nature();
        if nature.contains(Nature::ENDS) {
            found = found.without(Nature::OPENS);
        }
        found |= nature;
        if index > 0 {
            found |= Nature::SEVERAL;
        }
    }
    found
}

/// Whether a text may end a transaction. This is asked before each statement, so most texts are decided by their first
/// letter.
#[inline]
pub(crate) fn may_end(sql: &str) -> bool {
    let begins_plainly =
        |first: u8| matches!(first | 0x20, b's' | b'i' | b'u' | b'd' | b'w' | b'v' | b't' | b'l' | b'm');
    match sql.as_bytes().first() {
        Some(&first) if begins_plainly(first) && !sql.as_bytes().contains(&b';') => false,
        _ => of_sql(sql.as_bytes(), None).contains(Nature::ENDS),
    }
}

/// How many words of a statement are read one by one.
const WORDS: usize = 4;

/// The first words of a statement, and the words that matter anywhere in it.
#[derive(Default)]
struct Head<'a> {
    words: [&'a [u8]; WORDS],
    /// Whether the statement begins with something other than a word or a parenthesis.
    is_odd: bool,
    has_concurrently: bool,
    has_execute: bool,
    has_set_config: bool,
    /// Whether a setting is named that changes how names are resolved.
    has_path: bool,
    has_parameter: bool,
}

/// The settings that change how names are resolved. `SET SCHEMA` and `SET SESSION AUTHORIZATION` are other forms of two
/// of them; `RESET ALL` and `SET ROLE NONE` end them.
const PATHS: [&str; 5] = ["search_path", "role", "schema", "authorization", "all"];

impl<'a> Head<'a> {
    fn of(tokens: Lexer<'a>) -> Self {
        let mut head = Head::default();
        let mut count = 0;
        for token in tokens {
            head.has_concurrently |= token.is("concurrently");
            head.has_execute |= token.is("execute");
            head.has_set_config |= token.names("set_config");
            if head.has_set_config || head.is_set() {
                head.has_path |= PATHS.iter().any(|path| token.names(path));
                head.has_path |= matches!(&token, Token::Text(text) if PATHS.iter().any(|path| {
                    text.value().eq_ignore_ascii_case(path.as_bytes())
                }));
                head.has_parameter |= matches!(token, Token::Parameter(_));
            }
            match token {
                Token::Word(word) => {
                    if let Some(place) = head.words.get_mut(count) {
                        *place = word;
                    }
                    count += 1;
                }
                // A parenthesis before the first word belongs to a query, as in `(SELECT 1) UNION ..`.
                Token::Open if count == 0 => {}
                // The name of a command ends before the first token that is no word.
                _ => {
                    head.is_odd |= count == 0;
                    count = count.max(WORDS);
                }
            }
        }
        head
    }

    fn is_set(&self) -> bool {
        let [first, ..] = self.words;
        first.eq_ignore_ascii_case(b"set") || first.eq_ignore_ascii_case(b"reset")
    }

    fn nature(&self) -> Nature {
        match (self.has_path, self.has_set_config && self.has_parameter) {
            (_, true) => self.effect() | Nature::REDIRECTS_SOMEWHERE,
            (true, false) => self.effect() | Nature::REDIRECTS,
            (false, false) => self.effect(),
        }
    }

    /// The nature by the first words.
    fn effect(&self) -> Nature {
        if self.is_odd {
            return Nature::UNCLEAR;
        }
        let mut lower = [[0; 12]; WORDS];
        let mut words: [&[u8]; WORDS] = [&[]; WORDS];
        for ((word, buffer), place) in self.words.iter().zip(&mut lower).zip(&mut words) {
            // All words that matter are shorter.
            let Some(buffer) = buffer.get_mut(..word.len()) else { continue };
            buffer.copy_from_slice(word);
            buffer.make_ascii_lowercase();
            *place = buffer;
        }
        let [first, second, third, fourth] = words;
        match first {
            b"select" | b"insert" | b"update" | b"delete" | b"merge" | b"values" | b"with" | b"table" => {
                Nature::ATOMIC
            }
            b"explain" if !self.has_execute => Nature::ATOMIC,
            b"show" | b"set" | b"reset" | b"lock" | b"truncate" | b"comment" | b"grant" | b"revoke"
            | b"copy" | b"notify" | b"listen" | b"unlisten" | b"refresh" | b"declare" | b"fetch"
            | b"move" | b"close" | b"savepoint" | b"release" => Nature::ATOMIC,
            b"create" | b"alter" | b"drop" if !self.has_concurrently && is_catalog(second) => Nature::ATOMIC,
            b"begin" | b"start" => Nature::OPENS,
            b"commit" | b"end" | b"abort" => ends(second, third, fourth),
            b"rollback" => match (second, third) {
                (b"to", _) | (b"work" | b"transaction", b"to") => Nature::UNDOES,
                _ => ends(second, third, fourth),
            },
            b"prepare" if second == b"transaction" => Nature::ENDS,
            _ => Nature::UNCLEAR,
        }
    }
}

/// COMMIT and ROLLBACK in all their forms.
fn ends(second: &[u8], third: &[u8], fourth: &[u8]) -> Nature {
    let rest = match second {
        // These end a prepared transaction of another session, at once and independently of this one.
        b"prepared" => return Nature::UNCLEAR,
        b"work" | b"transaction" => [third, fourth],
        _ => [second, third],
    };
    if rest == [b"and".as_slice(), b"chain"] { Nature::ENDS | Nature::OPENS } else { Nature::ENDS }
}

/// Whether CREATE, ALTER and DROP of this kind of object change only catalogs and tables, and so belong to the
/// transaction in which they run. Those of databases, tablespaces, subscriptions and the system's settings do not.
fn is_catalog(kind: &[u8]) -> bool {
    const KINDS: &[&[u8]] = &[
        b"table",
        b"temp",
        b"temporary",
        b"unlogged",
        b"index",
        b"unique",
        b"view",
        b"materialized",
        b"recursive",
        b"function",
        b"procedure",
        b"routine",
        b"aggregate",
        b"operator",
        b"trigger",
        b"type",
        b"domain",
        b"schema",
        b"sequence",
        b"policy",
        b"rule",
        b"role",
        b"user",
        b"group",
        b"or",
        b"cast",
        b"collation",
        b"constraint",
        b"extension",
        b"statistics",
        b"default",
        b"owned",
        b"foreign",
        b"local",
        b"global",
        b"text",
        b"publication",
    ];
    KINDS.contains(&kind)
}

#[cfg(test)]
mod tests;
