//! Whether what was said to callers agrees with what is in the table.
//!
//! Each request carries an id that nobody else has, and writes it down. The caller keeps a log of what it was told, the
//! server keeps the rows, and only the two together show a lie: a row that was acknowledged and is not there (*lost*),
//! one that is there more than once (*doubled*), one that was told to have failed and is there all the same (a
//! *phantom*). The table has no unique key, on purpose: a key would hide a doubled write by turning it into an error.
//!
//! *Unknown* is no lie. Where the answer to a COMMIT was lost, "it may have happened" is the truth, and either state of
//! the row agrees with it. It is counted, because a caller wants little of it, and so is how much of it was stored.
//!
//! Two more things may be wrong, and would make every other figure worthless: an attempt that has no entry in the log
//! or more than one, and a row that no attempt explains. The number of attempts is therefore counted where they are
//! made, and not taken from the log.
//!
//! Nothing here knows of a server or of time: logs in, verdict out.

use std::collections::BTreeMap;

/// What the caller was told in the end. There are no others, and whoever counts them must count all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum End {
    /// It is stored.
    Acknowledged,
    /// No, and nothing was begun: there was no connection to be had.
    Refused,
    /// No, and nothing of what was begun stays.
    Failed,
    /// It may have happened.
    Unknown,
}

/// One line of the caller's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The request.
    pub id: u64,
    /// What became of it, as the caller was told.
    pub end: End,
}

/// How log and table agree.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Requests that were made.
    pub attempts: u64,
    /// Told to be stored.
    pub acknowledged: u64,
    /// Told no before anything was begun.
    pub refused: u64,
    /// Told to have failed for certain.
    pub failed: u64,
    /// Told that nobody knows.
    pub unknown: u64,
    /// Rows in the table.
    pub stored: u64,
    /// Acknowledged and not stored.
    pub lost: u64,
    /// Ids that are stored more than once.
    pub doubled: u64,
    /// Refused or failed, and stored.
    pub phantoms: u64,
    /// Unknown, and stored.
    pub unknown_stored: u64,
    /// Attempts whose caller was never told anything.
    pub unanswered: u64,
    /// Entries beyond the first of an id, which no attempt explains.
    pub repeated: u64,
    /// Stored ids that are in no entry, and were not left unanswered either.
    pub strangers: u64,
    /// Which ids are lost, doubled or phantoms, in order, for whoever looks for the cause.
    pub lies: Vec<u64>,
}

impl Verdict {
    /// Compares what was told with what is stored. `stored` is the id of every row, in any order.
    #[must_use]
    pub fn of(attempts: u64, log: &[Entry], stored: impl IntoIterator<Item = u64>) -> Self {
        let mut verdict = Verdict { attempts, ..Verdict::default() };
        let mut rows: BTreeMap<u64, u64> = BTreeMap::new();
        for id in stored {
            verdict.stored += 1;
            *rows.entry(id).or_default() += 1;
        }
        for (&id, _) in rows.iter().filter(|(_, times)| **times > 1) {
            verdict.doubled += 1;
            verdict.lies.push(id);
        }
        let mut told: BTreeMap<u64, End> = BTreeMap::new();
        for entry in log {
            if told.insert(entry.id, entry.end).is_some() {
                verdict.repeated += 1;
            }
            verdict.told(*entry, rows.contains_key(&entry.id));
        }
        verdict.unanswered = attempts.saturating_sub(count(told.keys()));
        let unexplained = count(rows.keys().filter(|id| !told.contains_key(id)));
        verdict.strangers = unexplained.saturating_sub(verdict.unanswered);
        verdict.lies.sort_unstable();
        verdict.lies.dedup();
        verdict
    }

    fn told(&mut self, Entry { id, end }: Entry, is_stored: bool) {
        match end {
            End::Acknowledged => self.acknowledged += 1,
            End::Refused => self.refused += 1,
            End::Failed => self.failed += 1,
            End::Unknown => self.unknown += 1,
        }
        match (end, is_stored) {
            (End::Acknowledged, false) => {
                self.lost += 1;
                self.lies.push(id);
            }
            (End::Refused | End::Failed, true) => {
                self.phantoms += 1;
                self.lies.push(id);
            }
            (End::Unknown, true) => self.unknown_stored += 1,
            (End::Acknowledged, true) | (End::Refused | End::Failed | End::Unknown, false) => {}
        }
    }

    /// Whether each attempt has exactly one end, and each row an attempt.
    #[must_use]
    pub fn adds_up(&self) -> bool {
        self.attempts == self.acknowledged + self.refused + self.failed + self.unknown
            && self.unanswered == 0
            && self.repeated == 0
            && self.strangers == 0
    }

    /// Whether nobody was told a lie: nothing lost, doubled or stored against what was said, and the figures add up.
    #[must_use]
    pub fn is_true(&self) -> bool {
        self.lost == 0 && self.doubled == 0 && self.phantoms == 0 && self.adds_up()
    }
}

fn count<T>(things: impl Iterator<Item = T>) -> u64 {
    things.fold(0, |count, _| count + 1)
}
