//! Finds a PgBouncer that the machine has, of the kind that is asked for.
//!
//! The installed one is `PLIMSOLL_PGBOUNCER`, else the first on `PATH`, else the one in the folders for system programs.
//! Others may lie unpacked under `PLIMSOLL_PGBOUNCER_FOLDER`, each in a folder that is named as its version and holds
//! the program `pgbouncer`.

use crate::error::{Error, Result};
use crate::install::{self, Package};
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

const PROGRAM_VARIABLE: &str = "PLIMSOLL_PGBOUNCER";
const FOLDER_VARIABLE: &str = "PLIMSOLL_PGBOUNCER_FOLDER";
const VERSION_VARIABLE: &str = "PLIMSOLL_PGBOUNCER_VERSION";
const KNOWN_FOLDERS: [&str; 4] = ["/usr/sbin", "/usr/local/sbin", "/usr/local/bin", "/opt/homebrew/bin"];

/// Since this one prepared statements work in transaction mode.
const TRACKS_NAMES: (u32, u32) = (1, 21);

/// The two kinds of PgBouncer, by what becomes of prepared statements in transaction mode, each named after the version
/// that stands for it in tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PgBouncerVersion {
    /// One before 1.21: it knows nothing of prepared statements, and passes their names on to whichever server
    /// connection is next.
    V1_18,
    /// One since 1.21: it keeps the statements that a client prepares by protocol, gives them names of its own on the
    /// server, and prepares them anew where the next server connection does not have them.
    V1_24,
}

impl PgBouncerVersion {
    fn of(program: &Path) -> Option<Self> {
        let output = Command::new(program).arg("--version").output().ok()?;
        Self::said(&String::from_utf8(output.stdout).ok()?)
    }

    /// `PgBouncer 1.18.0` and what follows.
    fn said(text: &str) -> Option<Self> {
        let mut numbers = text.strip_prefix("PgBouncer ")?.split(['.', '\n']);
        let version = (numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?);
        Some(if version < TRACKS_NAMES { Self::V1_18 } else { Self::V1_24 })
    }

    fn named(name: &str) -> Option<Self> {
        Self::said(&format!("PgBouncer {name}"))
    }
}

impl fmt::Display for PgBouncerVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V1_18 => "1.18",
            Self::V1_24 => "1.24",
        })
    }
}

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
        match PgBouncerVersion::of(&program) {
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

#[cfg(test)]
mod tests {
    use super::PgBouncerVersion::{self, V1_18, V1_24};

    #[test]
    fn a_version_is_of_the_kind_before_or_since_names_were_tracked() {
        let cases = [
            ("1.9.0", V1_18),
            ("1.18.0", V1_18),
            ("1.20", V1_18),
            ("1.21.0", V1_24),
            ("1.24.1", V1_24),
            ("2.0", V1_24),
        ];
        for (text, kind) in cases {
            assert_eq!(
                PgBouncerVersion::said(&format!("PgBouncer {text}\nlibevent 2")),
                Some(kind),
                "{text}"
            );
            assert_eq!(PgBouncerVersion::named(text), Some(kind), "{text}");
        }
        assert_eq!(PgBouncerVersion::named("new"), None);
    }
}
