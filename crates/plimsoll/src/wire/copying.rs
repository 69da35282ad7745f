//! Tracks COPY on the wire, and ends a connection whose COPY would never end.
//!
//! A `COPY .. FROM STDIN` makes the server wait for rows, without a limit. A cancel does not reach it there: the server
//! looks for one only when the next row has come. The driver sends rows only for a copy that its `copy_in` began. Begun in
//! any other way (`execute`, a script) the copy never ends: the driver calls the answer an unexpected message and goes on
//! waiting for the end, and so does the backend. So a copy for which no caller has rows is ended with its connection.

use super::link::Link;
use super::session_state::SessionState;
use crate::fault::Fault;
use std::sync::atomic::Ordering;

/// Whether the last statement was a copy, and of which kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Copying {
    /// No copy, or one that has ended.
    Not,
    /// The server waits for rows. No statement before it in the same request has succeeded, so nothing can be stored.
    InAlone,
    /// The server waits for rows. A statement before it in the same request has succeeded and may be stored.
    InAfterOthers,
    /// As [`Copying::InAlone`], and the copy has failed: the server waits no more.
    FailedAlone,
    /// As [`Copying::InAfterOthers`], and the copy has failed.
    FailedAfterOthers,
    /// The server sends rows, or has sent them.
    Out,
}

impl Copying {
    pub(super) fn of(number: u8) -> Self {
        match number {
            1 => Copying::InAlone,
            2 => Copying::InAfterOthers,
            3 => Copying::FailedAlone,
            4 => Copying::FailedAfterOthers,
            5 => Copying::Out,
            _ => Copying::Not,
        }
    }

    /// The same copy after an error of the server.
    pub(super) fn failed(self) -> Self {
        match self {
            Copying::InAlone => Copying::FailedAlone,
            Copying::InAfterOthers => Copying::FailedAfterOthers,
            other => other,
        }
    }

    /// Whether a statement before it in the same request may be stored.
    pub(crate) fn is_after_others(self) -> bool {
        matches!(self, Copying::InAfterOthers | Copying::FailedAfterOthers)
    }

    /// Whether the server waits for rows.
    pub(crate) fn is_in(self) -> bool {
        matches!(self, Copying::InAlone | Copying::InAfterOthers)
    }
}

impl SessionState {
    /// Whether the last statement was a copy, and of which kind.
    pub(crate) fn copying(&self) -> Copying {
        Copying::of(self.driver.copying.load(Ordering::Acquire))
    }

    pub(super) fn keep_copying(&self, copying: Copying) {
        self.driver.copying.store(copying as u8, Ordering::Release);
    }
}

/// A caller has rows for the copy that is begun next, until this is dropped.
pub(crate) struct CopyFeed<'a>(&'a Link);

impl Drop for CopyFeed<'_> {
    fn drop(&mut self) {
        // The driver may not have seen yet that the rows have ended.
        self.0.count_handed();
        self.0.lease.end_copy();
    }
}

impl Link {
    /// Announces a copy for which there are rows.
    pub(crate) fn feed(&self) -> CopyFeed<'_> {
        self.lease.begin_copy();
        CopyFeed(self)
    }

    /// Whether rows may still come for a copy. A borrower who has the driver's own client may have some.
    pub(crate) fn may_be_fed(&self) -> bool {
        self.lease.has_fed_copy() || self.is_used_raw()
    }

    /// Ends the connection if the server waits for rows that no caller has. Called by the driver's task, which then ends.
    #[inline]
    pub(super) fn ends_unfed_copy(&self) -> bool {
        if !self.state.copying().is_in() || self.may_be_fed() {
            return false;
        }
        self.end_unfed_copy();
        true
    }

    #[cold]
    fn end_unfed_copy(&self) {
        self.doom();
        self.close(
            Fault::ConnectionLost,
            "a COPY .. FROM STDIN was begun on it for which no caller had rows",
        );
    }
}
