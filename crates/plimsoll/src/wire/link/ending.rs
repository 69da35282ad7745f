//! How a connection ends: closed, or not to be lent again, and why.

use super::{Link, ReturnState};
use crate::fault::Fault;
use crate::sync::AtomicBool;
use parking_lot::Mutex;
use std::sync::atomic::Ordering;

/// Why a connection ended.
#[derive(Clone, Debug)]
pub(crate) struct EndReason {
    pub fault: Fault,
    pub text: String,
}

impl EndReason {
    /// What the end means to a caller that uses the connection next.
    pub(crate) fn reason(&self) -> Fault {
        match self.fault {
            // The last: the server sent a message that is too long, and would send it again.
            Fault::IdleSessionEnded | Fault::TransactionTimeout | Fault::Usage => self.fault,
            fault if fault.is_connectivity() => fault,
            _ => Fault::ConnectionLost,
        }
    }
}

/// The end of a connection, or what makes it necessary.
pub(super) struct Ending {
    is_closed: AtomicBool,
    /// It must not be lent again, whatever its state.
    is_doomed: AtomicBool,
    /// Half a message is left in the client: nothing may be sent any more.
    is_poisoned: AtomicBool,
    ended: Mutex<Option<EndReason>>,
}

impl Ending {
    pub(super) fn new() -> Self {
        Ending {
            is_closed: AtomicBool::new(false),
            is_doomed: AtomicBool::new(false),
            is_poisoned: AtomicBool::new(false),
            ended: Mutex::new(None),
        }
    }

    #[inline]
    pub(super) fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::Acquire)
    }

    #[inline]
    pub(super) fn is_doomed(&self) -> bool {
        self.is_doomed.load(Ordering::Acquire)
    }

    #[inline]
    pub(super) fn is_poisoned(&self) -> bool {
        self.is_poisoned.load(Ordering::Acquire)
    }

    /// Why the connection ended, if that is known.
    pub(super) fn ended(&self) -> Option<EndReason> {
        self.ended.lock().clone()
    }

    pub(super) fn doom(&self) {
        self.is_doomed.store(true, Ordering::Release);
    }

    #[cold]
    pub(super) fn poison(&self) {
        self.doom();
        self.is_poisoned.store(true, Ordering::Release);
        self.record(
            Fault::ConnectionLost,
            "code of this program panicked while a message was put together, and half of it is left",
        );
    }

    pub(super) fn close(&self, fault: Fault, text: &str) {
        self.record(fault, text);
        self.is_closed.store(true, Ordering::Release);
    }

    /// Records why; the first reason stays.
    fn record(&self, fault: Fault, text: &str) {
        self.ended.lock().get_or_insert_with(|| EndReason { fault, text: text.to_owned() });
    }
}

impl Link {
    /// Whether the connection has ended.
    #[inline]
    pub(crate) fn is_closed(&self) -> bool {
        self.ending.is_closed()
    }

    /// Why the connection ended, if that is known.
    pub(crate) fn ended(&self) -> Option<EndReason> {
        self.ending.ended()
    }

    /// Marks the connection as not to be lent again, whatever its state.
    pub(crate) fn doom(&self) {
        self.ending.doom();
    }

    /// Whether it must not be lent again.
    pub(crate) fn is_doomed(&self) -> bool {
        self.ending.is_doomed() || self.state.is_broken()
    }

    /// There is half a message in the client: nothing may be sent here any more.
    #[cold]
    pub(super) fn poison(&self) {
        self.ending.poison();
        // Looked at before anything is sent.
        self.cancels.owe_barrier();
    }

    /// Whether nothing may be sent here any more.
    pub(crate) fn is_poisoned(&self) -> bool {
        self.ending.is_poisoned()
    }

    /// Records the end; the first reason stays.
    pub(crate) fn close(&self, fault: Fault, text: &str) {
        self.ending.close(fault, text);
        self.watchers.notify();
        self.parking.bring_home(ReturnState::Closed);
    }

    /// Waits until the connection has ended.
    pub(crate) async fn until_closed(&self) {
        self.watchers.wait_until(|| self.is_closed(), || {}).await;
    }

    /// Ends the connection at once: the socket is closed, and the server notices by its own checks.
    pub(crate) fn abort(&self) {
        self.end_because("closed by the pool");
    }

    /// The same, with the reason that the connection's holder is told.
    pub(crate) fn end_because(&self, reason: &'static str) {
        self.driver.abort();
        self.close(Fault::ConnectionLost, reason);
    }
}
