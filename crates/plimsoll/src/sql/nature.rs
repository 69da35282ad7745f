//! What a text can do to transactions, and so what a failure of it means.
//!
//! When the server answers a statement with an error, nothing of the statement stays: so everybody believes, and so it
//! is for a query. It is not so for `CALL` and `DO`, whose body may commit half-way, for a text that holds a `COMMIT`,
//! and for commands that work in several transactions of their own (`VACUUM`, `CREATE INDEX CONCURRENTLY`). Therefore
//! this is a list of what is known to be done whole or not at all. Whatever is not on it is [`Nature::UNCLEAR`]: an
//! unknown command costs somebody a retry, and never a row.
//!
//! Source: PostgreSQL's manual, "Transaction Management" under PL/pgSQL, `PreventInTransactionBlock` in its sources for
//! the commands that work outside a transaction, and the command tags of `cmdtaglist.h`.

use super::Strings;
use super::lexer::{Lexer, Token};
use super::statements::statements;
use std::ops::{BitOr, BitOrAssign};

/// What a text can do to transactions, as a set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Nature(u8);

impl Nature {
    /// Every statement in it is done whole or not at all, and leaves transactions alone.
    pub(crate) const ATOMIC: Nature = Nature(0);
    /// It can end the transaction in which it runs (`COMMIT`, `ROLLBACK`, `PREPARE TRANSACTION`).
    pub(crate) const ENDS: Nature = Nature(1);
    /// Nothing is known of it: outside a transaction it may keep a part of what it did (`CALL`, `DO`, `VACUUM`).
    pub(crate) const UNCLEAR: Nature = Nature(2);
    /// It can roll back to a savepoint, which is tagged like the end of a transaction.
    pub(crate) const UNDOES: Nature = Nature(4);
    /// After it a transaction is open.
    pub(crate) const OPENS: Nature = Nature(8);
    /// It holds more than one statement.
    pub(crate) const SEVERAL: Nature = Nature(16);
    /// What has to be expected of a text that could not be read.
    pub(crate) const UNREAD: Nature = Nature(1 | 2 | 8 | 16);

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

/// Reads a whole text, in any way in which its strings may be read.
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

/// Whether a text may end a transaction, for one that is asked before each statement: most are known by their first
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

/// How many words of a statement are looked at one by one.
const WORDS: usize = 4;

/// The words with which a statement begins, and those that matter anywhere.
#[derive(Default)]
struct Head<'a> {
    words: [&'a [u8]; WORDS],
    /// Something other than a word or a parenthesis came first.
    is_odd: bool,
    has_concurrently: bool,
    has_execute: bool,
}

impl<'a> Head<'a> {
    fn of(tokens: Lexer<'a>) -> Self {
        let mut head = Head::default();
        let mut count = 0;
        for token in tokens {
            head.has_concurrently |= token.is("concurrently");
            head.has_execute |= token.is("execute");
            match token {
                Token::Word(word) => {
                    if let Some(place) = head.words.get_mut(count) {
                        *place = word;
                    }
                    count += 1;
                }
                // A parenthesis before the first word belongs to a query, as in `(SELECT 1) UNION ..`.
                Token::Open if count == 0 => {}
                // What is no word ends the words that a command's name is made of.
                _ => {
                    head.is_odd |= count == 0;
                    count = count.max(WORDS);
                }
            }
        }
        head
    }

    fn nature(&self) -> Nature {
        if self.is_odd {
            return Nature::UNCLEAR;
        }
        let mut lower = [[0; 12]; WORDS];
        let mut words: [&[u8]; WORDS] = [&[]; WORDS];
        for ((word, buffer), place) in self.words.iter().zip(&mut lower).zip(&mut words) {
            // No word that matters is longer.
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
        // Another session's transaction, which is decided at once and whatever becomes of this one.
        b"prepared" => return Nature::UNCLEAR,
        b"work" | b"transaction" => [third, fourth],
        _ => [second, third],
    };
    if rest == [b"and".as_slice(), b"chain"] { Nature::ENDS | Nature::OPENS } else { Nature::ENDS }
}

/// Whether CREATE, ALTER and DROP of this change nothing but the catalogs and the tables, in the transaction in which
/// they run. Databases, tablespaces, subscriptions and the system's own settings are not so.
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
mod tests {
    use super::*;

    fn nature(sql: &str) -> Nature {
        of_sql(sql.as_bytes(), Some(Strings::Standard))
    }

    #[test]
    fn queries_and_changes_of_tables_are_done_whole_or_not_at_all() {
        for sql in [
            "SELECT 1",
            " /* x */ insert into t values ($1) ;",
            "((SELECT 1) UNION (SELECT 2))",
            "WITH a AS (DELETE FROM t RETURNING *) SELECT * FROM a",
            "VALUES (1)",
            "TABLE t",
            "MERGE INTO t USING s ON true WHEN MATCHED THEN DELETE",
            "CREATE UNIQUE INDEX i ON t (a)",
            "create or replace function f() returns int language sql as 'select 1; commit'",
            "ALTER TABLE t ADD COLUMN \"commit\" int",
            "EXPLAIN ANALYZE DELETE FROM t",
            "CREATE TRIGGER t BEFORE INSERT ON t EXECUTE FUNCTION f()",
            "SAVEPOINT a",
            "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE WHEN true THEN 1 END; SELECT 2; END",
            "",
            ";;",
        ] {
            assert_eq!(nature(sql).without(Nature::SEVERAL), Nature::ATOMIC, "{sql}");
        }
    }

    #[test]
    fn what_may_keep_a_part_of_itself_is_unclear() {
        for sql in [
            "CALL p()",
            "DO $$ BEGIN COMMIT; END $$",
            "EXECUTE s",
            "EXPLAIN ANALYZE EXECUTE s",
            "VACUUM t",
            "CREATE INDEX CONCURRENTLY i ON t (a)",
            "REINDEX TABLE t",
            "CREATE DATABASE d",
            "DROP SUBSCRIPTION s",
            "ALTER SYSTEM SET x = 1",
            "ALTER TABLE t DETACH PARTITION p CONCURRENTLY",
            "COMMIT PREPARED 'x'",
            "ROLLBACK PREPARED 'x'",
            "SELEKT 1",
            "'SELECT'",
            "\"select\" 1",
            "SELECT 1; CALL p()",
            "CLUSTER",
        ] {
            assert!(nature(sql).contains(Nature::UNCLEAR), "{sql}");
        }
    }

    #[test]
    fn the_end_of_a_transaction_is_found_wherever_it_stands() {
        for sql in [
            "COMMIT",
            "commit work",
            "END",
            "abort",
            "ROLLBACK",
            "ROLLBACK TRANSACTION",
            "PREPARE TRANSACTION 'x'",
            "insert into t values (1); commit",
            "/* */ -- x\n rollback; begin",
            "COMMIT AND CHAIN",
            "COMMIT AND NO CHAIN",
            "ROLLBACK TO a; COMMIT",
        ] {
            assert!(nature(sql).contains(Nature::ENDS), "{sql}");
            assert!(may_end(sql), "{sql}");
        }
        for sql in ["ROLLBACK TO a", "rollback work to savepoint a", "ROLLBACK TRANSACTION TO a"] {
            assert_eq!(nature(sql), Nature::UNDOES, "{sql}");
            assert!(!may_end(sql), "{sql}");
        }
    }

    #[test]
    fn whether_a_transaction_is_open_afterwards() {
        for sql in
            ["BEGIN", "START TRANSACTION", "commit; begin;", "COMMIT AND CHAIN", "ROLLBACK WORK AND CHAIN"]
        {
            assert!(nature(sql).contains(Nature::OPENS), "{sql}");
        }
        for sql in ["BEGIN; END;", "begin; select 1; commit", "COMMIT AND NO CHAIN", "select 1"] {
            assert!(!nature(sql).contains(Nature::OPENS), "{sql}");
        }
    }

    #[test]
    fn where_the_way_of_reading_is_not_known_both_are_looked_at() {
        let hidden = br"select '\'; commit; select '";
        assert!(of_sql(hidden, None).contains(Nature::ENDS));
        assert!(!of_sql(hidden, Some(Strings::Escaped)).contains(Nature::ENDS));
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(sql: Vec<u8>) {
            let _ = of_sql(&sql, None);
        }
    }
}
