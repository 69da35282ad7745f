//! A PgBouncer that runs, and what may be done to it: stop it, start it again, ask its console.

use super::upstream::Upstream;
use super::{ini, program};
use crate::error::{Error, Result};
use crate::pgbouncer_version::PgBouncerVersion;
use crate::port::HOST;
use crate::root::RunAs;
use crate::sql::{Host, Row, Target};
use crate::watchdog::{Starting, Watchdog};
use crate::{folder, process, url};
use rustix::process::Signal;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const START_PATIENCE: Duration = Duration::from_secs(10);

/// From here on it is killed rather than asked; a newer PgBouncer that is asked waits for its clients.
const STOP_PATIENCE: Duration = Duration::from_millis(500);

/// A running PgBouncer. Dropped, it is killed and its folder removed; if its owner is killed, a watchdog does the same.
#[derive(Debug)]
pub struct PgBouncer {
    pub(super) program: PathBuf,
    pub(super) run_as: RunAs,
    pub(super) folder: PathBuf,
    pub(super) port: u16,
    pub(super) upstream: Upstream,
    pub(super) starting: Starting,
    pub(super) _watchdog: Watchdog,
}

impl PgBouncer {
    /// Always 127.0.0.1.
    pub fn host(&self) -> &'static str {
        HOST
    }

    /// The port; the same for as long as this lives.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// A connection URL, through PgBouncer, for the user of the server behind it.
    pub fn url(&self, database: &str) -> String {
        url::tcp(&self.upstream.user, &self.upstream.password, HOST, self.port, database)
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

    /// Runs a command of the admin console, such as `RECONNECT`, `PAUSE` or `SHOW POOLS`, and returns its rows as text.
    /// Dropped before it is done, the command may or may not have happened.
    pub async fn admin(&self, command: &str) -> Result<Vec<Row>> {
        let target = Target {
            host: Host::Tcp(HOST.into()),
            port: self.port,
            user: self.upstream.user.clone(),
            password: self.upstream.password.clone(),
        };
        target.run("pgbouncer", command, &format!("run {command:?} on PgBouncer's console")).await
    }

    /// Has it take this user in with another password from now on, and come to the server with it; adds the user if
    /// there is none of that name. The server is to be told by itself. Dropped before it is done, either may be in force.
    pub async fn change_password(&self, user: &str, password: &str) -> Result<()> {
        ini::change_password(&self.folder, &self.run_as, user, password)?;
        self.admin("RELOAD").await.map(drop)
    }

    /// Stops it, and removes its folder. Dropped before it is done, it is stopped all the same.
    pub async fn stop(self) -> Result<()> {
        self.end().await;
        // Killed, it had no time to remove this, by which the watchdog would think that it runs.
        let _already_gone = std::fs::remove_file(self.folder.join("pid"));
        Ok(())
    }

    /// Stops it (as a crash would) and starts it again on the same port. Dropped before it is done, it may be in any of
    /// the states between.
    pub async fn restart(&self) -> Result<()> {
        self.end().await;
        self.run().await
    }

    /// Stops it and starts one of another kind on the same port, with the same configuration, as an upgrade does. Dropped
    /// before it is done, it may be in any of the states between.
    pub async fn restart_as(&mut self, version: PgBouncerVersion) -> Result<()> {
        let program = program::find(Some(version))?;
        self.end().await;
        self.program = program;
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

    async fn end(&self) {
        let Some(pid) = self.pid() else { return };
        process::signal(pid, Signal::CONT);
        process::signal(pid, Signal::TERM);
        let ask_until = Instant::now() + STOP_PATIENCE;
        while process::is_alive(pid) {
            if Instant::now() > ask_until {
                process::signal(pid, Signal::KILL);
            }
            tokio::time::sleep(process::POLL / 2).await;
        }
    }

    /// Starts it as a daemon, so that it is no child of ours, and waits until its console answers.
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
        command.args(["-q", "-d"]).arg(ini::file(&self.folder));
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
            if self.pid().is_some() && self.is_alive().await && self.admin("SHOW VERSION").await.is_ok() {
                return Ok(());
            }
            let said = folder::since(log, before);
            if said.contains("FATAL") || said.contains("Address already in use") {
                return Err(self.failure(&said));
            }
            if Instant::now() > deadline {
                let (doing, seconds) = ("starting PgBouncer".into(), START_PATIENCE.as_secs());
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
            .contains("unknown parameter")
            .then_some("a setting is misspelt, or this version does not know it");
        Error::Failed {
            doing: "starting PgBouncer".into(),
            hint: hint.map(String::from),
            log: log.trim().to_owned(),
        }
    }
}
