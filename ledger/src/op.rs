//! What a caller does, and the tables that it writes to.
//!
//! Each operation writes one id, or several where it has parts that may end differently. An id says which operation it
//! belongs to, so that a lie can be traced to it. The table has no key, on purpose: a key would hide a doubled write by
//! turning it into an error; only what is idempotent has one, since without it it would not be.

use std::time::Duration;

/// Made in each lane's database.
///
/// `put` writes and commits by itself, and may fail afterwards.
pub(crate) const SETUP: &str = "\
    CREATE TABLE entry (id bigint NOT NULL, note text);
    CREATE TABLE keyed (id bigint PRIMARY KEY);
    CREATE TABLE hot (id int PRIMARY KEY, n bigint NOT NULL);
    INSERT INTO hot SELECT i, 0 FROM generate_series(1, 4) i;
    CREATE PROCEDURE put(id bigint, error text) LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO entry (id) VALUES (id);
        COMMIT;
        IF error <> '' THEN RAISE EXCEPTION 'after the commit' USING ERRCODE = error; END IF;
    END $$;";

/// Every id that is stored, once for each time.
pub(crate) const STORED: &str = "SELECT id FROM entry UNION ALL SELECT id FROM keyed";

/// Waits until whoever has begun to write has ended.
pub(crate) const WAIT_FOR_WRITERS: &str = "LOCK TABLE entry, keyed IN SHARE MODE";

/// Puts one id down.
pub(crate) const INSERT: &str = "INSERT INTO entry (id) VALUES ($1)";
/// The same, where a second time changes nothing.
pub(crate) const INSERT_ONCE: &str = "INSERT INTO keyed (id) VALUES ($1) ON CONFLICT DO NOTHING";
/// The same after a while.
pub(crate) const INSERT_LATE: &str = "INSERT INTO entry (id) SELECT $1 FROM pg_sleep($2)";
/// Sees the row itself; its columns are what a change of the table changes.
pub(crate) const READ: &str = "SELECT * FROM entry WHERE id = $1";
/// A procedure that commits inside.
pub(crate) const CALL: &str = "CALL put($1, $2)";
/// A row that everybody wants.
pub(crate) const HEAT: &str = "UPDATE hot SET n = n + 1 WHERE id = $1";
/// Sorts more than `work_mem` holds.
pub(crate) const SORT: &str =
    "SELECT count(*) FROM (SELECT i FROM generate_series(1, 30000) i ORDER BY md5(i::text)) sorted";

/// What an operation takes at the most that is slow on purpose, in seconds.
const LONGEST_NAP: f64 = 0.12;

/// An operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Op {
    /// One INSERT by itself.
    Insert,
    /// BEGIN, INSERT, SELECT, COMMIT.
    Transaction,
    /// The same; Plimsoll fetches the transaction's id, by which a lost answer to COMMIT can be settled.
    Resolvable,
    /// A transaction that its author gives to the library to be tried again; elsewhere a transaction.
    Retrying,
    /// An INSERT that changes nothing the second time, given to the library to be tried again; elsewhere the same INSERT.
    Idempotent,
    /// CALL of a procedure that commits inside and may fail afterwards.
    Call,
    /// DO with the same.
    Do,
    /// BEGIN, INSERT and COMMIT, each sent as a text on one connection.
    CommitText,
    /// BEGIN, INSERT and COMMIT in one text.
    Script,
    /// A transaction in which a savepoint has a deadline of its own and writes too.
    Savepoint,
    /// Three statements at once on one connection, the first of them given up early.
    Pipelined,
    /// A connection that is given back with an open transaction in it.
    Poison,
    /// A serializable transaction on rows that everybody writes.
    Hot,
    /// A transaction that waits for one row that somebody else holds, then inserts.
    Locked,
    /// An INSERT that takes about as long as its caller waits.
    Slow,
    /// A transaction that sorts more than fits into memory.
    Sort,
}

impl Op {
    /// Every one, in the order of the table: first what every fault is met with, then what some are.
    pub const ALL: [Op; 16] = [
        Op::Insert,
        Op::Transaction,
        Op::Resolvable,
        Op::Retrying,
        Op::Idempotent,
        Op::Call,
        Op::Do,
        Op::CommitText,
        Op::Script,
        Op::Savepoint,
        Op::Pipelined,
        Op::Poison,
        Op::Hot,
        Op::Locked,
        Op::Slow,
        Op::Sort,
    ];

    /// What every fault is met with.
    pub(crate) const MIX: &'static [Op] = Op::ALL.split_at(11).0;

    /// Whether it is a transaction that the library opens, and not statements or texts by themselves.
    #[cfg(feature = "peers")]
    pub(crate) fn is_a_transaction(self) -> bool {
        matches!(
            self,
            Op::Transaction | Op::Resolvable | Op::Retrying | Op::Savepoint | Op::Hot | Op::Locked | Op::Sort
        )
    }

    /// In a few words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Op::Insert => "one `INSERT`",
            Op::Transaction => "a transaction",
            Op::Resolvable => "a transaction whose fate can be asked for",
            Op::Retrying => "a transaction given to be tried again",
            Op::Idempotent => "an `INSERT .. ON CONFLICT DO NOTHING` given to be tried again",
            Op::Call => "`CALL` of a procedure that commits inside and may fail afterwards",
            Op::Do => "`DO` with the same",
            Op::CommitText => "`BEGIN`, `INSERT`, `COMMIT` as texts",
            Op::Script => "`BEGIN; INSERT; COMMIT` in one text",
            Op::Savepoint => "a savepoint with a deadline of its own",
            Op::Pipelined => "three statements at once on one connection, one given up",
            Op::Poison => "a connection given back inside a transaction",
            Op::Hot => "a serializable transaction on rows that everybody writes",
            Op::Locked => "a transaction that waits for a locked row",
            Op::Slow => "an `INSERT` that takes as long as its caller waits",
            Op::Sort => "a transaction that sorts more than fits into memory",
        }
    }

    /// How many ids it writes.
    pub(crate) fn ids(self) -> usize {
        match self {
            Op::Savepoint => 2,
            Op::Pipelined => 3,
            _ => 1,
        }
    }
}

/// One operation to be done.
#[derive(Clone, Debug)]
pub(crate) struct Deed {
    /// What is done.
    pub(crate) op: Op,
    /// What is put down.
    pub(crate) ids: Vec<i64>,
    /// How long its caller waits for each try.
    pub(crate) patience: Duration,
    /// Where it has a choice.
    pub(crate) dice: u32,
}

impl Deed {
    /// The id, or the first.
    pub(crate) fn id(&self) -> i64 {
        self.nth(0)
    }

    /// One of several ids.
    pub(crate) fn nth(&self, at: usize) -> i64 {
        self.ids.get(at).copied().unwrap_or_default()
    }

    /// How what commits inside ends: mostly well, else with an error of its own or with one that looks as if it might
    /// be tried again.
    pub(crate) fn error_afterwards(&self) -> &'static str {
        match self.dice % 6 {
            0 => "P0001",
            1 => "40001",
            2 => "22012",
            _ => "",
        }
    }

    /// A DO that writes and commits by itself, and may fail afterwards.
    pub(crate) fn do_text(&self) -> String {
        let error = self.error_afterwards();
        let raise = match error {
            "" => String::new(),
            _ => format!("RAISE EXCEPTION 'after the commit' USING ERRCODE = '{error}';"),
        };
        format!("DO $$ BEGIN INSERT INTO entry (id) VALUES ({}); COMMIT; {raise} END $$", self.id())
    }

    /// A whole transaction as one text.
    pub(crate) fn script_text(&self) -> String {
        format!("BEGIN; INSERT INTO entry (id) VALUES ({}); COMMIT", self.id())
    }

    /// One of the rows that everybody wants.
    pub(crate) fn row(&self) -> i32 {
        match self.op {
            Op::Locked => 4,
            _ => (self.dice % 3).cast_signed() + 1,
        }
    }

    /// How long something inside takes, in seconds: a little, or about as long as the caller waits.
    pub(crate) fn nap(&self) -> f64 {
        let part = f64::from(self.dice % 100) / 100.0;
        match self.op {
            Op::Slow => (self.patience.as_secs_f64() * (0.5 + part)).min(LONGEST_NAP),
            _ => 0.02 * part,
        }
    }

    /// How long a part with a deadline of its own may take.
    pub(crate) fn brief(&self) -> Duration {
        Duration::from_millis(2 + u64::from(self.dice % 17))
    }
}
