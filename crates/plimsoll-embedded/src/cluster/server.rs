//! The commands that make, start and stop a server, and what their failures mean.
//!
//! `pg_ctl` starts it rather than we: it puts the server into a session of its own (no ^C reaches it), waits until it
//! answers, and leaves it to init, so that a server which crashes is not a zombie of ours.

use crate::binaries::Binaries;
use crate::error::{Error, Result};
use crate::root::RunAs;
use crate::sql::{Host, Target};
use crate::watchdog::{ServerToStop, Starting, Watchdog};
use crate::{folder, process};
use rustix::process::Signal;
use std::fs::File;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::{Duration, Instant};

/// Recovery after a crash of a kept server may take a while.
const START_SECONDS: u64 = 120;
const STOP_SECONDS: u64 = 60;

/// How long the backends of a killed postmaster may need to notice that they are alone.
const ORPHANS_PATIENCE: Duration = Duration::from_secs(15);

/// How a server is asked to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StopMode {
    /// Waits until the last client has gone by itself.
    Smart,
    /// Ends every session, writes everything down, and stops: the ordinary way.
    Fast,
    /// Stops at once, as in a crash: the next start recovers from the log.
    Immediate,
}

impl StopMode {
    fn name(self) -> &'static str {
        match self {
            Self::Smart => "smart",
            Self::Fast => "fast",
            Self::Immediate => "immediate",
        }
    }
}

/// One server's place: its programs, folders, port and superuser. It does not own the server; a watchdog does.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    pub(crate) binaries: Binaries,
    pub(crate) run_as: RunAs,
    /// Temporary: sockets, TLS files, and (unless kept) log and data.
    pub(crate) folder: PathBuf,
    pub(crate) data: PathBuf,
    pub(crate) log: PathBuf,
    pub(crate) port: u16,
    pub(crate) superuser: String,
    pub(crate) password: String,
    pub(crate) starting: Starting,
}

impl Server {
    /// An empty folder beside the place of the data: what fills it is put in place once it is whole, so that no half
    /// of a folder stands there if this is interrupted.
    pub(super) fn partial(&self) -> Result<PathBuf> {
        let partial = folder::beside(&self.data, "partial");
        let _none_left = std::fs::remove_dir_all(&partial);
        std::fs::create_dir_all(&partial).map_err(Error::io("make the folder", &partial))?;
        // A server refuses a folder that others may read.
        std::fs::set_permissions(&partial, std::fs::Permissions::from_mode(0o700))
            .map_err(Error::io("close to others the folder", &partial))?;
        self.run_as.give(&partial)?;
        Ok(partial)
    }

    pub(super) fn put_in_place(&self, partial: &Path) -> Result<()> {
        std::fs::rename(partial, &self.data).map_err(Error::io("put in place the data folder", &self.data))
    }

    /// Makes the data folder.
    pub(super) async fn initdb(&self, durable: bool) -> Result<()> {
        let partial = self.partial()?;
        let password_file = self.folder.join("password");
        folder::write(&password_file, &self.password, 0o600, &self.run_as)?;

        let mut command = self.run_as.command(self.binaries.program("initdb"), &self.folder);
        // The C locale is the one that every machine has; it is also the fastest.
        command.args(["--encoding=UTF8", "--locale=C", "--auth=scram-sha-256"]);
        command.args((!durable).then_some("--no-sync"));
        command.arg("-U").arg(&self.superuser).arg("--pwfile").arg(&password_file).arg("-D").arg(&partial);
        let output = run(command, "initdb").await?;
        let _no_longer_needed = std::fs::remove_file(&password_file);
        if !output.status.success() {
            return Err(self.failure("making a data folder with initdb", &said(&output)));
        }
        self.put_in_place(&partial)
    }

    /// Starts the server and waits until it answers.
    pub(super) async fn start(&self) -> Result<()> {
        self.starting.set(true);
        let started = self.start_and_wait().await;
        self.starting.set(false);
        started
    }

    async fn start_and_wait(&self) -> Result<()> {
        let deadline = Instant::now() + ORPHANS_PATIENCE;
        loop {
            self.clear_stale_pid()?;
            let before = std::fs::metadata(&self.log).map(|about| about.len()).unwrap_or_default();
            let seconds = START_SECONDS.to_string();
            let mut command = self.command("pg_ctl", &["start", "-s", "-w", "-t", &seconds]);
            command.arg("-l").arg(&self.log);
            let output = run(command, "pg_ctl").await?;
            if output.status.success() {
                return Ok(());
            }
            let log = format!("{}\n{}", folder::since(&self.log, before), said(&output));
            let orphans_remain = log.contains("pre-existing shared memory block");
            if !orphans_remain || Instant::now() > deadline {
                return Err(self.failure("starting PostgreSQL", &log));
            }
            tokio::time::sleep(process::POLL * 5).await;
        }
    }

    /// Stops the server and waits until it is gone. A paused one is woken, since it would not hear.
    pub(crate) async fn stop(&self, mode: StopMode) -> Result<()> {
        let Some(pid) = self.pid() else { return Ok(()) };
        process::signal(pid, Signal::CONT);
        let seconds = STOP_SECONDS.to_string();
        let command = self.command("pg_ctl", &["stop", "-s", "-w", "-t", &seconds, "-m", mode.name()]);
        let output = run(command, "pg_ctl").await?;
        if output.status.success() || self.pid() != Some(pid) {
            return Ok(());
        }
        let doing = format!("stopping PostgreSQL ({} mode)", mode.name());
        Err(Error::TooSlow { doing, seconds: STOP_SECONDS, log: folder::tail(&self.log) })
    }

    pub(super) async fn pg_ctl(&self, doing: &'static str, arguments: &[&str]) -> Result<()> {
        let output = run(self.command("pg_ctl", arguments), "pg_ctl").await?;
        if output.status.success() { Ok(()) } else { Err(self.failure(doing, &said(&output))) }
    }

    /// The postmaster, if it is alive, and is ours.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.pid_in_file().filter(|pid| process::runs_on(*pid, &self.data))
    }

    /// What `postmaster.pid` says, which may be long past.
    pub(super) fn pid_in_file(&self) -> Option<u32> {
        let text = std::fs::read_to_string(self.data.join("postmaster.pid")).ok()?;
        text.lines().next()?.trim().parse().ok()
    }

    /// Removes the lock files of a server that is gone. PostgreSQL does so too, but takes for its own a foreign process
    /// that was given the same id after a reboot, and a zombie that was not reaped yet. We hold the lock on the folder,
    /// so no other process is starting this server now.
    fn clear_stale_pid(&self) -> Result<()> {
        let pid_file = self.data.join("postmaster.pid");
        if !pid_file.exists() || self.pid().is_some() {
            return Ok(());
        }
        let socket_lock = self.folder.join(format!(".s.PGSQL.{}.lock", self.port));
        for file in [pid_file, socket_lock] {
            match std::fs::remove_file(&file) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(Error::io("remove the stale", &file)(error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Where it is asked for administrative work: through the socket, as the superuser.
    pub(crate) fn socket(&self) -> Target {
        Target {
            host: Host::Socket(self.folder.clone()),
            port: self.port,
            user: self.superuser.clone(),
            password: self.password.clone(),
        }
    }

    /// Sets a watchdog over it, which inherits the lock of a kept data folder. To be called before it is started.
    pub(super) fn watch(&self, mode: StopMode, lock: Option<&File>) -> Result<Watchdog> {
        let pg_ctl = self.binaries.program("pg_ctl");
        let to_stop = ServerToStop {
            run_as: &self.run_as,
            folder: &self.folder,
            data: &self.data,
            pg_ctl: &pg_ctl,
            mode: mode.name(),
        };
        let server = self.clone();
        Watchdog::over_server(&to_stop, lock, move || server.starting.is_set() || server.pid().is_some())
    }

    fn command(&self, program: &str, arguments: &[&str]) -> std::process::Command {
        let mut command = self.run_as.command(self.binaries.program(program), &self.folder);
        command.args(arguments).arg("-D").arg(&self.data);
        command
    }

    /// Reads the log as a person would, and says what is to be done.
    fn failure(&self, doing: &'static str, log: &str) -> Error {
        if log.contains("No space left on device") {
            return Error::DiskFull { doing, path: self.data.clone() };
        }
        let socket_taken = log.contains("could not create any TCP/IP sockets");
        if log.contains("Address already in use") || socket_taken {
            return Error::PortTaken { port: self.port };
        }
        let lines: Vec<&str> = log.trim().lines().collect();
        let log = lines.get(lines.len().saturating_sub(20)..).unwrap_or_default().join("\n");
        Error::Failed { doing: doing.to_owned(), hint: hint(&log).map(String::from), log }
    }
}

/// What a line of the log means to somebody who has never seen it.
fn hint(log: &str) -> Option<&'static str> {
    const KNOWN: [(&str, &str); 7] = [
        (
            "shared memory segment",
            "the machine has too little shared memory: lower shared_buffers or max_connections",
        ),
        ("Cannot allocate memory", "the machine is out of memory: stop something, or lower shared_buffers"),
        ("unrecognized configuration parameter", "a setting is misspelt, or this version does not know it"),
        ("invalid value for parameter", "a setting has a value that this version does not accept"),
        ("contains errors", "a setting has a value that this version does not accept"),
        ("could not load server certificate", "the certificate given to .tls(..) is not a PEM certificate"),
        ("wrong ownership", "the data folder belongs to another user"),
    ];
    KNOWN.iter().find(|(sign, _)| log.contains(sign)).map(|(_, meaning)| *meaning)
}

/// Runs a program to its end; killed if the caller goes away.
async fn run(command: std::process::Command, name: &'static str) -> Result<Output> {
    let mut command = tokio::process::Command::from(command);
    command.stdin(std::process::Stdio::null()).kill_on_drop(true);
    command.output().await.map_err(Error::io("run", Path::new(name)))
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}
