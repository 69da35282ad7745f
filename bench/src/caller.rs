//! One request on anybody's pool, as a service makes it: take a connection, ask, and be back within a time limit.

use crate::peers::Preparing;
use anyhow::Result;
use plimsoll::{Database, deadline};
use sqlx::postgres::PgPool;
use std::future::Future;
use std::time::Duration;
use tokio::time::timeout;

/// A call that has not ended this long after the last was made will never end.
pub const STUCK: Duration = Duration::from_secs(15);

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub struct Ask {
    pub sql: &'static str,
    /// With all that it waits for.
    pub limit: Duration,
    /// The most connections that all calls of this kind may hold together, for those who can say so.
    pub at_most: Option<usize>,
}

/// A pool, and one request on it.
pub trait Caller: Clone + Send + Sync + 'static {
    /// Takes a connection and asks, within the limit; a failure in a word or two.
    fn call(&self, ask: Ask) -> impl Future<Output = Result<(), &'static str>> + Send;

    /// Lets go of its connections.
    fn close(self) -> impl Future<Output = ()> + Send;
}

const NO_CONNECTION: &str = "no connection";
const FAILED: &str = "statement failed";

/// The time limit as everybody without one puts it around a call.
async fn in_time(
    limit: Duration,
    work: impl Future<Output = Result<(), &'static str>> + Send,
) -> Result<(), &'static str> {
    timeout(limit, work).await.unwrap_or(Err("deadline"))
}

impl Caller for Database {
    async fn call(&self, ask: Ask) -> Result<(), &'static str> {
        let answer = match ask.at_most {
            None => deadline::within(ask.limit, self.execute(ask.sql, &[])).await,
            Some(cap) => {
                let call = self.named(ask.sql).at_most(cap);
                deadline::within(ask.limit, call.execute(ask.sql, &[])).await
            }
        };
        answer.map(drop).map_err(|error| error.code())
    }

    async fn close(self) {
        Database::close(&self).await;
    }
}

impl Caller for deadpool_postgres::Pool {
    async fn call(&self, ask: Ask) -> Result<(), &'static str> {
        in_time(ask.limit, async {
            let client = self.get().await.map_err(|_| NO_CONNECTION)?;
            let statement = client.prepare_cached(ask.sql).await.map_err(|_| FAILED)?;
            client.execute(&statement, &[]).await.map(drop).map_err(|_| FAILED)
        })
        .await
    }

    async fn close(self) {
        deadpool_postgres::Pool::close(&self);
    }
}

impl Caller for bb8::Pool<Preparing> {
    async fn call(&self, ask: Ask) -> Result<(), &'static str> {
        in_time(ask.limit, async {
            let connection = self.get().await.map_err(|_| NO_CONNECTION)?;
            let statement = connection.of(ask.sql).ok_or(FAILED)?;
            connection.client.execute(statement, &[]).await.map(drop).map_err(|_| FAILED)
        })
        .await
    }

    async fn close(self) {}
}

impl Caller for PgPool {
    async fn call(&self, ask: Ask) -> Result<(), &'static str> {
        in_time(ask.limit, async {
            let mut connection = self.acquire().await.map_err(|_| NO_CONNECTION)?;
            sqlx::query(ask.sql).execute(&mut *connection).await.map(drop).map_err(|_| FAILED)
        })
        .await
    }

    async fn close(self) {
        // It waits for whoever still holds one.
        let _ = timeout(STUCK, PgPool::close(&self)).await;
    }
}
