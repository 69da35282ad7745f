//! What a PgBouncer should be like, and the order in which one comes to be.

use super::handle::{KIND, PgBouncer};
use super::ini::{self, Ini, PoolMode};
use super::program;
use super::upstream::Upstream;
use crate::daemon::Daemon;
use crate::error::Result;
use crate::pgbouncer_version::PgBouncerVersion;

/// Says what a [`PgBouncer`] should be like.
#[derive(Clone, Debug)]
pub struct PgBouncerBuilder {
    upstream: Upstream,
    version: Option<PgBouncerVersion>,
    ini: Ini,
}

impl PgBouncer {
    /// In front of a [`Cluster`](crate::Cluster), the shared server of a test run, a database in it, or any [`Upstream`].
    pub fn in_front_of(server: impl Into<Upstream>) -> PgBouncerBuilder {
        PgBouncerBuilder { upstream: server.into(), version: None, ini: Ini::default() }
    }
}

impl PgBouncerBuilder {
    /// A PgBouncer of this kind, and no other (default: what `PLIMSOLL_PGBOUNCER_VERSION` says, else the installed one).
    pub fn version(mut self, version: PgBouncerVersion) -> Self {
        self.version = Some(version);
        self
    }

    /// When a server connection goes back to the pool (default: [`PoolMode::Session`]).
    pub fn pool_mode(mut self, mode: PoolMode) -> Self {
        self.ini.pool_mode = mode;
        self
    }

    /// A line of the section `[pgbouncer]`, such as `("ignore_startup_parameters", "options,extra_float_digits")`,
    /// which are not ignored otherwise. The last one of a name counts, and all of them count above this crate's own.
    pub fn setting(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.ini.settings.push((name.into(), value.into()));
        self
    }

    /// A line of another section, such as `("peers", "2", "host=/tmp/other")` or
    /// `("databases", "reports", "host=127.0.0.1 port=5432 pool_mode=session")`.
    pub fn entry(
        mut self,
        section: impl Into<String>,
        name: impl Into<String>,
        value: impl Into<String>,
    ) -> Self {
        self.ini.entries.push((section.into(), name.into(), value.into()));
        self
    }

    /// Another user who may come in, with a password that the server knows too.
    pub fn user(mut self, name: impl Into<String>, password: impl Into<String>) -> Self {
        self.ini.users.push((name.into(), password.into()));
        self
    }

    /// Starts it and waits until it answers. The server behind it need not be there. Dropped before it is done, it
    /// leaves nothing behind.
    pub async fn start(self) -> Result<PgBouncer> {
        let version = self.version.map_or_else(program::said_version, |version| Ok(Some(version)))?;
        let program = program::find(version)?;
        let daemon = Daemon::new(&KIND, program)?;
        let mut bouncer = PgBouncer { daemon, upstream: self.upstream.clone() };
        let mut tries = 0;
        loop {
            bouncer.daemon.take_port()?;
            let Daemon { folder, port, run_as, .. } = &bouncer.daemon;
            ini::write(&self.ini, &self.upstream, folder, *port, run_as)?;
            tries += 1;
            match bouncer.run().await {
                Err(error) if Daemon::tries_another_port(&error, tries) => {}
                result => return result.map(|()| bouncer),
            }
        }
    }
}
