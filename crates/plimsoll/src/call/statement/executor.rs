//! What runs statements on a lent connection, and the limits that hold for them.
//!
//! ```text
//! settle what was abandoned ─► is there time left? ─► send ─► wait, until the limit
//! (settle)                     (settle)               (send)  │ answered: map the error, know the outcome (failure)
//!                                                             │ limit:    cancel, confirmed, while still listening (stop)
//!                                                             └ dropped:  cancel on the side, confirmed (stop)
//! ```
//!
//! A dropped future, a passed deadline and a client that hung up mean the same: no caller waits for the answer any more,
//! so the server must not go on either. The executor goes on listening while the cancel is under way, because a statement
//! that finishes just then has happened, and its caller is told so.

use super::query::CheckedQuery;
use crate::call::options::ServerLimit;
use crate::call::postgres::Connection;
use crate::call::span::{SpanOf, WorkSpan};
use crate::deadline::Deadline;
use crate::event::StopReason;
use crate::moment::Moment;
use crate::name::WorkName;
use crate::rules::outcome::Scope;
use crate::wire::marks::Mark;
use std::time::Duration;

/// Later than any caller waits, and a time that a timer can still hold.
const FAR: Duration = Duration::from_secs(365 * 24 * 3600);

/// How the executor knows whether a statement runs in a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ScopeSource {
    /// The caller knows it.
    Known(Scope),
    /// The state of the session when the statement is sent: on a lease, whose borrower may begin and end transactions.
    FromSession,
}

/// Runs statements of one piece of work on a connection, within its limits.
#[derive(Clone, Copy)]
pub(crate) struct Executor<'a> {
    pub(crate) connection: &'a Connection,
    pub(crate) work: &'a WorkName,
    /// The earliest of the scope's deadline, the lease's and the transaction's.
    pub(crate) deadline: Option<Deadline>,
    /// How long a cancel is waited for when the deadline has come: until the deadline, or, where a savepoint is open, until
    /// the transaction's, because the rollback to the savepoint waits for the cancel anyway.
    pub(crate) confirm_by: Option<Deadline>,
    /// The limit on one statement.
    pub(crate) limit: Option<Duration>,
    pub(crate) scope: ScopeSource,
    /// The text of the statement, if the caller gave text.
    pub(crate) text: Option<&'a str>,
    /// Whether the deadline is the transaction's own limit.
    pub(crate) is_transaction_limit: bool,
    /// The server's limit on one statement, if it was told one.
    pub(crate) server_limit: Option<ServerLimit>,
    /// Whether the work was declared to write nothing.
    pub(crate) is_read_only: bool,
    /// Which span a statement has.
    pub(crate) span: SpanOf<'a>,
}

impl<'a> Executor<'a> {
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
            confirm_by: deadline,
            limit: connection.server.limits.client,
            scope,
            text: None,
            is_transaction_limit: false,
            server_limit: connection.server.limits.server.map(ServerLimit::own),
            is_read_only: false,
            span: SpanOf::Caller,
        }
    }

    /// The same executor for the statement that is all of a call.
    #[inline]
    pub(crate) fn called(self, span: &'a WorkSpan) -> Self {
        Executor { span: SpanOf::Call(span), ..self }
    }

    /// The same executor for this query.
    #[inline]
    pub(crate) fn of(self, query: CheckedQuery<'a>) -> Self {
        Executor { text: query.text(), ..self }
    }

    /// The same executor with this limit on one statement, if there is one and it is shorter.
    #[inline]
    pub(crate) fn limited(self, own: Option<Duration>) -> Self {
        Executor { limit: [self.limit, own].into_iter().flatten().min(), ..self }
    }

    /// The same executor in another scope.
    pub(crate) fn at(self, scope: Scope) -> Self {
        Executor { scope: ScopeSource::Known(scope), ..self }
    }
}

impl Executor<'_> {
    /// The scope of a statement that is sent now.
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

    /// When a statement that is sent now is stopped, and for which reason.
    pub(super) fn stop_at(&self, now: Moment) -> (Moment, StopReason) {
        let own = now + self.limit.map_or(FAR, |limit| limit.min(FAR));
        let Some(deadline) = self.deadline else { return (own, StopReason::Limit) };
        // The answer must still arrive in time; but the margin takes no more than a quarter of a short deadline.
        let deadline = deadline.moment();
        let margin = self.connection.server.limits.margin.min(deadline.nanos_since(now) / 4);
        let by_deadline = deadline.earlier_by(margin);
        if by_deadline < own { (by_deadline, StopReason::Deadline) } else { (own, StopReason::Limit) }
    }
}

/// An answer, and whether it came only after a stop.
pub(crate) struct Answered<T> {
    pub(crate) answer: T,
    pub(crate) stopped: Option<StopReason>,
    pub(crate) sent: Sent,
}

/// The state of things when a request was sent.
#[derive(Clone, Copy)]
pub(crate) struct Sent {
    pub(crate) began: Moment,
    pub(crate) scope: Scope,
    pub(crate) mark: Mark,
}
