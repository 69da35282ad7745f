//! A data folder that outlives its server: who may use it, whether it fits, what an earlier crash left in it, and the
//! password that it remembers.

use super::config::Auth;
use super::server::Server;
use crate::error::{Error, Result};
use crate::root::RunAs;
use crate::{file_lock, folder, process, sql};
use rustix::fs::FlockOperation;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The watchdog of an owner that has just died may need this long to stop its server.
const LOCK_PATIENCE: Duration = Duration::from_secs(20);

/// Locks the folder for one owner (and for the watchdog that inherits the lock). The lock lies beside the folder,
/// since `initdb` wants an empty one.
pub(super) async fn lock(data: &Path, run_as: &RunAs) -> Result<File> {
    let path = folder::beside(data, "lock");
    if let Some(parent) = data.parent() {
        std::fs::create_dir_all(parent).map_err(Error::io("make the folder", parent))?;
    }
    run_as.can_reach(data)?;
    file_lock::wait_for(&path, FlockOperation::NonBlockingLockExclusive, LOCK_PATIENCE).await?.ok_or_else(
        || Error::FolderInUse { data_dir: data.to_owned(), lock: path, waited_s: LOCK_PATIENCE.as_secs() },
    )
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

fn credentials_file(server: &Server) -> PathBuf {
    server.data.join("plimsoll.credentials")
}

/// Writes down who the superuser is, readable by the server's user alone.
pub(super) fn remember(server: &Server) -> Result<()> {
    let text = format!("{}\n{}\n", server.superuser, server.password);
    folder::write(&credentials_file(server), &text, 0o600, &server.run_as)
}

/// Recalls them. Returns the password that is to be asked for now, if it is not the one remembered.
pub(super) fn credentials(
    server: &mut Server,
    wanted_superuser: Option<&str>,
    wanted_password: Option<&str>,
    auth: Auth,
) -> Result<Option<String>> {
    let text = std::fs::read_to_string(credentials_file(server)).unwrap_or_default();
    let mut lines = text.lines();
    let remembered = lines.next().zip(lines.next());
    match (remembered, wanted_password) {
        (Some((superuser, password)), said) if wanted_superuser.is_none_or(|wanted| wanted == superuser) => {
            server.superuser = superuser.to_owned();
            server.password = password.to_owned();
            Ok(said.filter(|said| *said != password).map(String::from))
        }
        (_, Some(said)) => {
            server.password = said.to_owned();
            Ok(None)
        }
        (_, None) if auth == Auth::Trust => Ok(None),
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
