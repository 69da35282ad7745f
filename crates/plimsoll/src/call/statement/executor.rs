//! The way a statement takes on a lent connection, written once.
//!
//! ```text
//! settle what was abandoned ─► is there time left? ─► send ─► wait, until the limit
//!                                                             │ answered: map the error, know the outcome
//!                                                             │ limit:    cancel, confirmed, while still listening
//!                                                             └ dropped:  cancel on the side, confirmed
//! ```
//!
//! A dropped future, a passed deadline and a client that hung up are the same thing: nobody waits any more, so the
//! server must not go on either. Listening goes on while the cancel is under way, because a statement that finishes
//! just then has happened, and its caller is told so.

use super::cache::Query;
use super::request::{Answered, Request, Sent, StopOnDrop};
use crate::call::postgres::Connection;
use crate::deadline::Deadline;
use crate::error::{Error, Outcome, Phase, Result, fault_of, is_name_unknown_to_pooler, said, text_of};
use crate::event::{Event, StopReason};
use crate::fault::Fault;
use crate::moment::Moment;
use crate::name::WorkName;
use crate::rules::outcome::{Evidence, Scope, ServerAnswer};
use crate::sql::nature;
use crate::sql::nature::Nature;
use crate::wire::link::{EndReason, Link};
use crate::wire::stop::{Extent, StopResult};
use futures_util::future;
use std::future::Future;
use std::pin::{Pin, pin};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// Later than anybody waits, and a time that a timer can still hold.
const FAR: Duration = Duration::from_secs(365 * 24 * 3600);

/// How it is known where a statement runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ScopeSource {
    /// Whoever asks has seen to it.
    Known(Scope),
    /// As the session is when it is sent: on a lease, whose borrower may begin and end transactions as he likes.
    FromSession,
}

/// What bounds one piece of work on a connection.
#[derive(Clone, Copy)]
pub(crate) struct Executor<'a> {
    pub(crate) connection: &'a Connection,
    pub(crate) work: &'a WorkName,
    /// The earliest of the scope's deadline, the lease's and the transaction's.
    pub(crate) deadline: Option<Deadline>,
    /// The limit on one statement.
    pub(crate) limit: Option<Duration>,
    pub(crate) scope: ScopeSource,
    /// The text of the statement, where that is what was asked for.
    pub(crate) text: Option<&'a str>,
    /// Whether the deadline is the transaction's own limit.
    pub(crate) is_transaction_limit: bool,
    /// The server's limit on one statement, as far as it was told one.
    pub(crate) server_limit: Option<Duration>,
    /// Whether the work was declared to write nothing.
    pub(crate) is_read_only: bool,
}

impl<'a> Executor<'a> {
    /// For a statement of this work.
    pub(crate) fn on(
        connection: &'a Connection,
        work: &'a WorkName,
        deadline: Option<Deadline>,
        scope: ScopeSource,
    ) -> Self {
        Executor {
            connection,
            work,
            deadline,
            limit: connection.shared.limits.client,
            scope,
            text: None,
            is_transaction_limit: false,
            server_limit: connection.shared.limits.server,
            is_read_only: false,
        }
    }

    /// The same for this statement.
    #[inline]
    pub(crate) fn of(self, query: Query<'a>) -> Self {
        match query {
            Query::Text(text) => Executor { text: Some(text), ..self },
            Query::Prepared(_) => self,
        }
    }

    /// The same somewhere else.
    pub(crate) fn at(self, scope: Scope) -> Self {
        Executor { scope: ScopeSource::Known(scope), ..self }
    }
}

impl Executor<'_> {
    /// Where a statement runs that is sent now.
    #[inline]
    pub(crate) fn scope(&self) -> Scope {
        let link = &self.connection.link;
        match self.scope {
            ScopeSource::Known(scope) => scope,
            ScopeSource::FromSession if !link.is_answered() => Scope::Unclear,
            ScopeSource::FromSession if link.state.status().is_idle() => Scope::Autocommit,
            ScopeSource::FromSession => Scope::InTransaction,
        }
    }

    /// Runs one request under its limits.
    ///
    /// # Cancel safety
    /// Dropped before its first poll nothing was sent. Dropped later the statement is stopped on the server.
    pub(crate) fn run<T: Send>(
        &self,
        phase: Phase,
        request: impl Future<Output = Result<T, tokio_postgres::Error>> + Send,
    ) -> impl Future<Output = Result<T>> {
        async move {
            let request = pin!(request);
            self.run_at(None, phase, request).await
        }
    }

    /// The same for a request that is pinned where it lies, at a moment that was read just now: on a statement's way it
    /// has a kilobyte, and is neither copied nor wrapped once more.
    pub(crate) fn run_at<'g, T: Send>(
        &'g self,
        now: Option<Moment>,
        phase: Phase,
        request: Pin<&'g mut (impl Future<Output = Result<T, tokio_postgres::Error>> + Send)>,
    ) -> impl Future<Output = Result<T>> {
        let known = move |answered: Answered<Result<T, tokio_postgres::Error>>| {
            let Answered { answer, stopped, sent } = answered;
            answer.map_err(|error| self.failed(phase, error, stopped, sent))
        };
        Request::begin(self, phase, now, request, known)
    }

    /// As [`Guard::run`], for a request whose answer has several parts.
    pub(crate) fn listen<T: Send>(
        &self,
        phase: Phase,
        request: impl Future<Output = T> + Send,
    ) -> impl Future<Output = Result<Answered<T>>> {
        async move {
            let request = pin!(request);
            Request::begin(self, phase, None, request, Ok).await
        }
    }

    /// What must be so before anything is sent; says when that was found to be so, or nothing if something before this
    /// one must be settled first.
    pub(crate) fn may_begin(&self, now: Moment, phase: Phase) -> Result<Option<Moment>> {
        let link = &self.connection.link;
        if link.is_closed() {
            return Err(self.lost_before(phase));
        }
        // With less than the floor no answer would be back in time; the server is not even asked.
        let floor = self.connection.shared.limits.floor;
        if self.deadline.is_some_and(|deadline| deadline.moment().nanos_since(now) <= floor) {
            return Err(self.error(
                self.fault_of_stop(StopReason::Deadline),
                phase,
                self.scope().untouched(),
                format!("the deadline of {} had passed, or nearly, before this {phase} was sent", self.work),
            ));
        }
        if self.is_meant_inside() && link.state.status().is_idle() && link.is_answered() {
            return Err(self.left_outside(phase));
        }
        Ok((!self.needs_settling() && !link.has_others()).then_some(now))
    }

    /// Whether there must be a transaction: whoever asks has opened it.
    fn is_meant_inside(&self) -> bool {
        matches!(self.scope, ScopeSource::Known(Scope::InTransaction | Scope::Unclear | Scope::Closing))
    }

    /// What was meant to run in a transaction would run by itself: a statement inside has ended that.
    #[cold]
    fn left_outside(&self, phase: Phase) -> Error {
        let work = self.work;
        let sentence = format!(
            "the transaction of {work} was ended by a statement of its own, so this {phase} was not sent; leave COMMIT \
             and ROLLBACK to whoever opened it"
        );
        self.error(Fault::TransactionState, phase, Outcome::NotStarted, sentence)
    }

    /// Whether something must be stopped or undone before the next request.
    #[inline]
    pub(crate) fn needs_settling(&self) -> bool {
        let link = &self.connection.link;
        link.needs_settling() || self.scope == ScopeSource::FromSession && link.holds_untold_transaction()
    }

    /// A borrower is told how his request ended, and so whether a transaction is open.
    #[inline]
    pub(crate) fn told(&self) {
        if self.scope == ScopeSource::FromSession {
            self.connection.link.note_told_status();
        }
    }

    /// Waits until nothing is stopped any more that was sent before.
    pub(crate) async fn settled(&self) -> Result<()> {
        if self.may_begin(Moment::now(), Phase::Statement)?.is_none() {
            self.settle(Phase::Statement).await?;
        }
        Ok(())
    }

    /// Something before this one was given up: it is stopped for certain first, or its cancel would hit this one.
    ///
    /// A BEGIN that was given up may have been done. Its transaction is rolled back, since nobody was told of it: what
    /// comes next is meant to stand alone, and would be undone with it later.
    pub(crate) async fn settle(&self, phase: Phase) -> Result<Moment> {
        let link = &self.connection.link;
        if link.is_poisoned() {
            return Err(self.lost_before(phase));
        }
        let until = self.patience();
        if link.needs_settling() {
            if !matches!(link.stop(until, Extent::GivenUp).await, StopResult::Quiet) {
                return Err(self.gave_up(phase, "could not be stopped in time"));
            }
            if link.owes_barrier() && link.state.owed() > 0 {
                // What the others wait for stands between.
                link.barrier_passed();
            }
        }
        if link.owes_barrier() {
            // A late cancel may hit this empty statement; that is what it is for.
            if timeout_at(until, link.sending(self.connection.client.batch_execute(""))).await.is_err() {
                let why = "was stopped, and whether its cancel has arrived the server did not say in time";
                return Err(self.gave_up(phase, why));
            }
            link.barrier_passed();
        }
        if !link.has_others() {
            let _ = timeout_at(until, link.answered()).await;
        }
        if !self.is_meant_inside() && link.holds_untold_transaction() {
            let undo = link.sending(self.connection.client.batch_execute("ROLLBACK"));
            if !matches!(timeout_at(until, undo).await, Ok(Ok(()))) {
                return Err(self.gave_up(phase, "has begun a transaction that could not be rolled back"));
            }
        }
        if link.has_others() {
            // Where its requests begin must be known, should it be given up while the others go on. What is sent through
            // the client itself is not counted, so it is waited for until nobody has got that meanwhile.
            loop {
                let before = link.raw_uses();
                if link.is_used_raw() {
                    link.count_handed();
                }
                let is_late = timeout_at(until, link.wait_for(Link::is_drained)).await.is_err();
                if is_late || link.raw_uses() == before {
                    break;
                }
            }
        }
        // That took of the time there was.
        let now = Moment::now();
        self.may_begin(now, phase)?;
        Ok(now)
    }

    /// Until when what was sent before is waited for: by the deadline, and no longer than a return may take.
    pub(crate) fn patience(&self) -> Instant {
        let limit = Instant::now() + self.connection.shared.plan.reclaim_timeout();
        self.deadline.map_or(limit, |deadline| deadline.instant().min(limit))
    }

    /// What an earlier statement left behind could not be settled, so nothing more is sent here.
    #[cold]
    fn gave_up(&self, phase: Phase, why: &str) -> Error {
        self.connection.link.doom();
        let work = self.work;
        let sentence = format!("an earlier statement of {work} {why}; the connection is given up");
        self.error(Fault::ConnectionLost, phase, self.scope().untouched(), sentence)
    }

    /// When to stop, and what to call it.
    pub(crate) fn stop_at(&self, now: Moment) -> (Moment, StopReason) {
        let own = now + self.limit.map_or(FAR, |limit| limit.min(FAR));
        let Some(deadline) = self.deadline else { return (own, StopReason::Limit) };
        // The answer must still arrive in time; but a short deadline is not eaten up by its margin.
        let deadline = deadline.moment();
        let margin = self.connection.shared.limits.margin.min(deadline.nanos_since(now) / 4);
        let by_deadline = deadline.earlier_by(margin);
        if by_deadline < own { (by_deadline, StopReason::Deadline) } else { (own, StopReason::Limit) }
    }

    /// The limit came: cancel, and go on listening.
    pub(crate) async fn stop<T>(
        &self,
        phase: Phase,
        request: Pin<&mut impl Future<Output = T>>,
        reason: StopReason,
        mut watch: StopOnDrop<'_>,
    ) -> Result<Answered<T>> {
        let link = &self.connection.link;
        let now = Instant::now();
        let grace = self.connection.shared.plan.reclaim_timeout();
        let until = self.deadline.map_or(now + grace, |deadline| {
            deadline.instant().max(now + Duration::from_millis(50)).min(now + grace)
        });
        // A COMMIT is not stopped, only waited for no longer.
        if phase != Phase::Commit {
            self.tell_stopped(reason);
        }
        link.abandon_behind(watch.behind);
        let (_, answer) =
            future::join(link.stop(until, Extent::GivenUp), timeout_at(until, link.sending(request))).await;
        match answer {
            Ok(answer) => {
                watch.is_over = true;
                self.told();
                Ok(Answered { answer, stopped: Some(reason), sent: watch.sent })
            }
            Err(_) => {
                // Told already; the drop of `watch` goes on stopping it.
                watch.is_told = true;
                let outcome = self.lost(phase, watch.sent);
                if outcome == Outcome::RolledBack {
                    // It was called rolled back and may yet finish well: its COMMIT is refused from here on.
                    link.doom();
                }
                Err(self.error(
                    self.fault_of_stop(reason),
                    phase,
                    outcome,
                    format!(
                        "{phase} of {} was stopped after {:.1} s because {reason}, and the server has not confirmed it",
                        self.work,
                        watch.sent.began.elapsed().as_secs_f64()
                    ),
                ))
            }
        }
    }

    pub(crate) fn fault_of_stop(&self, reason: StopReason) -> Fault {
        match reason {
            StopReason::Deadline if self.is_transaction_limit => Fault::TransactionTimeout,
            StopReason::Deadline | StopReason::Dropped => Fault::DeadlinePassed,
            StopReason::Shutdown => Fault::PoolClosed,
            StopReason::Limit => Fault::StatementTimeout,
        }
    }

    /// A driver's error, with what it means here.
    #[cold]
    pub(crate) fn failed(
        &self,
        phase: Phase,
        error: tokio_postgres::Error,
        stopped: Option<StopReason>,
        sent: Sent,
    ) -> Error {
        let mut fault = fault_of(&error);
        if fault == Fault::Driver
            && let Some(refused) = self.misplaced_copy(phase, &error, sent)
        {
            return refused.caused_by(error);
        }
        let elapsed = sent.began.elapsed();
        if fault == Fault::CancelledByOther {
            fault = self.who_cancelled(stopped, sent.began);
        }
        if fault == Fault::ReadOnlyServer && self.is_read_only {
            // The server keeps what was asked for; that says nothing about the server.
            fault = Fault::Usage;
        }
        if fault.evicts() {
            self.connection.link.doom();
        }
        let mut outcome = self.outcome_of(phase, fault, &error, sent);
        let is_lost = error.as_db_error().is_none() && fault == Fault::ConnectionLost;
        let said = match self.connection.link.ended() {
            Some(ended) if is_lost => {
                fault = ended.reason();
                // The server ended a session that was at rest, so it never read what was sent last. Another that was
                // still under way may have been a COMMIT.
                let is_only_one = sent.scope != Scope::Unclear;
                if matches!(fault, Fault::TransactionTimeout | Fault::IdleSessionEnded) && is_only_one {
                    outcome = Outcome::RolledBack;
                }
                ended.text
            }
            _ => text_of(&error, said),
        };
        let why = stopped.map(|reason| format!(" and was stopped because {reason}")).unwrap_or_default();
        let declared =
            if fault == Fault::Usage { "; the work was declared read_only and wanted to write" } else { "" };
        let sentence = format!(
            "{phase} of {} failed after {:.3} s{why}: {said}{declared}",
            self.work,
            elapsed.as_secs_f64()
        );
        self.error(fault, phase, outcome, sentence).caused_by(error)
    }

    /// 57014 is the server's own limit and anybody's cancel alike, and its text changes with the server's language:
    /// who cancelled is known by who did.
    fn who_cancelled(&self, stopped: Option<StopReason>, began: Moment) -> Fault {
        if let Some(reason) = stopped {
            return self.fault_of_stop(reason);
        }
        let (stop_at, reason) = self.stop_at(began);
        let soon = Moment::now() + Duration::from_millis(20);
        if soon >= stop_at {
            // The server, who was told the same limit, was quicker than our own cancel.
            return self.fault_of_stop(reason);
        }
        if self.server_limit.is_some_and(|limit| soon.since(began) >= limit) {
            return Fault::StatementTimeout;
        }
        // It was meant for another statement of this lease, which ended just then.
        let is_ours = self.connection.link.was_cancelled_since(began);
        if is_ours { Fault::CancelStrayed } else { Fault::CancelledByOther }
    }

    fn outcome_of(&self, phase: Phase, fault: Fault, error: &tokio_postgres::Error, sent: Sent) -> Outcome {
        // The driver could not put the parameters into bytes: nothing was sent.
        if fault == Fault::Conversion && error.to_string().contains("parameter") {
            return sent.scope.untouched();
        }
        let nature = self.nature_since(sent);
        let said = match error.as_db_error() {
            Some(db) if is_name_unknown_to_pooler(db) => {
                ServerAnswer::Error { is_unsure: false, is_unrun: true }
            }
            // Whatever was said, the session has ended with it.
            Some(_) if self.connection.link.is_closed() => ServerAnswer::Fatal { is_undone: false },
            Some(db) => ServerAnswer::by(db, nature),
            None if matches!(fault, Fault::Conversion | Fault::RowCount) => ServerAnswer::Everything,
            None => ServerAnswer::Nothing,
        };
        self.evidence(phase, said, nature, sent).outcome()
    }

    /// The outcome of what was sent and got no answer.
    pub(crate) fn lost(&self, phase: Phase, sent: Sent) -> Outcome {
        self.evidence(phase, ServerAnswer::Nothing, self.nature_since(sent), sent).outcome()
    }

    fn evidence(&self, phase: Phase, said: ServerAnswer, nature: Nature, sent: Sent) -> Evidence {
        let link = &self.connection.link;
        Evidence {
            phase,
            scope: sent.scope,
            nature,
            answer: said,
            has_ended: link.state.has_ended_since(sent.mark),
            is_idle: link.is_answered() && link.state.status().is_idle(),
        }
    }

    /// What this request can do to transactions, and whatever else went out on the connection since.
    fn nature_since(&self, sent: Sent) -> Nature {
        let link = &self.connection.link;
        let mut nature = link.state.nature_since(sent.mark);
        match self.text {
            // The text is certain; what else the wire has seen matters only where others were on their way.
            Some(text) if sent.scope != Scope::Unclear => {
                let ends = nature.contains(Nature::ENDS);
                nature = nature::of_sql(text.as_bytes(), None);
                if ends {
                    nature |= Nature::ENDS;
                }
            }
            Some(text) => nature |= nature::of_sql(text.as_bytes(), None),
            None => {}
        }
        nature
    }

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

    #[cold]
    pub(crate) fn error(&self, fault: Fault, phase: Phase, outcome: Outcome, sentence: String) -> Error {
        if fault.is_connectivity() {
            self.connection.shared.breaker.is_news();
        }
        Error::new(fault, phase, outcome, sentence)
    }

    fn tell_stopped(&self, reason: StopReason) {
        let pid = self.connection.pid();
        self.connection.shared.events.tell(Event::Stopped { work: self.work.to_string(), pid, reason });
    }
}
