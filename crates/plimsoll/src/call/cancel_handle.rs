//! Cancels the statement of a lease from another task.
//!
//! The driver's own token does not know this crate's way to the server (it is not given the address and the encryption, so
//! it says "unknown host"), nor when its cancel has arrived; and it shuts its side of the connection down first, at which
//! PgBouncer before 1.21 crashes. This handle cancels like the rest of this crate: the cancel is confirmed, and the next
//! statement on the lease waits for that.

use crate::error::{Error, Outcome, Phase, Result};
use crate::fault::Fault;
use crate::wire::link::Link;
use std::sync::Arc;

/// Cancels what runs on one lease. Made by [`PooledConnection::cancel_handle`](crate::PooledConnection::cancel_handle);
/// can be moved to any task, and does nothing once the lease has ended.
#[derive(Clone)]
pub struct CancelHandle {
    link: Arc<Link>,
    lease: u64,
}

impl CancelHandle {
    pub(crate) fn new(link: &Arc<Link>) -> Self {
        CancelHandle { link: Arc::clone(link), lease: link.lease() }
    }

    /// Cancels the statement that runs on the lease now, if one does; returns when the server has acted on it. The
    /// statement then fails with [`Fault::CancelledByOther`]. A COMMIT or ROLLBACK is not cancelled.
    ///
    /// # Errors
    /// [`Fault::Unreachable`] if the request did not reach the server, or it did not say so within 5 s; the connection is
    /// then not lent again.
    ///
    /// # Cancel safety
    /// Dropped, a cancel that was sent is still carried out.
    pub async fn cancel(&self) -> Result<()> {
        if self.link.cancel_on(self.lease).await {
            return Ok(());
        }
        Err(unconfirmed(self.link.state.pid()))
    }
}

/// Whether the server has acted on a cancel is not known.
pub(crate) fn unconfirmed(pid: i32) -> Error {
    let sentence = format!("a cancel for backend {pid} did not reach the server in time");
    Error::new(Fault::Unreachable, Phase::Statement, Outcome::Unknown, sentence)
}

impl std::fmt::Debug for CancelHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CancelHandle").field("pid", &self.link.state.pid()).finish_non_exhaustive()
    }
}
