//! COPY, as it is seen on the wire.
//!
//! A `COPY .. FROM STDIN` makes the server wait for rows, for as long as it takes, and a cancel does not reach it there:
//! it is looked at only when the next row has come. The driver sends rows for what was begun by its `copy_in` and for
//! nothing else. Begun in any other way (`execute`, a script) such a copy never ends: the driver calls its answer an
//! unexpected message and goes on waiting for its end, and so does the backend. So a copy for which nobody has rows is
//! ended with its connection.

use super::link::Link;
use super::session_state::SessionState;
use crate::fault::Fault;
use std::sync::atomic::Ordering;

/// What the last statement was as a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Copying {
    /// None, or one that has ended.
    Not,
    /// The server waits for rows, and nothing of the same request had ended well before: nothing can be stored.
    InAlone,
    /// The server waits for rows; what came before them in the same request may be stored.
    InAfterOthers,
    /// As [`Copying::InAlone`], and it has failed: the server waits no more.
    FailedAlone,
    /// As [`Copying::InAfterOthers`], and it has failed.
    FailedAfterOthers,
    /// Its rows came, or are coming.
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

    /// The same after an error of the server's.
    pub(super) fn failed(self) -> Self {
        match self {
            Copying::InAlone => Copying::FailedAlone,
            Copying::InAfterOthers => Copying::FailedAfterOthers,
            other => other,
        }
    }

    /// Whether what came before it in the same request may be stored.
    pub(crate) fn is_after_others(self) -> bool {
        matches!(self, Copying::InAfterOthers | Copying::FailedAfterOthers)
    }

    /// Whether the server waits for rows.
    pub(crate) fn is_in(self) -> bool {
        matches!(self, Copying::InAlone | Copying::InAfterOthers)
    }
}

impl SessionState {
    /// What the last statement was as a copy.
    pub(crate) fn copying(&self) -> Copying {
        Copying::of(self.copying.load(Ordering::Acquire))
    }

    pub(super) fn keep_copying(&self, copying: Copying) {
        self.copying.store(copying as u8, Ordering::Release);
    }
}

/// Somebody has rows for the copy that is begun next, until this is dropped.
pub(crate) struct Fed<'a>(&'a Link);

impl Drop for Fed<'_> {
    fn drop(&mut self) {
        // The driver has not looked yet whether its rows have ended.
        self.0.asked_again();
        self.0.fed.fetch_sub(1, Ordering::Release);
    }
}

impl Link {
    /// Begins a copy for which there are rows.
    pub(crate) fn feed(&self) -> Fed<'_> {
        self.fed.fetch_add(1, Ordering::Release);
        Fed(self)
    }

    /// Whether the server waits for rows that may still come. Whoever has the driver's own client may have some.
    pub(crate) fn may_be_fed(&self) -> bool {
        self.fed.load(Ordering::Acquire) > 0 || self.is_used_raw()
    }

    /// Ends the connection if the server waits for rows that nobody has; for the driver's task, which then ends.
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
        self.close(Fault::ConnectionLost, "a COPY .. FROM STDIN was begun on it for which nobody had rows");
    }
}
