//! Records which requests of a connection were given up, by their numbers.
//!
//! A cancel names a connection and not a statement. On one lease several statements may be under way, one behind the
//! other, and one of them may be given up while its neighbours are not. So each request has a number, in the order in
//! which requests are sent and answered. What was given up is a span of numbers, and a cancel is sent only while the
//! answer that comes next has a number in such a span.
//!
//! A statement behind that span may be hit all the same: one cancel is two signals, and the second may arrive when the
//! first has done its work. A statement that was sent through this crate then runs again, or its caller is told. A
//! borrower who sends through the driver's own client gets a *shield*: two short sleeps are sent before his statements.
//! Where he had the client already, no shield is possible; then what was given up is left to its limits as long as his
//! statements stand behind it.
//!
//! Where a statement's numbers begin is known, because nothing is handed to the driver while something else still waits
//! in it. Where they end is known from where the next statement begins, so a statement that joins others on a lease
//! leaves a *mark* there.

use super::link::Link;
use super::session_state::Front;
use parking_lot::{Mutex, MutexGuard};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::time::Instant;

/// Where the borrower has the driver's own client, what was given up is not cancelled for so long: he may be about to send
/// more.
const BESIDE_OTHERS: Duration = Duration::from_millis(50);

/// A statement that takes longer than a cancel under way. Two of them are sent, one for each signal of the cancel.
pub(crate) const SHIELD: &str = "SELECT pg_catalog.pg_sleep(0.02)";

/// Where a span of numbers ends.
#[derive(Clone, Copy, Debug)]
enum End {
    /// With this number.
    At(u64),
    /// With the last request that has been sent when the driver has come so far.
    WhenDrained(u64),
}

#[derive(Clone, Copy, Debug)]
struct Span {
    /// The span begins behind this number.
    behind: u64,
    end: End,
    since: Instant,
    /// Everything that went on was given up, whether a caller still listens for it or not.
    is_all: bool,
    /// The borrower has the driver's own client, or has had it since.
    is_followed: bool,
    /// A shield stands between this span and what the borrower sends through the client.
    is_shielded: bool,
}

impl Span {
    fn end(&mut self, link: &Link) -> Option<u64> {
        if let End::WhenDrained(asked) = self.end
            && link.has_drained(asked)
        {
            self.end = End::At(link.state.sent());
        }
        match self.end {
            End::At(end) => Some(end),
            End::WhenDrained(_) => None,
        }
    }
}

/// The spans, and the marks between the statements that share a lease.
#[derive(Debug, Default)]
struct Spans {
    spans: Vec<Span>,
    marks: Vec<u64>,
}

/// What was given up on one connection. The flags spare every statement the lock.
pub(super) struct GivenUp {
    is_any: AtomicBool,
    /// Some marks are not answered yet.
    has_marks: AtomicBool,
    spans: Mutex<Spans>,
}

impl GivenUp {
    pub(super) fn new() -> Self {
        GivenUp {
            is_any: AtomicBool::new(false),
            has_marks: AtomicBool::new(false),
            spans: Mutex::new(Spans::default()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Spans> {
        self.spans.lock()
    }

    #[inline]
    pub(super) fn has_marks(&self) -> bool {
        self.has_marks.load(Ordering::Relaxed)
    }
}

impl Link {
    /// Whether something was given up and is not over.
    #[inline]
    pub(crate) fn is_abandoned(&self) -> bool {
        self.given_up.is_any.load(Ordering::Acquire)
    }

    /// Everything that was handed to the driver so far is given up.
    pub(crate) fn abandon(&self) {
        let mut given_up = self.given_up.lock();
        given_up.spans.push(Span {
            behind: 0,
            end: End::WhenDrained(self.handed_so_far()),
            since: Instant::now(),
            is_all: true,
            is_followed: false,
            is_shielded: false,
        });
        self.given_up.is_any.store(true, Ordering::Release);
    }

    /// One of the statements that share the lease is given up: the one whose requests were sent behind this number.
    pub(crate) fn abandon_behind(&self, behind: u64) {
        let mut given_up = self.given_up.lock();
        // The statement is not answered, so a mark before the last answer is not its end.
        let from = behind.max(self.state.settled());
        let end = match given_up.marks.iter().copied().filter(|mark| *mark > from).min() {
            Some(mark) => End::At(mark),
            None => End::WhenDrained(self.handed_so_far()),
        };
        // A borrower who has the driver's own client already may use it at any time.
        let is_followed = self.is_used_raw();
        let since = Instant::now();
        given_up.spans.push(Span { behind, end, since, is_all: false, is_followed, is_shielded: false });
        self.cancels.begin_unawaited();
        self.given_up.is_any.store(true, Ordering::Release);
    }

    /// A statement is about to be handed to the driver. Returns the number behind which it will be sent; a statement that is
    /// alone on the lease does not need it.
    #[inline]
    pub(crate) fn begin_behind(&self, is_first: bool) -> u64 {
        if is_first && !self.has_company() { 0 } else { self.mark() }
    }

    #[cold]
    fn mark(&self) -> u64 {
        let behind = self.state.sent();
        let settled = self.state.settled();
        let mut given_up = self.given_up.lock();
        for span in &mut given_up.spans {
            span.end = End::At(span.end(self).unwrap_or(behind));
        }
        given_up.marks.retain(|mark| *mark > settled);
        given_up.marks.push(behind);
        let has_marks = given_up.marks.iter().any(|mark| *mark > settled);
        self.given_up.has_marks.store(has_marks, Ordering::Release);
        behind
    }

    /// The borrower is about to use the driver's own client while something else is under way or given up. Says whether a
    /// shield is to be sent before.
    #[cold]
    pub(super) fn follow(&self) -> bool {
        let settled = self.state.settled();
        let sent = self.state.sent();
        let mut needs_shield = false;
        let mut given_up = self.given_up.lock();
        for span in &mut given_up.spans {
            span.is_followed = true;
            // What was handed over just now and is not sent yet is at least one request.
            let end = span.end(self).unwrap_or(sent.max(settled + 1).max(span.behind + 1));
            span.end = End::At(end);
            needs_shield |= !span.is_shielded && end > settled;
            span.is_shielded = true;
        }
        let last = given_up.marks.iter().copied().max().unwrap_or_default();
        given_up.marks.push(sent.max(settled + 1).max(last + 1));
        self.given_up.has_marks.store(true, Ordering::Release);
        needs_shield
    }

    /// Whether the driver's own client was used since anything was given up.
    pub(super) fn has_followers(&self) -> bool {
        self.given_up.lock().spans.iter().any(|span| span.is_followed)
    }

    /// Whether everything that was given up has been answered. Forgets the spans that have been.
    pub(super) fn has_nothing_given_up(&self) -> bool {
        let settled = self.state.settled();
        let mut given_up = self.given_up.lock();
        given_up.spans.retain_mut(|span| span.end(self).is_none_or(|end| end > settled));
        let has_none = given_up.spans.is_empty();
        if has_none {
            self.given_up.is_any.store(false, Ordering::Release);
        }
        has_none
    }

    /// The number of the request that is to be cancelled now: it was given up, and its answer is the next. A copy that was
    /// told to fail gets a moment to do so first.
    pub(super) fn to_be_cancelled(&self, is_patient: bool) -> Option<u64> {
        let number = self.state.settled() + 1;
        let may_be = match self.state.front() {
            Front::Work => true,
            Front::Failed => !is_patient,
            Front::Other => false,
        };
        let mut given_up = self.given_up.lock();
        let is_given_up = |span: &mut Span| {
            let is_in = span.behind < number && span.end(self).is_some_and(|end| number <= end);
            let is_safe = || {
                !span.is_followed
                    || span.is_shielded
                    || (self.state.sent() == number && span.since.elapsed() >= BESIDE_OTHERS)
            };
            is_in && is_safe()
        };
        (may_be && given_up.spans.iter_mut().any(is_given_up)).then_some(number)
    }

    /// Whether this request was given up by itself, and not together with everything else.
    pub(super) fn is_of_one(&self, number: u64) -> bool {
        let mut given_up = self.given_up.lock();
        !given_up.spans.iter_mut().any(|span| span.is_all && span.end(self).is_none_or(|end| number <= end))
    }

    /// Whether the answer to this request comes next.
    pub(super) fn is_next(&self, number: u64) -> bool {
        self.state.settled() + 1 == number
    }
}
