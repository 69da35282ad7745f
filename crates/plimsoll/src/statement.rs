//! Running one statement, by the cheapest way that is safe on this connection.
//!
//! | where | how | round trips |
//! |---|---|---|
//! | direct, used before | named and prepared | 1 |
//! | direct, types known to the pool | unnamed, with its types | 1 |
//! | direct, new | prepared, then run | 2 |
//! | transaction pooler, types known | BEGIN and SET LOCAL, then statement and COMMIT | 2 |
//! | transaction pooler, types known, `read_only` | all of that in one flight | 1 |
//! | transaction pooler, otherwise | inside BEGIN .. COMMIT, every type known before it runs | 3 or more |
//!
//! Behind a transaction pooler nothing may be named, since the next message may reach another server; and a type that
//! the driver has to look up must be known before a statement runs: looked up afterwards, a failure would leave the
//! caller with an error for something that happened.

use crate::begin::Begin;
use crate::error::{Error, Outcome, Phase, Result};
use crate::event::StopReason;
use crate::fault::Fault;
use crate::guard::Guard;
use crate::guard::request::{Answered, Sent};
use crate::outcome::{Place, shows_that_nothing_ran};
use crate::postgres::Connection;
use crate::sql::nature::{self, Nature};
use crate::sql::residue::Residue;
use crate::statements::{Kept, Known, Query, typed};
use futures_util::{Stream, future};
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::time::{Instant, timeout_at};
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Row, RowStream, Statement};

/// The parameters of a statement, as the driver takes them.
pub type Params<'a> = &'a [&'a (dyn ToSql + Sync)];

/// What is wanted of a statement: its rows, the first of them, or how many it touched.
pub(crate) trait Shape {
    type Out: Send;
    fn prepared(
        client: &Client,
        statement: &Statement,
        params: Params<'_>,
    ) -> impl Future<Output = Result<Self::Out, tokio_postgres::Error>> + Send;
    fn typed(
        client: &Client,
        sql: &str,
        params: &[(&(dyn ToSql + Sync), Type)],
    ) -> impl Future<Output = Result<Self::Out, tokio_postgres::Error>> + Send;
}

/// The rows.
pub(crate) struct Rows;

impl Shape for Rows {
    type Out = Vec<Row>;

    async fn prepared(
        client: &Client,
        statement: &Statement,
        params: Params<'_>,
    ) -> Result<Vec<Row>, tokio_postgres::Error> {
        client.query(statement, params).await
    }

    async fn typed(
        client: &Client,
        sql: &str,
        params: &[(&(dyn ToSql + Sync), Type)],
    ) -> Result<Vec<Row>, tokio_postgres::Error> {
        client.query_typed(sql, params).await
    }
}

/// The first row, and how many there were.
pub(crate) struct First;

impl Shape for First {
    type Out = (Option<Row>, usize);

    fn prepared(
        client: &Client,
        statement: &Statement,
        params: Params<'_>,
    ) -> impl Future<Output = Result<Self::Out, tokio_postgres::Error>> + Send {
        async move {
            let mut rows = pin!(client.query_raw(statement, params.iter().copied()).await?);
            let mut found = (None, 0);
            poll_fn(|cx| poll_first(rows.as_mut(), &mut found, cx)).await?;
            Ok(found)
        }
    }

    async fn typed(
        client: &Client,
        sql: &str,
        params: &[(&(dyn ToSql + Sync), Type)],
    ) -> Result<Self::Out, tokio_postgres::Error> {
        let params = params.iter().map(|(value, ty)| (*value, ty.clone()));
        let mut rows = pin!(client.query_typed_raw(sql, params).await?);
        let mut found = (None, 0);
        poll_fn(|cx| poll_first(rows.as_mut(), &mut found, cx)).await?;
        Ok(found)
    }
}

/// Reads to the end, because a later row may still be an error; nothing is kept but the first and their number.
fn poll_first(
    mut rows: Pin<&mut RowStream>,
    found: &mut (Option<Row>, usize),
    cx: &mut Context<'_>,
) -> Poll<Result<(), tokio_postgres::Error>> {
    while let Some(row) = ready!(rows.as_mut().poll_next(cx)?) {
        found.0.get_or_insert(row);
        found.1 += 1;
    }
    Poll::Ready(Ok(()))
}

/// The number of rows.
pub(crate) struct Count;

impl Shape for Count {
    type Out = u64;

    async fn prepared(
        client: &Client,
        statement: &Statement,
        params: Params<'_>,
    ) -> Result<u64, tokio_postgres::Error> {
        client.execute(statement, params).await
    }

    async fn typed(
        client: &Client,
        sql: &str,
        params: &[(&(dyn ToSql + Sync), Type)],
    ) -> Result<u64, tokio_postgres::Error> {
        client.execute_typed(sql, params).await
    }
}

/// What is said of a statement whose BEGIN failed and that was on its way behind it.
pub(crate) const STRAYED: &str = "a statement was on its way behind it, and has run by itself";

/// Takes back every name on a server.
const FORGET_NAMES: &str = "DEALLOCATE ALL";

/// What a change of the schema makes of a statement that was right before: the names that it uses are gone, or belong to
/// something else. Source: PostgreSQL's appendix A, class 42.
const EXPLAINED_BY_THE_SCHEMA: &[&str] = &[
    "42P01", // no such table
    "42P02", // no such parameter
    "42P18", // the type of a parameter cannot be told
    "42703", // no such column
    "42702", // more than one column
    "42704", // no such object, as a type
    "42725", // more than one function
    "42804", // another type
    "42809", // another kind of object
    "42846", // no such cast
    "42883", // no such function
    "42P10", // no such unique key
];

/// Whether what was known of a statement may be out of date, and nothing of it has run: the schema changed under it. A
/// statement that was never right looks the same, which costs it one more try.
///
/// What a function inside says has a context; it has run, and is no proof. `CALL` and `DO` may have committed by then.
fn is_stale(sql: &str, error: &Error) -> bool {
    let Some(said) = error.as_db_error() else { return error.fault() == Fault::StalePlan };
    if nature::of_sql(sql.as_bytes(), None).contains(Nature::UNCLEAR) {
        return false;
    }
    let is_statement = error.phase() == Phase::Statement;
    match said.code().code() {
        "26000" | "0A000" => error.fault() == Fault::StalePlan && shows_that_nothing_ran(said),
        // PostgreSQL has no code of its own for a type that is gone; a parameter of it has a context too.
        "XX000" => {
            let is_raised = said.routine() == Some("exec_stmt_raise");
            is_statement && said.message().starts_with("cache lookup failed") && !is_raised
        }
        code => is_statement && said.where_().is_none() && EXPLAINED_BY_THE_SCHEMA.contains(&code),
    }
}

/// How a transaction of one statement travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flight {
    /// BEGIN, the statement and COMMIT together. If BEGIN is cancelled the statement commits by itself, in a session
    /// that is as it should be; that is told as an error.
    Whole,
    /// The statement and COMMIT once BEGIN was answered: the settings that travel with BEGIN decide where the statement
    /// writes, and without them it may write somewhere else.
    AfterBegin,
}

impl Flight {
    /// Behind a transaction pooler the session is a stranger's before BEGIN. What only reads may go along all the same:
    /// its answer is thrown away if BEGIN fails.
    pub(crate) fn of(connection: &Connection, begin: &Begin) -> Self {
        match connection.is_pooled_by_transaction() && !begin.read_only {
            true => Flight::AfterBegin,
            false => Flight::Whole,
        }
    }
}

/// How a statement will be sent.
enum Way {
    Prepared(Statement),
    Typed(Arc<Known>),
}

/// Runs a statement under a guard, at a moment that was read just now. What is prepared already, as nearly everything
/// is, takes no further step on its way.
///
/// A macro, so that it becomes part of the block that it stands in: as a future of its own it would have a state of its
/// own, on a line of the cache that must be fetched whenever the statement's task is woken.
macro_rules! run_statement {
    ($shape:ty, $guard:expr, $now:expr, $query:expr, $params:expr) => {{
        let guard: &$crate::guard::Guard<'_> = $guard;
        match guard.prepared($query) {
            Ok(statement) => {
                // Pinned here, once: handed down by value it would lie in every future on the way, a kilobyte each.
                let request = ::std::pin::pin!(<$shape>::prepared(&guard.connection.client, &statement, $params));
                match guard.run_at($now, $crate::error::Phase::Statement, request).await {
                    Ok(out) => Ok(out),
                    Err(error) => Box::pin(guard.anew::<$shape>($query, $params, error)).await,
                }
            }
            Err(sql) => Box::pin(guard.text::<$shape>(sql, $params)).await,
        }
    }};
}
pub(crate) use run_statement;

impl Guard<'_> {
    /// Runs a statement.
    pub(crate) fn statement<S: Shape>(
        &self,
        query: Query<'_>,
        params: Params<'_>,
    ) -> impl Future<Output = Result<S::Out>> {
        async move { run_statement!(S, self, None, query, params) }
    }

    /// The statement, if it is prepared on this connection; else its text.
    #[inline]
    pub(crate) fn prepared<'q>(&self, query: Query<'q>) -> Result<Statement, &'q str> {
        match query {
            Query::Prepared(statement) => Ok(statement.clone()),
            Query::Text(sql) => self.connection.statements.prepared(sql).ok_or(sql),
        }
    }

    /// Runs text that is not prepared here.
    pub(crate) async fn text<S: Shape>(&self, sql: &str, params: Params<'_>) -> Result<S::Out> {
        if self.place() == Place::Alone && self.connection.is_pooled_by_transaction() {
            return self.whole::<S>(sql, params, &Begin::default()).await;
        }
        match self.send_text::<S>(sql, params).await {
            Ok(out) => Ok(out),
            Err(error) => self.anew::<S>(Query::Text(sql), params, error).await,
        }
    }

    /// What was prepared for what is no more may fit again when it is prepared anew; but not in a transaction, which has
    /// failed by now.
    pub(crate) async fn anew<S: Shape>(
        &self,
        query: Query<'_>,
        params: Params<'_>,
        error: Error,
    ) -> Result<S::Out> {
        let sql = match query {
            Query::Text(sql) if is_stale(sql, &error) => sql,
            _ => return Err(error),
        };
        self.forget(sql);
        // The driver hands an error out before the server has said in which state the session is.
        let limit = Instant::now() + self.connection.shared.plan.reclaim_timeout();
        let until = self.deadline.map_or(limit, |deadline| deadline.instant().min(limit));
        let _ = timeout_at(until, self.connection.link.answered()).await;
        match self.place() {
            Place::Alone => self.send_text::<S>(sql, params).await,
            // PostgreSQL has no code of its own for a type that is gone.
            _ if error.fault() == Fault::Server => Err(error.with_fault(Fault::StalePlan)),
            _ => Err(error),
        }
    }

    fn forget(&self, sql: &str) {
        self.connection.statements.forget(sql);
        self.connection.shared.types.forget(sql);
    }

    async fn send_text<S: Shape>(&self, sql: &str, params: Params<'_>) -> Result<S::Out> {
        let client = &self.connection.client;
        match self.way(sql).await? {
            Way::Prepared(statement) => {
                // Pinned here, once: handed down by value it would lie in every future on the way, a kilobyte each.
                let request = pin!(S::prepared(client, &statement, params));
                self.run(Phase::Statement, request).await
            }
            Way::Typed(known) => {
                let params = typed(params, &known.params)?;
                let request = pin!(S::typed(client, sql, &params));
                self.run(Phase::Statement, request).await
            }
        }
    }

    /// Chooses how to send text, preparing or learning what is needed for it.
    async fn way(&self, sql: &str) -> Result<Way> {
        let connection = self.connection;
        let kept = connection.statements.get(sql);
        if let Some(Kept::Prepared(statement)) = kept {
            return Ok(Way::Prepared(statement));
        }
        let known = connection.shared.types.get(sql);
        if connection.is_pooled_by_transaction() {
            let is_resolved = |known: &Arc<Known>| matches!(&kept, Some(Kept::Seen(here)) if here == known);
            return match known {
                Some(known) if known.is_plain || is_resolved(&known) => Ok(Way::Typed(known)),
                _ => Box::pin(self.learn(sql)).await.map(Way::Typed),
            };
        }
        match known {
            Some(known) if known.is_plain && kept.is_none() => {
                connection.statements.keep(&known, Kept::Seen(Arc::clone(&known)));
                Ok(Way::Typed(known))
            }
            _ => Box::pin(self.prepare(sql, &[])).await.map(Way::Prepared),
        }
    }

    /// Prepares and names a statement on a session that is ours.
    pub(crate) async fn prepare(&self, sql: &str, types: &[Type]) -> Result<Statement> {
        let connection = self.connection;
        let statement = self.run(Phase::Prepare, connection.client.prepare_typed(sql, types)).await?;
        let known = connection.shared.types.learn(sql, &statement);
        connection.statements.keep(&known, Kept::Prepared(statement.clone()));
        Ok(statement)
    }

    /// Learns the types of a statement behind a transaction pooler, inside the open transaction, leaving no name.
    async fn learn(&self, sql: &str) -> Result<Arc<Known>> {
        self.resolve(sql).await.map_err(|error| {
            let is_name = error.sqlstate().is_some_and(|code| matches!(code.code(), "26000" | "42P05"));
            if is_name {
                // The names that this connection's driver holds lead nowhere any more. Nothing has run.
                self.connection.link.doom();
                return error.with_fault(Fault::StalePlan);
            }
            error
        })
    }

    /// The driver looks types up by named statements and keeps those names for the connection's life, while they are
    /// good only for this transaction, on this server: so they are given to this server first, and taken back after.
    ///
    /// Until they are taken back they count as something left in the session.
    async fn resolve(&self, sql: &str) -> Result<Arc<Known>> {
        let connection = self.connection;
        let client = &connection.client;
        let seen = &connection.link.seen;
        let was_clean = seen.residue().is_none();
        // Names that others left on this server would collide with the driver's.
        let names = seen
            .lookups()
            .into_iter()
            .fold(FORGET_NAMES.to_owned(), |text, (name, sql)| format!("{text}; PREPARE {name} AS {sql}"));
        self.run(Phase::Prepare, client.batch_execute(&names)).await?;
        let statement = self.run(Phase::Prepare, client.prepare(sql)).await?;
        let known = connection.shared.types.learn(sql, &statement);
        connection.statements.keep(&known, Kept::Seen(Arc::clone(&known)));
        drop(statement);
        self.run(Phase::Prepare, client.batch_execute(FORGET_NAMES)).await?;
        if was_clean {
            seen.forget_residue();
        }
        Ok(known)
    }

    /// Rolls back, and takes back the names that a statement which failed while it was looked up has left.
    pub(crate) async fn roll_back(&self) -> Result<()> {
        let seen = &self.connection.link.seen;
        let left_names =
            self.connection.is_pooled_by_transaction() && seen.residue() == Residue::BEYOND_RESET;
        let sql = if left_names { "ROLLBACK; DEALLOCATE ALL" } else { "ROLLBACK" };
        self.run(Phase::Rollback, self.connection.client.batch_execute(sql)).await?;
        if left_names {
            seen.forget_residue();
        }
        Ok(())
    }

    /// Runs one statement as a transaction of its own.
    ///
    /// In as few flights as are safe, where every type is known.
    pub(crate) async fn whole<S: Shape>(
        &self,
        sql: &str,
        params: Params<'_>,
        begin: &Begin,
    ) -> Result<S::Out> {
        let connection = self.connection;
        let client = &connection.client;
        let server_limit = begin.statement_limit(connection, self.deadline, self.limit);
        let bounded = Guard { server_limit, is_read_only: begin.read_only, ..*self };
        let may_fly = Flight::of(connection, begin);
        let begin = begin.sql(connection, self.deadline, self.limit);
        let mut kept = connection.statements.get(sql);
        let known = connection.shared.types.get(sql);
        if let (Some(Kept::Seen(_)), false) = (&kept, connection.is_pooled_by_transaction()) {
            // Used before on a session that is ours: worth a name by now.
            kept = Some(Kept::Prepared(Box::pin(self.prepare(sql, &[])).await?));
        }
        let answer = match (kept, known) {
            (Some(Kept::Prepared(statement)), _) => {
                let request = pin!(S::prepared(client, &statement, params));
                bounded.flight(&begin, may_fly, request).await
            }
            (kept, Some(known)) if known.is_plain => {
                if kept.is_none() && !connection.is_pooled_by_transaction() {
                    connection.statements.keep(&known, Kept::Seen(Arc::clone(&known)));
                }
                let params = typed(params, &known.params)?;
                let request = pin!(S::typed(client, sql, &params));
                bounded.flight(&begin, may_fly, request).await
            }
            _ => bounded.stepwise::<S>(sql, params, &begin).await,
        };
        match answer {
            Err(error) if is_stale(sql, &error) => {
                self.forget(sql);
                let is_undone = matches!(error.outcome(), Outcome::NotStarted | Outcome::RolledBack);
                if !is_undone || connection.link.is_doomed() {
                    return Err(error);
                }
                bounded.stepwise::<S>(sql, params, &begin).await
            }
            answer => answer,
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
            let begun = self.run(Phase::Begin, client.batch_execute(begin)).await;
            begun.map_err(|error| error.with_outcome(Outcome::NotStarted))?;
            let both = pin!(future::join(statement, client.batch_execute("COMMIT")));
            let Answered { answer: (out, commit), stopped, sent } =
                self.at(Place::Inside).listen(Phase::Statement, both).await?;
            return self.landed(Ok(()), out, commit, stopped, sent);
        }
        // Polled in this order, so queued in this order.
        let all = pin!(future::join3(client.batch_execute(begin), statement, client.batch_execute("COMMIT")));
        let Answered { answer: (begun, out, commit), stopped, sent } =
            self.listen(Phase::Statement, all).await?;
        self.landed(begun, out, commit, stopped, sent)
    }

    /// What the answers to a flight mean together.
    fn landed<T>(
        &self,
        begun: Result<(), tokio_postgres::Error>,
        out: Result<T, tokio_postgres::Error>,
        commit: Result<(), tokio_postgres::Error>,
        stopped: Option<StopReason>,
        sent: Sent,
    ) -> Result<T> {
        match (begun, out, commit) {
            // By itself, and not as it was asked for: that it wrote nothing, or saw what it was to see, nobody knows.
            (Err(error), Ok(_), Ok(())) => {
                let error = self.failed(Phase::Begin, error, stopped, sent);
                Err(error.with_outcome(Outcome::Committed).and(STRAYED))
            }
            (Ok(()), Ok(out), Ok(())) => Ok(out),
            (begun, Err(error), commit) => {
                let is_from_server = error.as_db_error().is_some();
                let error = self.failed(Phase::Statement, error, stopped, sent);
                let nature = self.text.map_or(Nature::UNREAD, |text| nature::of_sql(text.as_bytes(), None));
                // COMMIT answers with a ROLLBACK when the statement failed. Where it did not, what failed came after:
                // a type that had to be looked up, because the schema changed.
                let outcome = match (begun, commit) {
                    _ if error.outcome() == Outcome::NotStarted => Outcome::NotStarted,
                    // Which COMMIT it was that the server confirmed is not to be told.
                    _ if nature.contains(Nature::ENDS) => Outcome::Unknown,
                    (Ok(()), Ok(())) if self.connection.link.seen.has_committed() => Outcome::Committed,
                    (Ok(()), Ok(())) => Outcome::RolledBack,
                    // Without BEGIN it stood alone.
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

    /// BEGIN, every type, the statement with its rows decoded, COMMIT.
    async fn stepwise<S: Shape>(&self, sql: &str, params: Params<'_>, begin: &str) -> Result<S::Out> {
        let client = &self.connection.client;
        let begun: Result<(), Error> = self.run(Phase::Begin, client.batch_execute(begin)).await;
        begun.map_err(|error| error.with_outcome(Outcome::NotStarted))?;
        let inside = self.at(Place::Inside);
        match inside.send_text::<S>(sql, params).await {
            Ok(out) => {
                self.run(Phase::Commit, client.batch_execute("COMMIT")).await?;
                Ok(out)
            }
            Err(error) => {
                if self.connection.link.seen.status() != b'I' {
                    // Its failure changes nothing: an open transaction is rolled back on return.
                    let _ = self.roll_back().await;
                }
                Err(error)
            }
        }
    }
}
