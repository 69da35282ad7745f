//! What the lanes run on, and what is done to it: one private server, and a wire to it for each lane.
//!
//! Whatever happens happens to both lanes alike, at one time and from one seed. A server that was killed is started
//! again a second later, in a task of its own, so that the screen goes on and further troubles may come meanwhile; a
//! trouble for a server that is away at the time comes to nothing, and that is said.
//!
//! However the demo ends, this is what ends last: dropped, it thaws the server, closes the wires and stops the server,
//! in this order. If the whole program is killed, the server's own watchdog stops it.

use super::request::TABLE;
use anyhow::{Context, Result, ensure};
use plimsoll_embedded::{Cluster, StopMode};
use plimsoll_faults::{Process, Proxy, What};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;
use tokio::time::sleep;

/// How long a killed server stays away before it is started again.
const AWAY: Duration = Duration::from_secs(1);
/// How long the last transaction of a closed pool may take to end.
const QUIET: Duration = Duration::from_secs(20);
/// How often the server is asked whether it has.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Something that is broken now.
#[derive(Clone, Debug)]
pub(super) struct Broken {
    /// In a few words.
    pub(super) what: String,
    /// Since when.
    pub(super) since: Instant,
    /// What it belongs to.
    pub(super) of: Part,
}

/// What a trouble belongs to, and with what it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// The wires between the lanes and the server.
    Wire,
    /// The server.
    Server,
    /// What the lanes are asked to do.
    Load,
}

enum Server {
    Up(Process),
    Killed(Instant),
    Starting(JoinHandle<plimsoll_embedded::Result<()>>),
}

/// The server and the wires.
pub(super) struct Stage {
    // The order of the fields is the order in which they are dropped.
    server: Server,
    wires: [Proxy; 2],
    broken: Vec<Broken>,
    cluster: Arc<Cluster>,
}

impl Stage {
    /// Starts the server, makes the table, and stretches the wires. Dropped before it is done, nothing is left.
    pub(super) async fn set(connections: usize) -> Result<Self> {
        let cluster = Cluster::builder()
            .setting("max_connections", (connections + 20).to_string())
            .start()
            .await
            .context("the private server of the demo")?;
        cluster.execute("postgres", TABLE).await?;
        let first = Proxy::in_front_of((cluster.host(), cluster.port())).await?;
        let second = Proxy::seeded((cluster.host(), cluster.port()), first.seed()).await?;
        let server = Server::Up(attach(&cluster)?);
        Ok(Stage { server, wires: [first, second], broken: Vec::new(), cluster: Arc::new(cluster) })
    }

    /// The server.
    pub(super) fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// Where each lane's wire begins.
    pub(super) fn ports(&self) -> [u16; 2] {
        let [first, second] = &self.wires;
        [first.port(), second.port()]
    }

    /// What is broken now, the oldest first.
    pub(super) fn broken(&self) -> &[Broken] {
        &self.broken
    }

    /// Does one step to the server or to both wires, and says what that came to.
    ///
    /// Dropped half-way, some processes may be stopped; the drop of the `Stage` thaws them.
    pub(super) async fn perform(&mut self, what: &What) -> Result<String> {
        match what {
            What::Freeze | What::Thaw | What::Kill => self.signal_the_server(what).await,
            What::Arm(fault) => {
                for wire in &self.wires {
                    wire.add(fault.clone());
                }
                self.breaks(what.to_string(), Part::Wire);
                Ok(format!("{what}, on both wires"))
            }
            What::ArmOnce(fault) => {
                for wire in &self.wires {
                    wire.add_once(fault.clone());
                }
                Ok(format!("{what}, on both wires"))
            }
            What::End(how) => {
                let [first, second] = &self.wires;
                let cut = first.end_all(*how) + second.end_all(*how);
                Ok(format!("{what}: {cut} connections"))
            }
            What::Heal => {
                self.wires.iter().for_each(Proxy::heal);
                self.broken.retain(|broken| broken.of != Part::Wire);
                Ok("the wires are healed".to_owned())
            }
            other => Ok(format!("{other}: this demo does not know how; nothing was done")),
        }
    }

    async fn signal_the_server(&mut self, what: &What) -> Result<String> {
        let Server::Up(process) = &self.server else {
            return Ok(format!("{what} comes to nothing: the server is away"));
        };
        match what {
            What::Freeze => {
                let many = process.freeze().await?;
                if !self.broken.iter().any(|broken| broken.of == Part::Server) {
                    self.breaks("server frozen".to_owned(), Part::Server);
                }
                Ok(format!("the server is frozen: {many} processes stand still"))
            }
            What::Kill => {
                let many = process.kill().await?;
                self.server = Server::Killed(Instant::now());
                self.broken.retain(|broken| broken.of != Part::Server);
                self.breaks("server killed".to_owned(), Part::Server);
                Ok(format!("the server is killed: {many} processes"))
            }
            _ => {
                process.thaw()?;
                self.broken.retain(|broken| broken.of != Part::Server);
                Ok("the server is thawed".to_owned())
            }
        }
    }

    fn breaks(&mut self, what: String, of: Part) {
        self.broken.push(Broken { what, since: Instant::now(), of });
    }

    /// The load is more than can be served, or is so no longer.
    pub(super) fn rushes(&mut self, is_rush: bool) {
        self.broken.retain(|broken| broken.of != Part::Load);
        if is_rush {
            self.breaks("five times the capacity".to_owned(), Part::Load);
        }
    }

    /// Brings a killed server back when its time has come; says so when it is there. To be called a few times a second.
    ///
    /// Dropped, it has changed nothing that the next call does not find.
    pub(super) async fn tend(&mut self) -> Result<Option<String>> {
        match &mut self.server {
            Server::Killed(since) if since.elapsed() >= AWAY => {
                let cluster = Arc::clone(&self.cluster);
                self.server = Server::Starting(tokio::spawn(async move { cluster.start_again().await }));
                Ok(None)
            }
            Server::Starting(start) if start.is_finished() => {
                start.await?.context("starting the killed server again")?;
                self.server = Server::Up(attach(&self.cluster)?);
                self.broken.retain(|broken| broken.of != Part::Server);
                Ok(Some("the server is back".to_owned()))
            }
            _ => Ok(None),
        }
    }

    /// Makes everything whole, and waits until the server is there.
    ///
    /// Dropped half-way, some of it is whole.
    pub(super) async fn lift_everything(&mut self) -> Result<()> {
        self.perform(&What::Heal).await?;
        if let Server::Killed(since) = &mut self.server {
            // It need not be away for long any more.
            *since = since.checked_sub(AWAY).unwrap_or(*since);
        }
        while !matches!(self.server, Server::Up(_)) {
            self.tend().await?;
            sleep(LOOK_AGAIN).await;
        }
        self.perform(&What::Thaw).await.map(drop)
    }

    /// The ids that a lane has stored, read when the last transaction of both has ended.
    ///
    /// Dropped, it has changed nothing.
    pub(super) async fn stored(&self, lane: &str) -> Result<Vec<u64>> {
        self.until_quiet().await?;
        let sql = format!("select id from ledger where lane = '{lane}'");
        let rows = self.cluster.execute("postgres", &sql).await?;
        let ids: Option<Vec<u64>> = rows.iter().map(|row| row.get("id")?.parse().ok()).collect();
        ids.context("the ledger holds something that is no id")
    }

    /// What is still under way might store something after it was counted.
    async fn until_quiet(&self) -> Result<()> {
        let others = "select count(*) as n from pg_stat_activity
            where backend_type = 'client backend' and pid <> pg_backend_pid()";
        let deadline = Instant::now() + QUIET;
        loop {
            let rows = self.cluster.execute("postgres", others).await?;
            let left = rows.first().and_then(|row| row.get("n")).context("the server counted nothing")?;
            if left == "0" {
                return Ok(());
            }
            ensure!(
                Instant::now() < deadline,
                "{left} connections of closed pools are still there after {QUIET:?}; the ledger cannot be read"
            );
            sleep(LOOK_AGAIN).await;
        }
    }

    /// Stops the server and removes what was its own. Dropped before it is done, that happens all the same.
    pub(super) async fn strike(self) -> Result<()> {
        self.cluster.stop_mode(StopMode::Immediate).await?;
        Ok(())
    }
}

fn attach(cluster: &Cluster) -> Result<Process> {
    let postmaster = cluster.pid().context("the private server has gone by itself")?;
    Ok(Process::attach_tree(postmaster)?)
}
