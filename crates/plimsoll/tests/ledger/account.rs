//! What was said of each operation beside what is in the table: the definition of "nothing lost".
//!
//! An operation is acknowledged, failed for certain, or unknown. An acknowledged one must be there once; one that failed
//! must not be there; nobody's may be there twice. Only of an unknown one both is allowed.

use plimsoll::{Error, Outcome};
use std::collections::HashMap;

/// What a caller was told of one operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    Acknowledged,
    Failed,
    Unknown,
}

impl Told {
    pub fn of<T>(result: &Result<T, Error>) -> Self {
        match result.as_ref().map_err(Error::outcome) {
            Ok(_) | Err(Outcome::Committed) => Told::Acknowledged,
            Err(Outcome::NotStarted | Outcome::RolledBack) => Told::Failed,
            Err(_) => Told::Unknown,
        }
    }
}

/// The sums, and every operation of which something else was told than what is so.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Account {
    pub acknowledged: usize,
    pub failed: usize,
    pub unknown: usize,
    pub unknown_stored: usize,
    pub lost: Vec<i64>,
    pub doubled: Vec<i64>,
    pub phantoms: Vec<i64>,
    /// In the table, and nobody's.
    pub strangers: Vec<i64>,
}

impl Account {
    pub fn of(told: &HashMap<i64, Told>, stored: &[i64]) -> Self {
        let mut times: HashMap<i64, usize> = HashMap::new();
        stored.iter().for_each(|id| *times.entry(*id).or_default() += 1);
        let mut account = Account::default();
        for (id, told) in told {
            let stored = times.remove(id).unwrap_or_default();
            if stored > 1 {
                account.doubled.push(*id);
            }
            match told {
                Told::Acknowledged => {
                    account.acknowledged += 1;
                    account.lost.extend((stored == 0).then_some(*id));
                }
                Told::Failed => {
                    account.failed += 1;
                    account.phantoms.extend((stored > 0).then_some(*id));
                }
                Told::Unknown => {
                    account.unknown += 1;
                    account.unknown_stored += usize::from(stored > 0);
                }
            }
        }
        account.strangers.extend(times.into_keys());
        account
    }

    /// Whether everything is so as it was told.
    pub fn is_true(&self) -> bool {
        [&self.lost, &self.doubled, &self.phantoms, &self.strangers].iter().all(|wrong| wrong.is_empty())
    }
}
