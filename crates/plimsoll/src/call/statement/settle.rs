//! What must be true before a request is sent: the connection lives, time is left, and nothing that was abandoned before
//! is still running.

use super::executor::{Executor, ScopeSource};
use crate::error::{Error, Outcome, Phase, Result};
use crate::event::StopReason;
use crate::fault::Fault;
use crate::moment::Moment;
use crate::rules::outcome::Scope;
use crate::wire::link::{EndReason, Link};
use crate::wire::stop::{Extent, StopResult};
use tokio::time::{Instant, timeout_at};

impl Executor<'_> {
    /// Whether a request may be sent now; false if something before it must be settled first.
    ///
    /// # Errors
    /// Why it must not be sent at all.
    pub(super) fn may_begin(&self, now: Moment, phase: Phase) -> Result<bool> {
        let link = &self.connection.link;
        if link.is_closed() {
            return Err(self.lost_before(phase));
        }
        // With less time than the floor no answer would be back by the deadline, so the server is not even asked.
        let floor = self.connection.server.limits.floor;
        if self.deadline.is_some_and(|deadline| deadline.moment().nanos_since(now) <= floor) {
            return Err(self.error(
                self.fault_of_stop(StopReason::Deadline),
                phase,
                self.scope().untouched(),
                format!("the deadline of {} had passed, or nearly, before this {phase} was sent", self.work),
            ));
        }
        if self.needs_transaction() && link.state.status().is_idle() && link.is_answered() {
            return Err(self.left_outside(phase));
        }
        Ok(!self.needs_settling() && !link.has_others())
    }

    /// Whether the caller has opened a transaction, so that there must be one.
    fn needs_transaction(&self) -> bool {
        matches!(self.scope, ScopeSource::Known(Scope::InTransaction | Scope::Unclear | Scope::Closing))
    }

    /// A statement inside has ended the transaction: what is sent now would run and commit by itself.
    #[cold]
    fn left_outside(&self, phase: Phase) -> Error {
        let work = self.work;
        let sentence = format!(
            "the transaction of {work} was ended by a statement of its own, so this {phase} was not sent; leave COMMIT \
             and ROLLBACK to the code that opened it"
        );
        self.error(Fault::TransactionState, phase, Outcome::NotStarted, sentence)
    }

    /// Whether something must be stopped or undone before the next request.
    #[inline]
    fn needs_settling(&self) -> bool {
        let link = &self.connection.link;
        link.needs_settling() || self.scope == ScopeSource::FromSession && link.holds_untold_transaction()
    }

    /// The borrower of a lease gets the answer to a request, and so learns whether a transaction is open.
    #[inline]
    pub(super) fn told(&self) {
        if self.scope == ScopeSource::FromSession {
            self.connection.link.note_told_status();
        }
    }

    /// Waits until everything that was abandoned before has stopped.
    pub(crate) async fn settled(&self) -> Result<()> {
        if !self.may_begin(Moment::now(), Phase::Statement)? {
            self.settle(Phase::Statement).await?;
        }
        Ok(())
    }

    /// Stops for certain what was abandoned before; otherwise its cancel could hit the next request.
    ///
    /// An abandoned BEGIN may have been done. Its transaction is rolled back, since no caller was told of it: the next
    /// statement is meant to stand alone, and would later be undone with that transaction.
    pub(super) async fn settle(&self, phase: Phase) -> Result<Moment> {
        let link = &self.connection.link;
        if link.is_poisoned() {
            return Err(self.lost_before(phase));
        }
        let until = self.patience();
        self.stop_abandoned(phase, until).await?;
        if !link.has_others() {
            let _ = timeout_at(until, link.answered()).await;
        }
        if !self.needs_transaction() && link.holds_untold_transaction() {
            let undo = link.sending(self.connection.client.batch_execute("ROLLBACK"));
            if !matches!(timeout_at(until, undo).await, Ok(Ok(()))) {
                return Err(self.unsettled(phase, "has begun a transaction that could not be rolled back"));
            }
        }
        if link.has_others() {
            self.wait_for_others(until).await;
        }
        // Settling took a part of the time.
        let now = Moment::now();
        self.may_begin(now, phase)?;
        Ok(now)
    }

    /// Stops what was abandoned, and waits until its cancel can hit nothing else.
    async fn stop_abandoned(&self, phase: Phase, until: Instant) -> Result<()> {
        let link = &self.connection.link;
        if link.needs_settling() {
            if !matches!(link.stop(until, Extent::GivenUp).await, StopResult::Quiet) {
                return Err(self.unsettled(phase, "could not be stopped in time"));
            }
            if link.owes_barrier() && link.state.owed() > 0 {
                // Requests of other callers stand between, and a late cancel would hit those.
                link.barrier_passed();
            }
        }
        if link.owes_barrier() {
            // A late cancel may hit this empty statement; that is what the statement is for.
            if timeout_at(until, link.sending(self.connection.client.batch_execute(""))).await.is_err() {
                let why = "was stopped, and whether its cancel has arrived the server did not say in time";
                return Err(self.unsettled(phase, why));
            }
            link.barrier_passed();
        }
        Ok(())
    }

    /// Waits until the requests of others on this lease are on the wire. If this request is abandoned later while theirs
    /// go on, it must be known where its own messages begin. What is sent through the driver's client is not counted, so
    /// the wait starts anew if that client was taken meanwhile.
    async fn wait_for_others(&self, until: Instant) {
        let link = &self.connection.link;
        loop {
            let before = link.raw_uses();
            if link.is_used_raw() {
                link.count_handed();
            }
            let is_late = timeout_at(until, link.wait_for(Link::is_drained)).await.is_err();
            if is_late || link.raw_uses() == before {
                return;
            }
        }
    }

    /// Until when earlier requests are waited for: by the deadline, and no longer than a return may take.
    pub(super) fn patience(&self) -> Instant {
        let limit = Instant::now() + self.connection.server.plan.reclaim_timeout();
        self.deadline.map_or(limit, |deadline| deadline.instant().min(limit))
    }

    /// An earlier statement could not be settled, so nothing more is sent on this connection.
    #[cold]
    fn unsettled(&self, phase: Phase, why: &str) -> Error {
        self.connection.link.doom();
        let work = self.work;
        let sentence = format!("an earlier statement of {work} {why}; the connection is given up");
        self.error(Fault::ConnectionLost, phase, self.scope().untouched(), sentence)
    }

    /// The connection ended before the request was sent.
    #[cold]
    fn lost_before(&self, phase: Phase) -> Error {
        let ended = self.connection.link.ended();
        let why = ended.as_ref().map_or("closed", |ended| ended.text.as_str());
        let fault = ended.as_ref().map_or(Fault::ConnectionLost, EndReason::reason);
        self.error(
            fault,
            phase,
            self.scope().untouched(),
            format!("the connection of {} had ended before this {phase} was sent: {why}", self.work),
        )
    }
}
