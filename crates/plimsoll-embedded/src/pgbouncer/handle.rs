//! A PgBouncer that runs, and what may be done to it: stop it, start it again, ask its console.

use super::upstream::Upstream;
use super::{ini, program};
use crate::daemon::{Daemon, Kind};
use crate::error::Result;
use crate::pgbouncer_version::PgBouncerVersion;
use crate::port::HOST;
use crate::sql::{Host, Row, Target};
use crate::url;
use rustix::process::Signal;
use std::time::Duration;

pub(super) static KIND: Kind = Kind {
    name: "PgBouncer",
    prefix: "pgb",
    arguments: |folder| vec!["-q".into(), "-d".into(), ini::file(folder).into()],
    // A newer one that is asked waits for its clients.
    stop_patience: Duration::from_millis(500),
    fatal: &["FATAL", "Address already in use"],
    unknown_setting: "unknown parameter",
};

/// A running PgBouncer. Dropped, it is killed and its folder removed; if its owner is killed, a watchdog does the same.
#[derive(Debug)]
pub struct PgBouncer {
    pub(super) daemon: Daemon,
    pub(super) upstream: Upstream,
}

impl PgBouncer {
    /// Always 127.0.0.1.
    pub fn host(&self) -> &'static str {
        HOST
    }

    /// The port; the same for as long as this lives.
    pub fn port(&self) -> u16 {
        self.daemon.port
    }

    /// A connection URL, through PgBouncer, for the user of the server behind it.
    pub fn url(&self, database: &str) -> String {
        url::tcp(&self.upstream.user, &self.upstream.password, HOST, self.daemon.port, database)
    }

    /// Its process, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.daemon.pid()
    }

    /// Whether the process is there (and not a zombie) and takes connections. Dropped before it is done, nothing is
    /// changed.
    pub async fn is_alive(&self) -> bool {
        self.daemon.is_alive().await
    }

    /// Runs a command of the admin console, such as `RECONNECT`, `PAUSE` or `SHOW POOLS`, and returns its rows as text.
    /// Dropped before it is done, the command may or may not have happened.
    pub async fn admin(&self, command: &str) -> Result<Vec<Row>> {
        let target = Target {
            host: Host::Tcp(HOST.into()),
            port: self.daemon.port,
            user: self.upstream.user.clone(),
            password: self.upstream.password.clone(),
        };
        target.run("pgbouncer", command, &format!("run {command:?} on PgBouncer's console")).await
    }

    /// Has it take this user in with another password from now on, and come to the server with it; adds the user if
    /// there is none of that name. The server is to be told by itself. Dropped before it is done, either may be in force.
    pub async fn change_password(&self, user: &str, password: &str) -> Result<()> {
        ini::change_password(&self.daemon.folder, &self.daemon.run_as, user, password)?;
        self.admin("RELOAD").await.map(drop)
    }

    /// Stops it, and removes its folder. Dropped before it is done, it is stopped all the same.
    pub async fn stop(self) -> Result<()> {
        self.daemon.stop().await;
        Ok(())
    }

    /// Stops it (as a crash would) and starts it again on the same port. Dropped before it is done, it may be in any of
    /// the states between.
    pub async fn restart(&self) -> Result<()> {
        self.daemon.end(Signal::TERM).await;
        self.run().await
    }

    /// Stops it and starts one of another kind on the same port, with the same configuration, as an upgrade does. Dropped
    /// before it is done, it may be in any of the states between.
    pub async fn restart_as(&mut self, version: PgBouncerVersion) -> Result<()> {
        let program = program::find(Some(version))?;
        self.daemon.end(Signal::TERM).await;
        self.daemon.program = program;
        self.run().await
    }

    /// Starts it again after it died. Does nothing if it runs. Dropped before it is done, it may still come up.
    pub async fn start_again(&self) -> Result<()> {
        if self.pid().is_some() { Ok(()) } else { self.run().await }
    }

    /// The end of its log.
    pub fn log_tail(&self) -> String {
        self.daemon.log_tail()
    }

    /// Starts it, and waits until its console answers.
    pub(super) async fn run(&self) -> Result<()> {
        self.daemon.run(|| async { self.admin("SHOW VERSION").await.is_ok() }).await
    }
}
