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

mod copy;
pub(crate) mod request;
mod stray;

use crate::deadline::Deadline;
use crate::error::{Error, Outcome, Phase, Result, fault_of, said};
use crate::event::{Event, StopReason};
use crate::fault::Fault;
use crate::moment::Moment;
use crate::name::WorkName;
use crate::postgres::Connection;
use crate::wire::link::{Ended, Link};
use crate::wire::stop::{Extent, Stopped};
use futures_util::future;
use request::{Answered, Request, Watch};
use std::future::Future;
use std::pin::{Pin, pin};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};
use tokio_postgres::error::Severity;

/// Later than anybody waits, and a time that a timer can still hold.
const FAR: Duration = Duration::from_secs(365 * 24 * 3600);

/// Where a statement runs, which decides what its failure means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// By itself: it commits when it ends.
    Alone,
    /// In a transaction: whatever fails, nothing stays.
    Inside,
}

/// What bounds one piece of work on a connection.
#[derive(Clone, Copy)]
pub(crate) struct Guard<'a> {
    pub(crate) connection: &'a Connection,
    pub(crate) work: &'a WorkName,
    /// The earliest of the scope's deadline, the lease's and the transaction's.
    pub(crate) deadline: Option<Deadline>,
    /// The limit on one statement.
    pub(crate) limit: Option<Duration>,
    pub(crate) place: Place,
    /// Whether the deadline is the transaction's own limit.
    pub(crate) is_transaction_limit: bool,
    /// The server's limit on one statement, as far as it was told one.
    pub(crate) server_limit: Option<Duration>,
    /// Whether the work was declared to write nothing.
    pub(crate) is_read_only: bool,
}

impl<'a> Guard<'a> {
    /// For a statement of this work, in whatever state the session is.
    pub(crate) fn on(connection: &'a Connection, work: &'a WorkName, deadline: Option<Deadline>) -> Self {
        let is_inside = matches!(connection.link.seen.status(), b'T' | b'E');
        Guard {
            connection,
            work,
            deadline,
            limit: connection.shared.limits.client,
            place: if is_inside { Place::Inside } else { Place::Alone },
            is_transaction_limit: false,
            server_limit: connection.shared.limits.server,
            is_read_only: false,
        }
    }
}

impl Guard<'_> {
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
            let Answered { answer, stopped, began } = answered;
            answer.map_err(|error| self.failed(phase, error, stopped, began))
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
    fn may_begin(&self, now: Moment, phase: Phase) -> Result<Option<Moment>> {
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
                self.untouched(),
                format!("the deadline of {} had passed, or nearly, before this {phase} was sent", self.work),
            ));
        }
        Ok((!link.needs_settling() && !link.has_others()).then_some(now))
    }

    /// Waits until nothing is stopped any more that was sent before.
    pub(crate) async fn settled(&self) -> Result<()> {
        if self.may_begin(Moment::now(), Phase::Statement)?.is_none() {
            self.settle(Phase::Statement).await?;
        }
        Ok(())
    }

    /// Something before this one was given up: it is stopped for certain first, or its cancel would hit this one.
    async fn settle(&self, phase: Phase) -> Result<Moment> {
        let link = &self.connection.link;
        if link.is_poisoned() {
            return Err(self.lost_before(phase));
        }
        let limit = Instant::now() + self.connection.shared.plan.reclaim_timeout();
        let until = self.deadline.map_or(limit, |deadline| deadline.instant().min(limit));
        if link.needs_settling() {
            if !matches!(link.stop(until, Extent::GivenUp).await, Stopped::Quiet) {
                return Err(self.gave_up(phase, "could not be stopped in time"));
            }
            if link.owes_barrier() && link.seen.owed() > 0 {
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
        if link.has_others() {
            // Where its requests begin must be known, should it be given up while the others go on. What is sent through
            // the client itself is not counted, so it is waited for until nobody has got that meanwhile.
            loop {
                let before = link.bares();
                if link.is_bare() {
                    link.asked_again();
                }
                let is_late = timeout_at(until, link.wait_for(Link::is_drained)).await.is_err();
                if is_late || link.bares() == before {
                    break;
                }
            }
        }
        // That took of the time there was.
        let now = Moment::now();
        self.may_begin(now, phase)?;
        Ok(now)
    }

    /// What an earlier statement left behind could not be settled, so nothing more is sent here.
    #[cold]
    fn gave_up(&self, phase: Phase, why: &str) -> Error {
        self.connection.link.doom();
        let work = self.work;
        let sentence = format!("an earlier statement of {work} {why}; the connection is given up");
        self.error(Fault::ConnectionLost, phase, self.untouched(), sentence)
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
    async fn stop<T>(
        &self,
        phase: Phase,
        request: Pin<&mut impl Future<Output = T>>,
        reason: StopReason,
        mut watch: Watch<'_>,
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
                Ok(Answered { answer, stopped: Some(reason), began: watch.began })
            }
            Err(_) => {
                // Told already; the drop of `watch` goes on stopping it.
                watch.is_told = true;
                if self.place == Place::Inside {
                    // It was called rolled back and may yet finish well: its COMMIT is refused from here on.
                    link.doom();
                }
                Err(self.error(
                    self.fault_of_stop(reason),
                    phase,
                    self.lost_outcome(),
                    format!(
                        "{phase} of {} was stopped after {:.1} s because {reason}, and the server has not confirmed it",
                        self.work,
                        watch.began.elapsed().as_secs_f64()
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
        began: Moment,
    ) -> Error {
        let mut fault = fault_of(&error);
        if fault == Fault::Driver
            && let Some(refused) = self.misplaced_copy(phase, &error)
        {
            return refused.caused_by(error);
        }
        let elapsed = began.elapsed();
        if fault == Fault::CancelledByOther {
            fault = self.who_cancelled(stopped, began);
        }
        if fault == Fault::ReadOnlyServer && self.is_read_only {
            // The server keeps what was asked for; that says nothing about the server.
            fault = Fault::Usage;
        }
        if fault.evicts() {
            self.connection.link.doom();
        }
        let mut outcome = self.outcome_of(phase, fault, &error);
        let said = match error.as_db_error() {
            Some(db) => said(db),
            None => match (self.connection.link.ended(), std::error::Error::source(&error)) {
                (Some(ended), _) if fault == Fault::ConnectionLost => {
                    fault = ended.reason();
                    // The server ended a session that was at rest, so it never read what was sent last.
                    if matches!(fault, Fault::TransactionTimeout | Fault::IdleSessionEnded) {
                        outcome = Outcome::RolledBack;
                    }
                    ended.text
                }
                (_, Some(cause)) => cause.to_string(),
                (_, None) => error.to_string(),
            },
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

    fn outcome_of(&self, phase: Phase, fault: Fault, error: &tokio_postgres::Error) -> Outcome {
        let db = error.as_db_error();
        let by_server = db.is_some();
        // What a foreign server, or a part of this one, could not say itself.
        let is_unsure = db.is_some_and(|db| matches!(db.code().code(), "08007" | "40003"));
        let ends_session = db.is_some_and(|db| db.parsed_severity().is_none_or(|s| s != Severity::Error));
        match (phase, self.place) {
            (Phase::Prepare, Place::Alone) => Outcome::NotStarted,
            // The server says so before it closes (PostgreSQL 17 and later).
            _ if fault == Fault::TransactionTimeout && by_server => Outcome::RolledBack,
            // The driver could not put the parameters into bytes: nothing was sent.
            _ if fault == Fault::Conversion && error.to_string().contains("parameter") => self.untouched(),
            (_, Place::Inside) => Outcome::RolledBack,
            // An error that ends the session may have come after the commit; one that does not, has undone it.
            (_, Place::Alone) if by_server && !ends_session && !is_unsure => Outcome::RolledBack,
            // Rows that could not be read were nevertheless made.
            (_, Place::Alone) if matches!(fault, Fault::Conversion | Fault::RowCount) => Outcome::Committed,
            (_, Place::Alone) => Outcome::Unknown,
        }
    }

    #[cold]
    fn lost_before(&self, phase: Phase) -> Error {
        let ended = self.connection.link.ended();
        let why = ended.as_ref().map_or("closed", |ended| ended.text.as_str());
        let fault = ended.as_ref().map_or(Fault::ConnectionLost, Ended::reason);
        self.error(
            fault,
            phase,
            self.untouched(),
            format!("the connection of {} had ended before this {phase} was sent: {why}", self.work),
        )
    }

    /// The outcome where nothing was sent.
    fn untouched(&self) -> Outcome {
        match self.place {
            Place::Alone => Outcome::NotStarted,
            Place::Inside => Outcome::RolledBack,
        }
    }

    /// The outcome where something was sent and no answer came.
    fn lost_outcome(&self) -> Outcome {
        match self.place {
            Place::Alone => Outcome::Unknown,
            Place::Inside => Outcome::RolledBack,
        }
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
