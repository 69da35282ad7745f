//! A refusal takes part of its task's turn.
//!
//! A task that waits lets the other tasks of its runtime run; a refusal waits for nothing. A caller that is refused at
//! once and tries again at once would keep its thread busy, and on a runtime of one thread nothing else would run: not
//! even the task that would have ended the refusals. So each refusal costs its task a part of its cooperative budget,
//! as an operation of tokio does that is ready at once, and only a task that has spent its budget is interrupted.
//! Success costs nothing.

use crate::error::{Error, Result};

/// Passes the error on, once the other tasks have had their turn if this one's is over.
///
/// # Cancel safety
/// Only waits.
pub(crate) async fn refused<T>(error: Error) -> Result<T> {
    tokio::task::consume_budget().await;
    Err(error)
}
