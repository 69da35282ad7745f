//! A program that runs as a daemon in a folder of its own: PgBouncer and Mosquitto are started, watched and ended alike, and
//! what they differ in is a [`Kind`].
//!
//! As a daemon it is no child of ours; its pid file tells where it is, and the watchdog ends it with its owner.

use crate::error::{Error, Result};
use crate::root::RunAs;
use crate::watchdog::{Starting, Watchdog};
use crate::{folder, port, process};
use rustix::process::Signal;
use std::ffi::OsString;
use std::future::Future;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const START_PATIENCE: Duration = Duration::from_secs(10);

/// How often another port is tried when another program was quicker.
const PORT_TRIES: usize = 10;

/// What two such programs differ in.
#[derive(Debug)]
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    /// What the name of its folder begins with.
    pub(crate) prefix: &'static str,
    /// What it is started with, in this folder.
    pub(crate) arguments: fn(&Path) -> Vec<OsString>,
    /// From here on it is killed rather than asked.
    pub(crate) stop_patience: Duration,
    /// Words in its log after which it will not come up.
    pub(crate) fatal: &'static [&'static str],
    /// What its log says of a setting that it does not know.
    pub(crate) unknown_setting: &'static str,
}

/// One that runs. Dropped, it is killed and its folder removed.
#[derive(Debug)]
pub(crate) struct Daemon {
    kind: &'static Kind,
    pub(crate) program: PathBuf,
    pub(crate) run_as: RunAs,
    pub(crate) folder: PathBuf,
    pub(crate) port: u16,
    starting: Starting,
    _watchdog: Watchdog,
}

impl Daemon {
    /// A folder for it, with what watches over it. It does not run yet.
    pub(crate) fn new(kind: &'static Kind, program: PathBuf) -> Result<Self> {
        let run_as = RunAs::choose(None)?;
        let temporary = folder::temporary(kind.prefix, false, &run_as)?;
        let folder = temporary.path().to_owned();
        let starting = Starting::default();
        let _watchdog = Watchdog::over_daemon(&folder.join("pid"), &folder, &run_as, starting.clone())?;
        let _watched_from_now_on = temporary.keep();
        Ok(Daemon { kind, program, run_as, folder, port: 0, starting, _watchdog })
    }

    /// Takes another free port.
    pub(crate) fn take_port(&mut self) -> Result<()> {
        self.port = port::free()?;
        Ok(())
    }

    /// Whether another port is tried after so many tries: another program was quicker.
    pub(crate) fn tries_another_port(error: &Error, tries: usize) -> bool {
        error.is_port_taken() && tries < PORT_TRIES
    }

    pub(crate) fn pid(&self) -> Option<u32> {
        let pid = std::fs::read_to_string(self.folder.join("pid")).ok()?.trim().parse().ok()?;
        process::runs_on(pid, &self.folder).then_some(pid)
    }

    /// Whether the process is there (and not a zombie) and takes connections.
    pub(crate) async fn is_alive(&self) -> bool {
        let connect = tokio::net::TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
        self.pid().is_some()
            && matches!(tokio::time::timeout(Duration::from_secs(1), connect).await, Ok(Ok(_)))
    }

    pub(crate) fn log_tail(&self) -> String {
        folder::tail(&self.folder.join("log"))
    }

    /// Ends it by this signal, and waits until it is gone.
    pub(crate) async fn end(&self, how: Signal) {
        let Some(pid) = self.pid() else { return };
        process::signal(pid, Signal::CONT);
        process::signal(pid, how);
        let ask_until = Instant::now() + self.kind.stop_patience;
        while process::is_alive(pid) {
            if Instant::now() > ask_until {
                process::signal(pid, Signal::KILL);
            }
            tokio::time::sleep(process::POLL / 2).await;
        }
    }

    /// Ends it for good.
    pub(crate) async fn stop(&self) {
        self.end(Signal::TERM).await;
        // Killed, it had no time to remove this, by which the watchdog would think that it runs.
        let _already_gone = std::fs::remove_file(self.folder.join("pid"));
    }

    /// Starts it, and waits until it takes connections and `answers`.
    pub(crate) async fn run<F, Fut>(&self, answers: F) -> Result<()>
    where
        F: Fn() -> Fut,
        Fut: Future<Output = bool>,
    {
        self.starting.set(true);
        let started = self.run_and_wait(answers).await;
        self.starting.set(false);
        started
    }

    async fn run_and_wait<F, Fut>(&self, answers: F) -> Result<()>
    where
        F: Fn() -> Fut,
        Fut: Future<Output = bool>,
    {
        let _stale = std::fs::remove_file(self.folder.join("pid"));
        let log = self.folder.join("log");
        let before = std::fs::metadata(&log).map(|about| about.len()).unwrap_or_default();
        let mut command = self.run_as.command(&self.program, &self.folder);
        command.args((self.kind.arguments)(&self.folder));
        let mut command = tokio::process::Command::from(command);
        command.stdin(std::process::Stdio::null()).kill_on_drop(true);
        let output = command.output().await.map_err(Error::io("run", &self.program))?;
        if !output.status.success() {
            let said = folder::since(&log, before) + &String::from_utf8_lossy(&output.stderr);
            return Err(self.failure(&said));
        }
        let deadline = Instant::now() + START_PATIENCE;
        loop {
            if self.is_alive().await && answers().await {
                return Ok(());
            }
            let said = folder::since(&log, before);
            if self.kind.fatal.iter().any(|words| said.contains(words)) {
                return Err(self.failure(&said));
            }
            if Instant::now() > deadline {
                return Err(Error::TooSlow {
                    doing: self.doing(),
                    seconds: START_PATIENCE.as_secs(),
                    log: said,
                });
            }
            tokio::time::sleep(process::POLL / 2).await;
        }
    }

    fn doing(&self) -> String {
        format!("starting {}", self.kind.name)
    }

    fn failure(&self, log: &str) -> Error {
        if log.contains("Address already in use") {
            return Error::PortTaken { port: self.port };
        }
        let is_misspelt = log.contains(self.kind.unknown_setting);
        let hint = is_misspelt.then_some("a setting is misspelt, or this version does not know it");
        Error::Failed { doing: self.doing(), hint: hint.map(String::from), log: log.trim().to_owned() }
    }
}
