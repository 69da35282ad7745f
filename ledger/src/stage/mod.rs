//! What the lanes run on: a private server, and for each lane a database, a wire, and a pooler where there is one.

mod quiet;
mod servers;
mod way;

use crate::client::{Lane, Place};
use crate::fault::Fault;
use crate::op::{SETUP, STORED};
use anyhow::{Context, Result};
use futures_util::future::join_all;
use parking_lot::Mutex;
use plimsoll_embedded::{PgBouncer, PgBouncerBuilder, PoolMode};
use plimsoll_faults::Proxy;
pub(crate) use servers::Servers;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::sleep;
pub use way::{There, Way};

/// How soon a supervisor starts a pooler again that has died.
const SUPERVISED: Duration = Duration::from_millis(200);
/// As whom programs come whose password changes; the superuser's own stays, since the ledger itself needs it.
const CHANGING: &str = "changing";

/// One lane's way to the server.
pub(crate) struct Track {
    pub(crate) lane: Lane,
    wire: Mutex<Arc<Proxy>>,
    pub(crate) poolers: Vec<PgBouncer>,
    deaths: AtomicU64,
}

impl Track {
    /// The wire between the program and what it connects to.
    pub(crate) fn wire(&self) -> Arc<Proxy> {
        Arc::clone(&self.wire.lock())
    }
}

/// The servers and the tracks.
pub(crate) struct Stage {
    // The order of the fields is the order in which they are dropped.
    pub(crate) tracks: Vec<Track>,
    pub(crate) servers: Servers,
    /// The password of [`CHANGING`], where a fault changes it.
    changing: Option<Mutex<String>>,
    /// Held by the task that starts poolers again, so that no two do at once.
    restarting: tokio::sync::Mutex<()>,
    seed: u64,
}

impl Stage {
    /// Starts everything. Dropped before it is done, nothing is left.
    pub(crate) async fn set(fault: Fault, way: Way, lanes: &[Lane], seed: u64) -> Result<Self> {
        let servers = Servers::start(fault, lanes.len(), seed).await?;
        let cluster = servers.primary();
        cluster.create_database("stencil").await?;
        cluster.execute("stencil", SETUP).await?;
        if let Some(sql) = fault.schema() {
            cluster.execute("stencil", sql).await?;
        }
        let changing = (fault == Fault::AddressAndPassword).then(|| Mutex::new("first".to_owned()));
        if changing.is_some() {
            let role = format!("CREATE ROLE {CHANGING} LOGIN SUPERUSER PASSWORD 'first'");
            cluster.execute("postgres", &role).await?;
        }
        let mut tracks = Vec::new();
        for lane in lanes {
            let make = format!("CREATE DATABASE {} TEMPLATE stencil", lane.database());
            cluster.execute("postgres", &make).await?;
            let mut poolers = Vec::new();
            if let Some(version) = way.pooler() {
                for _ in 0..fault.poolers() {
                    let pooler = PgBouncer::in_front_of(servers.upstream()).version(version);
                    poolers.push(as_ever(pooler).user(CHANGING, "first").start().await?);
                }
            }
            let wire = wire(&poolers, &servers, seed).await?;
            tracks.push(Track { lane: *lane, wire, poolers, deaths: AtomicU64::new(0) });
        }
        servers.follow().await?;
        Ok(Stage { tracks, servers, changing, restarting: tokio::sync::Mutex::default(), seed })
    }

    /// Where a lane's pool connects to now.
    pub(crate) fn place(&self, track: &Track) -> Place {
        let cluster = self.servers.primary();
        let (user, password) = match &self.changing {
            None => (cluster.superuser().to_owned(), cluster.password().to_owned()),
            Some(password) => (CHANGING.to_owned(), password.lock().clone()),
        };
        Place {
            port: track.wire().port(),
            user,
            password,
            database: track.lane.database(),
            is_pooled: !track.poolers.is_empty(),
        }
    }

    /// The login of all programs has another password from now on, at the server and at the poolers.
    pub(crate) async fn change_password(&self, password: &str) -> Result<()> {
        let changing = self.changing.as_ref().context("the password of this fault does not change")?;
        let sql = format!("ALTER ROLE {CHANGING} PASSWORD '{password}'");
        self.servers.primary().execute("postgres", &sql).await?;
        for pooler in self.poolers() {
            pooler.change_password(CHANGING, password).await?;
        }
        password.clone_into(&mut changing.lock());
        Ok(())
    }

    /// Each lane's server has another address from now on; gives the wires that led to it by the old ones.
    pub(crate) async fn move_away(&self) -> Result<Vec<Arc<Proxy>>> {
        let mut old = Vec::new();
        for track in &self.tracks {
            let new = wire(&track.poolers, &self.servers, self.seed).await?.into_inner();
            old.push(std::mem::replace(&mut *track.wire.lock(), new));
        }
        Ok(old)
    }

    /// Does something to every wire.
    pub(crate) fn wires(&self, mut act: impl FnMut(&Proxy)) {
        self.tracks.iter().for_each(|track| act(&track.wire()));
    }

    /// The poolers.
    pub(crate) fn poolers(&self) -> impl Iterator<Item = &PgBouncer> {
        self.tracks.iter().flat_map(|track| &track.poolers)
    }

    /// Kills every pooler and starts it again.
    pub(crate) async fn restart_poolers(&self) -> Result<()> {
        let _no_other = self.restarting.lock().await;
        for restarted in join_all(self.poolers().map(PgBouncer::restart)).await {
            restarted?;
        }
        Ok(())
    }

    /// Starts poolers again that died by themselves, as their supervisor would, says so and counts it. Without an end.
    pub(crate) async fn keep_poolers(&self) -> Result<()> {
        loop {
            sleep(SUPERVISED).await;
            self.revive_poolers().await?;
        }
    }

    async fn revive_poolers(&self) -> Result<()> {
        let _no_other = self.restarting.lock().await;
        for track in &self.tracks {
            for pooler in track.poolers.iter().filter(|pooler| pooler.pid().is_none()) {
                track.deaths.fetch_add(1, Ordering::Relaxed);
                let last = pooler.log_tail();
                let last = last.lines().last().unwrap_or_default();
                eprintln!("the pooler of {} died and is started again: {last}", track.lane.name());
                pooler.start_again().await?;
            }
        }
        Ok(())
    }

    /// Makes everything whole and waits until the server answers.
    pub(crate) async fn heal(&self) -> Result<()> {
        self.wires(Proxy::heal);
        self.servers.heal().await?;
        self.revive_poolers().await?;
        for pooler in self.poolers() {
            // Refused where it was not paused.
            let _ = pooler.admin("RESUME").await;
        }
        Ok(())
    }

    /// How often each lane's poolers have died by themselves.
    pub(crate) fn deaths(&self) -> Vec<u64> {
        self.tracks.iter().map(|track| track.deaths.load(Ordering::Relaxed)).collect()
    }

    /// What each lane has stored, once no task works for it any more. Its pools are closed by now; poolers are stopped
    /// here, and sessions that stay all the same are ended after a while.
    pub(crate) async fn stored(&mut self) -> Result<Vec<Vec<i64>>> {
        for track in &mut self.tracks {
            for pooler in track.poolers.drain(..) {
                pooler.stop().await?;
            }
        }
        self.all_quiet().await?;
        let cluster = self.servers.primary();
        let mut stored = Vec::new();
        for track in &self.tracks {
            let rows = cluster.execute(track.lane.database(), STORED).await?;
            let ids: Option<Vec<i64>> = rows.iter().map(|row| row.get("id")?.parse().ok()).collect();
            stored.push(ids.context("the ledger holds something that is no id")?);
        }
        Ok(stored)
    }

    /// Stops the servers and removes what was their own.
    pub(crate) async fn strike(self) -> Result<()> {
        self.servers.stop().await
    }
}

fn as_ever(pooler: PgBouncerBuilder) -> PgBouncerBuilder {
    pooler
        .pool_mode(PoolMode::Transaction)
        .setting("default_pool_size", "6")
        .setting("max_client_conn", "400")
        // It would not look for a server that is back for 15 s.
        .setting("server_login_retry", "1")
}

/// A wire to the poolers, in turn where there are several, or to the server.
async fn wire(poolers: &[PgBouncer], servers: &Servers, seed: u64) -> Result<Mutex<Arc<Proxy>>> {
    let local = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let wire = Proxy::seeded(local(servers.port()), seed).await?;
    if !poolers.is_empty() {
        wire.lead_to(poolers.iter().map(|pooler| local(pooler.port())))?;
    }
    Ok(Mutex::new(Arc::new(wire)))
}
