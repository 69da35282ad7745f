//! The one place where a statement ends, whatever way it took: answered, refused, stopped, failed, dropped by its caller,
//! or streamed to its end. How long it took, how many rows it gave and what has become of it are known here.
//!
//! Whatever watches statements listens in [`Running`]'s drop: the monitor, the slow log, the totals of the request, and a
//! trace for `tracing`.

use super::executor::Executor;
use super::query::Params;
use super::shown;
use super::slow::Given;
use crate::call::postgres::Connection;
use crate::error::{Error, Result};
use crate::moment::Moment;
use crate::name::WorkName;
use crate::record::statement::{End, Ended};
use crate::request_id;
use crate::rules::outcome::Scope;
use std::borrow::Cow;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};
use tokio_postgres::Statement;
use tokio_postgres::types::Type;
use tracing::Level;

/// A statement that runs. It ends when this is dropped.
pub(crate) struct Running<'a> {
    pub(super) connection: &'a Connection,
    pub(super) work: &'a WorkName,
    pub(super) text: Option<Cow<'a, str>>,
    pub(super) given: Given<'a>,
    number: u64,
    began: Moment,
    pub(super) end: End,
    /// The writes on this connection before it, if it runs outside a transaction and that is looked at.
    writes_before: Option<u32>,
}

impl<'a> Running<'a> {
    /// A statement begins on this executor, which knows its text.
    pub(crate) fn begin(executor: &Executor<'a>) -> Self {
        Running::of(executor, executor.text.map(Cow::Borrowed), Given::Nothing)
    }

    /// A statement with parameters begins. If it is prepared, the types of these are known from it.
    pub(crate) fn begin_with(
        executor: &Executor<'a>,
        statement: Option<&'a Statement>,
        params: Params<'a>,
    ) -> Self {
        Running::of(executor, executor.text.map(Cow::Borrowed), Given::Params(statement, params))
    }

    /// A stream begins. It may outlive the text, so that is copied, if it is wanted.
    pub(super) fn begin_stream(executor: &Executor<'a>, text: Option<&str>) -> Self {
        let server = &executor.connection.server;
        let is_wanted = server.monitor.is_on() || !server.slow_log.is_off();
        let text = text.filter(|_| is_wanted).map(|text| Cow::Owned(text.to_owned()));
        Running::of(executor, text, Given::Nothing)
    }

    fn of(executor: &Executor<'a>, text: Option<Cow<'a, str>>, given: Given<'a>) -> Self {
        let number = executor.connection.note_statement(text.as_deref());
        let began = Moment::now();
        request_id::count(|counters| counters.begun(executor.work, began));
        Running {
            connection: executor.connection,
            work: executor.work,
            text,
            given,
            number,
            began,
            end: End::Dropped,
            writes_before: writes_before(executor),
        }
    }

    /// Writes down what may be shown of a stream's parameters, which it may outlive.
    pub(super) fn note(&mut self, params: Params<'_>, types: &[Type]) {
        if !params.is_empty() && self.connection.server.slow_log.shows_parameters() {
            self.given = Given::Shown(shown::show(params, Some(types)));
        }
    }

    /// The caller gets this result.
    pub(crate) fn end<T>(mut self, result: &Result<T>, rows: impl FnOnce(&T) -> u64) {
        self.set_end(result.as_ref().map(rows));
    }

    /// A step on the way: the statement runs on, unless it has failed here.
    pub(super) fn unless_failed<T>(self, step: Result<T>) -> Result<(T, Self)> {
        match step {
            Ok(done) => Ok((done, self)),
            Err(error) => {
                let failed = Err(error);
                self.end(&failed, |_| 0);
                failed
            }
        }
    }

    /// The same for a stream, which lives on after it has given its last row.
    pub(super) fn set_end(&mut self, rows: Result<u64, &Error>) {
        self.end = match rows {
            Ok(rows) => End::Answered { rows },
            Err(error) => End::Failed { fault: error.fault(), outcome: error.outcome() },
        };
    }
}

/// The writes on the connection so far, if this statement runs outside a transaction and that is looked at.
fn writes_before(executor: &Executor<'_>) -> Option<u32> {
    let connection = executor.connection;
    let monitor = &connection.server.monitor;
    let is_audited = monitor.is_on() && monitor.write_audit.is_on();
    (is_audited && executor.scope() == Scope::Autocommit).then(|| connection.link.state.rows_changed())
}

impl Running<'_> {
    /// Notes a write outside a transaction. Of two statements that run at once on one connection, the first to end that
    /// sees the write has made it.
    fn note_write(&self) {
        let connection = self.connection;
        let now = connection.link.state.rows_changed();
        if self.writes_before != Some(now) && connection.audited.swap(now, Ordering::Relaxed) != now {
            let server = &connection.server;
            server.monitor.write_audit.wrote(self.work, &connection.write_trail, &server.events);
        }
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let connection = self.connection;
        if self.writes_before.is_some() {
            self.note_write();
        }
        let (monitor, slow_log) = (&connection.server.monitor, &connection.server.slow_log);
        let is_traced = tracing::enabled!(target: "plimsoll", Level::TRACE);
        let is_for_request = request_id::is_within();
        if !is_for_request && !is_traced && !monitor.is_on() && slow_log.is_off() {
            return;
        }
        let took = self.began.elapsed();
        if is_for_request {
            let (rows, is_dropped) = match self.end {
                End::Answered { rows } => (rows, false),
                End::Failed { .. } => (0, false),
                End::Dropped => (0, true),
            };
            request_id::count(|counters| counters.ended(took, rows, is_dropped));
        }
        if monitor.is_on() {
            let strings = connection.link.state.strings();
            let (number, text, at) = (self.number, self.text.as_deref(), SystemTime::now());
            monitor.ended(&Ended { number, text, strings, took, at, end: self.end });
        }
        if slow_log.is_slow(took) {
            self.tell_slow(took);
        }
        if is_traced {
            trace(self.work, took, self.end);
        }
    }
}

#[cold]
fn trace(work: &WorkName, took: Duration, end: End) {
    match end {
        End::Answered { rows } => {
            tracing::trace!(target: "plimsoll", %work, ?took, rows, "a statement was answered");
        }
        End::Failed { fault, outcome } => tracing::trace!(
            target: "plimsoll", %work, ?took, code = fault.code(), %outcome, "a statement failed"
        ),
        End::Dropped => tracing::trace!(target: "plimsoll", %work, ?took, "a statement was dropped"),
    }
}
