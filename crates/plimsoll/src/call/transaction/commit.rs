//! Ends a transaction, in one of three outcomes: committed, rolled back, or unknown.
//!
//! COMMIT is the one statement whose answer cannot be fetched again: if the wire breaks after it was sent, it may have
//! happened. The error then says [`Outcome::Unknown`], and the work is never retried. A transaction that fetched its id
//! with BEGIN can be resolved: once its backend is gone, the server knows whether that id committed.

use super::open::{NotOpen, OpenTransaction};
use super::resolve;
use crate::call::connection::PooledConnection;
use crate::call::statement::executor::Executor;
use crate::error::{Error, Outcome, Phase, Result};
use crate::fault::Fault;
use crate::request_totals::Timed;
use crate::rules::outcome::Scope;
use crate::wire::transaction_status::TransactionStatus;
use std::future::Future;
use tokio_postgres::Client;

/// What is asked of the server with COMMIT.
pub(super) trait Closing: Send + Sized {
    /// Sends COMMIT, and reads what was asked with it.
    fn send(client: &Client) -> impl Future<Output = Result<Self, tokio_postgres::Error>> + Send;

    /// The commit is done, and nothing more is known.
    fn done() -> Self;
}

/// Nothing but COMMIT.
impl Closing for () {
    fn send(client: &Client) -> impl Future<Output = Result<(), tokio_postgres::Error>> + Send {
        client.batch_execute("COMMIT")
    }

    fn done() -> Self {}
}

/// Commits and gives the lease back.
pub(crate) async fn commit(core: &OpenTransaction) -> Result<()> {
    close(core).await
}

/// The same, with what is asked together with it.
pub(super) async fn close<C: Closing>(core: &OpenTransaction) -> Result<C> {
    let closed = try_to_close(core).await;
    core.span.told(&closed, "committed");
    closed
}

async fn try_to_close<C: Closing>(core: &OpenTransaction) -> Result<C> {
    let Some(lease) = core.take() else {
        return Err(Error::new(
            Fault::Usage,
            Phase::Commit,
            Outcome::RolledBack,
            format!(
                "the transaction of {} was still in use by another task when its closure ended; it is rolled back",
                core.work
            ),
        ));
    };
    if core.unsent.lock().take().is_some() {
        // No statement ran inside, so nothing was sent.
        return Ok(C::done());
    }
    if lease.inner().link.needs_settling() {
        // An abandoned statement that still runs may be another COMMIT. A transaction that cannot be settled is rolled back.
        if let Err(error) = core.executor(&lease).settled().await {
            return Err(error.with_outcome(core.undone(&lease)));
        }
    }
    if let Some(why) = core.why_not_open(&lease) {
        return Err(core.not_open(why, Phase::Commit, core.undone(&lease)));
    }
    // The outcome unless it is committed; an error on the way to COMMIT does not change it.
    let undone = core.undone(&lease);
    if let Err(error) = core.undo_abandoned(&lease).await {
        end(core, &lease).await;
        return Err(error.with_outcome(undone));
    }
    let executor = core.executor(&lease).at(Scope::Closing);
    let link = &executor.connection.link;
    // The server refuses to commit a failed transaction. It would commit a doomed one, in which a statement has finished
    // that its caller was told is rolled back.
    if link.state.status() == TransactionStatus::Failed || link.is_doomed() {
        return Err(swallowed(core, &lease, undone).await);
    }
    let timed = Timed::begin();
    let before = link.state.mark();
    let answer = executor.run(Phase::Commit, C::send(&lease.inner().client)).await;
    drop(timed);
    match answer {
        Ok(asked) if lease.inner().link.state.has_committed() => Ok(asked),
        Ok(_) => Err(swallowed(core, &lease, undone).await),
        // The tags tell that COMMIT itself is done; what was asked behind it has failed.
        Err(error)
            if error.fault() != Fault::NotReplicated
                && link.state.has_ended_since(before)
                && link.state.has_committed() =>
        {
            Ok(C::done())
        }
        Err(error) => Box::pin(settle(core, lease, error)).await.map(|()| C::done()),
    }
}

/// PostgreSQL answers the COMMIT of a failed transaction with a ROLLBACK and no error; here it is an error.
async fn swallowed(core: &OpenTransaction, lease: &PooledConnection, undone: Outcome) -> Error {
    end(core, lease).await;
    Error::new(
        Fault::TransactionState,
        Phase::Commit,
        undone,
        format!(
            "the transaction of {} was rolled back instead of committed: one of its statements had failed and the error was passed over",
            core.work
        ),
    )
}

/// Rolls back and gives the lease back; gives the outcome of the transaction. If the rollback cannot be done now, the
/// return path does it.
pub(crate) async fn roll_back(core: &OpenTransaction) -> Outcome {
    let Some(lease) = core.take() else { return core.undone_unseen() };
    let outcome = core.undone(&lease);
    if core.why_not_open(&lease) != Some(NotOpen::EndedFromWithin) && core.unsent.lock().take().is_none() {
        end(core, &lease).await;
    }
    outcome
}

/// The error of a transaction whose code has failed: it is rolled back, and the outcome of the whole replaces that of what
/// failed.
pub(super) async fn undone_by(core: &OpenTransaction, error: Error) -> Error {
    let outcome = roll_back(core).await;
    let error = error.with_outcome(outcome);
    core.span.failed(&error);
    error
}

async fn end(core: &OpenTransaction, lease: &PooledConnection) {
    let link = &lease.inner().link;
    if link.is_quiet() && link.state.status().is_idle() && !link.needs_settling() {
        return;
    }
    // The caller waits by the deadline, and never for longer than a return may take. What is not done by then, the return
    // path does.
    let executor = core.executor(lease);
    let limit = lease.inner().server.plan.reclaim_timeout();
    let limit = Some(executor.limit.map_or(limit, |own| own.min(limit)));
    let executor = Executor { limit, ..executor.at(Scope::InTransaction) };
    if let Err(error) = executor.roll_back().await {
        tracing::debug!(target: "plimsoll", work = %core.work, "a rollback is left to the server: {error}");
    }
}

/// A COMMIT failed: finds out what has become of it, if that is possible.
async fn settle(core: &OpenTransaction, lease: PooledConnection, error: Error) -> Result<()> {
    let identity = core.xid.lock().take();
    let identity = match (error.outcome(), identity) {
        // COMMIT was never sent, but the transaction had begun.
        (Outcome::NotStarted, _) => return Err(error.with_outcome(core.undone(&lease))),
        // The server would say that it is committed, which is known.
        _ if error.fault() == Fault::NotReplicated => return Err(error),
        (Outcome::Unknown, Some(identity)) => identity,
        _ => return Err(error),
    };
    let pid = lease.backend_pid();
    let pool = lease.pool();
    // A COMMIT that is only late goes on; ending its connection now might undo it.
    drop(lease);
    match resolve::outcome_of(&pool, &identity, &core.work, core.began, core.deadline).await {
        Outcome::Committed => {
            tracing::info!(target: "plimsoll", work = %core.work, pid, "a COMMIT whose answer was lost had committed");
            Ok(())
        }
        Outcome::RolledBack => {
            Err(error.with_outcome(Outcome::RolledBack).and("the server says that it was rolled back"))
        }
        _ => Err(error.and("what became of it could not be found out in time")),
    }
}
