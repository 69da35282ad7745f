//! Runs one statement as a transaction, in as few round trips as are safe.

use super::answer::Answer;
use super::cache::CachedStatement;
use super::end::Running;
use super::executor::{Answered, Executor, Sent};
use super::query::{CheckedText, Params};
use super::stale::{is_stale, is_unsent};
use crate::call::options::{Start, TransactionOptions};
use crate::call::postgres::Connection;
use crate::driver_fault::is_unsendable;
use crate::error::{Error, Outcome, Phase, Result};
use crate::event::StopReason;
use crate::fault::Fault;
use crate::moment::Moment;
use crate::rules::outcome::Scope;
use crate::sql::nature;
use crate::sql::nature::Nature;
use futures_util::future;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use tokio::sync::MutexGuard;
use tokio::time::timeout_at;

/// Added to the error of a BEGIN that failed while a statement was on its way behind it.
pub(crate) const STRAYED: &str = "a statement was on its way behind it, and has run by itself";

/// How a transaction of one statement travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flight {
    /// BEGIN, the statement and COMMIT together. If BEGIN is cancelled, the statement commits by itself, in a session
    /// with the right settings; the caller gets an error that says so.
    Whole,
    /// The statement and COMMIT once BEGIN was answered: the settings that travel with BEGIN decide where the statement
    /// writes, and without them it could write somewhere else.
    AfterBegin,
}

impl Flight {
    /// Behind a transaction pooler the session belongs to another client before BEGIN. A statement that only reads may
    /// travel with BEGIN all the same: its answer is thrown away if BEGIN fails.
    pub(crate) fn of(connection: &Connection, options: &TransactionOptions) -> Self {
        match connection.is_pooled_by_transaction() && !options.read_only {
            true => Flight::AfterBegin,
            false => Flight::Whole,
        }
    }
}

impl<'a> Executor<'a> {
    /// Waits for this statement's turn. Behind a transaction pooler the callers who share a lease take turns from BEGIN to
    /// COMMIT: a BEGIN inside another caller's transaction would begin nothing, and what follows it would be committed or
    /// undone with that transaction.
    pub(crate) async fn turn(&self) -> Result<MutexGuard<'a, ()>> {
        let (until, reason) = self.stop_at(Moment::now());
        let turn = timeout_at(until.instant(), self.connection.link.flights.lock()).await;
        turn.map_err(|_| {
            let sentence =
                format!("{} did not come to its turn behind other statements of the same lease", self.work);
            self.error(self.fault_of_stop(reason), Phase::Begin, Outcome::NotStarted, sentence)
        })
    }
}

impl Executor<'_> {
    /// Runs one statement as a transaction with these options.
    pub(crate) async fn transaction_of_one<A: Answer>(
        &self,
        text: CheckedText<'_>,
        params: Params<'_>,
        options: &TransactionOptions,
    ) -> Result<A> {
        let running = Running::begin_with::<A>(self, None, params);
        let result = self.as_transaction::<A>(text, params, options).await;
        running.end(&result, A::rows);
        result
    }

    /// Runs one statement as a transaction of its own, in as few flights as are safe where every type is known.
    pub(super) async fn as_transaction<A: Answer>(
        &self,
        text: CheckedText<'_>,
        params: Params<'_>,
        options: &TransactionOptions,
    ) -> Result<A> {
        let sql = text.get();
        let connection = self.connection;
        let client = &connection.client;
        let server_limit = options.statement_limit(connection, self.deadline, self.limit);
        let bounded = Executor { server_limit, is_read_only: options.read_only, ..*self };
        let flight = Flight::of(connection, options);
        let begin = options.sql(self.start());
        let mut cached = connection.cached(sql);
        let known = connection.types(sql);
        let is_without_name = known.as_ref().is_some_and(|known| known.is_plain && !known.is_worth_a_name());
        if let (Some(CachedStatement::Seen(_)), false) = (&cached, connection.is_pooled_by_transaction())
            && !is_without_name
        {
            // Used before on a direct connection: it is worth a name by now.
            cached = Some(CachedStatement::Prepared(Box::pin(self.prepare(sql, &[])).await?));
        }
        let answer = match (cached, known) {
            (Some(CachedStatement::Prepared(statement)), _) => {
                let request = pin!(A::prepared(client, &statement, params));
                bounded.flight(&begin, flight, request).await
            }
            (cached, Some(known)) if known.is_plain => {
                if cached.is_none() && !connection.is_pooled_by_transaction() {
                    connection.keep(&known, CachedStatement::Seen(Arc::clone(&known)));
                }
                let params = self.typed(params, &known.params)?;
                let request = pin!(A::typed(client, sql, &params));
                bounded.flight(&begin, flight, request).await
            }
            _ => bounded.stepwise::<A>(sql, params, &begin).await,
        };
        match answer {
            Err(error) if is_stale(sql, &error) => {
                connection.forget(sql);
                if error.driver_error().is_some_and(is_unsent) {
                    connection.client.clear_type_cache();
                }
                let is_undone = matches!(error.outcome(), Outcome::NotStarted | Outcome::RolledBack);
                if !is_undone || connection.link.is_doomed() {
                    return Err(error);
                }
                bounded.stepwise::<A>(sql, params, &begin).await
            }
            answer => answer,
        }
    }

    /// For whom and where a transaction of one statement begins.
    pub(super) fn start(&self) -> Start<'_> {
        Start {
            connection: self.connection,
            work: self.work,
            deadline: self.deadline,
            limit: self.limit,
            is_of_one: true,
        }
    }

    /// BEGIN, one request and COMMIT.
    pub(crate) async fn flight<T: Send>(
        &self,
        begin: &str,
        flight: Flight,
        statement: impl Future<Output = Result<T, tokio_postgres::Error>> + Send,
    ) -> Result<T> {
        let client = &self.connection.client;
        if flight == Flight::AfterBegin {
            let begun = self.at(Scope::Autocommit).run(Phase::Begin, client.batch_execute(begin)).await;
            begun.map_err(|error| error.with_outcome(Outcome::NotStarted))?;
            let both = pin!(future::join(statement, client.batch_execute("COMMIT")));
            let Answered { answer: (out, commit), stopped, sent } =
                self.at(Scope::InTransaction).listen(Phase::Statement, both).await?;
            return self.landed(Ok(()), out, commit, stopped, sent);
        }
        // Polled in this order, so sent in this order.
        let all = pin!(future::join3(client.batch_execute(begin), statement, client.batch_execute("COMMIT")));
        let Answered { answer: (begun, out, commit), stopped, sent } =
            self.listen(Phase::Statement, all).await?;
        self.landed(begun, out, commit, stopped, sent)
    }

    /// What the answers to BEGIN, the statement and COMMIT mean together.
    fn landed<T>(
        &self,
        begun: Result<(), tokio_postgres::Error>,
        out: Result<T, tokio_postgres::Error>,
        commit: Result<(), tokio_postgres::Error>,
        stopped: Option<StopReason>,
        sent: Sent,
    ) -> Result<T> {
        self.unless_unreplicated(Phase::Commit, sent, ())?;
        match (begun, out, commit) {
            // The statement ran by itself, without the options of its transaction: whether it wrote nothing, or saw the
            // right snapshot, is unknown.
            (Err(error), Ok(_), Ok(())) => {
                let error = self.failed(Phase::Begin, error, stopped, sent);
                Err(error.with_outcome(Outcome::Committed).and(STRAYED))
            }
            (Ok(()), Ok(out), Ok(())) => Ok(out),
            (begun, Err(error), commit) => {
                let is_from_server = error.as_db_error().is_some();
                let was_sent = !is_unsent(&error) && !is_unsendable(&error);
                let error = self.failed(Phase::Statement, error, stopped, sent);
                let nature = self.text.map_or(Nature::UNREAD, |text| nature::of_sql(text.as_bytes(), None));
                // COMMIT answers with a ROLLBACK when the statement failed. Where it answered with a COMMIT, the failure
                // came after the statement: a type had to be looked up, because the schema changed.
                let outcome = match (begun, commit) {
                    _ if error.outcome() == Outcome::NotStarted || !was_sent => Outcome::NotStarted,
                    // It is not known which COMMIT the server confirmed.
                    _ if nature.contains(Nature::ENDS) => Outcome::Unknown,
                    (Ok(()), Ok(())) if self.connection.link.state.has_committed() => Outcome::Committed,
                    (Ok(()), Ok(())) => Outcome::RolledBack,
                    // Without BEGIN the statement stood alone.
                    (Err(_), Ok(()))
                        if is_from_server
                            && error.fault() != Fault::StalePlan
                            && !nature.contains(Nature::UNCLEAR) =>
                    {
                        Outcome::RolledBack
                    }
                    (Err(_), Ok(())) => Outcome::Unknown,
                    (_, Err(_)) => error.outcome(),
                };
                Err(error.with_outcome(outcome))
            }
            (_, Ok(_), Err(error)) => Err(self.failed(Phase::Commit, error, stopped, sent)),
        }
    }

    /// Step by step: BEGIN, learn every type, run the statement and decode its rows, COMMIT.
    async fn stepwise<A: Answer>(&self, sql: &str, params: Params<'_>, begin: &str) -> Result<A> {
        let client = &self.connection.client;
        let outside = self.at(Scope::Autocommit);
        let begun: Result<(), Error> = outside.run(Phase::Begin, client.batch_execute(begin)).await;
        begun.map_err(|error| error.with_outcome(Outcome::NotStarted))?;
        let inside = self.at(Scope::InTransaction);
        match inside.send_text::<A>(sql, params).await {
            Ok(out) => {
                self.at(Scope::Closing).run(Phase::Commit, client.batch_execute("COMMIT")).await?;
                Ok(out)
            }
            Err(error) => {
                if !self.connection.link.state.status().is_idle() {
                    // If this fails too, the open transaction is rolled back when the connection is returned.
                    let _ = self.roll_back().await;
                }
                Err(error)
            }
        }
    }
}
