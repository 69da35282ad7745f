//! A data folder that outlives its server: who may use it, whether it fits, what an earlier crash left in it, and the
//! password that it remembers.

use super::builder::{Auth, ClusterBuilder};
use super::server::Server;
use crate::error::{Error, Result};
use crate::root::RunAs;
use crate::{folder, process, sql};
use rustix::fs::{FlockOperation, flock};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The watchdog of an owner that has just died may need this long to stop its server.
const LOCK_PATIENCE: Duration = Duration::from_secs(20);

/// Locks the folder for one owner (and for the watchdog that inherits the lock). The lock lies beside the folder,
/// since `initdb` wants an empty one.
pub(super) async fn lock(data: &Path, run_as: &RunAs) -> Result<File> {
    let path = beside(data, "lock");
    if let Some(parent) = data.parent() {
        std::fs::create_dir_all(parent).map_err(Error::io("make the folder", parent))?;
    }
    run_as.can_reach(data)?;
    wait_for_lock(&path, FlockOperation::NonBlockingLockExclusive, LOCK_PATIENCE).await?.ok_or_else(|| {
        Error::FolderInUse { data_dir: data.to_owned(), lock: path, waited_s: LOCK_PATIENCE.as_secs() }
    })
}

/// Takes a lock on a file, or gives up. The lock ends when the last copy of the `File` is closed.
pub(crate) async fn wait_for_lock(
    path: &Path,
    operation: FlockOperation,
    patience: Duration,
) -> Result<Option<File>> {
    let mut open = File::options();
    let file = open.read(true).write(true).create(true).truncate(false).open(path);
    let file = file.map_err(Error::io("open the lock file", path))?;
    let deadline = Instant::now() + patience;
    loop {
        match flock(&file, operation) {
            Ok(()) => return Ok(Some(file)),
            Err(rustix::io::Errno::WOULDBLOCK | rustix::io::Errno::INTR) if Instant::now() < deadline => {
                tokio::time::sleep(process::POLL).await;
            }
            Err(rustix::io::Errno::WOULDBLOCK) => return Ok(None),
            Err(errno) => return Err(Error::io("lock", path)(errno.into())),
        }
    }
}

/// `/a/b` becomes `/a/.b.lock`.
pub(super) fn beside(data: &Path, extension: &str) -> PathBuf {
    let name = data.file_name().unwrap_or_default().to_string_lossy();
    data.with_file_name(format!(".{name}.{extension}"))
}

/// Whether there is a data folder that this server can use. An error if there is something else in its place.
pub(super) fn is_there(server: &Server) -> Result<bool> {
    let data = &server.data;
    let Ok(version) = std::fs::read_to_string(data.join("PG_VERSION")) else {
        let empty = std::fs::read_dir(data).map(|mut entries| entries.next().is_none()).unwrap_or(true);
        return if empty { Ok(false) } else { Err(Error::NotADataFolder { data_dir: data.clone() }) };
    };
    let version = version.trim();
    if version != server.binaries.major().to_string() {
        return Err(Error::OtherVersion {
            data_dir: data.clone(),
            folder: version.to_owned(),
            server: server.binaries.major(),
            bin_dir: server.binaries.folder().to_owned(),
        });
    }
    match server.pid_in_file().filter(|pid| process::works_in(*pid, data)) {
        Some(pid) => Err(Error::AlreadyRunning {
            data_dir: data.clone(),
            pid,
            pg_ctl: server.binaries.program("pg_ctl"),
        }),
        None => Ok(true),
    }
}

/// Removes the lock files of a server that is gone. PostgreSQL does so too, but takes for its own a stranger who was
/// given the same id after a reboot, and a zombie that nobody has reaped yet. We hold the lock on the folder: nobody is
/// starting this server now.
pub(super) fn clear_stale_pid(server: &Server) -> Result<()> {
    let pid_file = server.data.join("postmaster.pid");
    if !pid_file.exists() || server.pid().is_some() {
        return Ok(());
    }
    let socket_lock = server.folder.join(format!(".s.PGSQL.{}.lock", server.port));
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

fn credentials_file(server: &Server) -> PathBuf {
    server.data.join("plimsoll.credentials")
}

/// Writes down who the superuser is, readable by the server's user alone.
pub(super) fn remember(server: &Server) -> Result<()> {
    let text = format!("{}\n{}\n", server.superuser, server.password);
    folder::write(&credentials_file(server), &text, 0o600, &server.run_as)
}

/// Recalls them. Returns the password that is to be asked for now, if it is not the one remembered.
pub(super) fn credentials(server: &mut Server, wanted: &ClusterBuilder) -> Result<Option<String>> {
    let text = std::fs::read_to_string(credentials_file(server)).unwrap_or_default();
    let mut lines = text.lines();
    let remembered = lines.next().zip(lines.next());
    match (remembered, &wanted.password) {
        (Some((superuser, password)), said) if wanted.superuser.as_deref().is_none_or(|s| s == superuser) => {
            server.superuser = superuser.to_owned();
            server.password = password.to_owned();
            Ok(said.clone().filter(|said| said != password))
        }
        (_, Some(said)) => {
            server.password = said.clone();
            Ok(None)
        }
        (_, None) if wanted.auth == Auth::Trust => Ok(None),
        (_, None) => {
            let superuser = server.superuser.clone();
            Err(Error::UnknownPassword { data_dir: server.data.clone(), superuser })
        }
    }
}

/// Changes the password of a kept folder to the one that is asked for now.
pub(super) async fn change_password(server: &mut Server, to: Option<String>) -> Result<()> {
    let Some(new) = to else { return Ok(()) };
    let sql = format!("ALTER ROLE {} PASSWORD {}", sql::name(&server.superuser), sql::literal(&new));
    server.socket().run("postgres", &sql, "change the superuser's password").await?;
    server.password = new;
    remember(server)
}
