//! A Mosquitto that runs, and what may be done to it: stop it, kill it, start it again.

use super::builder::MosquittoBuilder;
use super::{configuration, program};
use crate::daemon::{Daemon, Kind};
use crate::error::Result;
use crate::port::HOST;
use crate::url;
use rustix::process::Signal;
use std::time::Duration;

pub(super) static KIND: Kind = Kind {
    name: "Mosquitto",
    prefix: "mqtt",
    arguments: |folder| vec!["-d".into(), "-c".into(), configuration::file(folder).into()],
    stop_patience: Duration::from_secs(3),
    fatal: &["Error: "],
    unknown_setting: "Unknown configuration variable",
};

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
    pub(super) daemon: Daemon,
    pub(super) password: String,
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
        self.daemon.port
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
        format!("mqtt://{}:{}@{HOST}:{}", self.user(), url::escape(&self.password), self.daemon.port)
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

    /// When it wrote down last what it holds. What it took before that, it still has after a crash.
    pub fn saved_at(&self) -> Option<std::time::SystemTime> {
        std::fs::metadata(self.daemon.folder.join("mosquitto.db")).ok()?.modified().ok()
    }

    /// Ends it as a crash would (SIGKILL), and waits until it is gone. What it holds stays in its folder, as it was written
    /// last. Dropped before it is done, it is killed all the same.
    pub async fn kill(&self) {
        self.daemon.end(Signal::KILL).await;
    }

    /// Stops it in order, and removes its folder. Dropped before it is done, it is stopped all the same.
    pub async fn stop(self) -> Result<()> {
        self.daemon.stop().await;
        Ok(())
    }

    /// Stops it in order and starts it again on the same port, with what it held. Dropped before it is done, it may be in
    /// any of the states between.
    pub async fn restart(&self) -> Result<()> {
        self.daemon.end(Signal::TERM).await;
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

    /// Starts it, and waits until it takes connections.
    pub(super) async fn run(&self) -> Result<()> {
        self.daemon.run(|| std::future::ready(true)).await
    }
}
