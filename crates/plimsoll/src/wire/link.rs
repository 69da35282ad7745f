//! One connection, as everybody but its borrower sees it.
//!
//! A borrower holds the client; the driver's task, the pool, the clock and a cancel in flight hold the [`Link`]. It
//! answers the one question that decides everything about a return: *is anything still going on?* Three things
//! together say no: the driver has no request left to send, nothing sent is unanswered, and the session is idle with
//! nothing left in it.
//!
//! A return that comes a moment too early (the driver is in the middle of a poll, or an answer to a Close is on its
//! way) costs neither a task nor a cancel: the connection is *parked* on its link, and the driver brings it home at
//! the end of a poll that finds it clean.

use super::cancel::Target;
use super::seen::Seen;
use crate::fault::Fault;
use futures_util::task::AtomicWaker;
use parking_lot::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Wake, Waker};
use tokio::sync::{Notify, Semaphore};
use tokio::task::AbortHandle;

const IDLE: u8 = 0;
const WOKEN: u8 = 1;
const POLLING: u8 = 2;

/// What the task that drives a connection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Activity {
    /// It has sent and delivered everything, and sleeps.
    Idle,
    /// It has something to do and has not begun.
    Woken,
    /// It is at work.
    Polling,
}

/// How a parked connection came to rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rest {
    /// Nothing goes on and nothing is left: lend it again.
    Clean,
    /// Something runs, or is left in the session: stop and reset it first.
    Dirty,
    /// The connection is gone.
    Closed,
}

/// Why a connection ended.
#[derive(Clone, Debug)]
pub(crate) struct Ended {
    pub fault: Fault,
    pub text: String,
}

impl Ended {
    /// What its end means to whoever wanted to use it next.
    pub(crate) fn reason(&self) -> Fault {
        match self.fault {
            Fault::IdleSessionEnded | Fault::TransactionTimeout => self.fault,
            fault if fault.is_connectivity() => fault,
            _ => Fault::ConnectionLost,
        }
    }
}

type Parked = Box<dyn FnOnce(Rest) + Send>;

/// What every statement touches comes first and is two lines of the cache: the borrower's task and the driver's run
/// where they like, and whatever one has written the other has to fetch.
#[repr(C, align(64))]
pub(crate) struct Link {
    pub(crate) seen: Arc<Seen>,
    /// When the statement that is listened for must end, as a number of the pool's watchdog; the largest there is
    /// while nobody listens.
    due: AtomicU64,
    /// Whom to wake then.
    listener: AtomicWaker,
    driver_waker: OnceLock<Waker>,
    has_rung: AtomicBool,
    activity: AtomicU8,
    has_moved: AtomicBool,
    is_parked: AtomicBool,
    closed: AtomicBool,
    doomed: AtomicBool,
    pub(super) abandoned: AtomicBool,
    pub(super) barrier_owed: AtomicBool,
    has_orphan: AtomicBool,
    watchers: AtomicU32,
    /// Cancels that are under way: while there are any, nothing else may run here.
    pub(super) cancels_out: AtomicU32,
    pub(super) target: Target,
    pub(super) cancels: Arc<Semaphore>,
    /// The waker of another task, should a runtime ever move the driver to one.
    task: AtomicWaker,
    pub(super) changed: Notify,
    parked: Mutex<Option<Parked>>,
    ended: Mutex<Option<Ended>>,
    driver: OnceLock<AbortHandle>,
    /// Only one stop at a time, and no statement while one is under way.
    pub(super) turn: tokio::sync::Mutex<()>,
    /// Whose COMMIT nobody waits for any more.
    orphan: Mutex<Option<String>>,
}

const _: () = assert!(std::mem::offset_of!(Link, target) <= 128);

impl Link {
    pub(crate) fn new(seen: Arc<Seen>, target: Target, cancels: Arc<Semaphore>) -> Self {
        Link {
            seen,
            target,
            cancels,
            cancels_out: AtomicU32::new(0),
            activity: AtomicU8::new(WOKEN),
            driver_waker: OnceLock::new(),
            task: AtomicWaker::new(),
            has_moved: AtomicBool::new(false),
            changed: Notify::new(),
            watchers: AtomicU32::new(0),
            parked: Mutex::new(None),
            is_parked: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            ended: Mutex::new(None),
            driver: OnceLock::new(),
            turn: tokio::sync::Mutex::new(()),
            abandoned: AtomicBool::new(false),
            barrier_owed: AtomicBool::new(false),
            doomed: AtomicBool::new(false),
            due: AtomicU64::new(u64::MAX),
            listener: AtomicWaker::new(),
            has_rung: AtomicBool::new(false),
            orphan: Mutex::new(None),
            has_orphan: AtomicBool::new(false),
        }
    }

    /// Begins to listen for an answer until `due`; false if somebody else does already.
    pub(crate) fn listen(&self, due: u64) -> bool {
        self.due.compare_exchange(u64::MAX, due, Ordering::SeqCst, Ordering::Relaxed).is_ok()
    }

    /// Ends the listening.
    pub(crate) fn listened(&self) {
        // The bell first: reset later it could silence that of the next. A bell too many is only looked at in vain.
        self.has_rung.store(false, Ordering::Release);
        self.due.store(u64::MAX, Ordering::Release);
    }

    /// Has this waker called when the listening must end.
    pub(crate) fn wake_when_due(&self, waker: &std::task::Waker) {
        self.listener.register(waker);
    }

    /// Whether the listening must end.
    pub(crate) fn has_rung(&self) -> bool {
        self.has_rung.load(Ordering::Acquire)
    }

    /// Rings if the listening must end by now; else says when it must.
    pub(crate) fn ring(&self, now: u64) -> u64 {
        let due = self.due.load(Ordering::SeqCst);
        if due > now {
            return due;
        }
        self.has_rung.store(true, Ordering::Release);
        self.listener.wake();
        u64::MAX
    }

    /// Somebody stopped waiting for his COMMIT: it is let finish, and its outcome told.
    pub(crate) fn orphan_commit(&self, work: String) {
        *self.orphan.lock() = Some(work);
        self.has_orphan.store(true, Ordering::Release);
    }

    /// Whether such a COMMIT is to be told of.
    pub(crate) fn has_orphan(&self) -> bool {
        self.has_orphan.load(Ordering::Acquire)
    }

    /// Whose COMMIT it was, once.
    pub(crate) fn take_orphan(&self) -> Option<String> {
        self.has_orphan.store(false, Ordering::Release);
        self.orphan.lock().take()
    }

    /// Whether the connection has ended.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Why it ended, if it has and anybody said.
    pub(crate) fn ended(&self) -> Option<Ended> {
        self.ended.lock().clone()
    }

    /// Marks the connection as not to be lent again, whatever its state.
    pub(crate) fn doom(&self) {
        self.doomed.store(true, Ordering::Release);
    }

    /// Whether it must not be lent again.
    pub(crate) fn is_doomed(&self) -> bool {
        self.doomed.load(Ordering::Acquire) || self.seen.is_broken()
    }

    /// What the driver's task is doing.
    pub(crate) fn activity(&self) -> Activity {
        match self.activity.load(Ordering::SeqCst) {
            IDLE => Activity::Idle,
            WOKEN => Activity::Woken,
            _ => Activity::Polling,
        }
    }

    /// Nothing to send, nothing owed.
    pub(crate) fn is_quiet(&self) -> bool {
        self.activity.load(Ordering::SeqCst) == IDLE && self.seen.is_settled()
    }

    /// How the connection would come to rest now; `None` while the driver will bring news by itself.
    pub(crate) fn rest(&self) -> Option<Rest> {
        if self.is_closed() {
            return Some(Rest::Closed);
        }
        if self.activity.load(Ordering::SeqCst) != IDLE || self.seen.is_blocked() {
            return None;
        }
        // A COMMIT that nobody waits for comes to its end first, whatever else is known: only then can it be told.
        if self.has_orphan() && self.seen.owed() > 0 && !self.seen.is_broken() {
            return None;
        }
        if self.seen.owed_work() > 0 || self.abandoned.load(Ordering::Acquire) || self.seen.is_broken() {
            return Some(Rest::Dirty);
        }
        if self.seen.owed() > 0 {
            return None;
        }
        let clean = self.seen.status() == b'I'
            && self.seen.residue().is_none()
            && !self.barrier_owed.load(Ordering::Acquire);
        Some(if clean { Rest::Clean } else { Rest::Dirty })
    }

    /// Leaves `then` to be called when the connection has come to rest. It is dropped uncalled by [`Link::abort`].
    pub(crate) fn park(&self, then: Parked) {
        *self.parked.lock() = Some(then);
        self.is_parked.store(true, Ordering::SeqCst);
        // The driver may have come to rest just before it could see the flag.
        self.bring_home();
    }

    fn bring_home(&self) {
        if !self.is_parked.load(Ordering::SeqCst) {
            return;
        }
        if let Some(rest) = self.rest() {
            let parked = self.parked.lock().take();
            if let Some(then) = parked {
                self.is_parked.store(false, Ordering::SeqCst);
                then(rest);
            }
        }
    }

    /// Ends the connection at once: the socket is closed, and the server notices by its own checks.
    pub(crate) fn abort(&self) {
        if let Some(driver) = self.driver.get() {
            driver.abort();
        }
        self.close(Fault::ConnectionLost, "closed by the pool");
        drop(self.parked.lock().take());
    }

    pub(crate) fn driven_by(&self, driver: AbortHandle) {
        let _ = self.driver.set(driver);
    }

    /// Records the end; the first reason stays.
    pub(crate) fn close(&self, fault: Fault, text: &str) {
        let mut ended = self.ended.lock();
        if ended.is_none() {
            *ended = Some(Ended { fault, text: text.to_owned() });
        }
        drop(ended);
        self.closed.store(true, Ordering::Release);
        self.changed.notify_waiters();
        self.bring_home();
    }

    // ---- what the driver's task reports ----

    pub(crate) fn poll_begins(&self, waker: &std::task::Waker) {
        // A task keeps its waker for life, so it is cloned once; should a runtime ever hand out another, it is followed.
        if !self.driver_waker.get_or_init(|| waker.clone()).will_wake(waker) {
            self.has_moved.store(true, Ordering::SeqCst);
            self.task.register(waker);
        }
        self.activity.store(POLLING, Ordering::SeqCst);
    }

    pub(crate) fn poll_ends(&self) {
        let _ = self.activity.compare_exchange(POLLING, IDLE, Ordering::SeqCst, Ordering::SeqCst);
        if self.watchers.load(Ordering::SeqCst) > 0 {
            self.changed.notify_waiters();
        }
        self.bring_home();
    }

    // ---- stopping ----

    /// A statement was given up while the lease lives on: whatever comes next must stop it first.
    pub(crate) fn abandon(&self) {
        self.abandoned.store(true, Ordering::Release);
    }

    /// Whether something must be stopped, or a barrier sent, before the next statement.
    pub(crate) fn needs_settling(&self) -> bool {
        self.abandoned.load(Ordering::Acquire) || self.barrier_owed.load(Ordering::Acquire)
    }

    pub(crate) fn owes_barrier(&self) -> bool {
        self.barrier_owed.load(Ordering::Acquire)
    }

    pub(crate) fn barrier_passed(&self) {
        self.barrier_owed.store(false, Ordering::Release);
    }

    /// Waits until this holds or the connection has ended.
    pub(super) async fn wait_for(&self, holds: impl Fn(&Link) -> bool) {
        self.watchers.fetch_add(1, Ordering::SeqCst);
        let _leave = Leave(&self.watchers);
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if holds(self) || self.is_closed() {
                return;
            }
            changed.await;
        }
    }
}

struct Leave<'a>(&'a AtomicU32);

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// The driver is woken through its link, so that "has something to do" is known before it is polled.
impl Wake for Link {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.activity.store(WOKEN, Ordering::SeqCst);
        if let Some(waker) = self.driver_waker.get() {
            waker.wake_by_ref();
        }
        if self.has_moved.load(Ordering::SeqCst) {
            self.task.wake();
        }
    }
}
