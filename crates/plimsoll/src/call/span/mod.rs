//! The spans that work leaves for `tracing`: a statement, a transaction, a wait for a lease.
//!
//! Each is made where a call begins, so that it covers the wait for a connection, and ends with the call, whatever way
//! that takes: answered, failed, or dropped by its caller. A statement inside a transaction is a child of its span, also
//! where another task runs it; every other span is a child of whatever its caller is in. Work that is tried again leaves
//! one span a try, side by side.
//!
//! The attributes are documented in [`crate::spans`]. No parameter, no constant of a text and nothing that a server or the
//! driver said is among them.
//!
//! Where no subscriber wants spans of level DEBUG, a call pays for a look at one atomic, and allocates nothing.

mod begin;
mod end;

use super::connection::PooledConnection;
use super::postgres::Connection;
use super::server::Server;
use crate::error::{Error, Result};
use crate::moment::Moment;
use crate::name::WorkName;
use crate::sql::operation::operation;
use begin::{Beginning, Name};
use end::{close, tell_failure, tell_server};
use parking_lot::Mutex;
use std::future::Future;
use std::time::Duration;
use tracing::Span;
use tracing::instrument::{Instrument, Instrumented};
use tracing::level_filters::{LevelFilter, STATIC_MAX_LEVEL};

/// The span of a piece of work, while that goes on; nothing where no subscriber wants it.
pub(crate) struct WorkSpan(Option<Open>);

struct Open {
    /// Taken out when the work has ended, so that no handle that outlives the work keeps the span open.
    span: Mutex<Option<Span>>,
    since: Moment,
}

/// Which span a statement has.
#[derive(Clone, Copy)]
pub(crate) enum SpanOf<'a> {
    /// One of its own, wherever its caller is.
    Caller,
    /// One of its own, inside that of its transaction.
    Transaction(&'a WorkSpan),
    /// That of the call that it is all of, which ends it.
    Call(&'a WorkSpan),
}

/// The span of a statement that runs.
pub(crate) enum StatementSpan<'a> {
    Own(WorkSpan),
    Call(&'a WorkSpan),
}

/// Whether any subscriber may want these spans.
#[inline]
fn may_be_wanted() -> bool {
    STATIC_MAX_LEVEL >= LevelFilter::DEBUG && LevelFilter::current() >= LevelFilter::DEBUG
}

impl WorkSpan {
    /// No span.
    pub(crate) const NONE: WorkSpan = WorkSpan(None);

    #[cold]
    fn of(span: Span) -> Self {
        if span.is_disabled() {
            return WorkSpan::NONE;
        }
        WorkSpan(Some(Open { span: Mutex::new(Some(span)), since: Moment::now() }))
    }

    /// Of a call that is one statement.
    #[inline]
    pub(crate) fn call(work: &WorkName, server: &Server, text: Option<&str>) -> Self {
        if !may_be_wanted() {
            return WorkSpan::NONE;
        }
        let operation = text.and_then(operation);
        WorkSpan::of(Beginning { work, server, operation, name: Name::Work }.statement(None))
    }

    /// Of a transaction that waits for its connection.
    #[inline]
    pub(crate) fn transaction(work: &WorkName, server: &Server) -> Self {
        if !may_be_wanted() {
            return WorkSpan::NONE;
        }
        let beginning = Beginning { work, server, operation: Some("TRANSACTION"), name: Name::Work };
        WorkSpan::of(beginning.transaction())
    }

    /// Of a transaction on a connection that is lent already.
    #[inline]
    pub(crate) fn transaction_on(lease: &PooledConnection) -> Self {
        let span = WorkSpan::transaction(lease.work(), &lease.inner().server);
        span.runs_on(lease.inner());
        span
    }

    /// Of a wait for a lease.
    #[inline]
    pub(crate) fn acquire(work: &WorkName, server: &Server) -> Self {
        if !may_be_wanted() {
            return WorkSpan::NONE;
        }
        let beginning = Beginning { work, server, operation: None, name: Name::Of("acquire") };
        WorkSpan::of(beginning.acquire())
    }

    #[cold]
    fn statement(of: SpanOf<'_>, work: &WorkName, server: &Server, text: Option<&str>) -> Self {
        let beginning =
            Beginning { work, server, operation: text.and_then(operation), name: Name::Operation };
        let parent = match of {
            SpanOf::Transaction(transaction) => transaction.get(),
            SpanOf::Caller | SpanOf::Call(_) => None,
        };
        WorkSpan::of(beginning.statement(parent.as_ref()))
    }

    /// Whether there is one.
    #[inline]
    pub(crate) fn is_on(&self) -> bool {
        self.0.is_some()
    }

    fn get(&self) -> Option<Span> {
        self.0.as_ref()?.span.lock().clone()
    }

    fn take(&self) -> Option<Span> {
        self.0.as_ref()?.span.lock().take()
    }

    #[cold]
    fn record(&self, what: impl FnOnce(&Span)) {
        if let Some(span) = self.get() {
            what(&span);
        }
    }

    /// Runs work inside it.
    pub(crate) fn around<F: Future>(&self, work: F) -> Instrumented<F> {
        work.instrument(self.get().unwrap_or_else(Span::none))
    }

    /// The wait for a connection is over, in vain or not.
    #[inline]
    pub(crate) fn waited(&self) {
        if let Some(open) = &self.0 {
            let took = open.since.elapsed();
            self.record(|span| {
                span.record("plimsoll.wait_ms", in_ms(took));
            });
        }
    }

    /// A connection was lent for it, or not, which ends it.
    #[inline]
    pub(crate) fn lent(&self, lent: Result<PooledConnection>) -> Result<PooledConnection> {
        if self.is_on() {
            self.waited();
            match &lent {
                Ok(lease) => self.runs_on(lease.inner()),
                Err(error) => self.failed(error),
            }
        }
        lent
    }

    /// The server that it runs on.
    #[inline]
    pub(crate) fn runs_on(&self, connection: &Connection) {
        if self.is_on() {
            self.record(|span| tell_server(span, connection));
        }
    }

    /// It ends well.
    #[inline]
    pub(crate) fn ended(&self, outcome: &'static str) {
        if self.is_on()
            && let Some(span) = self.take()
        {
            close(&span, outcome);
        }
    }

    /// It ends with an error.
    #[inline]
    pub(crate) fn failed(&self, error: &Error) {
        if self.is_on()
            && let Some(span) = self.take()
        {
            tell_failure(&span, error);
        }
    }

    /// It ends with this result.
    #[inline]
    pub(crate) fn told<T>(&self, result: &Result<T>, outcome: &'static str) {
        match result {
            Ok(_) => self.ended(outcome),
            Err(error) => self.failed(error),
        }
    }

    /// Its caller has dropped it, unless it has ended already.
    #[inline]
    pub(crate) fn dropped(&self) {
        self.ended("dropped");
    }
}

impl Drop for WorkSpan {
    #[inline]
    fn drop(&mut self) {
        self.dropped();
    }
}

impl<'a> StatementSpan<'a> {
    /// A statement begins on this connection.
    #[inline]
    pub(crate) fn begin(
        of: SpanOf<'a>,
        work: &WorkName,
        connection: &Connection,
        text: Option<&str>,
    ) -> Self {
        match of {
            SpanOf::Call(span) => {
                span.runs_on(connection);
                StatementSpan::Call(span)
            }
            _ if !may_be_wanted() => StatementSpan::Own(WorkSpan::NONE),
            _ => {
                let span = WorkSpan::statement(of, work, &connection.server, text);
                span.runs_on(connection);
                StatementSpan::Own(span)
            }
        }
    }

    /// Whether a statement that begins now would have one.
    pub(crate) fn is_wanted(of: SpanOf<'_>) -> bool {
        match of {
            SpanOf::Call(span) => span.is_on(),
            SpanOf::Caller | SpanOf::Transaction(_) => may_be_wanted(),
        }
    }

    #[inline]
    fn get(&self) -> &WorkSpan {
        match self {
            StatementSpan::Own(span) => span,
            StatementSpan::Call(span) => span,
        }
    }

    /// Whether there is one.
    #[inline]
    pub(crate) fn is_on(&self) -> bool {
        self.get().is_on()
    }

    /// What is known of the statement when it ends: its text without constants, and how many rows it gave or changed.
    #[cold]
    pub(crate) fn tell(&self, text: Option<&str>, returned: Option<u64>, affected: Option<u64>) {
        self.get().record(|span| {
            if let Some(text) = text {
                span.record("db.query.text", text);
            }
            if let Some(rows) = returned {
                span.record("db.response.returned_rows", whole(rows));
            }
            if let Some(rows) = affected {
                span.record("plimsoll.affected_rows", whole(rows));
            }
        });
    }

    /// The statement has ended with this result. A span that is a call's ends with the call.
    #[inline]
    pub(crate) fn told<T>(&self, result: &Result<T, &Error>) {
        if let StatementSpan::Own(span) = self {
            match result {
                Ok(_) => span.ended("answered"),
                Err(error) => span.failed(error),
            }
        }
    }
}

fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn in_ms(span: Duration) -> f64 {
    span.as_secs_f64() * 1000.0
}
