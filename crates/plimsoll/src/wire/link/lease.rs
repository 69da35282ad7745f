//! What the borrower does with a connection besides single statements: streams, pipelined statements, raw use.

use super::Link;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

/// How the current lease uses the connection.
pub(in crate::wire) struct LeaseUse {
    /// The borrower has got the driver's client itself.
    is_raw: AtomicBool,
    /// How often a borrower got it.
    raw_uses: AtomicU64,
    /// Streams that are open, and statements that joined others.
    streams: AtomicU32,
    /// Copies for which a caller has rows.
    fed_copies: AtomicU32,
    /// The number of the lease.
    number: AtomicU64,
}

impl LeaseUse {
    pub(super) fn new() -> Self {
        LeaseUse {
            is_raw: AtomicBool::new(false),
            raw_uses: AtomicU64::new(0),
            streams: AtomicU32::new(0),
            fed_copies: AtomicU32::new(0),
            number: AtomicU64::new(0),
        }
    }

    pub(super) fn begin_raw(&self) {
        self.is_raw.store(true, Ordering::Relaxed);
        self.raw_uses.fetch_add(1, Ordering::AcqRel);
    }

    #[inline]
    pub(super) fn is_raw(&self) -> bool {
        self.is_raw.load(Ordering::Relaxed)
    }

    pub(super) fn raw_uses(&self) -> u64 {
        self.raw_uses.load(Ordering::Acquire)
    }

    #[inline]
    pub(super) fn has_streams(&self) -> bool {
        self.streams.load(Ordering::Relaxed) > 0
    }

    /// A stream is open, or a statement that joined others is under way, until this is dropped.
    pub(super) fn stream(&self) -> Streaming<'_> {
        self.streams.fetch_add(1, Ordering::Relaxed);
        Streaming(&self.streams)
    }

    pub(in crate::wire) fn begin_copy(&self) {
        self.fed_copies.fetch_add(1, Ordering::Release);
    }

    pub(in crate::wire) fn end_copy(&self) {
        self.fed_copies.fetch_sub(1, Ordering::Release);
    }

    pub(in crate::wire) fn has_fed_copy(&self) -> bool {
        self.fed_copies.load(Ordering::Acquire) > 0
    }

    pub(super) fn number(&self) -> u64 {
        self.number.load(Ordering::SeqCst)
    }

    /// Ends the lease; says whether the client itself was used on it.
    pub(super) fn end(&self) -> bool {
        self.number.fetch_add(1, Ordering::SeqCst);
        let was_raw = self.is_raw();
        if was_raw {
            self.is_raw.store(false, Ordering::Relaxed);
        }
        was_raw
    }
}

/// An open stream, or a statement that joined others.
pub(crate) struct Streaming<'a>(&'a AtomicU32);

impl Drop for Streaming<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Link {
    /// Whether other requests may be under way on the same lease: pipelined, a stream, or through the client itself.
    #[inline]
    pub(crate) fn has_company(&self) -> bool {
        self.is_used_raw() || self.given_up.has_marks() || self.lease.has_streams()
    }

    /// Whether a statement that is begun now must wait until everything that was handed over before is on the wire.
    #[inline]
    pub(crate) fn has_others(&self) -> bool {
        self.borrower.bell.is_listened() || self.has_company()
    }

    /// A stream is open, or a statement that joined others is under way, until this is dropped.
    pub(crate) fn stream(&self) -> Streaming<'_> {
        self.lease.stream()
    }

    /// The borrower gets the client itself, and what he hands to that is not counted.
    ///
    /// Says whether a shield is to be sent before what he sends.
    pub(crate) fn mark_raw_use(&self) -> bool {
        self.lease.begin_raw();
        (self.is_abandoned() || self.borrower.bell.is_listened()) && self.follow()
    }

    /// How often a borrower got the client itself.
    pub(crate) fn raw_uses(&self) -> u64 {
        self.lease.raw_uses()
    }

    /// Whether the borrower of this lease has the client itself.
    #[inline]
    pub(crate) fn is_used_raw(&self) -> bool {
        self.lease.is_raw()
    }

    /// The borrower is told how a request ended, and so which transaction status the session has.
    #[inline]
    pub(crate) fn note_told_status(&self) {
        self.borrower.was_told_idle.store(self.state.status().is_idle(), Ordering::Relaxed);
    }

    /// Whether a transaction is open of which the borrower does not know: he has given up the statement that began it.
    pub(crate) fn holds_untold_transaction(&self) -> bool {
        !self.state.status().is_idle()
            && self.borrower.was_told_idle.load(Ordering::Relaxed)
            // Else the borrower may be about to be told, or talks to the server in a way that is not seen here.
            && self.is_answered()
            && !self.is_used_raw()
    }

    /// Whether every request of the borrower has its answer, so that the session's status is the latest. What he has given
    /// up does not count, and the driver's task may still be at work.
    #[inline]
    pub(crate) fn is_answered(&self) -> bool {
        !self.borrower.bell.is_listened() && !self.lease.has_streams() && self.state.owed() == 0
    }

    /// Waits until every request has its answer, or the connection has ended.
    pub(crate) async fn answered(&self) {
        self.wait_for(Link::is_answered).await;
    }

    /// A statement begins, for whose text this number stands.
    #[inline]
    pub(crate) fn note_statement(&self, number: u64) {
        self.borrower.statement.store(number, Ordering::Relaxed);
    }

    /// Stands for the text of the statement that began last; 0 for none.
    pub(crate) fn last_statement(&self) -> u64 {
        self.borrower.statement.load(Ordering::Relaxed)
    }

    /// The number of this lease: it changes when the connection is given back.
    pub(crate) fn lease(&self) -> u64 {
        self.lease.number()
    }

    /// The borrower has left.
    pub(crate) fn end_lease(&self) {
        self.note_statement(0);
        self.borrower.was_told_idle.store(true, Ordering::Relaxed);
        if self.lease.end() {
            // The code that panicked may have been putting a message together, where it is not seen here.
            if std::thread::panicking() {
                self.poison();
            }
            self.count_handed();
        }
    }
}
