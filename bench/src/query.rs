//! One prepared statement by the whole way: acquire, run, give back; 64 tasks on 16 connections, TCP, no TLS.
//!
//! Ours is `db.query_one(sql, ..)`: time limits, call site, tap on the wire, verified session limits and cancel on drop
//! are part of it. deadpool looks the statement up in its cache (`prepare_cached`), bb8 has it at hand, sqlx keeps its
//! own cache. `sqlx default` and pgbench stand beside as further figures: the one is what most people run, the other
//! is as fast as the server goes.

use crate::crowd::{per_second, time, warmed};
use crate::options::Options;
use crate::peers::{self, Place, Preparing};
use crate::pgbench::{self, Script};
use crate::race::{Better, Figures};
use crate::report::Report;
use anyhow::{Context, Result};
use plimsoll::Database;
use sqlx::postgres::PgPool;
use std::hint::black_box;

const ABOUT: &str = "acquire + `select $1::int8`, prepared; 64 tasks on 16 connections, TCP";
const CASE: &str = "64 tasks";
const TASKS: usize = 64;
const CONNECTIONS: usize = 16;
/// Operations of one task in one round.
const EACH: usize = 100;
/// So many times as much for pgbench, which without that would be done before it has started.
const MORE_FOR_PGBENCH: usize = 5;

const SQL: &str = "select $1::int8";
const SCRIPT: &str = "\\set number 7\nselect :number::int8;\n";
const NUMBER: i64 = 7;

pub async fn run(options: &Options) -> Result<Report> {
    let server = peers::server().await?;
    let place = Place::direct(&server);
    let mut figures = draw(options, &place).await?;
    for _ in 1..options.draws() {
        figures.join(draw(options, &place).await?);
    }
    let mut report = Report::new("query", ABOUT);
    report.row(CASE, "per s", &figures);
    for name in ["sqlx default", "pgbench"] {
        if let (Some(rate), Some(paired)) = (figures.median(name), figures.against(name)) {
            report.further(CASE, name, rate, "per s");
            report.further(CASE, format!("plimsoll over {name}"), paired.ratio, "");
        }
    }
    for name in ["deadpool", "bb8", "sqlx"] {
        if let Some(paired) = figures.against(name) {
            report.further(CASE, format!("plimsoll over {name}"), paired.ratio, "");
        }
    }
    let best = report.rows().find_map(|row| row.ratio_to_best_peer);
    if let Some(ratio) = best {
        report.at_least(CASE, "over the best peer", ratio, 0.97);
    }
    if let Some(paired) = figures.against("sqlx default") {
        report.at_least(CASE, "over sqlx's default", paired.ratio, 1.5);
    }
    Ok(report)
}

/// A race of new pools.
async fn draw(options: &Options, place: &Place) -> Result<Figures> {
    let ours = place.plimsoll(CONNECTIONS).await?;
    let deadpool = place.deadpool(CONNECTIONS)?;
    let bb8 = place.bb8(CONNECTIONS, &[SQL]).await?;
    let sqlx = place.sqlx(CONNECTIONS, false).await?;
    let sqlx_default = place.sqlx(CONNECTIONS, true).await?;
    let pgbench = pgbench::find();
    let each = options.times(EACH);

    let mut race = options
        .race(Better::More)
        .with("plimsoll", || warmed(each, |each| by_plimsoll(&ours, each)))
        .with("deadpool", || warmed(each, |each| by_deadpool(&deadpool, each)))
        .with("bb8", || warmed(each, |each| by_bb8(&bb8, each)))
        .with("sqlx", || warmed(each, |each| by_sqlx(&sqlx, each)))
        .with("sqlx default", || warmed(each, |each| by_sqlx(&sqlx_default, each)));
    if let Some(program) = &pgbench {
        let times = MORE_FOR_PGBENCH * each * TASKS / CONNECTIONS;
        let script = Script { text: SCRIPT, clients: CONNECTIONS, times };
        race = race.with("pgbench", move || pgbench::rate(program, place, script));
    }
    let figures = race.run().await;
    ours.close().await;
    deadpool.close();
    sqlx.close().await;
    sqlx_default.close().await;
    figures
}

async fn by_plimsoll(db: &Database, each: usize) -> Result<f64> {
    let took = time(TASKS, |_| {
        let db = db.clone();
        async move {
            for _ in 0..each {
                let row = db.query_one(SQL, &[&NUMBER]).await?;
                black_box(row.try_get::<_, i64>(0)?);
            }
            Ok(())
        }
    });
    Ok(per_second(TASKS * each, took.await?))
}

async fn by_deadpool(pool: &deadpool_postgres::Pool, each: usize) -> Result<f64> {
    let took = time(TASKS, |_| {
        let pool = pool.clone();
        async move {
            for _ in 0..each {
                let client = pool.get().await?;
                let statement = client.prepare_cached(SQL).await?;
                let row = client.query_one(&statement, &[&NUMBER]).await?;
                black_box(row.try_get::<_, i64>(0)?);
            }
            Ok(())
        }
    });
    Ok(per_second(TASKS * each, took.await?))
}

async fn by_bb8(pool: &bb8::Pool<Preparing>, each: usize) -> Result<f64> {
    let took = time(TASKS, |_| {
        let pool = pool.clone();
        async move {
            for _ in 0..each {
                let connection = pool.get().await?;
                let statement =
                    connection.statements.first().context("bb8 connected without its statement")?;
                let row = connection.client.query_one(statement, &[&NUMBER]).await?;
                black_box(row.try_get::<_, i64>(0)?);
            }
            Ok(())
        }
    });
    Ok(per_second(TASKS * each, took.await?))
}

async fn by_sqlx(pool: &PgPool, each: usize) -> Result<f64> {
    let took = time(TASKS, |_| {
        let pool = pool.clone();
        async move {
            for _ in 0..each {
                let number: i64 = sqlx::query_scalar(SQL).bind(NUMBER).fetch_one(&pool).await?;
                black_box(number);
            }
            Ok(())
        }
    });
    Ok(per_second(TASKS * each, took.await?))
}
