//! The first statement of a READ ONLY transaction, which travels with BEGIN and saves a round trip.

use super::open::OpenTransaction;
use crate::call::statement::answer::Answer;
use crate::call::statement::end::Running;
use crate::call::statement::executor::{Answered, Executor};
use crate::call::statement::flight::STRAYED;
use crate::call::statement::query::{CheckedQuery, Params};
use crate::error::{Outcome, Phase, Result};
use crate::rules::outcome::Scope;
use futures_util::future;
use std::sync::atomic::Ordering;
use tokio_postgres::Statement;

/// Runs the statement. If it is prepared on this connection, it travels with BEGIN.
pub(super) async fn run<A: Answer>(
    core: &OpenTransaction,
    executor: &Executor<'_>,
    begin: String,
    query: CheckedQuery<'_>,
    params: Params<'_>,
) -> Result<A> {
    let Ok(statement) = executor.prepared(query) else {
        core.send(executor, &begin).await?;
        return executor.statement::<A>(query, params).await;
    };
    let running = Running::begin_with::<A>(executor, Some(&statement), params);
    let result = with_begin::<A>(core, executor, &begin, &statement, params).await;
    running.end(&result, A::rows);
    result
}

async fn with_begin<A: Answer>(
    core: &OpenTransaction,
    executor: &Executor<'_>,
    begin: &str,
    statement: &Statement,
    params: Params<'_>,
) -> Result<A> {
    let client = &executor.connection.client;
    let flight = future::join(client.batch_execute(begin), A::prepared(client, statement, params));
    let Answered { answer: (begun, answer), stopped, sent } =
        executor.at(Scope::Opening).listen(Phase::Statement, flight).await?;
    let _ = core.begun.set(begun.is_ok().then_some(sent.mark));
    match (begun, answer) {
        (Ok(()), Ok(answer)) => Ok(answer),
        (Err(error), Ok(_)) => {
            // The statement ran by itself, and only its author knows whether it wrote.
            core.has_strayed.store(true, Ordering::Release);
            Err(executor
                .failed(Phase::Begin, error, stopped, sent)
                .with_outcome(Outcome::Unknown)
                .and(STRAYED))
        }
        (Err(error), Err(_)) => Err(executor.failed(Phase::Begin, error, stopped, sent)),
        (Ok(()), Err(error)) => Err(executor.failed(Phase::Statement, error, stopped, sent)),
    }
}
