//! Finds a PgBouncer that the machine has, of the kind that is asked for.
//!
//! The installed one is `PLIMSOLL_PGBOUNCER`, else the first on `PATH`, else the one in the folders for system programs.
//! Others may lie unpacked under `PLIMSOLL_PGBOUNCER_FOLDER`, each in a folder that is named as its version and holds
//! the program `pgbouncer`.

use crate::error::{Error, Result};
use crate::install::{self, Package};
use crate::pgbouncer_version::PgBouncerVersion;
use std::path::{Path, PathBuf};
use std::process::Command;

const PROGRAM_VARIABLE: &str = "PLIMSOLL_PGBOUNCER";
const FOLDER_VARIABLE: &str = "PLIMSOLL_PGBOUNCER_FOLDER";
const VERSION_VARIABLE: &str = "PLIMSOLL_PGBOUNCER_VERSION";
const KNOWN_FOLDERS: [&str; 4] = ["/usr/sbin", "/usr/local/sbin", "/usr/local/bin", "/opt/homebrew/bin"];

/// The version that `PLIMSOLL_PGBOUNCER_VERSION` asks for, if it does.
pub(super) fn said_version() -> Result<Option<PgBouncerVersion>> {
    let Ok(value) = std::env::var(VERSION_VARIABLE) else { return Ok(None) };
    if value.trim().is_empty() {
        return Ok(None);
    }
    match PgBouncerVersion::named(value.trim()) {
        Some(version) => Ok(Some(version)),
        None => Err(Error::Environment {
            name: VERSION_VARIABLE,
            value,
            problem: "it should be a version, such as 1.24".into(),
        }),
    }
}

/// The program: the installed one, whatever it is, unless a version is asked for.
pub(super) fn find(version: Option<PgBouncerVersion>) -> Result<PathBuf> {
    let mut looked_in = Vec::new();
    let installed = installed(&mut looked_in);
    let Some(version) = version else {
        let install = install::line(Package::PgBouncer, None);
        return installed.ok_or(Error::NoPgBouncer { looked_in, install });
    };
    let mut found = Vec::new();
    for program in installed.into_iter().chain(unpacked(version, &mut looked_in)) {
        match version_of(&program) {
            Some(kind) if kind == version => return Ok(program),
            _ => found.push(program.display().to_string()),
        }
    }
    Err(Error::NoPgBouncerOfVersion { version, found, looked_in })
}

fn installed(looked_in: &mut Vec<String>) -> Option<PathBuf> {
    if let Some(said) = std::env::var_os(PROGRAM_VARIABLE).filter(|said| !said.is_empty()) {
        let program = PathBuf::from(said);
        looked_in.push(program.display().to_string());
        return program.is_file().then_some(program);
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    looked_in.push("PATH".into());
    looked_in.extend(KNOWN_FOLDERS.map(String::from));
    std::env::split_paths(&path)
        .chain(KNOWN_FOLDERS.iter().map(PathBuf::from))
        .map(|folder| folder.join("pgbouncer"))
        .find(|program| program.is_file())
}

fn unpacked(version: PgBouncerVersion, looked_in: &mut Vec<String>) -> Option<PathBuf> {
    let folder = PathBuf::from(std::env::var_os(FOLDER_VARIABLE).filter(|said| !said.is_empty())?);
    let folder = folder.join(version.to_string());
    looked_in.push(folder.display().to_string());
    // Made absolute, since the program is run from another folder.
    let program = std::path::absolute(folder.join("pgbouncer")).ok()?;
    program.is_file().then_some(program)
}

/// The kind that this program says it is.
fn version_of(program: &Path) -> Option<PgBouncerVersion> {
    let output = Command::new(program).arg("--version").output().ok()?;
    PgBouncerVersion::said(&String::from_utf8(output.stdout).ok()?)
}
