//! What was given up on a connection, by the numbers of its requests.
//!
//! A cancel names a connection and not a statement. On a lease several statements may be under way, one behind the other,
//! and one of them may be given up while the others are still wanted. So each request has a number, in the order in
//! which they are sent and answered; what was given up is a span of numbers, and a cancel is sent only while the answer
//! that comes next has a number of such a span.
//!
//! What stands behind on the server may be struck all the same: one cancel is two signals, and the second may come when
//! the first has done its work. What was sent through this crate then runs again or its caller is told. Whoever sends by
//! the driver's own client gets a *shield*, two short sleeps that are sent before; where even that is not possible, because
//! he had the client already, what was given up is left to its limits as long as his statements stand behind it.
//!
//! Where a statement's numbers begin is known: nothing is handed to the driver while something else still waits in it.
//! Where they end is known from where the next begins, so whoever joins others on a lease leaves a *mark* there.

use super::link::Link;
use super::session_state::Front;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::time::Instant;

/// Where somebody has the driver's own client, what was given up is left alone for so long: he may be about to send more.
const BESIDE_OTHERS: Duration = Duration::from_millis(50);

/// Takes longer than a cancel that is on its way. Two of them are sent, one for each of its signals.
pub(crate) const SHIELD: &str = "SELECT pg_catalog.pg_sleep(0.02)";

/// Where a span of numbers ends.
#[derive(Clone, Copy, Debug)]
enum End {
    /// With this number.
    At(u64),
    /// With whatever has been sent when the driver has come so far.
    WhenDrained(u64),
}

#[derive(Clone, Copy, Debug)]
struct Span {
    /// It begins behind this number.
    behind: u64,
    end: End,
    since: Instant,
    /// Everything that went on was given up, be it still listened for or not.
    is_all: bool,
    /// Somebody has the driver's own client, or has had it since then.
    is_followed: bool,
    /// A shield stands between this and what he sends.
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

/// The spans, and the marks between those who share a lease.
#[derive(Debug, Default)]
pub(super) struct GivenUp {
    spans: Vec<Span>,
    marks: Vec<u64>,
}

impl Link {
    /// Everything that was handed to the driver so far is given up.
    pub(crate) fn abandon(&self) {
        let mut given_up = self.given_up.lock();
        given_up.spans.push(Span {
            behind: 0,
            end: End::WhenDrained(self.asked_so_far()),
            since: Instant::now(),
            is_all: true,
            is_followed: false,
            is_shielded: false,
        });
        self.abandoned.store(true, Ordering::Release);
    }

    /// What was sent behind this number by one of those who share the lease is given up.
    pub(crate) fn abandon_behind(&self, behind: u64) {
        let mut given_up = self.given_up.lock();
        // It is not answered, so a mark that lies behind us is not its end.
        let from = behind.max(self.state.settled());
        let end = match given_up.marks.iter().copied().filter(|mark| *mark > from).min() {
            Some(mark) => End::At(mark),
            None => End::WhenDrained(self.asked_so_far()),
        };
        // Whoever has the driver's own client already may use it at any time.
        let is_followed = self.is_used_raw();
        let since = Instant::now();
        given_up.spans.push(Span { behind, end, since, is_all: false, is_followed, is_shielded: false });
        self.wanted_by_nobody();
        self.abandoned.store(true, Ordering::Release);
    }

    /// A statement is about to be handed to the driver: says behind which number it will be. One that is by itself need
    /// not know.
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
        self.has_marks.store(has_marks, Ordering::Release);
        behind
    }

    /// Somebody is about to use the driver's own client, while something else is under way or given up; says whether a
    /// shield is to be sent before.
    #[cold]
    pub(super) fn follow(&self) -> bool {
        let settled = self.state.settled();
        let sent = self.state.sent();
        let mut needs_shield = false;
        let mut given_up = self.given_up.lock();
        for span in &mut given_up.spans {
            span.is_followed = true;
            // What was handed over just now, and is not sent yet, is one request at least.
            let end = span.end(self).unwrap_or(sent.max(settled + 1).max(span.behind + 1));
            span.end = End::At(end);
            needs_shield |= !span.is_shielded && end > settled;
            span.is_shielded = true;
        }
        let last = given_up.marks.iter().copied().max().unwrap_or_default();
        given_up.marks.push(sent.max(settled + 1).max(last + 1));
        self.has_marks.store(true, Ordering::Release);
        needs_shield
    }

    /// Whether the driver's own client was used since anything was given up.
    pub(super) fn has_followers(&self) -> bool {
        self.given_up.lock().spans.iter().any(|span| span.is_followed)
    }

    /// Whether all that was given up has been answered; what has is forgotten.
    pub(super) fn has_nothing_given_up(&self) -> bool {
        let settled = self.state.settled();
        let mut given_up = self.given_up.lock();
        given_up.spans.retain_mut(|span| span.end(self).is_none_or(|end| end > settled));
        let has_none = given_up.spans.is_empty();
        if has_none {
            self.abandoned.store(false, Ordering::Release);
        }
        has_none
    }

    /// The number of the request that is to be cancelled now: its answer is the next, and it was given up. A copy that
    /// was told to fail is given a moment to do so first.
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

    /// Whether this one was given up by whoever had sent it, and not with all the rest.
    pub(super) fn is_of_one(&self, number: u64) -> bool {
        let mut given_up = self.given_up.lock();
        !given_up.spans.iter_mut().any(|span| span.is_all && span.end(self).is_none_or(|end| number <= end))
    }

    /// Whether the answer to this one comes next.
    pub(super) fn is_next(&self, number: u64) -> bool {
        self.state.settled() + 1 == number
    }
}
