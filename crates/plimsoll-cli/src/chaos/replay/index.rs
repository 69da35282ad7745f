//! An index is built on a hot table without CONCURRENTLY.
//!
//! CREATE INDEX takes SHARE on the table: reads go on, and every write waits until the index is there. A writer waits with a
//! connection in its hand; soon all connections of the pool are in such hands, and work that has nothing to do with the table
//! stands still with it. What limits that: a limit on waiting for a lock, a deadline on the whole call, and a cap on the
//! connections that one kind of work may hold.

use super::clients::{self, code, guarded, on_plain, plain};
use super::lane::{Lane, Load};
use super::{Call, Found, Outcome, Played, answered_within, both, found, served_after};
use anyhow::Result;
use deadpool_postgres::Pool;
use plimsoll::Database;
use plimsoll_embedded::Cluster;
use plimsoll_inspect::span::rough;
use std::time::Duration;
use tokio::time::sleep;

/// The index takes five milliseconds for each of twelve hundred rows: six seconds and a little more.
const SCENE: &str = "
    CREATE TABLE orders (id bigint NOT NULL);
    INSERT INTO orders SELECT generate_series(1, 1200);
    CREATE TABLE customers (id bigint PRIMARY KEY);
    INSERT INTO customers SELECT generate_series(1, 100);
    CREATE FUNCTION as_if_it_were_large(bigint) RETURNS bigint IMMUTABLE LANGUAGE plpgsql
        AS 'BEGIN PERFORM pg_sleep(0.005); RETURN $1; END'";

const INDEX: &str = "CREATE INDEX ON orders (as_if_it_were_large(id))";
const WRITE: &str = "INSERT INTO orders VALUES ($1)";
const READ: &str = "SELECT FROM customers WHERE id = $1::bigint % 100 + 1";

/// Connections of each client.
const SIZE: usize = 8;
/// Of these, so many may write orders in the guarded client.
const WRITERS: usize = 4;
const EVERY: Duration = Duration::from_millis(50);
const BEFORE: Duration = Duration::from_secs(2);
const AFTER: Duration = Duration::from_secs(4);
const LOCK: Duration = Duration::from_secs(1);
const DEADLINE: Duration = Duration::from_secs(2);
/// What a call may take by its promise: its deadline, and what a busy machine adds.
const ANSWERED: Duration = Duration::from_secs(3);
const BACK: Duration = Duration::from_secs(2);

pub(super) async fn play() -> Result<Outcome> {
    let cluster = Cluster::start().await?;
    cluster.execute("postgres", SCENE).await?;
    let db = guarded(&cluster, cluster.port(), SIZE).await?;
    let pool = plain(&cluster, cluster.port(), SIZE)?;
    let mut load = Load::begin();
    let lanes = [Lane::from(load.epoch), Lane::from(load.epoch)];
    let [ours, theirs] = &lanes;
    fill(&mut load, [ours, theirs], &db, &pool);
    sleep(BEFORE).await;
    let began = load.now();
    cluster.execute("postgres", INDEX).await?;
    let ended = load.now();
    sleep(AFTER).await;
    load.end().await;
    db.close().await;
    pool.close();
    let promises = vec![
        answered_within([ours, theirs], ANSWERED),
        both(
            "reads of another table are served all the time, each within 1.0 s".to_owned(),
            [ours, theirs],
            reads,
        ),
        both(
            format!("writes are served again {} after the index is there", rough(BACK)),
            [ours, theirs],
            served_after("write", ended, BACK),
        ),
    ];
    cluster.stop().await?;
    let played =
        |client, lane: &Lane| Played { client, notes: Vec::new(), attempts: Vec::new(), calls: lane.calls() };
    Ok(Outcome {
        story: format!(
            "An index is built on a table that is written all the time, without CONCURRENTLY; it takes {}. Two clients with {SIZE} \
             connections each write that table, and read another one.",
            rough(ended.saturating_sub(began))
        ),
        began: began.as_secs_f64(),
        ended: ended.as_secs_f64(),
        guarded: played(clients::GUARDED, ours),
        unguarded: played(clients::UNGUARDED, theirs),
        promises,
    })
}

/// Writes of the table, and reads of another one.
fn fill(load: &mut Load, [ours, theirs]: [&Lane; 2], db: &Database, pool: &Pool) {
    for (what, sql) in [("write", WRITE), ("read", READ)] {
        let (db, pool) = (db.clone(), pool.clone());
        let most = if what == "write" { WRITERS } else { SIZE };
        load.add(ours, what, EVERY, move |id| {
            let db = db.clone();
            async move {
                let call = db.named(what).within(DEADLINE).lock_timeout(LOCK).at_most(most);
                call.execute(sql, &[&id]).await.map(drop).map_err(|error| code(&error))
            }
        });
        load.add(theirs, what, EVERY, move |id| on_plain(pool.clone(), sql, Some(id)));
    }
}

fn reads(calls: &[Call]) -> Found {
    let reads: Vec<&Call> = calls.iter().filter(|call| call.what == "read").collect();
    let is_bad = |call: &&&Call| !call.is_served() || call.took > Duration::from_secs(1);
    let bad = reads.iter().filter(is_bad).count();
    let slowest = rough(reads.iter().map(|call| call.took).max().unwrap_or_default());
    found(
        bad == 0 && !reads.is_empty(),
        format!("{bad} of {} were not; the slowest took {slowest}", reads.len()),
    )
}
