//! A server that runs, and what may be done to it: stop it, start it again, ask where it is.

use super::server::{Server, StopMode};
use crate::error::Result;
use crate::port::HOST;
use crate::sql::{self, Row, Target};
use crate::watchdog::Watchdog;
use crate::{folder, url};
use std::path::Path;

/// A private PostgreSQL server on a free port of 127.0.0.1 and on a Unix socket of its own.
///
/// Dropped, it is stopped and its temporary folder removed; the drop waits for that (some 0.2 s; 5 s at most). If its
/// owner is killed, a watchdog does the same. A kept data folder stays (see
/// [`ClusterBuilder::data_dir`](crate::ClusterBuilder::data_dir)).
#[derive(Debug)]
pub struct Cluster {
    pub(super) server: Server,
    _watchdog: Watchdog,
}

impl Cluster {
    pub(super) fn new(server: Server, watchdog: Watchdog) -> Self {
        Self { server, _watchdog: watchdog }
    }

    /// Stops it cleanly ([`StopMode::Fast`]) and removes what is temporary. Dropped before it is done, the server is
    /// stopped all the same, as by a drop of the `Cluster`.
    pub async fn stop(self) -> Result<()> {
        self.server.stop(StopMode::Fast).await
    }

    /// Stops the server and keeps the rest, for [`start_again`](Self::start_again). Does nothing if it does not run.
    /// Dropped before it is done, the server may be stopping, stopped, or (in smart mode) still running.
    pub async fn stop_mode(&self, mode: StopMode) -> Result<()> {
        self.server.stop(mode).await
    }

    /// Starts the server where it was, after [`stop_mode`](Self::stop_mode) or a crash. Does nothing if it runs.
    /// Dropped before it is done, the server may still come up; it stops with the `Cluster`.
    pub async fn start_again(&self) -> Result<()> {
        if self.is_running() { Ok(()) } else { self.server.start().await }
    }

    /// Stops and starts it, on the same port. Dropped before it is done, the server may be in any of the states between.
    pub async fn restart(&self, mode: StopMode) -> Result<()> {
        self.stop_mode(mode).await?;
        self.start_again().await
    }

    /// Has the server read its configuration again. Dropped before it is done, it may or may not have.
    pub async fn reload(&self) -> Result<()> {
        self.server.pg_ctl("reading the configuration again", &["reload", "-s"]).await
    }

    /// Makes a standby ([`ClusterBuilder::standby_of`](super::ClusterBuilder::standby_of)) a server of its own that takes
    /// writes, and waits until it does. Dropped before it is done, it may be promoted all the same.
    pub async fn promote(&self) -> Result<()> {
        self.server.pg_ctl("promoting a standby", &["promote", "-s", "-w"]).await
    }

    /// Runs SQL as the superuser, as one simple query, and returns its rows as text. Dropped before it is done, the
    /// statement may or may not have happened.
    pub async fn execute(&self, database: &str, sql: &str) -> Result<Vec<Row>> {
        self.socket().run(database, sql, "run a statement on the private server").await
    }

    /// Makes an empty database. Dropped before it is done, it may or may not exist.
    pub async fn create_database(&self, database: &str) -> Result<()> {
        let sql = format!("CREATE DATABASE {} TEMPLATE template0", sql::name(database));
        self.socket().run("postgres", &sql, "make a database").await.map(drop)
    }

    /// The server's first process, the postmaster, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.server.pid()
    }

    /// Whether the postmaster is there. It may be busy starting, stopping or recovering.
    pub fn is_running(&self) -> bool {
        self.pid().is_some()
    }

    /// Always 127.0.0.1.
    pub fn host(&self) -> &'static str {
        HOST
    }

    /// The port; the same for as long as the `Cluster` lives.
    pub fn port(&self) -> u16 {
        self.server.port
    }

    /// The folder of the Unix socket, which libpq and tokio-postgres take as a host.
    pub fn socket_dir(&self) -> &Path {
        &self.server.folder
    }

    /// The data folder.
    pub fn data_dir(&self) -> &Path {
        &self.server.data
    }

    /// The major version, such as 17.
    pub fn version(&self) -> u32 {
        self.server.binaries.major()
    }

    /// The superuser's name.
    pub fn superuser(&self) -> &str {
        &self.server.superuser
    }

    /// The superuser's password.
    pub fn password(&self) -> &str {
        &self.server.password
    }

    /// A connection URL for the superuser, over TCP.
    pub fn url(&self, database: &str) -> String {
        url::tcp(self.superuser(), self.password(), self.host(), self.port(), database)
    }

    /// A connection URL for the superuser, over the Unix socket.
    pub fn socket_url(&self, database: &str) -> String {
        let folder = url::escape(&self.socket_dir().to_string_lossy());
        url::tcp(self.superuser(), self.password(), &folder, self.port(), database)
    }

    /// The end of the server's log.
    pub fn log_tail(&self) -> String {
        folder::tail(&self.server.log)
    }

    /// The server's log.
    pub fn log_path(&self) -> &Path {
        &self.server.log
    }

    fn socket(&self) -> Target {
        self.server.socket()
    }
}
