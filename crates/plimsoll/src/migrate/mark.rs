//! Tells whether the transaction that was opened for a file is still the open one.
//!
//! A file whose text shows a COMMIT is refused. But the server decides what a text does, and may read it differently
//! than this program; and after `COMMIT; BEGIN` or `ROLLBACK AND CHAIN` a session looks as if nothing had happened. So
//! a savepoint with a random name is created before the file's first statement. It is gone once its transaction has
//! ended, in whatever way. Releasing it at the end proves that nothing was committed in between. After a failed
//! statement, rolling back to it proves the same, and is the only thing that the server still allows.
//!
//! Either would undo savepoints that the file itself has created. So in the middle of a file, a setting is read first,
//! which holds to the end of the transaction and ends with it; only if it is missing, the savepoint is checked.

use super::script::Statement;
use crate::call::transaction::Transaction;
use crate::error::{Error, Result};
use crate::fault::Fault;
use crate::wire::transaction_status::TransactionStatus;
use std::time::Duration;
use tokio::time::timeout;

const READ: &str = "SELECT pg_catalog.current_setting('plimsoll.file', true)";

/// The savepoint at the beginning of a file, and the setting whose value is the savepoint's name.
pub(super) struct Mark {
    name: String,
}

/// Whether the savepoint still exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MarkState {
    /// The transaction that was opened is still open.
    Intact,
    /// That transaction has ended.
    Ended,
    /// The server could not be asked.
    NoAnswer,
}

impl Mark {
    /// Creates the savepoint and the setting.
    pub(super) async fn set(tx: &Transaction) -> Result<Self> {
        let name = format!("plimsoll_file_{:016x}", fastrand::u64(..));
        let mark = Mark { name };
        tx.script(&format!("{}; SAVEPOINT {}", mark.setting(), mark.name)).await?;
        Ok(mark)
    }

    fn setting(&self) -> String {
        format!("SET LOCAL plimsoll.file = '{}'", self.name)
    }

    /// Checks the mark after a statement, if the statement may have removed it.
    pub(super) async fn after(&self, tx: &Transaction, statement: &Statement<'_>) -> Result<MarkState> {
        let (status, tag) = tx.last_answer();
        let is_plain = status == TransactionStatus::InTransaction
            && !is_of_transactions(&tag)
            && !statement.has_inner_semicolon;
        if is_plain {
            if tag == "RESET" {
                // It may have been RESET ALL.
                tx.script(&self.setting()).await?;
            }
            return Ok(MarkState::Intact);
        }
        let name = &self.name;
        match tx.query_one(READ, &[]).await {
            Ok(row) if row.try_get::<_, Option<&str>>(0)? == Some(name) => return Ok(MarkState::Intact),
            Ok(_) => {}
            Err(error) if is_gone(&error) => return Ok(MarkState::Ended),
            Err(error) => return Err(error),
        }
        state_by(tx.script(&format!("RELEASE SAVEPOINT {name}; SAVEPOINT {name}")).await)
    }

    /// Releases the savepoint, after the last statement.
    pub(super) async fn release(self, tx: &Transaction) -> Result<MarkState> {
        state_by(tx.script(&format!("RELEASE SAVEPOINT {}", self.name)).await)
    }

    /// Rolls back to the savepoint, after a failed statement.
    pub(super) async fn go_back(self, tx: &Transaction, patience: Duration) -> MarkState {
        let sql = format!("ROLLBACK TO SAVEPOINT {}", self.name);
        match timeout(patience, tx.script(&sql)).await {
            Ok(answer) => state_by(answer).unwrap_or(MarkState::NoAnswer),
            Err(_) => MarkState::NoAnswer,
        }
    }
}

/// Whether a command tag may belong to a statement that begins or ends a transaction; `ROLLBACK TO` has one of them
/// too.
fn is_of_transactions(tag: &str) -> bool {
    ["BEGIN", "START TRANSACTION", "COMMIT", "ROLLBACK", "PREPARE TRANSACTION"].contains(&tag)
}

fn state_by(answer: Result<()>) -> Result<MarkState> {
    match answer {
        Ok(()) => Ok(MarkState::Intact),
        Err(error) if is_gone(&error) => Ok(MarkState::Ended),
        Err(error) => Err(error),
    }
}

/// Whether the error says: no such savepoint, no transaction, or an ended transaction that was noticed before sending.
fn is_gone(error: &Error) -> bool {
    match error.as_db_error() {
        Some(db) => matches!(db.code().code(), "3B001" | "25P01"),
        None => error.fault() == Fault::TransactionState,
    }
}
