//! One slot: a permission to have a connection.

use crate::moment::Moment;
use crate::rules::request::{Holder, Request};

/// What a slot is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SlotState {
    Vacant,
    Opening,
    Idle,
    Lent,
    Returning,
    /// It was taken back from a holder that keeps the connection without using it. The connection has ended and does not
    /// count any more; the slot waits for the holder's guard, which may be dropped at any time, or never.
    Forsaken,
}

/// A place for a connection `C`; `H` is a handle on it that stays here while it is lent. No two slots share a cache
/// line.
#[repr(align(64))]
pub(crate) struct Slot<C, H> {
    pub(crate) state: SlotState,
    pub(super) connection: Option<C>,
    pub(crate) handle: Option<H>,
    pub(crate) expires: Option<Moment>,
    /// Since when it is in this state. An idle slot keeps the time at which it was lent last, because reading the clock
    /// costs as much as all the rest of a return.
    pub(crate) since: Moment,
    /// To whom it is lent, or from whom it is returning.
    pub(crate) holder: Option<Holder>,
    /// While it is lent: when to look whether a statement runs past the deadline. First at the deadline, then again and
    /// again.
    pub(crate) due: Option<Moment>,
    /// The lease was reported as held for long.
    pub(crate) is_reported: bool,
    /// The clock is about to stop what runs on it, or to end it. A connection that is given back just then is not lent
    /// again, because the stop would hit its next holder.
    pub(crate) is_condemned: bool,
}

/// A slot is two cache lines.
const _: () = assert!(size_of::<Slot<Box<()>, std::sync::Arc<()>>>() <= 128);

impl<C, H> Slot<C, H> {
    pub(super) fn vacant(now: Moment) -> Self {
        Slot {
            state: SlotState::Vacant,
            connection: None,
            handle: None,
            expires: None,
            since: now,
            holder: None,
            due: None,
            is_reported: false,
            is_condemned: false,
        }
    }

    /// A lease begins; gives the time since which the slot was in the state before.
    #[inline]
    pub(super) fn lend(&mut self, request: Request, now: Moment) -> Moment {
        self.state = SlotState::Lent;
        self.due = request.deadline;
        self.holder = Some(request.into());
        self.is_reported = false;
        std::mem::replace(&mut self.since, now)
    }
}
