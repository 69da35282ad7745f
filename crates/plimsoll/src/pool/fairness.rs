//! A refusal takes a turn.
//!
//! Whatever waits gives the other tasks of its runtime their turn; a refusal waits for nothing. Whoever is refused at
//! once and tries again at once would keep a thread for itself, and on a runtime of one thread nothing else would run:
//! not even what would have ended the refusals. So each refusal costs its task a part of its turn, as whatever tokio
//! itself has at hand at once does, and only a task whose turn is used up is interrupted. What succeeds costs nothing.

use crate::error::{Error, Result};

/// Gives the error on, once the others have had their turn if this task's is over.
///
/// # Cancel safety
/// Only waits.
pub(crate) async fn refused<T>(error: Error) -> Result<T> {
    tokio::task::consume_budget().await;
    Err(error)
}
