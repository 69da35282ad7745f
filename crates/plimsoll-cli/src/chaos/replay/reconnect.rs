//! Every client loses its connection and comes back at the same moment.
//!
//! While the server is away, a client that connects again at once and for ever makes thousands of attempts; when it is back, all come
//! at one moment, and each new connection costs the server a process, a login and the caches of it. What keeps that flat: a pool
//! lets few attempts go on at a time, waits longer after each that failed, and by a little chance, so that pools do not come in step.

use super::clients::{code, guarded};
use super::lane::{Lane, Load};
use super::{Found, Judged, Outcome, Played, answered_within, both, found, served_after};
use crate::columns::count;
use crate::private_server;
use anyhow::Result;
use parking_lot::Mutex;
use plimsoll::Database;
use plimsoll_embedded::Cluster;
use plimsoll_faults::{Fault, Proxy};
use plimsoll_inspect::span::rough;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use tokio_postgres::{Client, NoTls};

const POOLS: usize = 4;
const SIZE: usize = 10;
/// Connections of each client.
const ALL: u64 = (POOLS * SIZE) as u64;
/// A call in each pool so often; the plain clients make as many together.
const EVERY: Duration = Duration::from_millis(100);
const PLAIN_EVERY: Duration = Duration::from_millis(1000);
const BEFORE: Duration = Duration::from_secs(2);
const AWAY: Duration = Duration::from_secs(4);
const AFTER: Duration = Duration::from_secs(6);
const DEADLINE: Duration = Duration::from_secs(2);
const ANSWERED: Duration = Duration::from_secs(3);
const BACK: Duration = Duration::from_secs(3);
/// Attempts are counted so often.
const TICK: Duration = Duration::from_millis(100);
/// So many attempts in a second are few: each connection once, and once more for what fails or only looks.
const FEW: u64 = 2 * ALL;
/// Ticks in a second.
const SECOND: usize = 10;

pub(super) async fn play() -> Result<Outcome> {
    let cluster = Cluster::builder().setting("max_connections", (ALL * 2 + 20).to_string()).start().await?;
    let wire = || Proxy::in_front_of((cluster.host(), cluster.port()));
    let wires = [Arc::new(wire().await?), Arc::new(wire().await?)];
    let [our_wire, their_wire] = &wires;
    let mut pools = Vec::new();
    for _ in 0..POOLS {
        pools.push(guarded(&cluster, our_wire.port(), SIZE).await?);
    }
    let mut load = Load::begin();
    let lanes = [Lane::from(load.epoch), Lane::from(load.epoch)];
    let [ours, theirs] = &lanes;
    for db in pools.clone() {
        load.add(ours, "call", EVERY, move |_| on_pool(db.clone()));
    }
    for _ in 0..ALL {
        let driver = private_server::driver(&cluster, their_wire.port());
        load.beside(|stopped| reconnects(driver, theirs.clone(), stopped));
    }
    let counts = [Arc::default(), Arc::default()];
    for (wire, counts) in wires.iter().zip(&counts) {
        load.beside(|stopped| attempts(Arc::clone(wire), Arc::clone(counts), stopped));
    }
    sleep(BEFORE).await;
    let began = load.now();
    goes_away(&wires).await;
    let ended = load.now();
    sleep(AFTER).await;
    load.end().await;
    for db in &pools {
        db.close().await;
    }
    let from = (began.as_millis() / TICK.as_millis()) as usize;
    let most = counts.each_ref().map(|counts| most_in_a_second(&counts.lock(), from));
    let promises = judged([ours, theirs], ended, most);
    let [our_attempts, their_attempts] = counts.each_ref().map(|counts| in_each_second(&counts.lock()));
    let played = |client, lane: &Lane, wire: &Proxy, attempts| {
        let notes = vec![format!("{} attempts to connect in all", count(wire.accepted()))];
        Played { client, notes, attempts, calls: lane.calls() }
    };
    let outcome = Outcome {
        story: story(),
        began: began.as_secs_f64(),
        ended: ended.as_secs_f64(),
        guarded: played("four pools of Plimsoll", ours, our_wire, our_attempts),
        unguarded: played(
            "clients that connect again at once, until it works",
            theirs,
            their_wire,
            their_attempts,
        ),
        promises,
    };
    drop(wires);
    cluster.stop().await?;
    Ok(outcome)
}

/// Every connection is lost, and no new one is to be had for a while.
async fn goes_away(wires: &[Arc<Proxy>]) {
    for wire in wires {
        wire.set(Fault::Refuse);
        wire.cut_all();
    }
    sleep(AWAY).await;
    wires.iter().for_each(|wire| wire.heal());
}

fn story() -> String {
    format!(
        "{ALL} connections are reset at one moment, and new ones are refused for {}. {POOLS} pools of {SIZE} connections and {ALL} \
             programs with one connection each come back.",
        rough(AWAY)
    )
}

/// Both clients against every promise. `most` counts the attempts of each in its busiest second.
fn judged(lanes: [&Lane; 2], ended: Duration, most: [u64; 2]) -> Vec<Judged> {
    let [guarded, unguarded] = most.map(few);
    let said = format!("in no second more than {FEW} attempts to connect, which is two for each connection");
    vec![
        Judged { said, guarded, unguarded },
        answered_within(lanes, ANSWERED),
        both(
            format!("every call is served {} after the server is back", rough(BACK)),
            lanes,
            served_after("call", ended, BACK),
        ),
    ]
}

async fn on_pool(db: Database) -> Result<(), String> {
    db.named("call").within(DEADLINE).execute("SELECT 1", &[]).await.map(drop).map_err(|error| code(&error))
}

/// A program with one connection, as such programs are often written: it connects until it is connected.
async fn reconnects(driver: tokio_postgres::Config, lane: Lane, mut stopped: watch::Receiver<bool>) {
    let mut client: Option<Client> = None;
    let mut due = Instant::now();
    while !*stopped.borrow() {
        let call = async {
            loop {
                if client.as_ref().is_none_or(Client::is_closed) {
                    client = again(&driver).await;
                }
                if let Some(client) = &client
                    && client.execute("SELECT 1", &[]).await.is_ok()
                {
                    return;
                }
            }
        };
        let ended = tokio::select! {
            ended = timeout(super::lane::GIVEN_UP, call) => ended.map_err(|_| "no answer".to_owned()),
            _ = stopped.wait_for(|stopped| *stopped) => return,
        };
        lane.note("call", due, ended);
        due = (due + PLAIN_EVERY).max(Instant::now());
        tokio::select! {
            () = tokio::time::sleep_until(due) => {}
            _ = stopped.wait_for(|stopped| *stopped) => return,
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the client that is not Plimsoll's")]
async fn again(driver: &tokio_postgres::Config) -> Option<Client> {
    let (client, connection) = driver.connect(NoTls).await.ok()?;
    tokio::spawn(connection);
    Some(client)
}

/// How many attempts there were in each tick.
async fn attempts(wire: Arc<Proxy>, counts: Arc<Mutex<Vec<u64>>>, mut stopped: watch::Receiver<bool>) {
    let mut before = wire.accepted();
    let mut ticks = tokio::time::interval(TICK);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            _ = stopped.wait_for(|stopped| *stopped) => return,
        }
        let now = wire.accepted();
        counts.lock().push(now - before);
        before = now;
    }
}

/// When each second ended, one for each tick, and the attempts in it.
fn in_each_second(counts: &[u64]) -> Vec<(f64, u64)> {
    let ends = (SECOND..).map(|ticks| (TICK * ticks as u32).as_secs_f64());
    ends.zip(counts.windows(SECOND).map(|second| second.iter().sum())).collect()
}

/// From this tick on.
fn most_in_a_second(counts: &[u64], from: usize) -> u64 {
    let counts = counts.get(from..).unwrap_or_default();
    counts.windows(SECOND).map(|second| second.iter().sum()).max().unwrap_or(0)
}

fn few(most: u64) -> Found {
    found(most <= FEW, format!("{} in the busiest second", count(most)))
}
