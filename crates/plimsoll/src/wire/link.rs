//! One connection, as everybody but its borrower sees it.
//!
//! A borrower holds the client; the driver's task, the pool, the clock and a cancel in flight hold the [`Link`]. It
//! answers the one question that decides everything about a return: *is anything still going on?* Three things
//! together say no: the driver has no request left to send, nothing sent is unanswered, and the session is idle with
//! nothing left in it.
//!
//! Whether the driver has a request left to send is known by two numbers. Whoever has handed something to the client
//! counts it up ([`Link::poll_sending`]); the driver, at the end of a poll that left nothing unsent, says up to which
//! number it had read before it began. So neither of them writes what the other writes, and the driver's task needs no
//! waker but its own. What libraries do through the client itself is not counted: such a connection, when it is given
//! back, waits for one more poll.
//!
//! A return that comes a moment too early (the driver has not been polled yet, or an answer to a Close is on its way)
//! costs neither a task nor a cancel: the connection is *parked* on its link, and the driver brings it home at the end
//! of a poll that finds it clean. Whoever parks something, or waits for the driver in any other way, has it polled once
//! more; so the driver need not look twice.

use super::cancel::Target;
use super::given_up::GivenUp;
use super::session_state::SessionState;
use crate::fault::Fault;
use crate::moment::Moment;
use futures_util::task::AtomicWaker;
use parking_lot::Mutex;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Waker};
use tokio::sync::{Notify, Semaphore};
use tokio::task::AbortHandle;

/// What the task that drives a connection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Activity {
    /// It has sent and delivered everything, and sleeps.
    Idle,
    /// A statement was handed to it, and it has not come to it.
    Woken,
    /// It is at work.
    Polling,
}

/// How a parked connection came to rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReturnState {
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

type Parked = Box<dyn FnOnce(ReturnState) + Send>;

/// What every statement touches comes first and is one line of the cache, which the borrower's task writes; what the
/// driver's writes is another, in [`Seen`]. They run where they like, and whatever one has written the other has to fetch.
#[repr(C, align(64))]
pub(crate) struct Link {
    /// How often something was handed to the client.
    asked: AtomicU64,
    /// When the statement that is listened for must end, as a number of the pool's watchdog; the largest there is
    /// while nobody listens.
    due: AtomicU64,
    /// Whom to wake then.
    listener: AtomicWaker,
    pub(crate) state: Arc<SessionState>,
    watchers: AtomicU32,
    /// Cancels that are under way: while there are any, nothing else may run here.
    pub(super) cancels_out: AtomicU32,
    is_rung: AtomicBool,
    is_parked: AtomicBool,
    closed: AtomicBool,
    doomed: AtomicBool,
    pub(super) abandoned: AtomicBool,
    pub(super) barrier_owed: AtomicBool,
    has_orphan: AtomicBool,
    /// Somebody had the client itself.
    was_used_raw: AtomicBool,
    /// Whether the session was idle when a borrower was last told how a request ended.
    told_idle: AtomicBool,
    /// Half a message is left in the client.
    poisoned: AtomicBool,
    /// Some marks of those who share the lease are not behind us yet.
    pub(super) has_marks: AtomicBool,
    /// Streams that are open, and statements that joined others.
    streams: AtomicU32,
    /// Copies for which somebody has rows.
    pub(super) fed: AtomicU32,
    /// When our last cancel was under way, as the number of a moment.
    cancelled: AtomicU64,
    /// Somebody waits for what was given up to be stopped.
    wanted: AtomicBool,
    /// How often somebody got the client itself.
    bares: AtomicU64,
    /// How often this connection was given back.
    leases: AtomicU64,
    pub(super) given_up: Mutex<GivenUp>,
    driver_waker: Mutex<Option<Waker>>,
    pub(super) target: Target,
    pub(super) cancels: Arc<Semaphore>,
    pub(super) changed: Notify,
    parked: Mutex<Option<Parked>>,
    ended: Mutex<Option<Ended>>,
    driver: OnceLock<AbortHandle>,
    /// Only one stop at a time, and no statement while one is under way.
    pub(super) turn: tokio::sync::Mutex<()>,
    /// Behind a transaction pooler: one transaction of one statement at a time, from BEGIN to COMMIT.
    pub(crate) flights: tokio::sync::Mutex<()>,
    /// Whose COMMIT nobody waits for any more.
    orphan: Mutex<Option<String>>,
}

const _: () = assert!(std::mem::offset_of!(Link, was_used_raw) < 64);

impl Link {
    pub(crate) fn new(state: Arc<SessionState>, target: Target, cancels: Arc<Semaphore>) -> Self {
        Link {
            state,
            target,
            cancels,
            cancels_out: AtomicU32::new(0),
            asked: AtomicU64::new(0),
            was_used_raw: AtomicBool::new(false),
            told_idle: AtomicBool::new(true),
            driver_waker: Mutex::new(None),
            changed: Notify::new(),
            watchers: AtomicU32::new(0),
            parked: Mutex::new(None),
            is_parked: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            ended: Mutex::new(None),
            driver: OnceLock::new(),
            turn: tokio::sync::Mutex::new(()),
            flights: tokio::sync::Mutex::new(()),
            abandoned: AtomicBool::new(false),
            barrier_owed: AtomicBool::new(false),
            doomed: AtomicBool::new(false),
            poisoned: AtomicBool::new(false),
            has_marks: AtomicBool::new(false),
            streams: AtomicU32::new(0),
            fed: AtomicU32::new(0),
            cancelled: AtomicU64::new(0),
            wanted: AtomicBool::new(false),
            bares: AtomicU64::new(0),
            leases: AtomicU64::new(0),
            given_up: Mutex::new(GivenUp::default()),
            due: AtomicU64::new(u64::MAX),
            listener: AtomicWaker::new(),
            is_rung: AtomicBool::new(false),
            orphan: Mutex::new(None),
            has_orphan: AtomicBool::new(false),
        }
    }

    /// Begins to listen for an answer until `due`; false if somebody else does already.
    pub(crate) fn listen(&self, due: u64) -> bool {
        self.due.compare_exchange(u64::MAX, due, Ordering::SeqCst, Ordering::Relaxed).is_ok()
    }

    /// Whether somebody listens.
    fn is_listened(&self) -> bool {
        self.due.load(Ordering::Relaxed) != u64::MAX
    }

    /// Whether others may be under way on the same lease: pipelined, a stream, or through the client itself.
    #[inline]
    pub(crate) fn has_company(&self) -> bool {
        self.is_used_raw()
            || self.has_marks.load(Ordering::Relaxed)
            || self.streams.load(Ordering::Relaxed) > 0
    }

    /// Whether a statement that is begun now must wait until whatever was handed over before is on the wire.
    #[inline]
    pub(crate) fn has_others(&self) -> bool {
        self.is_listened() || self.has_company()
    }

    /// A stream is open, or a statement that joined others is under way, until this is dropped.
    pub(crate) fn stream(&self) -> Streaming<'_> {
        self.streams.fetch_add(1, Ordering::Relaxed);
        Streaming(self)
    }

    /// Ends the listening.
    pub(crate) fn stop_listening(&self) {
        // The bell first: reset later it could silence that of the next. A bell too many is only looked at in vain.
        self.is_rung.store(false, Ordering::Release);
        self.due.store(u64::MAX, Ordering::Release);
    }

    /// Has this waker called when the listening must end.
    pub(crate) fn wake_when_due(&self, waker: &Waker) {
        self.listener.register(waker);
    }

    /// Whether the listening must end.
    pub(crate) fn is_due(&self) -> bool {
        self.is_rung.load(Ordering::Acquire)
    }

    /// Rings if the listening must end by now; else says when it must.
    pub(crate) fn ring(&self, now: u64) -> u64 {
        let due = self.due.load(Ordering::SeqCst);
        if due > now {
            return due;
        }
        self.is_rung.store(true, Ordering::Release);
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

    /// There is half a message in the client: nothing may be sent here any more.
    #[cold]
    fn poison(&self) {
        self.doom();
        self.poisoned.store(true, Ordering::Release);
        // Whoever wants to send something looks here before.
        self.barrier_owed.store(true, Ordering::Release);
        let mut ended = self.ended.lock();
        ended.get_or_insert_with(|| Ended {
            fault: Fault::ConnectionLost,
            text: "code of this program panicked while a message was put together, and half of it is left"
                .to_owned(),
        });
    }

    /// Whether nothing may be sent here any more.
    pub(crate) fn is_poisoned(&self) -> bool {
        self.poisoned.load(Ordering::Acquire)
    }

    /// Whether it must not be lent again.
    pub(crate) fn is_doomed(&self) -> bool {
        self.doomed.load(Ordering::Acquire) || self.state.is_broken()
    }

    /// Polls what may hand something to the client.
    #[inline]
    pub(crate) fn poll_sending<F: Future>(
        &self,
        request: Pin<&mut F>,
        cx: &mut Context<'_>,
    ) -> Poll<F::Output> {
        let unwinding = Unwinding(self);
        let answer = request.poll(cx);
        std::mem::forget(unwinding);
        // What was answered has left the queue.
        if answer.is_pending() {
            self.asked.fetch_add(1, Ordering::Release);
        }
        answer
    }

    /// Awaits what may hand something to the client.
    pub(crate) async fn sending<F: Future>(&self, request: F) -> F::Output {
        let mut request = std::pin::pin!(request);
        std::future::poll_fn(|cx| self.poll_sending(request.as_mut(), cx)).await
    }

    /// Somebody gets the client itself, and what is handed to that is not counted.
    ///
    /// Says whether a shield is to be sent before what he sends.
    pub(crate) fn mark_raw_use(&self) -> bool {
        self.was_used_raw.store(true, Ordering::Relaxed);
        self.bares.fetch_add(1, Ordering::AcqRel);
        (self.abandoned.load(Ordering::Acquire) || self.is_listened()) && self.follow()
    }

    /// How often somebody got it.
    pub(crate) fn raw_uses(&self) -> u64 {
        self.bares.load(Ordering::Acquire)
    }

    /// Whether somebody has it, on this lease.
    pub(crate) fn is_used_raw(&self) -> bool {
        self.was_used_raw.load(Ordering::Relaxed)
    }

    /// Something may have been handed to the client: only after the driver's next poll is it known.
    pub(crate) fn asked_again(&self) {
        self.asked.fetch_add(1, Ordering::Release);
    }

    /// The borrower is told how a request ended, and so what state the session is in.
    #[inline]
    pub(crate) fn told(&self) {
        self.told_idle.store(self.state.status().is_idle(), Ordering::Relaxed);
    }

    /// Whether a transaction is open of which no borrower knows: he has given up the statement that began it.
    pub(crate) fn holds_untold_transaction(&self) -> bool {
        !self.state.status().is_idle()
            && self.told_idle.load(Ordering::Relaxed)
            // Somebody may be about to be told, or talks to the server in a way that is not seen here.
            && self.is_answered()
            && !self.was_used_raw.load(Ordering::Relaxed)
    }

    /// Whether every request of the borrower has its answer, so that the session's status is the latest. This says nothing
    /// of what he has given up, and that the driver's task has come to rest is not asked either.
    #[inline]
    pub(crate) fn is_answered(&self) -> bool {
        !self.is_listened() && self.streams.load(Ordering::Relaxed) == 0 && self.state.owed() == 0
    }

    /// Something was given up and is not over.
    pub(crate) fn is_abandoned(&self) -> bool {
        self.abandoned.load(Ordering::Acquire)
    }

    /// The borrower has left.
    pub(crate) fn given_back(&self) {
        self.told_idle.store(true, Ordering::Relaxed);
        self.leases.fetch_add(1, Ordering::SeqCst);
        if self.was_used_raw.load(Ordering::Relaxed) {
            self.was_used_raw.store(false, Ordering::Relaxed);
            // What panicked may have been putting a message together, out of sight.
            if std::thread::panicking() {
                self.poison();
            }
            self.asked.fetch_add(1, Ordering::Release);
        }
    }

    pub(super) fn asked_so_far(&self) -> u64 {
        self.asked.load(Ordering::Acquire)
    }

    /// Whether what was handed over up to this number has left the client's queue.
    pub(super) fn has_drained(&self, asked: u64) -> bool {
        self.state.drained.load(Ordering::Acquire) >= asked
    }

    /// Somebody waits for what was given up to be stopped.
    pub(super) fn want(&self) {
        self.wanted.store(true, Ordering::SeqCst);
        self.changed.notify_waiters();
    }

    pub(super) fn wanted_by_nobody(&self) {
        self.wanted.store(false, Ordering::SeqCst);
    }

    /// Whether somebody does, who need not be waited for any more.
    pub(super) fn is_wanted(&self) -> bool {
        self.wanted.load(Ordering::SeqCst) || self.has_followers()
    }

    /// The number of this lease: it changes when the connection is given back.
    pub(crate) fn lease(&self) -> u64 {
        self.leases.load(Ordering::SeqCst)
    }

    /// A cancel of ours, meant for something that was given up, is on its way.
    pub(super) fn note_cancel(&self) {
        self.cancelled.store(Moment::now().number(), Ordering::Release);
    }

    /// Whether such a cancel was on its way at that time or later.
    pub(crate) fn was_cancelled_since(&self, began: Moment) -> bool {
        self.cancelled.load(Ordering::Acquire) >= began.number()
    }

    /// Whether everything that was handed to the client has left its queue.
    pub(crate) fn is_drained(&self) -> bool {
        self.state.drained.load(Ordering::Acquire) == self.asked.load(Ordering::Acquire)
    }

    /// What the driver's task is doing.
    pub(crate) fn activity(&self) -> Activity {
        if self.state.is_polling.load(Ordering::Relaxed) {
            Activity::Polling
        } else if self.is_drained() {
            Activity::Idle
        } else {
            Activity::Woken
        }
    }

    /// Nothing to send, nothing owed.
    pub(crate) fn is_quiet(&self) -> bool {
        self.is_drained() && self.state.is_settled()
    }

    /// How the connection would come to rest now; `None` while the driver will bring news by itself.
    pub(crate) fn rest(&self) -> Option<ReturnState> {
        if self.is_closed() {
            return Some(ReturnState::Closed);
        }
        if !self.is_drained() || self.state.is_blocked() {
            return None;
        }
        // A COMMIT that nobody waits for comes to its end first, whatever else is known: only then can it be told.
        if self.has_orphan() && self.state.owed() > 0 && !self.state.is_broken() {
            return None;
        }
        if self.state.owed_work() > 0 || self.abandoned.load(Ordering::Acquire) || self.state.is_broken() {
            return Some(ReturnState::Dirty);
        }
        if self.state.owed() > 0 {
            return None;
        }
        let clean = self.state.status().is_idle()
            && self.state.residue().is_none()
            && !self.barrier_owed.load(Ordering::Acquire);
        Some(if clean { ReturnState::Clean } else { ReturnState::Dirty })
    }

    /// Leaves `then` to be called when the connection has come to rest. It is dropped uncalled by [`Link::abort`].
    pub(crate) fn park(&self, then: Parked) {
        *self.parked.lock() = Some(then);
        self.is_parked.store(true, Ordering::SeqCst);
        // The driver may have come to rest just before it could see the flag.
        self.bring_home();
        if self.is_parked.load(Ordering::SeqCst) {
            self.have_driver_polled();
        }
    }

    /// Has the driver polled once more, for whoever has just begun to wait for what it says.
    fn have_driver_polled(&self) {
        if let Some(waker) = &*self.driver_waker.lock() {
            waker.wake_by_ref();
        }
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

    /// By which waker the driver's task is called, from its first poll on.
    #[cold]
    pub(crate) fn driven_through(&self, waker: &Waker) {
        *self.driver_waker.lock() = Some(waker.clone());
    }

    /// Gives the number that [`Link::poll_ends`] takes.
    #[inline]
    pub(crate) fn poll_begins(&self) -> u64 {
        self.state.is_polling.store(true, Ordering::Relaxed);
        self.asked.load(Ordering::Acquire)
    }

    /// What had been asked before the poll has been read from the client's queue, and is on the wire unless that is
    /// blocked: by the socket, or because the task's turn is over.
    #[inline]
    pub(crate) fn poll_ends(&self, asked: u64) {
        if !self.state.is_blocked() {
            self.state.drained.store(asked, Ordering::Release);
        }
        self.state.is_polling.store(false, Ordering::Relaxed);
        if self.watchers.load(Ordering::Acquire) > 0 {
            self.changed.notify_waiters();
        }
        self.bring_home();
    }

    // ---- stopping ----

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

    /// Waits until every request has its answer, or the connection has ended.
    pub(crate) async fn answered(&self) {
        self.wait_for(Link::is_answered).await;
    }

    /// Waits until this holds or the connection has ended.
    pub(crate) async fn wait_for(&self, holds: impl Fn(&Link) -> bool) {
        self.watchers.fetch_add(1, Ordering::SeqCst);
        let _leave = Leave(&self.watchers);
        if !holds(self) {
            self.have_driver_polled();
        }
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

/// A stream that is open, or a statement that joined others.
pub(crate) struct Streaming<'a>(&'a Link);

impl Drop for Streaming<'_> {
    fn drop(&mut self) {
        self.0.streams.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Dropped only where handing something over ended in a panic: a parameter's own code is called for its bytes, and where
/// that panics the first part of a message stays in the client, before whatever is sent next.
struct Unwinding<'a>(&'a Link);

impl Drop for Unwinding<'_> {
    #[cold]
    fn drop(&mut self) {
        self.0.asked.fetch_add(1, Ordering::Release);
        self.0.poison();
    }
}
