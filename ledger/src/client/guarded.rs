//! Plimsoll: each operation as its documentation has it, and told by what the error says became of it.

use super::{AMONG, Client, PRESCRIBED, Place, SIZE};
use crate::op::{CALL, Deed, HEAT, INSERT, INSERT_LATE, INSERT_ONCE, Op, READ, SORT, WAIT_FOR_WRITERS};
use anyhow::{Context, Result};
use futures_util::future::BoxFuture;
use futures_util::join;
use parking_lot::Mutex;
use plimsoll::settings::PoolerMode;
use plimsoll::{Call, Database, Error, Isolation, Outcome, Params, Settings, Transaction, deadline};
use plimsoll_faults::ledger::End;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

/// How long settling what was not told may take, all writers' ends included.
const SETTLING: Duration = Duration::from_secs(5);

/// How long a supervisor starts a program again that cannot open its pool.
const SUPERVISION: Duration = Duration::from_secs(20);

/// A pool, and whether its callers try again.
pub(super) struct Guarded {
    db: Database,
    retries: bool,
}

/// A pool; what waiting cannot heal, as a password that is refused, ends a program, and its supervisor starts it again. A
/// pooler goes on repeating the refusal of a password that is right by now, for as long as its `server_login_retry` says.
async fn open(settings: Settings) -> Result<Database> {
    let until = Instant::now() + SUPERVISION;
    loop {
        match Database::connect(settings.clone()).await {
            Err(_) if Instant::now() < until => sleep(Duration::from_millis(200)).await,
            opened => return opened.context("the pool of plimsoll"),
        }
    }
}

impl Guarded {
    /// With a breaker that is quick, so that it opens and closes many times over in a short play.
    pub(super) async fn open(place: &Place, retries: bool) -> Result<Self> {
        let pooler = if place.is_pooled { PoolerMode::Transaction } else { PoolerMode::None };
        let settings = Settings::default()
            .hosts(format!("127.0.0.1:{}", place.port))
            .user(&place.user)
            .password(place.password.as_str())
            .dbname(place.database)
            .pooler(pooler)
            .pool_min(0)
            .pool_max(SIZE)
            .max_overflow(0)
            .pool_timeout(Duration::from_secs(2))
            .tcp_user_timeout(Duration::from_secs(1))
            .breaker_after(Duration::from_millis(250));
        Ok(Guarded { db: open(settings).await?, retries })
    }

    /// One try; the library's own tries are part of it where the operation asks for them.
    async fn once(&self, deed: &Deed) -> Vec<Told> {
        let work = async {
            match deed.op {
                Op::Savepoint => self.savepoint(deed).await,
                Op::Pipelined => self.pipelined(deed).await,
                _ => vec![told(&self.one(deed).await)],
            }
        };
        deadline::within(deed.patience, work).await
    }

    async fn one(&self, deed: &Deed) -> Result<(), Error> {
        let id = deed.id();
        let call = self.db.named("ledger");
        let done = match deed.op {
            Op::Transaction | Op::Savepoint | Op::Pipelined => {
                return call.transaction(async |tx| both(&tx, id).await).await;
            }
            Op::Insert => call.execute(INSERT, &[&id]).await,
            Op::Resolvable => {
                call.resolvable().transaction(async |tx| tx.execute(INSERT, &[&id]).await).await
            }
            Op::Retrying => return self.tried(call, move |tx| async move { both(&tx, id).await }).await,
            Op::Idempotent if self.retries => call.idempotent().execute(INSERT_ONCE, &[&id]).await,
            Op::Idempotent => call.execute(INSERT_ONCE, &[&id]).await,
            Op::Call => call.execute(CALL, &[&id, &deed.error_afterwards()]).await,
            Op::Do => call.execute(deed.do_text().as_str(), &[]).await,
            Op::CommitText => return self.by_texts(id).await,
            Op::Script => return call.acquire().await?.batch_execute(&deed.script_text()).await,
            Op::Poison => return self.poison(id).await,
            Op::Hot => {
                let row = deed.row();
                let call = call.isolation(Isolation::Serializable);
                return self.tried(call, move |tx| async move { heated(&tx, row, id).await }).await;
            }
            Op::Locked => {
                let row = deed.row();
                return call.transaction(async |tx| heated(&tx, row, id).await).await;
            }
            Op::Slow => call.execute(INSERT_LATE, &[&id, &deed.nap()]).await,
            Op::Sort => {
                call.transaction(async |tx| {
                    tx.execute(INSERT, &[&id]).await?;
                    tx.query_one(SORT, &[]).await?;
                    Ok(1)
                })
                .await
            }
        };
        done.map(drop)
    }

    /// A transaction that the library tries again, if this lane does.
    async fn tried<F, Fut>(&self, call: Call<'_>, work: F) -> Result<(), Error>
    where
        F: Fn(Transaction) -> Fut + Send + Sync,
        Fut: Future<Output = Result<(), Error>> + Send,
    {
        if self.retries { call.retrying(work).await } else { call.transaction(work).await }
    }

    async fn by_texts(&self, id: i64) -> Result<(), Error> {
        let lease = self.db.named("ledger").acquire().await?;
        lease.batch_execute("BEGIN").await?;
        lease.execute(INSERT, &[&id]).await?;
        lease.execute("COMMIT", &[]).await.map(drop)
    }

    /// Leaves a transaction open behind it. Whoever does that has not committed, so nothing may stay.
    async fn poison(&self, id: i64) -> Result<(), Error> {
        let lease = self.db.named("ledger").acquire().await?;
        lease.batch_execute("BEGIN").await?;
        lease.execute(INSERT, &[&id]).await?;
        drop(lease);
        Err(Error::abort("the connection was given back without COMMIT"))
    }

    async fn savepoint(&self, deed: &Deed) -> Vec<Told> {
        let (outer, inner, nap, brief) = (deed.nth(0), deed.nth(1), deed.nap(), deed.brief());
        let within: Mutex<Option<Told>> = Mutex::new(None);
        let whole = self
            .db
            .named("ledger")
            .transaction(async |tx| {
                tx.execute(INSERT, &[&outer]).await?;
                let part = tx.savepoint(async |tx| {
                    tx.execute(INSERT, &[&inner]).await?;
                    tx.execute("SELECT pg_sleep($1)", &[&nap]).await
                });
                let part = deadline::within(brief, part).await;
                if part.is_err() {
                    *within.lock() = Some(told(&part));
                }
                Ok(())
            })
            .await;
        let whole = told(&whole);
        // What was told of the part stands, whatever became of the whole; what was well ends as the whole does.
        let part = within.into_inner().unwrap_or_else(|| whole.clone());
        vec![whole, part]
    }

    async fn pipelined(&self, deed: &Deed) -> Vec<Told> {
        let lease = match self.db.named("ledger").acquire().await {
            Ok(lease) => lease,
            Err(error) => return vec![told::<()>(&Err(error)); 3],
        };
        let [one, two, three] = [deed.nth(0), deed.nth(1), deed.nth(2)];
        let nap = deed.nap();
        let late: Params<'_> = &[&one, &nap];
        let (second, third): (Params<'_>, Params<'_>) = (&[&two], &[&three]);
        let (first, second, third) = join!(
            timeout(deed.brief(), lease.execute(INSERT_LATE, late)),
            lease.execute(INSERT, second),
            lease.execute(INSERT, third),
        );
        // Whoever gives up has been told nothing.
        let first = first.map_or(Told { end: End::Unknown, may_run_again: false }, |first| told(&first));
        vec![first, told(&second), told(&third)]
    }
}

impl Client for Guarded {
    fn act<'a>(&'a self, deed: &'a Deed) -> BoxFuture<'a, Vec<End>> {
        Box::pin(async move {
            let mut told = self.once(deed).await;
            if self.retries {
                for pause in PRESCRIBED {
                    // Only the whole can be tried again, and only if nothing of it stays; and whoever leaves a
                    // transaction open has left off.
                    if deed.op == Op::Poison || !told.iter().all(|told| told.may_run_again) {
                        break;
                    }
                    sleep(pause).await;
                    told = self.once(deed).await;
                }
            }
            told.into_iter().map(|told| told.end).collect()
        })
    }

    fn find<'a>(&'a self, ids: &'a [i64]) -> BoxFuture<'a, Result<Vec<i64>>> {
        Box::pin(async move {
            let look = self.db.named("settle").transaction(async |tx| {
                tx.batch_execute(WAIT_FOR_WRITERS).await?;
                tx.query(AMONG, &[&ids]).await
            });
            let rows = deadline::within(SETTLING, look).await?;
            rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
        })
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.db.close())
    }
}

async fn both(tx: &Transaction, id: i64) -> Result<(), Error> {
    tx.execute(INSERT, &[&id]).await?;
    tx.query_one(READ, &[&id]).await.map(drop)
}

async fn heated(tx: &Transaction, row: i32, id: i64) -> Result<(), Error> {
    tx.execute(HEAT, &[&row]).await?;
    tx.execute(INSERT, &[&id]).await.map(drop)
}

/// What the caller was told.
#[derive(Clone, Debug)]
struct Told {
    end: End,
    may_run_again: bool,
}

fn told<T>(result: &Result<T, Error>) -> Told {
    let end = match result.as_ref().map_err(Error::outcome) {
        Ok(_) | Err(Outcome::Committed) => End::Acknowledged,
        Err(Outcome::NotStarted) => End::Refused,
        Err(Outcome::RolledBack) => End::Failed,
        // Whatever else there may be one day is no certainty.
        Err(_) => End::Unknown,
    };
    Told { end, may_run_again: matches!(end, End::Refused | End::Failed) }
}
