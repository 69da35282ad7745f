//! What a pool has to know of the connections that it lends: how they are opened, judged and ended. The pool itself knows
//! nothing of PostgreSQL.

use super::lease::Home;
use super::snapshot::Observed;
use crate::error::Result;
use crate::event::StopReason;
use std::future::Future;
use std::time::Duration;
use tokio::time::Instant;

/// What a pool needs to know of the connections it lends.
pub trait Manage: Send + Sync + Sized + 'static {
    /// What is lent.
    type Connection: Send + 'static;
    /// What stays with the pool while the connection is lent: enough to ask about it and to end it.
    type Handle: Clone + Send + Sync + 'static;

    /// Opens a connection by `until`.
    ///
    /// # Errors
    /// Made by [`Error::new`](crate::Error::new); the fault decides whether the pool tries again, as is said there.
    ///
    /// # Cancel safety
    /// Runs on a task of the pool's own; it is dropped only when the pool is.
    fn connect(&self, until: Instant) -> impl Future<Output = Result<Self::Connection>> + Send;

    /// The handle on a connection.
    fn handle<'c>(&self, connection: &'c Self::Connection) -> &'c Self::Handle;

    /// Whether an idle connection is known to be dead. Must not wait: it is asked under the pool's lock.
    fn is_dead(&self, handle: &Self::Handle) -> bool;

    /// Whether an idle connection takes more memory than it is worth. Must not wait, as above.
    #[doc(hidden)]
    fn is_swollen(&self, handle: &Self::Handle, now: Instant) -> bool {
        let _ = (handle, now);
        false
    }

    /// Whether a statement runs on a lent connection.
    fn is_busy(&self, handle: &Self::Handle) -> bool;

    /// A number that grows with everything that a connection does.
    fn progress(&self, handle: &Self::Handle) -> u64;

    /// How long nothing was received on a connection, if that is known: one on which something was received a moment
    /// ago needs no check and has not been idle, however long ago it was lent. Must not wait.
    fn silent_for(&self, handle: &Self::Handle, now: Instant) -> Option<Duration> {
        let _ = (handle, now);
        None
    }

    /// Proves with the server that a connection which was idle for long is alive.
    ///
    /// # Cancel safety
    /// Dropped half-way, the connection goes back as any other: it is not clean, and is made clean or discarded.
    fn check(&self, connection: &mut Self::Connection) -> impl Future<Output = Result<()>> + Send;

    /// In which state a connection is given back. Must not wait.
    fn verdict(&self, connection: &mut Self::Connection) -> Verdict;

    /// Takes a connection that was given back not clean, makes it clean on the side and returns it by `home`.
    fn reclaim(&self, connection: Self::Connection, home: Home<Self>);

    /// Rings if a limit that was set on a lent connection has come; says when the next comes, as a number of
    /// the pool's alarm. Must not wait: it is asked under the pool's lock.
    #[doc(hidden)]
    fn ring(&self, handle: &Self::Handle, now: u64) -> u64 {
        let _ = (handle, now);
        u64::MAX
    }

    /// The time of a lease is over: says whether a statement runs on it that is to be stopped. From then on the
    /// connection is not clean, and [`Manage::stop`] follows. Must not wait: it is asked under the pool's lock, where no
    /// lease can end and begin meanwhile.
    fn begin_stop(&self, handle: &Self::Handle) -> bool {
        let _ = handle;
        false
    }

    /// Stops on the side what [`Manage::begin_stop`] found, and tells of it.
    fn stop(&self, handle: &Self::Handle, who: Option<&crate::name::WorkName>, reason: StopReason) {
        let _ = (handle, who, reason);
    }

    /// How long making this connection clean may take, if not `reclaim_timeout`. Must not wait: it is asked under the
    /// pool's lock.
    #[doc(hidden)]
    fn return_limit(&self, handle: &Self::Handle) -> Option<Duration> {
        let _ = handle;
        None
    }

    /// What shows of a connection without asking it. Must not wait: it is asked under the pool's lock.
    #[doc(hidden)]
    fn observed(&self, handle: &Self::Handle) -> Observed {
        let _ = handle;
        Observed::default()
    }

    /// The text, without constants, behind the number that [`Manage::observed`] gives for a statement, if it is known.
    #[doc(hidden)]
    fn statement(&self, number: u64) -> Option<(u64, String)> {
        let _ = number;
        None
    }

    /// Its holder does not use the connection, which is taken back: end it, and tell the holder so when it asks.
    #[doc(hidden)]
    fn take_back(&self, handle: &Self::Handle) {
        self.abandon(handle);
    }

    /// Making the connection clean takes longer than its limit: end it.
    fn abandon(&self, handle: &Self::Handle);
}

/// In which state a connection is given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// Proven clean: lend it again.
    Clean,
    /// Not clean, or not known to be yet.
    Unsettled,
    /// It can never be lent again.
    Broken,
    /// Proven clean, but it takes more memory than it is worth: close it.
    Swollen,
}
