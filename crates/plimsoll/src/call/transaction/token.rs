//! COMMIT together with the place of the commit in the log, for reads that must see it.
//!
//! Both travel in one message, so the token costs no round trip. How the COMMIT ended is read from its command tag, and
//! not from the answer to the whole message: the question behind it may fail, and the commit is done all the same. The
//! place is then asked for anew; any place that comes later on the same timeline stands for the commit too.

use super::commit;
use super::commit::Closing;
use super::open::{OpenTransaction, RollbackOnDrop, open};
use super::{Transaction, TransactionGuard};
use crate::call::breaker::Permit;
use crate::call::builder::Call;
use crate::call::connection::PooledConnection;
use crate::call::options::TransactionOptions;
use crate::call::postgres::Postgres;
use crate::call::span::WorkSpan;
use crate::deadline;
use crate::error::{Error, Outcome, Phase, Result};
use crate::fault::Fault;
use crate::lsn::Lsn;
use crate::name::WorkName;
use crate::pool::{Ask, Pool};
use crate::rules::outcome::Scope;
use crate::token::{CommitToken, Timeline};
use crate::wire::context::OWN_COMMIT;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;
use tokio_postgres::{Client, SimpleQueryMessage};

/// How long the place of a commit is asked for that did not come with its COMMIT.
const PATIENCE: Duration = Duration::from_secs(1);

/// The token of a commit, if the server has told its place.
struct Placed(Option<CommitToken>);

impl Closing for Placed {
    async fn send(client: &Client) -> Result<Self, tokio_postgres::Error> {
        Ok(Placed(read(&client.simple_query(OWN_COMMIT).await?)))
    }

    fn done() -> Self {
        Placed(None)
    }
}

/// Reads the row of [`OWN_COMMIT`].
fn read(messages: &[SimpleQueryMessage]) -> Option<CommitToken> {
    messages.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => {
            let text = |column| row.try_get(column).ok().flatten();
            let lsn = Lsn::read(text(0)?)?.without_header(text(2)?.parse().ok()?);
            Some(CommitToken { timeline: Timeline::read(text(1)?)?, lsn })
        }
        _ => None,
    })
}

/// Commits; gives the token of the commit.
async fn commit_with_token(core: &OpenTransaction) -> Result<CommitToken> {
    let pool = core.lease().ok().map(|lease| lease.pool());
    let Placed(token) = commit::close(core).await?;
    match (token, pool) {
        (Some(token), _) => Ok(token),
        (None, Some(pool)) => ask(&pool, &core.work).await,
        (None, None) => Err(placeless(&core.work)),
    }
}

/// Asks for a place in the log that stands for everything that is committed already.
async fn ask(pool: &Pool<Postgres>, work: &WorkName) -> Result<CommitToken> {
    let asked = async {
        let lease = pool.acquire(Ask::by(work.clone())).await?;
        let connection = PooledConnection::new(lease, work.clone(), None, Permit::unasked());
        let executor = connection.executor().at(Scope::Autocommit);
        let question = OWN_COMMIT.strip_prefix("COMMIT; ").unwrap_or(OWN_COMMIT);
        executor.run(Phase::Statement, connection.inner().client.simple_query(question)).await
    };
    match timeout(PATIENCE, asked).await {
        Ok(Ok(answer)) => read(&answer).ok_or_else(|| placeless(work)),
        Ok(Err(error)) => Err(placeless(work).and(error.sentence())),
        Err(_) => Err(placeless(work)),
    }
}

#[cold]
fn placeless(work: &WorkName) -> Error {
    let sentence =
        format!("{work} is committed, but the server did not say where in its log, so there is no token");
    Error::new(Fault::ConnectionLost, Phase::Commit, Outcome::Committed, sentence)
}

/// Runs a closure in a transaction; gives the token of its commit beside what the closure gives.
async fn run<T, F, Fut>(
    lease: PooledConnection,
    begin: TransactionOptions,
    span: WorkSpan,
    work: F,
) -> Result<(T, CommitToken)>
where
    T: Send,
    F: FnOnce(Transaction) -> Fut + Send,
    Fut: Future<Output = Result<T>> + Send,
{
    let core = open(lease, begin, span).await?;
    let ending = RollbackOnDrop(Arc::clone(&core));
    let result = core.span.around(work(Transaction { core: Arc::clone(&core), level: 0 })).await;
    let ended = match result {
        Ok(value) => commit_with_token(&core).await.map(|token| (value, token)),
        Err(error) => Err(commit::undone_by(&core, error).await),
    };
    drop(ending);
    ended
}

impl<'a> Call<'a> {
    /// [`Call::transaction`], with a token that stands for the commit: a read made [`after`](Call::after) it sees what was
    /// committed, on whichever server it runs. It costs no round trip, and works without replicas too, for programs that
    /// only write. Runs on the primary.
    ///
    /// # Errors
    /// As [`Call::transaction`]. An error with [`Outcome::Committed`] means that the commit is done and that there is no
    /// token for it.
    ///
    /// # Cancel safety
    /// As [`Call::transaction`].
    pub fn transaction_with_token<T, F, Fut>(
        self,
        work: F,
    ) -> impl Future<Output = Result<(T, CommitToken)>> + Send + use<'a, T, F, Fut>
    where
        T: Send,
        F: FnOnce(Transaction) -> Fut + Send,
        Fut: Future<Output = Result<T>> + Send,
    {
        deadline::from_start(self.within, async move {
            let span = WorkSpan::transaction(&self.name, &self.db.server);
            let lease = span.lent(self.lend_primary(deadline::current()).await)?;
            run(lease, self.begin, span, work).await
        })
    }

    /// [`Call::retrying`], with a token that stands for the commit: see [`Call::transaction_with_token`].
    ///
    /// # Errors
    /// As [`Call::retrying`], and as [`Call::transaction_with_token`].
    ///
    /// # Cancel safety
    /// As [`Call::transaction`].
    pub fn retrying_with_token<T, F, Fut>(
        self,
        work: F,
    ) -> impl Future<Output = Result<(T, CommitToken)>> + Send + use<'a, T, F, Fut>
    where
        T: Send,
        F: Fn(Transaction) -> Fut + Send + Sync,
        Fut: Future<Output = Result<T>> + Send,
    {
        deadline::from_start(self.within, async move {
            let once = || async {
                let span = WorkSpan::transaction(&self.name, &self.db.server);
                let lease = span.lent(self.lend_primary(deadline::current()).await)?;
                run(lease, self.begin, span, &work).await
            };
            let policy = self.policy(crate::call::retry::RetryWhen::RolledBack);
            self.db.retries().run(&self.name, policy, once).await
        })
    }
}

impl TransactionGuard {
    /// Commits, and gives a token that stands for the commit: see [`Call::transaction_with_token`].
    ///
    /// # Errors
    /// As [`TransactionGuard::commit`]. An error with [`Outcome::Committed`] means that the commit is done and that there is
    /// no token for it.
    ///
    /// # Cancel safety
    /// As [`TransactionGuard::commit`].
    pub async fn commit_with_token(self) -> Result<CommitToken> {
        commit_with_token(&self.ending.0).await
    }
}
