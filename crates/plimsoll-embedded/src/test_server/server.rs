//! Finds the run's server, or starts it, or buries a dead one and starts another.

use super::keeper::{self, SignedIn};
use super::place::Place;
use crate::binaries::Binaries;
use crate::cluster::{Cluster, Server, StopMode};
use crate::error::{Error, Result};
use crate::port::HOST;
use crate::root::{self, RunAs};
use crate::sql::Target;
use crate::watchdog::Starting;
use crate::{file_lock, folder, process, url};
use rustix::fs::FlockOperation;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;

/// A server for tests: much room for connections, and nothing that only a crash of the machine would need.
const SETTINGS: &[(&str, &str)] = &[
    ("max_connections", "300"),
    ("synchronous_commit", "on"),
    ("checkpoint_timeout", "30min"),
    ("max_wal_size", "512MB"),
];

/// Somebody else may be starting it, on a machine that is busy compiling.
const LOCK_PATIENCE: Duration = Duration::from_secs(150);

/// The server of a test run, and this process's claim on it: it stays while this lives.
#[derive(Debug)]
pub struct TestServer {
    server: Server,
    place: Place,
    _signed_in: SignedIn,
}

/// One claim a process is enough, and it is kept to the end of the process: tests come one after another.
static OF_THIS_PROCESS: Mutex<Option<Arc<TestServer>>> = Mutex::const_new(None);

pub(super) async fn of_this_process() -> Result<Arc<TestServer>> {
    let mut known = OF_THIS_PROCESS.lock().await;
    if let Some(server) = known.as_ref().filter(|known| known.server.pid().is_some()) {
        return Ok(Arc::clone(server));
    }
    let server = Arc::new(find_or_start().await?);
    *known = Some(Arc::clone(&server));
    Ok(server)
}

async fn find_or_start() -> Result<TestServer> {
    let binaries = Binaries::find()?;
    let place = Place::of(&binaries, SETTINGS)?;
    if let Some(server) = join(&place, &binaries).await {
        return Ok(server);
    }
    let path = place.lock();
    let lock = file_lock::wait_for(&path, FlockOperation::NonBlockingLockExclusive, LOCK_PATIENCE).await?;
    let _lock = lock.ok_or_else(|| Error::TooSlow {
        doing: format!(
            "waiting for another process to start the shared test server (lock {})",
            path.display()
        ),
        seconds: LOCK_PATIENCE.as_secs(),
        log: String::new(),
    })?;
    if let Some(server) = join(&place, &binaries).await {
        return Ok(server);
    }
    bury(&place, &binaries).await;
    start(place, binaries).await
}

/// Uses the server that the place points at, if it is open, kept and well. The order matters: see `keeper`.
async fn join(place: &Place, binaries: &Binaries) -> Option<TestServer> {
    let folder = place.read()?;
    let open = Open::read(&folder)?;
    let signed_in = SignedIn::here(&folder).ok()?;
    if Open::read(&folder)? != open || !process::is_alive(open.keeper) {
        return None;
    }
    let server = open.server(folder, binaries.clone()).ok()?;
    if !is_well(&server).await {
        return None;
    }
    keeper::sign_in_the_run(&server.folder);
    Some(TestServer { server, place: place.clone(), _signed_in: signed_in })
}

/// Alive and answering; that it is full of clients is an answer too.
async fn is_well(server: &Server) -> bool {
    match server.socket().run("postgres", "SELECT 1", "greet the shared test server").await {
        Ok(_) => true,
        Err(Error::Sql { problem, .. }) => problem.contains(" 53300") && server.pid().is_some(),
        Err(_) => false,
    }
}

/// Ends what an earlier run left behind: a server without a keeper, a folder without a server. If its keeper lives, it
/// is only closed to newcomers, and the keeper removes it behind its last user.
async fn bury(place: &Place, binaries: &Binaries) {
    let Some((folder, open)) = place.read().and_then(|folder| Open::read(&folder).map(|open| (folder, open)))
    else {
        return;
    };
    let _closed = std::fs::remove_file(folder.join("open"));
    if process::is_alive(open.keeper) {
        return;
    }
    if let Ok(server) = open.server(folder.clone(), binaries.clone()) {
        let _as_well_as_can_be = server.stop(StopMode::Immediate).await;
        let _as_well_as_can_be = std::fs::remove_dir_all(&folder);
    }
}

async fn start(place: Place, binaries: Binaries) -> Result<TestServer> {
    // A password is worth 4096 rounds of hashing, which in a debug build cost more than all else that a fresh database
    // takes; so our own errands go by the socket, where the system vouches for us.
    let mut wanted = Cluster::builder().binaries(binaries).in_memory(true).peer(root::own_name());
    for (name, value) in SETTINGS {
        wanted = wanted.setting(*name, *value);
    }
    let guard = |server: &Server, _no_kept_folder: Option<&std::fs::File>| {
        keeper::make_users(server)?;
        let signed_in = SignedIn::here(&server.folder)?;
        Ok((keeper::over(server)?, signed_in))
    };
    let (server, (keeper, signed_in)) = wanted.start_under(guard).await?;
    Open { keeper, port: server.port, user: server.superuser.clone(), password: server.password.clone() }
        .write(&server)?;
    place.point_at(&server.folder)?;
    keeper::sign_in_the_run(&server.folder);
    Ok(TestServer { server, place, _signed_in: signed_in })
}

/// What the file `open` says to newcomers.
#[derive(Debug, PartialEq, Eq)]
struct Open {
    keeper: u32,
    port: u16,
    user: String,
    password: String,
}

impl Open {
    fn read(folder: &Path) -> Option<Self> {
        let text = std::fs::read_to_string(folder.join("open")).ok()?;
        let mut lines = text.lines();
        Some(Self {
            keeper: lines.next()?.parse().ok()?,
            port: lines.next()?.parse().ok()?,
            user: lines.next()?.to_owned(),
            password: lines.next()?.to_owned(),
        })
    }

    fn write(&self, server: &Server) -> Result<()> {
        let text = format!("{}\n{}\n{}\n{}\n", self.keeper, self.port, self.user, self.password);
        let new = server.folder.join("open.new");
        folder::write(&new, &text, 0o600, &server.run_as)?;
        std::fs::rename(&new, server.folder.join("open")).map_err(Error::io("write", &new))
    }

    fn server(&self, folder: PathBuf, binaries: Binaries) -> Result<Server> {
        let data = folder.join("data");
        Ok(Server {
            binaries,
            run_as: RunAs::choose(Some(&data))?,
            log: folder.join("server.log"),
            data,
            folder,
            port: self.port,
            superuser: self.user.clone(),
            password: self.password.clone(),
            starting: Starting::default(),
        })
    }
}

impl TestServer {
    /// Always 127.0.0.1.
    pub fn host(&self) -> &'static str {
        HOST
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.server.port
    }

    /// The superuser's name.
    pub fn superuser(&self) -> &str {
        &self.server.superuser
    }

    /// The superuser's password.
    pub fn password(&self) -> &str {
        &self.server.password
    }

    /// The folder of the Unix socket. The superuser needs no password there, if it is the same user of the machine that
    /// started the server; everybody else does.
    pub fn socket_dir(&self) -> &Path {
        &self.server.folder
    }

    /// The major version.
    pub fn version(&self) -> u32 {
        self.server.binaries.major()
    }

    /// The postmaster, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.server.pid()
    }

    /// A connection URL for the superuser.
    pub fn url(&self, database: &str) -> String {
        url::tcp(self.superuser(), self.password(), HOST, self.port(), database)
    }

    /// The end of the server's log.
    pub fn log_tail(&self) -> String {
        folder::tail(&self.server.log)
    }

    pub(super) fn socket(&self) -> Target {
        self.server.socket()
    }

    pub(super) fn place(&self) -> &Place {
        &self.place
    }
}
