//! The server that is written to, and the one that follows it where a fault needs one.
//!
//! Where there are two, programs and poolers come to neither of them but to one address, a proxy of its own that leads to
//! the one, to the other, or to both in turn, as a name service or a balancer does.

use crate::fault::{Fault, Follower};
use anyhow::{Context, Result, bail};
use parking_lot::Mutex;
use plimsoll_embedded::{Cluster, ClusterBuilder, Row, StopMode, Upstream};
use plimsoll_faults::{Process, Proxy};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::time::{sleep, timeout};

/// How long a server that is whole may take to answer, and a standby to have caught up.
const QUIET: Duration = Duration::from_secs(20);
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// How long a question to a server may take that is in trouble.
const ASKING: Duration = Duration::from_secs(2);

/// One server, or two of which one follows the other.
pub(crate) struct Servers {
    // The order of the fields is the order in which they are dropped.
    process: Mutex<Arc<Process>>,
    address: Option<Proxy>,
    standby: Mutex<Option<Arc<Cluster>>>,
    primary: Mutex<Arc<Cluster>>,
    builder: ClusterBuilder,
    follower: Option<Follower>,
}

impl Servers {
    /// Starts what the fault needs. Dropped before it is done, nothing is left.
    pub(super) async fn start(fault: Fault, lanes: usize, seed: u64) -> Result<Self> {
        let mut builder = Cluster::builder().setting("deadlock_timeout", "100ms");
        for (name, value) in fault.server_settings(lanes) {
            builder = builder.setting(name, value);
        }
        let primary = builder.clone().start().await.context("the private server of the ledger")?;
        let follower = fault.follower();
        let address = match follower {
            None => None,
            Some(_) => Some(Proxy::seeded((primary.host(), primary.port()), seed).await?),
        };
        let process = Mutex::new(Arc::new(attach(&primary)?));
        let primary = Mutex::new(Arc::new(primary));
        Ok(Servers { process, address, standby: Mutex::default(), primary, builder, follower })
    }

    /// The one that is written to.
    pub(crate) fn primary(&self) -> Arc<Cluster> {
        Arc::clone(&self.primary.lock())
    }

    /// Its processes.
    pub(crate) fn process(&self) -> Arc<Process> {
        Arc::clone(&self.process.lock())
    }

    /// The one that follows.
    pub(crate) fn standby(&self) -> Result<Arc<Cluster>> {
        self.standby.lock().clone().context("no server follows the one that is written to")
    }

    /// Where programs and poolers come to.
    pub(super) fn upstream(&self) -> Upstream {
        let primary = self.primary();
        let port = self.address.as_ref().map_or(primary.port(), Proxy::port);
        Upstream::new(primary.host(), port, primary.superuser(), primary.password())
    }

    /// Where that is, as a port of this machine.
    pub(super) fn port(&self) -> u16 {
        self.address.as_ref().map_or_else(|| self.primary().port(), Proxy::port)
    }

    /// From now on the address leads to these, in turn.
    pub(crate) fn lead_to(&self, servers: &[&Cluster]) -> Result<()> {
        let address =
            self.address.as_ref().context("the servers of this fault have no address of their own")?;
        Ok(address
            .lead_to(servers.iter().map(|server| SocketAddr::from((Ipv4Addr::LOCALHOST, server.port()))))?)
    }

    /// Ends every connection that has come by the address.
    pub(crate) fn cut(&self) {
        if let Some(address) = &self.address {
            address.cut_all();
        }
    }

    /// Has another server follow the primary, where the fault needs one, and waits until it has caught up.
    pub(crate) async fn follow(&self) -> Result<()> {
        let Some(follower) = self.follower else { return Ok(()) };
        let primary = self.primary();
        let standby = self.builder.clone().standby_of(&primary).start().await.context("a standby")?;
        // Kept out of the copy: a promoted standby would wait for one that it does not have.
        let caught_up = match follower {
            Follower::Late => "state = 'streaming'",
            Follower::Synchronous => {
                let wait = "ALTER SYSTEM SET synchronous_standby_names = '*'";
                primary.execute("postgres", wait).await?;
                primary.reload().await?;
                "state = 'streaming' AND sync_state = 'sync'"
            }
        };
        let sql = format!("SELECT FROM pg_stat_replication WHERE {caught_up}");
        let until = Instant::now() + QUIET;
        while primary.execute("postgres", &sql).await?.is_empty() {
            if Instant::now() > until {
                bail!("a standby has not caught up in {QUIET:?}: {}", standby.log_tail());
            }
            sleep(LOOK_AGAIN).await;
        }
        *self.standby.lock() = Some(Arc::new(standby));
        Ok(())
    }

    /// The standby has been promoted and is the one that is written to; the old one is gone for good.
    pub(crate) fn succeed(&self) -> Result<()> {
        let standby = self.standby.lock().take().context("no server has taken the place of the old one")?;
        *self.process.lock() = Arc::new(attach(&standby)?);
        *self.primary.lock() = standby;
        Ok(())
    }

    /// The primary has been started again.
    pub(crate) fn is_another(&self) -> Result<()> {
        *self.process.lock() = Arc::new(attach(&self.primary())?);
        Ok(())
    }

    /// Asks the primary past wires and poolers. It may be in trouble, and then there is no answer.
    pub(crate) async fn ask(&self, database: &str, sql: &str) -> Option<Vec<Row>> {
        timeout(ASKING, self.primary().execute(database, sql)).await.ok()?.ok()
    }

    /// Makes the primary whole, leads everybody to it, and waits until it answers.
    pub(super) async fn heal(&self) -> Result<()> {
        self.process().thaw()?;
        let primary = self.primary();
        if !primary.is_running() {
            primary.start_again().await?;
            self.is_another()?;
        }
        if self.address.is_some() {
            self.lead_to(&[&primary])?;
        }
        let until = Instant::now() + QUIET;
        while self.ask("postgres", "SELECT 1").await.is_none() {
            if Instant::now() > until {
                bail!("the server was healed {QUIET:?} ago and does not answer: {}", primary.log_tail());
            }
            sleep(LOOK_AGAIN).await;
        }
        Ok(())
    }

    /// Stops everything.
    pub(super) async fn stop(self) -> Result<()> {
        let standby = self.standby.lock().take();
        for server in standby.into_iter().chain([self.primary()]) {
            server.stop_mode(StopMode::Immediate).await?;
        }
        Ok(())
    }
}

fn attach(cluster: &Cluster) -> Result<Process> {
    let postmaster = cluster.pid().context("the private server has gone by itself")?;
    Ok(Process::attach_tree(postmaster)?)
}
