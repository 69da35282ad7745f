//! What `squawk` has to say of the files that are pending. It knows which statements lock a table for long; it is another
//! project's program, and is used where it is installed.

use crate::columns::counted;
use crate::{Ended, show};
use anyhow::{Context, Result, bail};
use plimsoll::migrate::{FileState, MigrationStatus};
use std::path::{Path, PathBuf};
use std::process::Command;

pub(super) fn run(folder: &Path, status: &MigrationStatus) -> Result<Ended> {
    let path_of = |file: &str| if folder.is_dir() { folder.join(file) } else { folder.to_owned() };
    let pending = status.files.iter().filter(|file| file.state == FileState::Pending);
    let files: Vec<PathBuf> = pending.map(|file| path_of(&file.file)).collect();
    if files.is_empty() {
        show::print("Nothing is pending.\n");
        return Ok(Ended::Well);
    }
    let output = match Command::new("squawk").args(&files).output() {
        Ok(output) => output,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => bail!(
            "squawk is not installed, so {} looked at: it is at github.com/sbdchd/squawk (npm, pip and cargo have it as \
             squawk-cli, squawk)",
            counted(files.len() as u64, "file was not", "files were not")
        ),
        Err(error) => return Err(error).context("squawk cannot be run"),
    };
    show::print(&String::from_utf8_lossy(&output.stdout));
    show::print(&String::from_utf8_lossy(&output.stderr));
    match output.status.code() {
        Some(0) => Ok(Ended::Well),
        Some(1) => Ok(Ended::Warned),
        Some(status) => {
            bail!("squawk could not look at the files: it ended with {status}, and what it says is above")
        }
        None => bail!("squawk was stopped by a signal before it had looked at all files"),
    }
}
