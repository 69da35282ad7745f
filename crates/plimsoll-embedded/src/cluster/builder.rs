//! What a private server should be like, and the order in which one comes to be.

use super::config::{self, Auth, Configuration};
use super::handle::Cluster;
use super::kept;
use super::server::{Server, StopMode};
use super::standby::Backup;
use crate::binaries::Binaries;
use crate::error::{Error, Result};
use crate::root::RunAs;
use crate::watchdog::Starting;
use crate::{folder, port, secret};
use std::fs::File;
use std::path::PathBuf;

/// How often another port is tried when somebody else was quicker.
const PORT_TRIES: usize = 10;

/// Says what a [`Cluster`] should be like; everything has a default.
#[derive(Clone, Debug, Default)]
pub struct ClusterBuilder {
    binaries: Option<Binaries>,
    version: Option<u32>,
    data_dir: Option<PathBuf>,
    port: Option<u16>,
    superuser: Option<String>,
    password: Option<String>,
    durable: Option<bool>,
    in_memory: bool,
    configuration: Configuration,
    primary: Option<Server>,
}

impl Cluster {
    /// Says what the server should be like.
    pub fn builder() -> ClusterBuilder {
        ClusterBuilder::default()
    }

    /// A temporary server with everything as it comes. Dropped before it is done, it leaves nothing behind.
    pub async fn start() -> Result<Self> {
        Self::builder().start().await
    }
}

impl ClusterBuilder {
    /// The server of this major version (default: `PLIMSOLL_PG_VERSION`, else the first that [`Binaries::find`] meets).
    pub fn version(mut self, major: u32) -> Self {
        self.version = Some(major);
        self
    }

    /// The server in this folder of programs.
    pub fn binaries(mut self, binaries: Binaries) -> Self {
        self.binaries = Some(binaries);
        self
    }

    /// Keeps the data in this folder, which is made if it is not there and used again if it is; it is locked meanwhile.
    /// Default: a temporary folder.
    pub fn data_dir(mut self, folder: impl Into<PathBuf>) -> Self {
        self.data_dir = Some(folder.into());
        self
    }

    /// This port and no other (default: any free one).
    pub fn port(mut self, port: u16) -> Self {
        self.port = Some(port);
        self
    }

    /// Who may come in (default: whoever knows the password).
    pub fn auth(mut self, auth: Auth) -> Self {
        self.configuration.auth = auth;
        self
    }

    /// The superuser's name (default: `postgres`).
    pub fn superuser(mut self, name: impl Into<String>) -> Self {
        self.superuser = Some(name.into());
        self
    }

    /// The superuser's password (default: a random one, which a kept data folder remembers).
    pub fn password(mut self, password: impl Into<String>) -> Self {
        self.password = Some(password.into());
        self
    }

    /// Whether a commit survives a crash of the machine (default: yes for a kept data folder, no for a temporary one).
    /// A crash of the server alone loses nothing either way.
    pub fn durable(mut self, durable: bool) -> Self {
        self.durable = Some(durable);
        self
    }

    /// Puts a temporary data folder into memory (`/dev/shm`), if there is room, else on disk as ever (default: on disk).
    /// For tests that write little and make many databases.
    pub fn in_memory(mut self, in_memory: bool) -> Self {
        self.in_memory = in_memory;
        self
    }

    /// Lets this user of the machine in as the superuser without a password, over the Unix socket alone.
    pub(crate) fn peer(mut self, user: Option<String>) -> Self {
        self.configuration.peer = user;
        self
    }

    /// A line of `postgresql.conf`. The last one of a name counts, and all of them count above this crate's own.
    pub fn setting(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.configuration.settings.push((name.into(), value.into()));
        self
    }

    /// A line of `pg_hba.conf`, read before this crate's own.
    pub fn hba(mut self, line: impl Into<String>) -> Self {
        self.configuration.hba.push(line.into());
        self
    }

    /// Switches TLS on, with this certificate (chain) and private key. Plain connections stay possible unless an
    /// [`hba`](Self::hba) line refuses them.
    pub fn tls(mut self, certificate_pem: impl Into<String>, key_pem: impl Into<String>) -> Self {
        self.configuration.tls = Some((certificate_pem.into(), key_pem.into()));
        self
    }

    /// A standby of this server: a copy of it that follows it by streaming and can be read
    /// ([`Cluster::promote`] makes it a server of its own). Superuser, password and what is in the databases are the
    /// primary's. Settings are not: PostgreSQL asks that `max_connections` and its like are no smaller here than there.
    ///
    /// A kept data folder that is there already is used as it is.
    pub fn standby_of(mut self, primary: &Cluster) -> Self {
        self.superuser = Some(primary.superuser().to_owned());
        self.password = Some(primary.password().to_owned());
        self.primary = Some(primary.server.clone());
        self
    }

    /// Makes the data folder if need be, and starts the server. Dropped before it is done, it leaves no server and no
    /// temporary folder behind; a kept data folder is then either complete or not there.
    pub async fn start(self) -> Result<Cluster> {
        let mode = if self.data_dir.is_some() { StopMode::Fast } else { StopMode::Immediate };
        let guard = |server: &Server, lock: Option<&File>| server.watch(mode, lock);
        let (server, watchdog) = self.start_under(guard).await?;
        Ok(Cluster::new(server, watchdog))
    }

    /// The order of things. `guard` is called when the folder is there and before anything runs in it; what it returns
    /// is responsible for the folder and for the server from then on.
    pub(crate) async fn start_under<G>(
        self,
        guard: impl FnOnce(&Server, Option<&File>) -> Result<G>,
    ) -> Result<(Server, G)> {
        let binaries = match (&self.binaries, self.version) {
            (Some(binaries), _) => binaries.clone(),
            (None, Some(major)) => Binaries::of_version(major)?,
            (None, None) => Binaries::find()?,
        };
        let kept = self.data_dir.as_ref().map(|data| absolute(data)).transpose()?;
        let run_as = RunAs::choose(kept.as_deref())?;
        let lock = match &kept {
            Some(data) => Some(kept::lock(data, &run_as).await?),
            None => None,
        };
        let temporary = folder::temporary("pg", self.in_memory, &run_as)?;
        let folder = temporary.path().to_owned();
        let data = kept.unwrap_or_else(|| folder.join("data"));
        let log = if lock.is_some() { data.join("server.log") } else { folder.join("server.log") };
        let mut server = Server {
            binaries,
            run_as,
            folder,
            data,
            log,
            port: 0,
            superuser: self.superuser.clone().unwrap_or_else(|| "postgres".into()),
            password: String::new(),
            starting: Starting::default(),
        };
        // Before the guard, who would stop the very server that we refuse to disturb.
        let is_there = kept::is_there(&server)?;
        let guard = guard(&server, lock.as_ref())?;
        let _watched_from_now_on = temporary.keep();
        let backup = match &self.primary {
            Some(primary) if !is_there => Some(Backup::begin(primary).await?),
            _ => None,
        };
        let new_password = self.make_or_recall_data(&mut server, is_there, backup.as_ref()).await?;
        self.start_on_a_port(&mut server).await?;
        // A standby that answers has fetched what was written during the backup.
        drop(backup);
        kept::change_password(&mut server, new_password).await?;
        Ok((server, guard))
    }

    /// Returns the password that a kept folder should change to, if it is to.
    async fn make_or_recall_data(
        &self,
        server: &mut Server,
        is_there: bool,
        backup: Option<&Backup<'_>>,
    ) -> Result<Option<String>> {
        if is_there {
            let (superuser, password) = (self.superuser.as_deref(), self.password.as_deref());
            return kept::credentials(server, superuser, password, self.configuration.auth);
        }
        server.password = match &self.password {
            Some(password) => password.clone(),
            None => secret::random()?,
        };
        match backup {
            None => server.initdb(self.is_durable()).await?,
            Some(backup) => backup.fill(server).await?,
        }
        kept::remember(server)?;
        Ok(None)
    }

    fn is_durable(&self) -> bool {
        self.durable.unwrap_or(self.data_dir.is_some())
    }

    async fn start_on_a_port(&self, server: &mut Server) -> Result<()> {
        if let Some(port) = self.port {
            server.port = port;
            if !port::is_free(port) {
                return Err(Error::PortTaken { port });
            }
            config::write(server, &self.configuration, self.primary.as_ref(), self.is_durable())?;
            return server.start().await;
        }
        let mut tries = 0;
        loop {
            server.port = port::free()?;
            config::write(server, &self.configuration, self.primary.as_ref(), self.is_durable())?;
            tries += 1;
            match server.start().await {
                Err(error) if error.is_port_taken() && tries < PORT_TRIES => {}
                result => return result,
            }
        }
    }
}

fn absolute(folder: &std::path::Path) -> Result<PathBuf> {
    std::path::absolute(folder).map_err(Error::io("find the absolute path of", folder))
}
