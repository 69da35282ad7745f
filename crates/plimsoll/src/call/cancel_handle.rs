//! Cancelling from elsewhere what runs on a lease.
//!
//! The driver's own token knows neither this crate's way to the server (the address and the encryption are not given to
//! it, so it says "unknown host") nor when its cancel has arrived; and it shuts its side of the connection down first, of
//! which PgBouncer before 1.21 dies. This one goes the same way as every cancel here: it is waited for to its end, and
//! whatever is sent next on the lease waits for that.

use crate::error::{Error, Outcome, Phase, Result};
use crate::fault::Fault;
use crate::wire::link::Link;
use std::sync::Arc;

/// Cancels what runs on one lease. Made by [`PooledConnection::cancel_handle`](crate::PooledConnection::cancel_handle);
/// goes to any task, and does nothing once the lease has ended.
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
    /// Dropped, a cancel that was sent goes on.
    pub async fn cancel(&self) -> Result<()> {
        if self.link.cancel_on(self.lease).await {
            return Ok(());
        }
        let sentence =
            format!("a cancel for backend {} did not reach the server in time", self.link.state.pid());
        Err(Error::new(Fault::Unreachable, Phase::Statement, Outcome::Unknown, sentence))
    }
}

impl std::fmt::Debug for CancelHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CancelHandle").field("pid", &self.link.state.pid()).finish_non_exhaustive()
    }
}
