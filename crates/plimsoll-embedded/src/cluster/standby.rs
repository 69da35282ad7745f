//! A standby: a copy of a running server's data folder, which follows that server by streaming.
//!
//! The copy is made with the server's own backup functions and not by `pg_basebackup`, which slim builds of PostgreSQL
//! leave out.

use super::server::Server;
use crate::error::{Error, Result};
use crate::port::HOST;
use crate::root::RunAs;
use crate::{folder, sql};
use std::io::ErrorKind;
use std::path::Path;
use tokio_postgres::Client;

const DOING: &str = "copy a running server";

/// Folders of which the copy has only the empty folder, as in `pg_basebackup`: the server fills them by itself, and the
/// log comes over the wire.
const EMPTY: [&str; 8] = [
    "pg_wal",
    "pg_replslot",
    "pg_dynshmem",
    "pg_notify",
    "pg_serial",
    "pg_snapshots",
    "pg_stat_tmp",
    "pg_subtrans",
];
/// Files that belong to the running server alone.
const ITS_OWN: [&str; 4] = ["postmaster.pid", "postmaster.opts", "server.log", "pg_internal.init"];

/// A backup that goes on: for as long as this lives, its server keeps the log that a standby made from it will ask for.
pub(super) struct Backup<'a> {
    primary: &'a Server,
    session: Client,
}

impl<'a> Backup<'a> {
    /// Dropped before it is done, it has ended by itself.
    pub(super) async fn begin(primary: &'a Server) -> Result<Self> {
        let connecting = primary.socket().connect("postgres").await;
        let backup = Backup { primary, session: connecting.map_err(|error| sql::failure(DOING, &error))? };
        // Gone with the session.
        let keep =
            format!("SELECT pg_create_physical_replication_slot('copy_{}', true, true)", fastrand::u64(..));
        backup.ask(&keep).await?;
        Ok(backup)
    }

    /// Makes the data folder of a standby, which is not started here.
    pub(super) async fn fill(&self, standby: &Server) -> Result<()> {
        // Renamed in PostgreSQL 15.
        let (begin, end) = match self.primary.binaries.major() {
            ..15 => ("pg_start_backup('copy', true, false)", "pg_stop_backup(false, false)"),
            _ => ("pg_backup_start('copy', true)", "pg_backup_stop(false)"),
        };
        self.ask(&format!("SELECT {begin}")).await?;
        let partial = standby.partial()?;
        let (from, to, run_as) = (self.primary.data.clone(), partial.clone(), standby.run_as.clone());
        let copied = tokio::task::spawn_blocking(move || copy_folder(&from, &to, &run_as)).await;
        copied.map_err(|error| Error::io(DOING, &partial)(error.into()))??;
        let rows = self.ask(&format!("SELECT labelfile FROM {end}")).await?;
        let label = rows.first().and_then(|row| row.get("labelfile")).map_or("", String::as_str);
        folder::write(&partial.join("backup_label"), label, 0o600, &standby.run_as)?;
        folder::write(&partial.join("standby.signal"), "", 0o600, &standby.run_as)?;
        standby.put_in_place(&partial)
    }

    async fn ask(&self, statement: &str) -> Result<Vec<sql::Row>> {
        let messages = self.session.simple_query(statement).await;
        messages.map(|messages| sql::rows(&messages)).map_err(|error| sql::failure(DOING, &error))
    }
}

/// The folder that is there already is filled. What goes while it is copied was a temporary file, or is made anew by the
/// log.
fn copy_folder(from: &Path, to: &Path, run_as: &RunAs) -> Result<()> {
    for entry in std::fs::read_dir(from).map_err(Error::io("list", from))? {
        let entry = entry.map_err(Error::io("list", from))?;
        let (name, path) = (entry.file_name(), entry.path());
        let is = |names: &[&str]| names.iter().any(|known| name == *known);
        let copy = to.join(&name);
        if path.is_dir() {
            std::fs::create_dir(&copy).map_err(Error::io("make the folder", &copy))?;
            std::fs::set_permissions(&copy, std::os::unix::fs::PermissionsExt::from_mode(0o700))
                .map_err(Error::io("close to others the folder", &copy))?;
            if !is(&EMPTY) {
                copy_folder(&path, &copy, run_as)?;
            }
        } else if is(&ITS_OWN) {
            continue;
        } else {
            match std::fs::copy(&path, &copy) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                Err(error) => return Err(Error::io("copy", &path)(error)),
            }
        }
        run_as.give(&copy)?;
    }
    Ok(())
}

/// How a standby comes to its primary.
pub(super) fn conninfo(primary: &Server) -> String {
    let quoted = |text: &str| format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"));
    format!(
        "host={HOST} port={} user={} password={} application_name=standby",
        primary.port,
        quoted(&primary.superuser),
        quoted(&primary.password)
    )
}
