//! One error type, which hides nothing that a caller must know.
//!
//! Each error says what failed ([`Fault`]), how far the work had come ([`Phase`]) and what became of it ([`Outcome`]).
//! Only the place of a failure can tell whether the work happened, so the answer is given there and carried in the
//! type. The message is one sentence, numbers first; cause and remedy come from the fault's row of the table.

use crate::fault::{Advice, Again, Fault};
use crate::place::ServerRole;
use crate::said::DriverError;
use std::fmt;
use std::time::Duration;
use tokio_postgres::error::{DbError, SqlState};

/// The result of everything in this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Any error, as a source.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// How far the work had come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Phase {
    /// Reading and checking settings.
    Settings,
    /// Opening a connection.
    Connect,
    /// Waiting for a connection from the pool.
    Acquire,
    /// Opening a transaction.
    Begin,
    /// Preparing a statement: it has not run.
    Prepare,
    /// Running a statement.
    Statement,
    /// Committing.
    Commit,
    /// Rolling back.
    Rollback,
    /// Applying migrations.
    Migrate,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Phase::Settings => "settings",
            Phase::Connect => "connect",
            Phase::Acquire => "acquire",
            Phase::Begin => "begin",
            Phase::Prepare => "prepare",
            Phase::Statement => "statement",
            Phase::Commit => "commit",
            Phase::Rollback => "rollback",
            Phase::Migrate => "migrate",
        })
    }
}

/// What became of the work that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// Nothing was sent to the server.
    NotStarted,
    /// The server has undone it, or will: no part of it stays.
    RolledBack,
    /// It happened, although an error is reported.
    Committed,
    /// It was sent and no answer came: it may have happened.
    Unknown,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Outcome::NotStarted => "not started",
            Outcome::RolledBack => "rolled back",
            Outcome::Committed => "committed",
            Outcome::Unknown => "unknown",
        })
    }
}

/// A failure: fault, phase, outcome, a sentence and the error that caused it.
pub struct Error(pub(crate) Box<Inner>);

pub(crate) struct Inner {
    fault: Fault,
    phase: Phase,
    outcome: Outcome,
    sentence: String,
    sqlstate: Option<SqlState>,
    retry_after: Option<Duration>,
    source: Option<Source>,
    attempts: u32,
    pub(crate) role: Option<ServerRole>,
}

/// What caused an error.
enum Source {
    Driver(DriverError),
    Other(BoxError),
}

impl From<BoxError> for Source {
    fn from(error: BoxError) -> Self {
        match error.downcast() {
            Ok(driver) => Source::Driver(DriverError(*driver)),
            Err(other) => Source::Other(other),
        }
    }
}

impl Error {
    /// An error of this fault: what failed, how far it had come, what became of the work, and a sentence that says so with
    /// its numbers. Code, cause and remedy are the fault's.
    ///
    /// It is for what stands in this crate's place: a [`pool::Manage`](crate::pool::Manage) of one's own, whose `connect`
    /// and `check` fail for reasons that only it knows. The pool decides by the fault. One that
    /// [heals by waiting](Fault::heals_by_waiting) is tried again while the callers wait;
    /// [`Fault::TooManyConnections`] makes the pool go on with the connections that it has; any other ends the wait of
    /// every caller with this error.
    #[cold]
    #[must_use]
    pub fn new(fault: Fault, phase: Phase, outcome: Outcome, sentence: impl Into<String>) -> Self {
        Error(Box::new(Inner {
            fault,
            phase,
            outcome,
            sentence: sentence.into(),
            sqlstate: None,
            retry_after: None,
            source: None,
            attempts: 1,
            role: None,
        }))
    }

    /// The error by which the closure of a transaction gives up for a reason of its own; everything is rolled back.
    pub fn abort(reason: impl Into<BoxError>) -> Self {
        let source = reason.into();
        let mut error = Error::new(
            Fault::Aborted,
            Phase::Statement,
            Outcome::RolledBack,
            format!("the transaction's code gave up: {source}"),
        );
        error.0.source = Some(Source::Other(source));
        error
    }

    /// Keeps the error that caused this one, as its source. What the source says is written to logs, so it must hold no
    /// secret; of an error of the driver only what is fit for a log is shown.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<BoxError>) -> Self {
        self.0.source = Some(source.into().into());
        if self.0.sqlstate.is_none() {
            self.0.sqlstate = self.driver_error().and_then(|error| error.code().cloned());
        }
        self
    }

    /// Replaces the outcome, if the caller knows more of it than the place that failed.
    pub(crate) fn with_outcome(mut self, outcome: Outcome) -> Self {
        self.0.outcome = outcome;
        self
    }

    /// Sets the SQLSTATE of a failure whose original error is not at hand.
    pub(crate) fn with_sqlstate(mut self, code: &str) -> Self {
        self.0.sqlstate = Some(SqlState::from_code(code));
        self
    }

    /// Sets after which time a retry may succeed. Callers that are refused together must not come back together, so each
    /// is told another time: this long at the least, twice as long at the most.
    pub(crate) fn with_retry_after(mut self, span: Duration) -> Self {
        self.0.retry_after = Some(span.saturating_add(span.mul_f64(fastrand::f64())));
        self
    }

    pub(crate) fn with_fault(mut self, fault: Fault) -> Self {
        self.0.fault = fault;
        self
    }

    /// Sets how often the work was tried, this failure included.
    pub(crate) fn after_tries(mut self, attempts: u32) -> Self {
        self.0.attempts = attempts;
        self
    }

    /// Adds a clause to the sentence.
    pub(crate) fn and(mut self, more: impl fmt::Display) -> Self {
        self.0.sentence = format!("{}; {more}", self.0.sentence);
        self
    }

    /// What went wrong; every decision about the error depends on it.
    #[must_use]
    pub fn fault(&self) -> Fault {
        self.0.fault
    }

    /// How far the work had come.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.0.phase
    }

    /// What became of the work.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        self.0.outcome
    }

    /// The stable code of the fault, `PL-...`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.0.fault.code()
    }

    /// The server's SQLSTATE, if the server sent one.
    #[must_use]
    pub fn sqlstate(&self) -> Option<&SqlState> {
        self.0.sqlstate.as_ref()
    }

    /// The server's own error, with detail, constraint and table.
    #[must_use]
    pub fn as_db_error(&self) -> Option<&DbError> {
        self.driver_error().and_then(tokio_postgres::Error::as_db_error)
    }

    /// The driver's error that caused this one, if there is one.
    #[must_use]
    pub fn driver_error(&self) -> Option<&tokio_postgres::Error> {
        match &self.0.source {
            Some(Source::Driver(DriverError(error))) => Some(error),
            Some(Source::Other(error)) => error.downcast_ref(),
            None => None,
        }
    }

    /// Whether the same work may be run again: the fault allows it, and no part of the first run stays.
    #[must_use]
    pub fn may_run_again(&self) -> bool {
        self.0.fault.again() == Again::IfRolledBack
            && matches!(self.0.outcome, Outcome::NotStarted | Outcome::RolledBack)
    }

    /// How often the work was tried: 1 unless it was run again, as [`Call::retrying`](crate::Call::retrying) and
    /// [`Call::idempotent`](crate::Call::idempotent) do.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        self.0.attempts
    }

    /// After which time a retry may succeed, if that is known: for a `Retry-After` header. It is drawn for each error, so
    /// that callers that were refused together do not come back together.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// The code, the likely cause and what to do: those of the fault, or of the server's SQLSTATE where that tells more.
    #[must_use]
    pub fn advice(&self) -> Advice {
        let routine = self.as_db_error().and_then(DbError::routine);
        self.0.fault.advice_for(self.sqlstate().map(SqlState::code), routine)
    }

    /// The sentence without code, cause and remedy.
    #[must_use]
    pub fn sentence(&self) -> &str {
        &self.0.sentence
    }
}

impl fmt::Display for Error {
    /// `CODE sentence (outcome: ...); likely cause: ...; do: ...`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { fault, outcome, sentence, .. } = &*self.0;
        let advice = self.advice();
        write!(f, "{} {sentence}", advice.code)?;
        if *fault != Fault::Aborted {
            write!(
                f,
                " (outcome: {outcome}; likely cause: {}; what to do: {})",
                advice.cause, advice.remedy
            )?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    /// The same sentence, and behind it what caused it: this is what a program prints whose `main` returns the error.
    /// `{:#?}` prints the fields.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if f.alternate() {
            return f
                .debug_struct("Error")
                .field("code", &self.code())
                .field("fault", &self.0.fault)
                .field("phase", &self.0.phase)
                .field("outcome", &self.0.outcome)
                .field("sentence", &self.0.sentence)
                .field("source", &std::error::Error::source(self))
                .finish();
        }
        fmt::Display::fmt(self, f)?;
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            let told = error.to_string();
            // The sentence usually has it already.
            if !self.0.sentence.contains(&told) {
                write!(f, "; caused by: {told}")?;
            }
            cause = error.source();
        }
        Ok(())
    }
}

impl std::error::Error for Error {
    /// What caused it. The texts of the whole chain are fit for a log; [`Error::driver_error`] gives the driver's own error,
    /// whose text quotes rows and parameters.
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.0.source {
            Some(Source::Driver(error)) => Some(error),
            Some(Source::Other(error)) => Some(&**error),
            None => None,
        }
    }
}
