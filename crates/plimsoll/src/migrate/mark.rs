//! Whether the transaction that was opened for a file is still the one that is open.
//!
//! A file's own text is refused if it shows a COMMIT. But what a text does is decided by the server, which may read it
//! otherwise than this program does; and after `COMMIT; BEGIN` or `ROLLBACK AND CHAIN` a session looks as if nothing
//! had happened. A savepoint that is made before the file's first statement tells: it is gone once its transaction has
//! ended, however that came about, and its name is known to nobody else. Releasing it proves that nothing was committed
//! on the way. Rolling back to it proves the same where a statement has failed, and nothing else may be asked then.
//!
//! Either would undo savepoints that the file itself has made. So in the middle of a file a setting is read first, which
//! holds to the end of the transaction and goes with it; if it is not there, the savepoint is asked.

use super::script::Statement;
use crate::call::transaction::Transaction;
use crate::error::{Error, Result};
use crate::fault::Fault;
use std::time::Duration;
use tokio::time::timeout;

const READ: &str = "SELECT pg_catalog.current_setting('plimsoll.file', true)";

/// The savepoint at the beginning of a file, and the setting, whose value is its name.
pub(super) struct Mark {
    name: String,
}

/// Whether it is still there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MarkState {
    /// The transaction is the one that was opened.
    Intact,
    /// That one has ended.
    Ended,
    /// The server could not be asked.
    NoAnswer,
}

impl Mark {
    /// Makes it.
    pub(super) async fn set(tx: &Transaction) -> Result<Self> {
        let name = format!("plimsoll_file_{:016x}", fastrand::u64(..));
        let mark = Mark { name };
        tx.script(&format!("{}; SAVEPOINT {}", mark.setting(), mark.name)).await?;
        Ok(mark)
    }

    fn setting(&self) -> String {
        format!("SET LOCAL plimsoll.file = '{}'", self.name)
    }

    /// Looks at it after a statement that may have removed it.
    pub(super) async fn after(&self, tx: &Transaction, statement: &Statement<'_>) -> Result<MarkState> {
        let (status, tag) = tx.last_answer();
        let is_plain = status == b'T' && !is_of_transactions(&tag) && !statement.has_inner_semicolon;
        if is_plain {
            if tag == "RESET" {
                // It may have been of all settings.
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

    /// Removes it, when all has gone well.
    pub(super) async fn release(self, tx: &Transaction) -> Result<MarkState> {
        state_by(tx.script(&format!("RELEASE SAVEPOINT {}", self.name)).await)
    }

    /// Goes back to it, when something has failed.
    pub(super) async fn go_back(self, tx: &Transaction, patience: Duration) -> MarkState {
        let sql = format!("ROLLBACK TO SAVEPOINT {}", self.name);
        match timeout(patience, tx.script(&sql)).await {
            Ok(answer) => state_by(answer).unwrap_or(MarkState::NoAnswer),
            Err(_) => MarkState::NoAnswer,
        }
    }
}

/// Whether a command tag is of a statement that begins or ends transactions, or may be: `ROLLBACK TO` has the same.
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

/// No such savepoint, no transaction at all, or found out before it was sent.
fn is_gone(error: &Error) -> bool {
    match error.as_db_error() {
        Some(db) => matches!(db.code().code(), "3B001" | "25P01"),
        None => error.fault() == Fault::TransactionState,
    }
}
