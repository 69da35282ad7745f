//! deadpool-postgres as it comes, apart from its size, written as most services write it: a time limit around the whole.

use super::belief::{self, Failure, Peer, Progress, sent};
use super::saying::{Saying, Value};
use super::{AMONG, Client, Place, SIZE, with_ids};
use crate::op::{CALL, Deed, HEAT, INSERT, INSERT_LATE, INSERT_ONCE, Op, READ, SORT, WAIT_FOR_WRITERS};
use anyhow::{Context, Result};
use deadpool_postgres::{GenericClient, Manager, ManagerConfig, Pool, PoolError, RecyclingMethod};
use futures_util::future::BoxFuture;
use futures_util::join;
use parking_lot::Mutex;
use plimsoll_faults::ledger::End;
use std::time::Duration;
use tokio::time::timeout;
use tokio_postgres::types::ToSql;
use tokio_postgres::{IsolationLevel, NoTls, SimpleQueryMessage};

const SETTLING: Duration = Duration::from_secs(5);

/// A pool, and whether its callers try again.
pub(super) struct Deadpool {
    pool: Pool,
    retries: bool,
    is_pooled: bool,
}

impl Deadpool {
    pub(super) fn open(place: &Place, retries: bool) -> Result<Self> {
        let mut driver = tokio_postgres::Config::new();
        driver.host("127.0.0.1").port(place.port).user(&place.user).password(&place.password);
        driver.dbname(place.database);
        let config = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let manager = Manager::from_config(driver, NoTls, config);
        let pool = Pool::builder(manager).max_size(SIZE).build().context("the pool of deadpool")?;
        Ok(Deadpool { pool, retries, is_pooled: place.is_pooled })
    }

    async fn say(&self, client: &impl GenericClient, saying: &Saying) -> Result<(), PoolError> {
        if self.is_pooled {
            return Ok(client.batch_execute(&saying.text()).await?);
        }
        let statement = client.prepare_cached(saying.sql).await?;
        let values: Vec<&(dyn ToSql + Sync)> = saying.values.iter().map(Value::as_sql).collect();
        Ok(client.execute(&statement, &values).await.map(drop)?)
    }

    async fn pipelined(&self, deed: &Deed) -> Vec<End> {
        let client = match timeout(deed.patience, self.pool.get()).await {
            Ok(Ok(client)) => client,
            _ => return vec![End::Refused; 3],
        };
        let late = Saying::new(INSERT_LATE, [Value::Id(deed.nth(0)), Value::Seconds(deed.nap())]);
        let two = Saying::new(INSERT, [Value::Id(deed.nth(1))]);
        let three = Saying::new(INSERT, [Value::Id(deed.nth(2))]);
        let (late, two, three) = join!(
            timeout(deed.brief(), self.say(&client, &late)),
            timeout(deed.patience, self.say(&client, &two)),
            timeout(deed.patience, self.say(&client, &three)),
        );
        [late, two, three]
            .into_iter()
            .map(|told| told.map_or(End::Unknown, |told| sent::<Self>(&told)))
            .collect()
    }
}

impl Peer for Deadpool {
    type Error = PoolError;

    async fn bare(&self, deed: &Deed, progress: &Progress) -> Result<(), PoolError> {
        let id = Value::Id(deed.id());
        let client = self.pool.get().await?;
        progress.open();
        let saying = match deed.op {
            Op::Idempotent => Saying::new(INSERT_ONCE, [id]),
            Op::Call => Saying::new(CALL, [id, Value::Word(deed.error_afterwards())]),
            Op::Slow => Saying::new(INSERT_LATE, [id, Value::Seconds(deed.nap())]),
            Op::Do | Op::Script => {
                progress.sent();
                let text = if deed.op == Op::Do { deed.do_text() } else { deed.script_text() };
                return Ok(client.batch_execute(&text).await?);
            }
            Op::CommitText | Op::Poison => {
                client.batch_execute("BEGIN").await?;
                self.say(&client, &Saying::new(INSERT, [id])).await?;
                if deed.op == Op::Poison {
                    return Ok(());
                }
                progress.sent();
                return Ok(client.batch_execute("COMMIT").await?);
            }
            _ => Saying::new(INSERT, [id]),
        };
        progress.sent();
        self.say(&client, &saying).await
    }

    async fn transaction(
        &self,
        deed: &Deed,
        progress: &Progress,
        part: &Mutex<Option<End>>,
    ) -> Result<(), PoolError> {
        let id = Value::Id(deed.id());
        let mut client = self.pool.get().await?;
        progress.open();
        let isolation =
            if deed.op == Op::Hot { IsolationLevel::Serializable } else { IsolationLevel::ReadCommitted };
        let mut tx = client.build_transaction().isolation_level(isolation).start().await?;
        if matches!(deed.op, Op::Hot | Op::Locked) {
            self.say(&tx, &Saying::new(HEAT, [Value::Row(deed.row())])).await?;
        }
        self.say(&tx, &Saying::new(INSERT, [id])).await?;
        match deed.op {
            Op::Transaction | Op::Retrying => self.say(&tx, &Saying::new(READ, [id])).await?,
            Op::Sort => self.say(&tx, &Saying::new(SORT, [])).await?,
            Op::Savepoint => {
                let inner = async {
                    let point = tx.transaction().await?;
                    self.say(&point, &Saying::new(INSERT, [Value::Id(deed.nth(1))])).await?;
                    let nap = Saying::new("SELECT pg_sleep($1)", [Value::Seconds(deed.nap())]);
                    self.say(&point, &nap).await?;
                    Ok::<_, PoolError>(point.commit().await?)
                };
                // Dropped, it is rolled back to where it began: so says the library.
                if !matches!(timeout(deed.brief(), inner).await, Ok(Ok(()))) {
                    *part.lock() = Some(End::Failed);
                }
            }
            _ => {}
        }
        progress.sent();
        Ok(tx.commit().await?)
    }

    fn failure(error: &PoolError) -> Failure {
        match error {
            PoolError::Backend(error) => match error.code() {
                Some(code) => Failure::Server(code.code().to_owned()),
                None => Failure::Connection,
            },
            _ => Failure::Connection,
        }
    }
}

impl Client for Deadpool {
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
                let client = self.pool.get().await?;
                let text = format!("BEGIN; {WAIT_FOR_WRITERS}; {}; COMMIT", with_ids(AMONG, ids));
                let messages = client.simple_query(&text).await?;
                let rows = messages.iter().filter_map(|message| match message {
                    SimpleQueryMessage::Row(row) => row.get(0)?.parse().ok(),
                    _ => None,
                });
                Ok(rows.collect())
            };
            timeout(SETTLING, look).await.context("deadpool could not settle what it was not told")?
        })
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async { Pool::close(&self.pool) })
    }
}

impl Value {
    fn as_sql(&self) -> &(dyn ToSql + Sync) {
        match self {
            Value::Id(id) => id,
            Value::Row(row) => row,
            Value::Seconds(seconds) => seconds,
            Value::Word(word) => word,
        }
    }
}
