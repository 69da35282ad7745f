//! What the lanes run on: one private server, and for each lane a database, a wire, and a pooler where there is one.

use crate::client::{Lane, Place};
use crate::fault::Fault;
use crate::op::{SETUP, STORED};
use anyhow::{Context, Result, bail};
use parking_lot::Mutex;
use plimsoll_embedded::{Cluster, PgBouncer, PgBouncerVersion, PoolMode, StopMode};
use plimsoll_faults::{Process, Proxy};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::time::{sleep, timeout};

/// How long whoever still works for a closed pool may take, before it is ended.
const QUIET: Duration = Duration::from_secs(20);
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// How soon a supervisor starts a pooler again that has died.
const SUPERVISED: Duration = Duration::from_millis(200);
/// How long a question to a server may take that is in trouble.
const ASKING: Duration = Duration::from_secs(2);

/// What stands between a program and its server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Way {
    /// Nothing.
    Direct,
    /// PgBouncer in transaction mode, of the kind that knows nothing of prepared statements.
    PgBouncer118,
    /// PgBouncer in transaction mode, of the kind that tracks the names of prepared statements.
    PgBouncer124,
}

impl Way {
    /// All of them.
    pub const ALL: &'static [Way] = &[Way::Direct, Way::PgBouncer118, Way::PgBouncer124];

    /// As it is said on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Way::Direct => "direct",
            Way::PgBouncer118 => "pgbouncer-1.18",
            Way::PgBouncer124 => "pgbouncer-1.24",
        }
    }

    /// Which PgBouncer that is.
    pub(crate) fn pooler(self) -> Option<PgBouncerVersion> {
        match self {
            Way::Direct => None,
            Way::PgBouncer118 => Some(PgBouncerVersion::V1_18),
            Way::PgBouncer124 => Some(PgBouncerVersion::V1_24),
        }
    }
}

/// One lane's way to the server.
pub(crate) struct Track {
    pub(crate) lane: Lane,
    pub(crate) wire: Proxy,
    pub(crate) pooler: Option<PgBouncer>,
}

/// The server and the tracks.
pub(crate) struct Stage {
    // The order of the fields is the order in which they are dropped.
    server: Mutex<Arc<Process>>,
    pub(crate) tracks: Vec<Track>,
    pub(crate) cluster: Arc<Cluster>,
}

impl Stage {
    /// Starts everything. Dropped before it is done, nothing is left.
    pub(crate) async fn set(fault: Fault, way: Way, lanes: &[Lane], seed: u64) -> Result<Self> {
        let mut builder = Cluster::builder().setting("deadlock_timeout", "100ms");
        for (name, value) in fault.server_settings(lanes.len()) {
            builder = builder.setting(name, value);
        }
        let cluster = Arc::new(builder.start().await.context("the private server of the ledger")?);
        cluster.create_database("stencil").await?;
        cluster.execute("stencil", SETUP).await?;
        if let Some(sql) = fault.schema() {
            cluster.execute("stencil", sql).await?;
        }
        let mut tracks = Vec::new();
        for lane in lanes {
            let make = format!("CREATE DATABASE {} TEMPLATE stencil", lane.database());
            cluster.execute("postgres", &make).await?;
            let pooler = match way.pooler() {
                None => None,
                Some(version) => Some(
                    PgBouncer::in_front_of(&*cluster)
                        .version(version)
                        .pool_mode(PoolMode::Transaction)
                        .setting("default_pool_size", "6")
                        .setting("max_client_conn", "400")
                        // It would not look for a server that is back for 15 s.
                        .setting("server_login_retry", "1")
                        .start()
                        .await?,
                ),
            };
            let port = pooler.as_ref().map_or(cluster.port(), PgBouncer::port);
            let wire = Proxy::seeded((cluster.host(), port), seed).await?;
            tracks.push(Track { lane: *lane, wire, pooler });
        }
        let server = Mutex::new(Arc::new(attach(&cluster)?));
        Ok(Stage { server, tracks, cluster })
    }

    /// Where a lane's pool connects to.
    pub(crate) fn place(&self, track: &Track) -> Place {
        Place {
            port: track.wire.port(),
            user: self.cluster.superuser().to_owned(),
            password: self.cluster.password().to_owned(),
            database: track.lane.database(),
            is_pooled: track.pooler.is_some(),
        }
    }

    /// The server's processes.
    pub(crate) fn server(&self) -> Arc<Process> {
        Arc::clone(&self.server.lock())
    }

    /// The server has been started again.
    pub(crate) fn server_is_another(&self) -> Result<()> {
        *self.server.lock() = Arc::new(attach(&self.cluster)?);
        Ok(())
    }

    /// Does something to every wire.
    pub(crate) fn wires(&self, mut act: impl FnMut(&Proxy)) {
        self.tracks.iter().for_each(|track| act(&track.wire));
    }

    /// The poolers.
    pub(crate) fn poolers(&self) -> impl Iterator<Item = &PgBouncer> {
        self.tracks.iter().filter_map(|track| track.pooler.as_ref())
    }

    /// Asks the server past wires and poolers. It may be in trouble, and then there is no answer.
    pub(crate) async fn ask(&self, database: &str, sql: &str) -> Option<Vec<plimsoll_embedded::Row>> {
        timeout(ASKING, self.cluster.execute(database, sql)).await.ok()?.ok()
    }

    /// Starts a pooler again that died by itself, as its supervisor would, and says so. Without an end.
    pub(crate) async fn keep_poolers(&self, fault: Fault) -> Result<()> {
        loop {
            sleep(SUPERVISED).await;
            for track in self.tracks.iter().filter(|_| fault != Fault::PoolerRestarted) {
                let Some(pooler) = track.pooler.as_ref().filter(|pooler| pooler.pid().is_none()) else {
                    continue;
                };
                let last = pooler.log_tail();
                let last = last.lines().last().unwrap_or_default();
                eprintln!("the pooler of {} died and is started again: {last}", track.lane.name());
                pooler.start_again().await?;
            }
        }
    }

    /// Makes everything whole and waits until the server answers.
    pub(crate) async fn heal(&self) -> Result<()> {
        self.server().thaw()?;
        self.wires(Proxy::heal);
        if !self.cluster.is_running() {
            self.cluster.start_again().await?;
            self.server_is_another()?;
        }
        for pooler in self.poolers() {
            pooler.start_again().await?;
            // Refused where it was not paused.
            let _ = pooler.admin("RESUME").await;
        }
        let until = Instant::now() + QUIET;
        while self.ask("postgres", "SELECT 1").await.is_none() {
            if Instant::now() > until {
                bail!("the server was healed {QUIET:?} ago and does not answer: {}", self.cluster.log_tail());
            }
            sleep(LOOK_AGAIN).await;
        }
        Ok(())
    }

    /// What each lane has stored, once nobody works for it any more. Its pools are closed by now; poolers are stopped
    /// here, and sessions that stay all the same are ended after a while.
    pub(crate) async fn stored(&mut self) -> Result<Vec<Vec<i64>>> {
        for track in &mut self.tracks {
            if let Some(pooler) = track.pooler.take() {
                pooler.stop().await?;
            }
        }
        let others = "SELECT count(*) AS n FROM pg_stat_activity
            WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()";
        let until = Instant::now() + QUIET;
        loop {
            let rows = self.cluster.execute("postgres", others).await?;
            if rows.first().and_then(|row| row.get("n")).is_some_and(|n| n == "0") {
                break;
            }
            if Instant::now() > until {
                let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                    WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()";
                self.cluster.execute("postgres", end).await?;
            }
            sleep(LOOK_AGAIN).await;
        }
        let mut stored = Vec::new();
        for track in &self.tracks {
            let rows = self.cluster.execute(track.lane.database(), STORED).await?;
            let ids: Option<Vec<i64>> = rows.iter().map(|row| row.get("id")?.parse().ok()).collect();
            stored.push(ids.context("the ledger holds something that is no id")?);
        }
        Ok(stored)
    }

    /// Stops the server and removes what was its own.
    pub(crate) async fn strike(self) -> Result<()> {
        self.cluster.stop_mode(StopMode::Immediate).await?;
        Ok(())
    }
}

fn attach(cluster: &Cluster) -> Result<Process> {
    let postmaster = cluster.pid().context("the private server has gone by itself")?;
    Ok(Process::attach_tree(postmaster)?)
}

/// The versions of the server and of the poolers that plays run on, in words; with those ways that can be played here,
/// and why the others cannot.
#[derive(Clone, Debug, Default)]
pub struct There {
    /// `PostgreSQL 15, PgBouncer 1.18.0`
    pub versions: String,
    /// Which can be played.
    pub ways: Vec<Way>,
    /// Which cannot, and why.
    pub missing: Vec<(Way, String)>,
}

impl There {
    /// Looks, by starting each.
    ///
    /// # Errors
    /// The server could not be started.
    ///
    /// # Cancel safety
    /// Dropped, nothing is left.
    pub async fn among(ways: &[Way]) -> Result<Self> {
        let cluster = Cluster::start().await?;
        let mut there = There { versions: format!("PostgreSQL {}", cluster.version()), ..There::default() };
        for way in ways {
            if let Some(version) = way.pooler() {
                match PgBouncer::in_front_of(&cluster).version(version).start().await {
                    Ok(pooler) => {
                        let rows = pooler.admin("SHOW VERSION").await?;
                        let said = rows.first().and_then(|row| row.values().next().cloned());
                        there.versions.push_str(&format!(", {}", said.unwrap_or_default()));
                    }
                    Err(error) => {
                        there.missing.push((*way, error.to_string()));
                        continue;
                    }
                }
            }
            there.ways.push(*way);
        }
        Ok(there)
    }
}
