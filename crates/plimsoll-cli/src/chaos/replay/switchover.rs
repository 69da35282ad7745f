//! A switchover after which writes fail as read-only while `SELECT 1` passes.
//!
//! The server turns read-only, its standby is promoted, and the address leads to the new one. Connections that are open still lead
//! to the old one. They are alive, `SELECT 1` is answered on them, so a pool that tests its connections that way keeps them, and
//! every write on them fails with 25006 until somebody restarts the program. What ends it: such a failure speaks for all
//! connections of that server, which are given up.

use super::clients::{self, code, guarded, on_plain, plain};
use super::lane::{Call, Lane, Load};
use super::{Found, Judged, Outcome, Played, answered_within, both, found, served_after};
use anyhow::{Context, Result, ensure};
use deadpool_postgres::Pool;
use plimsoll::Database;
use plimsoll_embedded::Cluster;
use plimsoll_faults::Proxy;
use plimsoll_inspect::span::rough;
use std::time::Duration;
use tokio::time::{Instant, sleep};

const SCENE: &str = "CREATE TABLE orders (id bigint NOT NULL, client text NOT NULL)";
const WRITE: &str = "INSERT INTO orders VALUES ($1, 'guarded')";
const PLAIN_WRITE: &str = "INSERT INTO orders VALUES ($1, 'unguarded')";
const CHECK: &str = "SELECT 1";

const SIZE: usize = 8;
const EVERY: Duration = Duration::from_millis(50);
const CHECK_EVERY: Duration = Duration::from_millis(250);
const BEFORE: Duration = Duration::from_secs(2);
const AFTER: Duration = Duration::from_secs(6);
const DEADLINE: Duration = Duration::from_secs(2);
const ANSWERED: Duration = Duration::from_secs(3);
const BACK: Duration = Duration::from_secs(3);
const CATCHES_UP: Duration = Duration::from_secs(20);

pub(super) async fn play() -> Result<Outcome> {
    let first = Cluster::start().await?;
    first.execute("postgres", SCENE).await?;
    let second = Cluster::builder().standby_of(&first).start().await?;
    let address = Proxy::in_front_of((first.host(), first.port())).await?;
    let db = guarded(&first, address.port(), SIZE).await?;
    let pool = plain(&first, address.port(), SIZE)?;
    let mut load = Load::begin();
    let lanes = [Lane::from(load.epoch), Lane::from(load.epoch)];
    let [ours, theirs] = &lanes;
    fill(&mut load, [ours, theirs], &db, &pool);
    sleep(BEFORE).await;
    let began = load.now();
    switch(&first, &second).await?;
    address.lead_to([(std::net::Ipv4Addr::LOCALHOST, second.port()).into()])?;
    let ended = load.now();
    sleep(AFTER).await;
    load.end().await;
    db.close().await;
    pool.close();
    let promises = judged([ours, theirs], ended, stored(&second).await?);
    drop(address);
    let played = |client, lane: &Lane| {
        let calls = lane.calls();
        Played { client, notes: vec![checks(&calls, began)], attempts: Vec::new(), calls }
    };
    Ok(Outcome {
        story: format!(
            "The server turns read-only, its standby is promoted {} later, and the address leads there. Connections that are open \
             still lead to the old server, where SELECT 1 is answered and no write is.",
            rough(ended.saturating_sub(began))
        ),
        began: began.as_secs_f64(),
        ended: ended.as_secs_f64(),
        guarded: played(clients::GUARDED, ours),
        unguarded: played(clients::UNGUARDED, theirs),
        promises,
    })
}

/// Writes, and beside them the question by which pools tell whether a connection is alive.
fn fill(load: &mut Load, [ours, theirs]: [&Lane; 2], db: &Database, pool: &Pool) {
    for (what, every) in [("write", EVERY), ("SELECT 1", CHECK_EVERY)] {
        let (db, pool) = (db.clone(), pool.clone());
        let is_write = what == "write";
        load.add(ours, what, every, move |id| {
            let db = db.clone();
            async move {
                let call = db.named(what).within(DEADLINE);
                let done =
                    if is_write { call.execute(WRITE, &[&id]).await } else { call.execute(CHECK, &[]).await };
                done.map(drop).map_err(|error| code(&error))
            }
        });
        load.add(theirs, what, every, move |id| {
            let (sql, id) = if is_write { (PLAIN_WRITE, Some(id)) } else { (CHECK, None) };
            on_plain(pool.clone(), sql, id)
        });
    }
}

/// Both clients against every promise. `stored` counts the writes of each that are on the new server.
fn judged([ours, theirs]: [&Lane; 2], ended: Duration, stored: [usize; 2]) -> Vec<Judged> {
    let [of_ours, of_theirs] = stored;
    vec![
        answered_within([ours, theirs], ANSWERED),
        both(
            format!("writes are served again {} after the new server takes them", rough(BACK)),
            [ours, theirs],
            served_after("write", ended, BACK),
        ),
        Judged {
            said: "every write that was acknowledged is on the new server".to_owned(),
            guarded: kept(&ours.calls(), of_ours),
            unguarded: kept(&theirs.calls(), of_theirs),
        },
    ]
}

/// The first turns read-only, the second takes everything that it has, and then takes writes.
async fn switch(first: &Cluster, second: &Cluster) -> Result<()> {
    first.execute("postgres", "ALTER SYSTEM SET default_transaction_read_only = on").await?;
    first.reload().await?;
    let until = Instant::now() + CATCHES_UP;
    let end = first.execute("postgres", "SELECT pg_current_wal_lsn()::text AS lsn").await?;
    let end =
        end.first().and_then(|row| row.get("lsn")).context("the server did not say where its log ends")?;
    let question = format!("SELECT pg_last_wal_replay_lsn() >= '{end}' AS has_all");
    loop {
        let rows = second.execute("postgres", &question).await?;
        if rows.first().and_then(|row| row.get("has_all")).is_some_and(|all| all == "t") {
            break;
        }
        ensure!(Instant::now() < until, "the standby has not caught up after {} s", CATCHES_UP.as_secs());
        sleep(Duration::from_millis(20)).await;
    }
    Ok(second.promote().await?)
}

async fn stored(second: &Cluster) -> Result<[usize; 2]> {
    let question = "SELECT count(*) FILTER (WHERE client = 'guarded') AS guarded, \
                    count(*) FILTER (WHERE client = 'unguarded') AS unguarded FROM orders";
    let rows = second.execute("postgres", question).await?;
    let row = rows.first().context("the new server counted nothing")?;
    let of = |client: &str| row.get(client).and_then(|count| count.parse().ok());
    Ok([of("guarded"), of("unguarded")].map(Option::unwrap_or_default))
}

fn kept(calls: &[Call], stored: usize) -> Found {
    let acknowledged = calls.iter().filter(|call| call.what == "write" && call.is_served()).count();
    found(acknowledged <= stored, format!("{acknowledged} acknowledged, {stored} there"))
}

fn checks(calls: &[Call], began: Duration) -> String {
    let checks: Vec<&Call> = calls.iter().filter(|call| call.what == CHECK && call.at >= began).collect();
    let served = checks.iter().filter(|call| call.is_served()).count();
    format!("SELECT 1 was answered {served} of {} times since the switchover", checks.len())
}
