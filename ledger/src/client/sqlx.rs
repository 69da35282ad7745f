//! sqlx as it comes, apart from its size, written as most services write it: a time limit around the whole.

use super::belief::{self, Failure, Peer, Progress, sent};
use super::saying::{Saying, Value};
use super::{AMONG, Client, Place, SIZE, with_ids};
use crate::op::{CALL, Deed, HEAT, INSERT, INSERT_LATE, INSERT_ONCE, Op, READ, SORT, WAIT_FOR_WRITERS};
use anyhow::{Context, Result};
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use plimsoll_faults::ledger::End;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions, PgSslMode};
use sqlx::{AssertSqlSafe, Connection, Row};
use std::time::Duration;
use tokio::time::timeout;

const SETTLING: Duration = Duration::from_secs(5);
/// What a program that ends waits for its pool.
const CLOSING: Duration = Duration::from_secs(2);

/// A pool, and whether its callers try again.
pub(super) struct Sqlx {
    pool: PgPool,
    retries: bool,
    is_pooled: bool,
}

impl Sqlx {
    pub(super) fn open(place: &Place, retries: bool) -> Self {
        let options = PgConnectOptions::new()
            .host("127.0.0.1")
            .port(place.port)
            .username(&place.user)
            .password(&place.password)
            .database(place.database)
            // PgBouncer refuses a connection that asks for it.
            .extra_float_digits(None)
            .ssl_mode(PgSslMode::Disable);
        let size = u32::try_from(SIZE).unwrap_or(u32::MAX);
        let pool = PgPoolOptions::new().max_connections(size).connect_lazy_with(options);
        Sqlx { pool, retries, is_pooled: place.is_pooled }
    }

    async fn say(&self, connection: &mut PgConnection, saying: &Saying) -> Result<(), sqlx::Error> {
        if self.is_pooled {
            return text(connection, saying.text()).await;
        }
        let mut query = sqlx::query(saying.sql);
        for value in &saying.values {
            query = match value {
                Value::Id(id) => query.bind(*id),
                Value::Row(row) => query.bind(*row),
                Value::Seconds(seconds) => query.bind(*seconds),
                Value::Word(word) => query.bind(*word),
            };
        }
        query.execute(connection).await.map(drop)
    }

    /// One after the other, since that is all that can be done with one connection here.
    async fn pipelined(&self, deed: &Deed) -> Vec<End> {
        let mut client = match timeout(deed.patience, self.pool.acquire()).await {
            Ok(Ok(client)) => client,
            _ => return vec![End::Refused; 3],
        };
        let late = Saying::new(INSERT_LATE, [Value::Id(deed.nth(0)), Value::Seconds(deed.nap())]);
        let late = timeout(deed.brief(), self.say(&mut client, &late)).await;
        let mut ends = vec![late.map_or(End::Unknown, |told| sent::<Self>(&told))];
        for at in [1, 2] {
            let saying = Saying::new(INSERT, [Value::Id(deed.nth(at))]);
            let told = timeout(deed.patience, self.say(&mut client, &saying)).await;
            ends.push(told.map_or(End::Unknown, |told| sent::<Self>(&told)));
        }
        ends
    }
}

impl Peer for Sqlx {
    type Error = sqlx::Error;

    async fn bare(&self, deed: &Deed, progress: &Progress) -> Result<(), sqlx::Error> {
        let id = Value::Id(deed.id());
        let mut client = self.pool.acquire().await?;
        progress.open();
        let saying = match deed.op {
            Op::Idempotent => Saying::new(INSERT_ONCE, [id]),
            Op::Call => Saying::new(CALL, [id, Value::Word(deed.error_afterwards())]),
            Op::Slow => Saying::new(INSERT_LATE, [id, Value::Seconds(deed.nap())]),
            Op::Do | Op::Script => {
                progress.sent();
                let sql = if deed.op == Op::Do { deed.do_text() } else { deed.script_text() };
                return text(&mut client, sql).await;
            }
            Op::CommitText | Op::Poison => {
                text(&mut client, "BEGIN".to_owned()).await?;
                self.say(&mut client, &Saying::new(INSERT, [id])).await?;
                if deed.op == Op::Poison {
                    return Ok(());
                }
                progress.sent();
                return text(&mut client, "COMMIT".to_owned()).await;
            }
            _ => Saying::new(INSERT, [id]),
        };
        progress.sent();
        self.say(&mut client, &saying).await
    }

    async fn transaction(
        &self,
        deed: &Deed,
        progress: &Progress,
        part: &Mutex<Option<End>>,
    ) -> Result<(), sqlx::Error> {
        let id = Value::Id(deed.id());
        let mut client = self.pool.acquire().await?;
        progress.open();
        let begin = if deed.op == Op::Hot { "BEGIN ISOLATION LEVEL SERIALIZABLE" } else { "BEGIN" };
        let mut tx = client.begin_with(begin).await?;
        if matches!(deed.op, Op::Hot | Op::Locked) {
            self.say(&mut tx, &Saying::new(HEAT, [Value::Row(deed.row())])).await?;
        }
        self.say(&mut tx, &Saying::new(INSERT, [id])).await?;
        match deed.op {
            Op::Transaction | Op::Retrying => self.say(&mut tx, &Saying::new(READ, [id])).await?,
            Op::Sort => self.say(&mut tx, &Saying::new(SORT, [])).await?,
            Op::Savepoint => {
                let inner = async {
                    let mut point = tx.begin().await?;
                    self.say(&mut point, &Saying::new(INSERT, [Value::Id(deed.nth(1))])).await?;
                    let nap = Saying::new("SELECT pg_sleep($1)", [Value::Seconds(deed.nap())]);
                    self.say(&mut point, &nap).await?;
                    point.commit().await
                };
                // Dropped, it is rolled back to where it began: so says the library.
                if !matches!(timeout(deed.brief(), inner).await, Ok(Ok(()))) {
                    *part.lock() = Some(End::Failed);
                }
            }
            _ => {}
        }
        progress.sent();
        tx.commit().await
    }

    fn failure(error: &sqlx::Error) -> Failure {
        match error {
            sqlx::Error::Database(error) => {
                Failure::Server(error.code().map(|code| code.into_owned()).unwrap_or_default())
            }
            _ => Failure::Connection,
        }
    }
}

impl Client for Sqlx {
    fn act<'a>(&'a self, deed: &'a Deed) -> BoxFuture<'a, Vec<End>> {
        Box::pin(async move {
            if deed.op == Op::Pipelined {
                return self.pipelined(deed).await;
            }
            belief::act(self, deed, self.retries).await
        })
    }

    fn find<'a>(&'a self, ids: &'a [i64]) -> BoxFuture<'a, Result<Vec<i64>>> {
        Box::pin(async move {
            let look = async {
                let mut client = self.pool.acquire().await?;
                let text = format!("BEGIN; {WAIT_FOR_WRITERS}; {}; COMMIT", with_ids(AMONG, ids));
                let rows = sqlx::raw_sql(AssertSqlSafe(text)).fetch_all(&mut *client).await?;
                rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
            };
            timeout(SETTLING, look).await.context("sqlx could not settle what it was not told")?
        })
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async { drop(timeout(CLOSING, self.pool.close()).await) })
    }
}

async fn text(connection: &mut PgConnection, sql: String) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await.map(drop)
}
