//! Transactions, 8 tasks on 8 connections, each on rows of its own; nothing is awaited but the database.
//!
//! | case | ours | peers |
//! |---|---|---|
//! | `write` | BEGIN with SET LOCAL, UPDATE, COMMIT: 3 round trips | BEGIN, SET LOCAL, UPDATE, COMMIT: 4 |
//! | `read only` | BEGIN with the SELECT, COMMIT: 2 | BEGIN READ ONLY, SELECT, COMMIT: 3 |
//! | `one statement` | all in one flight: 1 | the same three |
//! | `read only, 0.5 ms link` | as `read only`, over a wire that adds 0.25 ms each way | the same |
//! | `write, behind a pooler` | BEGIN with all that is stated, UPDATE, COMMIT: 3, through PgBouncer | the same three, BEGIN with the limits alone |
//!
//! Like is compared with like: in `write` the columns of the peers hold transactions that carry the same limit as
//! ours, and deadpool without any limit is a further figure. In the other cases nobody needs to set anything, since
//! ours has its limits from the session, and the peers run without.
//!
//! Behind PgBouncer in transaction mode a session keeps nothing, so everybody states the limits with each BEGIN. Ours
//! also states the settings that decide what is stored, since whoever had the server connection before may have changed
//! them. `write, behind a pooler` tells what that costs: its column of deadpool holds the same three messages, the same
//! limits and none of those settings, and the statement goes unnamed and with its types, as ours does there.
//!
//! Nothing waits for a disk (`fsync` is off for everybody), so what is measured is messages and not the machine's disk.

use crate::crowd::{per_second, time};
use crate::options::Options;
use crate::peers::{self, Place, Prepared, Preparing};
use crate::race::{Better, Figures};
use crate::report::Report;
use anyhow::{Context, Result};
use plimsoll::Database;
use plimsoll_embedded::{Cluster, PgBouncer, PoolMode};
use plimsoll_faults::{Direction, Fault, Proxy};
use sqlx::postgres::PgPool;
use std::hint::black_box;
use std::time::Duration;
use tokio_postgres::Transaction;
use tokio_postgres::types::Type;

const ABOUT: &str =
    "a transaction on a connection of its own; 8 tasks on 8 connections, TCP, fsync off for all";
const TASKS: usize = 8;
/// Transactions of one task in one round.
const EACH: usize = 400;
/// The same over the slow link.
const EACH_FAR: usize = 120;
/// Half of the round trip that the link adds.
const ONE_WAY: Duration = Duration::from_micros(250);

/// The rows that transactions work on.
pub const MAKE: &str = "create table bench_row (id int8 primary key, n int8 not null, fill text not null) with (fillfactor = 30);
    insert into bench_row select i, 0, repeat('x', 400) from generate_series(1, 1000) i; analyze bench_row";
const WRITE: &str = "update bench_row set n = n + 1 where id = $1";
const READ: &str = "select n from bench_row where id = $1";
const STATEMENTS: &[&str] = &[WRITE, READ];

/// Far above what a statement takes and below the session's own limit, so that ours really has to set it.
const DEADLINE: Duration = Duration::from_secs(10);
const SET_LOCAL: &str = "SET LOCAL statement_timeout = 9900";

/// The limits that ours has without being told any, in one message with BEGIN.
const LIMITS_ONLY: &str = "BEGIN; SET LOCAL statement_timeout = 30000; SET LOCAL lock_timeout = 5000; \
    SET LOCAL idle_in_transaction_session_timeout = 30000; SET LOCAL client_connection_check_interval = 2000";

/// Far apart, so that no two tasks meet in a page.
fn row_of(task: usize) -> i64 {
    i64::try_from(task * 100 + 1).unwrap_or(1)
}

/// What one transaction is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Work {
    Write,
    Read,
    /// Ours as a single call; to the peers the same as [`Work::Read`].
    One,
}

/// One crowd: what it does, how often, and whether peers set the limit that ours sets.
#[derive(Clone, Copy)]
struct Drill {
    work: Work,
    each: usize,
    is_guarded: bool,
}

/// Everybody's pool on one way to the server.
struct Field {
    ours: Database,
    deadpool: deadpool_postgres::Pool,
    bb8: bb8::Pool<Preparing>,
    sqlx: PgPool,
}

impl Field {
    async fn open(place: &Place) -> Result<Self> {
        Ok(Field {
            ours: place.plimsoll(TASKS).await?,
            deadpool: place.deadpool(TASKS)?,
            bb8: place.bb8(TASKS, STATEMENTS).await?,
            sqlx: place.sqlx(TASKS, false).await?,
        })
    }

    /// All four, and deadpool without limits where the others have them.
    async fn race<'a>(&'a self, drill: Drill, options: &'a Options) -> Result<Figures> {
        let mut race = options
            .race(Better::More)
            .with("plimsoll", move || drill.by_plimsoll(&self.ours))
            .with("deadpool", move || drill.by_deadpool(&self.deadpool))
            .with("bb8", move || drill.by_bb8(&self.bb8))
            .with("sqlx", move || drill.by_sqlx(&self.sqlx));
        if drill.is_guarded {
            let bare = Drill { is_guarded: false, ..drill };
            race = race.with(UNGUARDED, move || bare.by_deadpool(&self.deadpool));
        }
        race.run().await
    }
}

const UNGUARDED: &str = "deadpool unguarded";

pub async fn run(options: &Options) -> Result<Report> {
    let server = peers::server().await?;
    server.execute("postgres", MAKE).await?;
    let place = Place::direct(&server);
    let mut report = Report::new("transaction", ABOUT);
    let each = options.times(EACH);

    let near = Field::open(&place).await?;
    let write = near.race(Drill { work: Work::Write, each, is_guarded: true }, options).await?;
    report.row("write", "per s", &write);
    judge(&mut report, "write", &write, "deadpool", 1.1);
    judge(&mut report, "write", &write, UNGUARDED, 0.85);
    let read = near.race(Drill { work: Work::Read, each, is_guarded: false }, options).await?;
    report.row("read only", "per s", &read);
    judge(&mut report, "read only", &read, "deadpool", 1.0);
    let one = near.race(Drill { work: Work::One, each, is_guarded: false }, options).await?;
    report.row("one statement", "per s", &one);
    judge(&mut report, "one statement", &one, "deadpool", 1.25);
    drop(near);

    far(&mut report, &server, &place, options).await?;
    behind_a_pooler(&mut report, &server, options).await?;
    Ok(report)
}

/// Writes through PgBouncer, beside the same messages with the limits alone.
async fn behind_a_pooler(report: &mut Report, server: &Cluster, options: &Options) -> Result<()> {
    const CASE: &str = "write, behind a pooler";
    let bouncer = PgBouncer::in_front_of(server).pool_mode(PoolMode::Transaction).start().await?;
    let place = Place::behind(server, &bouncer);
    let (ours, deadpool) = (&place.plimsoll(TASKS).await?, &place.deadpool(TASKS)?);
    let each = options.times(EACH);
    let figures = options
        .race(Better::More)
        .with("plimsoll", || as_it_comes(ours, each))
        .with("deadpool", || with_limits_only(deadpool, each))
        .run()
        .await?;
    report.row(CASE, "per s", &figures);
    if let Some(paired) = figures.against("deadpool") {
        report.at_least(CASE, "over deadpool, limits only", paired.ratio, 0.85);
    }
    Ok(())
}

async fn as_it_comes(db: &Database, each: usize) -> Result<f64> {
    let took = time(TASKS, |task| {
        let (db, id) = (db.clone(), row_of(task));
        async move {
            for _ in 0..each {
                let write = async |tx: plimsoll::Transaction| tx.execute(WRITE, &[&id]).await;
                black_box(db.transaction(write).await?);
            }
            Ok(())
        }
    });
    Ok(per_second(TASKS * each, took.await?))
}

async fn with_limits_only(pool: &deadpool_postgres::Pool, each: usize) -> Result<f64> {
    let took = time(TASKS, |task| {
        let (pool, id) = (pool.clone(), row_of(task));
        async move {
            for _ in 0..each {
                let client = pool.get().await?;
                client.batch_execute(LIMITS_ONLY).await?;
                black_box(client.execute_typed(WRITE, &[(&id, Type::INT8)]).await?);
                client.batch_execute("COMMIT").await?;
            }
            Ok(())
        }
    });
    Ok(per_second(TASKS * each, took.await?))
}

/// The same reads over a link that takes half a millisecond there and back.
async fn far(report: &mut Report, server: &Cluster, place: &Place, options: &Options) -> Result<()> {
    const CASE: &str = "read only, 0.5 ms link";
    let link = Proxy::in_front_of((server.host(), server.port())).await?;
    let field = Field::open(&place.clone().through(link.port())).await?;
    link.set(Fault::delay(Direction::Both, ONE_WAY));
    report.further(CASE, "a round trip of one client, as measured", round_trip(&field.ours).await?, "ms");
    let drill = Drill { work: Work::Read, each: options.times(EACH_FAR), is_guarded: false };
    let figures = field.race(drill, options).await?;
    report.row(CASE, "per s", &figures);
    judge(report, CASE, &figures, "deadpool", 1.3);
    Ok(())
}

/// What the link really takes: the quickest of many, since the slower ones were slow for other reasons.
async fn round_trip(db: &Database) -> Result<f64> {
    let connection = db.acquire().await?;
    let mut quickest = Duration::MAX;
    for _ in 0..100 {
        let began = std::time::Instant::now();
        connection.batch_execute("").await?;
        quickest = quickest.min(began.elapsed());
    }
    Ok(quickest.as_secs_f64() * 1000.0)
}

fn judge(report: &mut Report, case: &str, figures: &Figures, peer: &'static str, bound: f64) {
    let (Some(rate), Some(paired)) = (figures.median(peer), figures.against(peer)) else { return };
    if peer == UNGUARDED {
        report.further(case, peer, rate, "per s");
        report.further(case, format!("plimsoll over {peer}"), paired.ratio, "");
    }
    report.at_least(case, &format!("over {peer}"), paired.ratio, bound);
}

impl Drill {
    async fn by_plimsoll(self, db: &Database) -> Result<f64> {
        let took = time(TASKS, |task| {
            let (db, id) = (db.clone(), row_of(task));
            async move {
                for _ in 0..self.each {
                    self.once_by_plimsoll(&db, id).await?;
                }
                Ok(())
            }
        });
        Ok(per_second(TASKS * self.each, took.await?))
    }

    async fn once_by_plimsoll(self, db: &Database, id: i64) -> Result<()> {
        let row = match self.work {
            Work::Write => {
                let write = async |tx: plimsoll::Transaction| tx.execute(WRITE, &[&id]).await;
                black_box(db.named("write").within(DEADLINE).transaction(write).await?);
                return Ok(());
            }
            Work::Read => {
                let read = async |tx: plimsoll::Transaction| tx.query_one(READ, &[&id]).await;
                db.named("read only").read_only().transaction(read).await?
            }
            Work::One => db.named("one statement").read_only().query_one(READ, &[&id]).await?,
        };
        black_box(row.try_get::<_, i64>(0)?);
        Ok(())
    }

    async fn by_deadpool(self, pool: &deadpool_postgres::Pool) -> Result<f64> {
        let took = time(TASKS, |task| {
            let (pool, id) = (pool.clone(), row_of(task));
            async move {
                for _ in 0..self.each {
                    let mut client = pool.get().await?;
                    let tx = client.build_transaction().read_only(self.work != Work::Write).start().await?;
                    if self.is_guarded {
                        tx.batch_execute(SET_LOCAL).await?;
                    }
                    if self.work == Work::Write {
                        let statement = tx.prepare_cached(WRITE).await?;
                        black_box(tx.execute(&statement, &[&id]).await?);
                    } else {
                        let statement = tx.prepare_cached(READ).await?;
                        black_box(tx.query_one(&statement, &[&id]).await?.try_get::<_, i64>(0)?);
                    }
                    tx.commit().await?;
                }
                Ok(())
            }
        });
        Ok(per_second(TASKS * self.each, took.await?))
    }

    async fn by_bb8(self, pool: &bb8::Pool<Preparing>) -> Result<f64> {
        let took = time(TASKS, |task| {
            let (pool, id) = (pool.clone(), row_of(task));
            async move {
                for _ in 0..self.each {
                    let mut connection = pool.get().await?;
                    let Prepared { client, statements, .. } = &mut *connection;
                    let [write, read] = statements.as_slice() else {
                        anyhow::bail!("bb8 lost its statements")
                    };
                    let is_read_only = self.work != Work::Write;
                    let tx: Transaction<'_> =
                        client.build_transaction().read_only(is_read_only).start().await?;
                    if self.is_guarded {
                        tx.batch_execute(SET_LOCAL).await?;
                    }
                    if is_read_only {
                        black_box(tx.query_one(read, &[&id]).await?.try_get::<_, i64>(0)?);
                    } else {
                        black_box(tx.execute(write, &[&id]).await?);
                    }
                    tx.commit().await?;
                }
                Ok(())
            }
        });
        Ok(per_second(TASKS * self.each, took.await?))
    }

    async fn by_sqlx(self, pool: &PgPool) -> Result<f64> {
        let took = time(TASKS, |task| {
            let (pool, id) = (pool.clone(), row_of(task));
            async move {
                for _ in 0..self.each {
                    let begin = if self.work == Work::Write { "BEGIN" } else { "BEGIN READ ONLY" };
                    let mut tx = pool.begin_with(begin).await.context("sqlx's begin")?;
                    if self.is_guarded {
                        sqlx::query(SET_LOCAL).execute(&mut *tx).await?;
                    }
                    if self.work == Work::Write {
                        black_box(sqlx::query(WRITE).bind(id).execute(&mut *tx).await?);
                    } else {
                        let n: i64 = sqlx::query_scalar(READ).bind(id).fetch_one(&mut *tx).await?;
                        black_box(n);
                    }
                    tx.commit().await?;
                }
                Ok(())
            }
        });
        Ok(per_second(TASKS * self.each, took.await?))
    }
}
