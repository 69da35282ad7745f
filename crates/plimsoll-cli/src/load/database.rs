//! A database that is called by SQL, through a pool of Plimsoll as a service has it.
//!
//! The time of a call has two parts: how long it waited for a connection, and how long it had one. The pool's queue, its breaker and
//! its refusals are those of a service; only what it shares with other instances is its own, since this load is none of them.

use super::drive::Caller;
use super::figures::Share;
use super::tally::{End, Parts};
use super::targets::{Said, tell_apart, text_or_file};
use super::work::Work;
use crate::connect::Target;
use anyhow::{Context, Result, ensure};
use plimsoll::settings::{GuardMode, Limit};
use plimsoll::{Database, Error, Fault, deadline};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Statements of a load, over a pool.
#[derive(Clone, Debug)]
pub(super) struct SqlCaller {
    db: Database,
    works: Arc<Vec<Work>>,
}

/// What is run, and under which names.
///
/// # Errors
/// A target is no statement.
pub(super) fn statements(targets: &[Said]) -> Result<(Vec<String>, Vec<Share>)> {
    let (mut statements, mut shares) = (Vec::new(), Vec::new());
    for said in targets {
        ensure!(said.url.is_none(), "a target has a url (a service is called by plimsoll load http)");
        ensure!(
            said.method.is_none()
                && said.headers.is_empty()
                && said.body.is_none()
                && said.body_file.is_none(),
            "a statement has no method, no headers and no body"
        );
        let sql = text_or_file(said.sql.as_deref(), said.sql_file.as_deref(), "sql")?;
        let sql = sql.context("a target has no statement: sql = \"..\" or sql_file = \"..\"")?;
        ensure!(!sql.trim().is_empty(), "a statement is empty");
        shares.push(Share { name: said.name.clone().unwrap_or_else(|| named(&sql)), weight: said.weight });
        statements.push(sql);
    }
    tell_apart(&mut shares);
    Ok((statements, shares))
}

/// The beginning of a statement, in one line.
pub(super) fn named(sql: &str) -> String {
    const LONGEST: usize = 60;
    let line = sql.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}..", line.get(..end).unwrap_or_default()),
        None => line,
    }
}

/// Opens a pool of this many connections and sees that the server lets them all in.
///
/// # Errors
/// The settings are wrong, the server cannot be reached, or it refuses one of the connections.
pub(super) async fn pool(
    target: &Target,
    connections: u32,
    within: Duration,
    is_alone: bool,
) -> Result<Database> {
    let size = usize::try_from(connections).context("connections")?;
    let settings = target.settings()?.application_name("plimsoll load").pool_max(size).max_overflow(0);
    let mut settings = settings.pool_min(size).connection_budget(GuardMode::Off);
    if is_alone {
        // Of a pool that is to be always busy every caller waits, and none may be refused for it.
        settings = settings.admission(GuardMode::Off).breaker(GuardMode::Off).heartbeat(Limit::Off);
    }
    let db = Database::connect(settings).await.context("no connection to the server")?;
    let mut held = Vec::with_capacity(size);
    for number in 1..=size {
        let acquired =
            deadline::within(within, db.named("plimsoll load").acquire_within(within).acquire()).await;
        match acquired {
            Ok(connection) => held.push(connection),
            Err(error) => {
                drop(held);
                db.shutdown_within(Duration::from_secs(1)).await;
                return Err(error).with_context(|| format!("connection {number} of {size} cannot be had"));
            }
        }
    }
    drop(held);
    Ok(db)
}

/// A pool of one connection for what is done around a load, which may take its time.
///
/// # Errors
/// The settings are wrong, or the server cannot be reached.
pub(super) async fn tool(target: &Target) -> Result<Database> {
    let settings =
        target.settings()?.application_name("plimsoll load").pool_max(1).pool_min(0).max_overflow(0);
    let settings =
        settings.connection_budget(GuardMode::Off).heartbeat(Limit::Off).statement_timeout(Limit::Off);
    let db = Database::connect(settings).await.context("no connection to the server")?;
    db.ready().await.context("no connection to the server")?;
    Ok(db)
}

impl SqlCaller {
    pub(super) fn new(db: Database, works: Vec<Work>) -> Self {
        SqlCaller { db, works: Arc::new(works) }
    }

    /// Ends the pool.
    pub(super) async fn close(&self) {
        self.db.shutdown_within(Duration::from_secs(5)).await;
    }

    /// One call, with what became of it.
    async fn run(&self, work: &Work, within: Duration) -> (End, Option<Parts>) {
        let asked = Instant::now();
        let acquired = self.db.named("plimsoll load").acquire_within(within).acquire().await;
        let waited = asked.elapsed();
        let done = match acquired {
            Ok(connection) => work.run(connection).await,
            Err(error) => return (end_of(&error), None),
        };
        let parts = Parts { waited, worked: asked.elapsed().saturating_sub(waited) };
        (done.map_or_else(|error| end_of(&error), |()| End::Answered), Some(parts))
    }
}

impl Caller for SqlCaller {
    async fn call(&self, target: usize, within: Duration) -> (End, Option<Parts>) {
        match self.works.get(target) {
            Some(work) => deadline::within(within, self.run(work, within)).await,
            None => (End::Failed("no such target".into()), None),
        }
    }
}

/// What a load counts an error as.
fn end_of(error: &Error) -> End {
    match error.fault() {
        Fault::PoolExhausted
        | Fault::DeadlinePassed
        | Fault::StatementTimeout
        | Fault::TransactionTimeout => End::TimedOut,
        Fault::QueueFull | Fault::Overloaded | Fault::CircuitOpen | Fault::TooManyConnections => {
            End::Refused { by: error.code().into(), says_when: error.retry_after().is_some() }
        }
        _ => match error.sqlstate() {
            Some(state) => End::Failed(format!("{} (SQLSTATE {})", error.code(), state.code()).into()),
            None => End::Failed(error.code().into()),
        },
    }
}

/// Runs a text once, to see whether the server takes it, and as what: one statement, or several that are sent as they are.
///
/// # Errors
/// The server does not take it.
pub(super) async fn work(db: &Database, sql: &str, within: Duration) -> Result<Work> {
    let statement = Work::Statement(sql.into());
    let error = match tried(db, &statement, within).await {
        Ok(()) => return Ok(statement),
        Err(error) => error,
    };
    // "cannot insert multiple commands into a prepared statement": nothing of it was run.
    let are_several = error.sqlstate().is_some_and(|state| state.code() == "42601") && sql.contains(';');
    let (work, error) = if are_several {
        let script = Work::Script(sql.into());
        (script.clone(), tried(db, &script, within).await.err())
    } else {
        (statement, Some(error))
    };
    match error {
        Some(error) if error.fault() == Fault::Conversion => Err(error).with_context(|| {
            format!(
                "{} has parameters: write values in their places, such as (random() * 1000)::int",
                named(sql)
            )
        }),
        Some(error) if matches!(end_of(&error), End::Failed(_)) => {
            Err(error).with_context(|| format!("{} cannot be run", named(sql)))
        }
        _ => Ok(work),
    }
}

async fn tried(db: &Database, work: &Work, within: Duration) -> plimsoll::Result<()> {
    deadline::within(within, async {
        let connection = db.named("plimsoll load").acquire_within(within).acquire().await?;
        work.run(connection).await
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_is_named_after_its_beginning() {
        let long =
            Said { sql: Some(format!("SELECT\n  1, {}", "é".repeat(100))), weight: 2, ..Said::default() };
        let (statements, shares) = statements(&[long]).unwrap();
        assert_eq!((statements.len(), shares[0].weight, shares[0].name.chars().count()), (1, 2, 62));
        assert!(shares[0].name.starts_with("SELECT 1, é"));
    }

    #[test]
    fn what_is_no_statement_is_refused() {
        let url = Said { url: Some("http://a".to_owned()), ..Said::default() };
        let both = Said { sql: Some("SELECT 1".to_owned()), sql_file: Some("a".into()), ..Said::default() };
        let empty = Said { sql: Some(" \n".to_owned()), ..Said::default() };
        let body = Said { sql: Some("SELECT 1".to_owned()), body: Some(String::new()), ..Said::default() };
        for wrong in [url, both, empty, body, Said::default()] {
            assert!(statements(std::slice::from_ref(&wrong)).is_err(), "{wrong:?}");
        }
    }
}
