//! A Mosquitto that runs, and what may be done to it: stop it, kill it, start it again.

use super::builder::MosquittoBuilder;
use super::{configuration, program};
use crate::error::{Error, Result};
use crate::port::HOST;
use crate::root::RunAs;
use crate::watchdog::{Starting, Watchdog};
use crate::{folder, process, url};
use rustix::process::Signal;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const START_PATIENCE: Duration = Duration::from_secs(10);

/// From here on it is killed rather than asked.
const STOP_PATIENCE: Duration = Duration::from_secs(3);

/// A running Mosquitto on a free port of this machine, with one user. Dropped, it is killed and its folder removed; if its
/// owner is killed, a watchdog does the same.
///
/// ```no_run
/// # async fn example() -> plimsoll_embedded::Result<()> {
/// let broker = plimsoll_embedded::Mosquitto::start().await?;
/// println!("{}", broker.url());               // mqtt://fleet:..@127.0.0.1:port
/// broker.kill().await;                        // as a crash would; what came in the last second may be lost
/// broker.start_again().await?;                // on the same port, with the sessions that were written down
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Mosquitto {
    pub(super) program: PathBuf,
    pub(super) run_as: RunAs,
    pub(super) folder: PathBuf,
    pub(super) port: u16,
    pub(super) password: String,
    pub(super) starting: Starting,
    pub(super) _watchdog: Watchdog,
}

impl Mosquitto {
    /// Starts one as it is by default: see [`Mosquitto::builder`].
    pub async fn start() -> Result<Self> {
        Mosquitto::builder().start().await
    }

    /// Keeps sessions and messages on disk, saved every second, and holds any number of messages for clients that are away.
    pub fn builder() -> MosquittoBuilder {
        MosquittoBuilder::default()
    }

    /// Whether this machine has one.
    pub fn is_installed() -> bool {
        program::find().is_ok()
    }

    /// Always 127.0.0.1.
    pub fn host(&self) -> &'static str {
        HOST
    }

    /// The port; the same for as long as this lives.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The name of its one user.
    pub fn user(&self) -> &'static str {
        configuration::USER
    }

    /// The password of its one user.
    pub fn password(&self) -> &str {
        &self.password
    }

    /// `mqtt://user:password@host:port`
    pub fn url(&self) -> String {
        format!("mqtt://{}:{}@{HOST}:{}", self.user(), url::escape(&self.password), self.port)
    }

    /// Its process, while it runs.
    pub fn pid(&self) -> Option<u32> {
        let pid = std::fs::read_to_string(self.folder.join("pid")).ok()?.trim().parse().ok()?;
        process::runs_on(pid, &self.folder).then_some(pid)
    }

    /// Whether the process is there (and not a zombie) and takes connections. Dropped before it is done, nothing is
    /// changed.
    pub async fn is_alive(&self) -> bool {
        let connect = tokio::net::TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
        self.pid().is_some()
            && matches!(tokio::time::timeout(Duration::from_secs(1), connect).await, Ok(Ok(_)))
    }

    /// When it wrote down last what it holds. What it took before that, it still has after a crash.
    pub fn saved_at(&self) -> Option<std::time::SystemTime> {
        std::fs::metadata(self.folder.join("mosquitto.db")).ok()?.modified().ok()
    }

    /// Ends it as a crash would (SIGKILL), and waits until it is gone. What it holds stays in its folder, as it was written
    /// last. Dropped before it is done, it is killed all the same.
    pub async fn kill(&self) {
        self.end(Signal::KILL).await;
    }

    /// Stops it in order, and removes its folder. Dropped before it is done, it is stopped all the same.
    pub async fn stop(self) -> Result<()> {
        self.end(Signal::TERM).await;
        // Killed, it had no time to remove this, by which the watchdog would think that it runs.
        let _already_gone = std::fs::remove_file(self.folder.join("pid"));
        Ok(())
    }

    /// Stops it in order and starts it again on the same port, with what it held. Dropped before it is done, it may be in
    /// any of the states between.
    pub async fn restart(&self) -> Result<()> {
        self.end(Signal::TERM).await;
        self.run().await
    }

    /// Starts it again after it died. Does nothing if it runs. Dropped before it is done, it may still come up.
    pub async fn start_again(&self) -> Result<()> {
        if self.pid().is_some() { Ok(()) } else { self.run().await }
    }

    /// The end of its log.
    pub fn log_tail(&self) -> String {
        folder::tail(&self.folder.join("log"))
    }

    async fn end(&self, how: Signal) {
        let Some(pid) = self.pid() else { return };
        process::signal(pid, Signal::CONT);
        process::signal(pid, how);
        let ask_until = Instant::now() + STOP_PATIENCE;
        while process::is_alive(pid) {
            if Instant::now() > ask_until {
                process::signal(pid, Signal::KILL);
            }
            tokio::time::sleep(process::POLL / 2).await;
        }
    }

    /// Starts it as a daemon, so that it is no child of ours, and waits until it takes connections.
    pub(super) async fn run(&self) -> Result<()> {
        self.starting.set(true);
        let started = self.run_and_wait().await;
        self.starting.set(false);
        started
    }

    async fn run_and_wait(&self) -> Result<()> {
        let _stale = std::fs::remove_file(self.folder.join("pid"));
        let log = self.folder.join("log");
        let before = std::fs::metadata(&log).map(|about| about.len()).unwrap_or_default();
        let mut command = self.run_as.command(&self.program, &self.folder);
        command.arg("-d").arg("-c").arg(configuration::file(&self.folder));
        let mut command = tokio::process::Command::from(command);
        command.stdin(std::process::Stdio::null()).kill_on_drop(true);
        let output = command.output().await.map_err(Error::io("run", &self.program))?;
        if !output.status.success() {
            let said = folder::since(&log, before) + &String::from_utf8_lossy(&output.stderr);
            return Err(self.failure(&said));
        }
        self.wait_until_it_answers(&log, before).await
    }

    async fn wait_until_it_answers(&self, log: &Path, before: u64) -> Result<()> {
        let deadline = Instant::now() + START_PATIENCE;
        loop {
            if self.is_alive().await {
                return Ok(());
            }
            let said = folder::since(log, before);
            if said.contains("Error: ") {
                return Err(self.failure(&said));
            }
            if Instant::now() > deadline {
                let (doing, seconds) = ("starting Mosquitto".into(), START_PATIENCE.as_secs());
                return Err(Error::TooSlow { doing, seconds, log: said });
            }
            tokio::time::sleep(process::POLL / 2).await;
        }
    }

    fn failure(&self, log: &str) -> Error {
        if log.contains("Address already in use") {
            return Error::PortTaken { port: self.port };
        }
        let hint = log
            .contains("Unknown configuration variable")
            .then_some("a setting is misspelt, or this version does not know it");
        Error::Failed {
            doing: "starting Mosquitto".into(),
            hint: hint.map(String::from),
            log: log.trim().to_owned(),
        }
    }
}
