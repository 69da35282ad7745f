//! Finds a PostgreSQL server that the machine already has.
//!
//! Nothing is downloaded: a test run must not depend on a network, on somebody's rate limit, or on trusting a binary
//! that the distribution did not sign. Distributions keep the server's programs off `PATH` (Debian has one folder a
//! version), so several places are searched, in an order which lets a person overrule the machine:
//!
//! 1. `PLIMSOLL_PG_BIN`, a folder: if it is set, nothing else is looked at, since a silent fallback would test the wrong server;
//! 2. `PATH`; 3. `pg_config --bindir`; 4. the distributions' and package managers' folders, newest version first.
//!
//! `PLIMSOLL_PG_VERSION` (or [`Binaries::of_version`]) asks for a major version and skips the others.

use crate::error::{Error, Result};
use crate::install::{self, Package};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

const BIN_VARIABLE: &str = "PLIMSOLL_PG_BIN";
const VERSION_VARIABLE: &str = "PLIMSOLL_PG_VERSION";
const PROGRAMS: [&str; 3] = ["initdb", "pg_ctl", "postgres"];

/// A folder that holds `initdb`, `pg_ctl` and `postgres`, and the version that they are of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binaries {
    folder: PathBuf,
    major: u32,
}

impl Binaries {
    /// The server that this machine offers, or the one that `PLIMSOLL_PG_BIN` and `PLIMSOLL_PG_VERSION` ask for.
    pub fn find() -> Result<Self> {
        let wanted = match std::env::var(VERSION_VARIABLE) {
            Ok(value) if !value.trim().is_empty() => {
                Some(value.trim().parse().map_err(|_| Error::Environment {
                    name: VERSION_VARIABLE,
                    value: value.clone(),
                    problem: "it should be a major version, such as 17".into(),
                })?)
            }
            _ => None,
        };
        Search::new(wanted, std::env::var_os(BIN_VARIABLE)).run()
    }

    /// A server of this major version, whatever `PLIMSOLL_PG_VERSION` says.
    pub fn of_version(major: u32) -> Result<Self> {
        Search::new(Some(major), std::env::var_os(BIN_VARIABLE)).run()
    }

    /// The server in this folder, and no other.
    pub fn in_folder(folder: impl Into<PathBuf>) -> Result<Self> {
        Search::new(None, Some(folder.into().into())).run()
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The major version, such as 17.
    pub fn major(&self) -> u32 {
        self.major
    }

    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

/// One search, which remembers where it looked so that a failure can tell.
struct Search {
    wanted: Option<u32>,
    said: Option<PathBuf>,
    looked_in: Vec<String>,
    found: Vec<String>,
}

impl Search {
    fn new(wanted: Option<u32>, said: Option<OsString>) -> Self {
        let said = said.filter(|s| !s.is_empty()).map(PathBuf::from);
        Self { wanted, said, looked_in: Vec::new(), found: Vec::new() }
    }

    fn run(mut self) -> Result<Binaries> {
        if let Some(folder) = self.said.clone() {
            self.looked_in.push(format!("{} (as told, and nowhere else)", folder.display()));
            return self.try_folder(&folder).ok_or_else(|| self.nothing());
        }
        self.looked_in.push("PATH".into());
        for folder in std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()) {
            if let Some(binaries) = self.try_folder(&folder) {
                return Ok(binaries);
            }
        }
        self.looked_in.push("`pg_config --bindir`".into());
        if let Some(binaries) = pg_config_bindir().and_then(|folder| self.try_folder(&folder)) {
            return Ok(binaries);
        }
        for (before, after) in KNOWN_FOLDERS {
            self.looked_in.push(format!("{before}*{after}"));
            for folder in newest_first(before, after) {
                if let Some(binaries) = self.try_folder(&folder) {
                    return Ok(binaries);
                }
            }
        }
        Err(self.nothing())
    }

    fn try_folder(&mut self, folder: &Path) -> Option<Binaries> {
        if !PROGRAMS.iter().all(|program| folder.join(program).is_file()) {
            return None;
        }
        let major = version_of(&folder.join("postgres"))?;
        if self.wanted.is_some_and(|wanted| wanted != major) {
            let real = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
            let other = format!("version {major} in {}", real.display());
            if !self.found.contains(&other) {
                self.found.push(other);
            }
            return None;
        }
        // Made absolute, since the programs are run from another folder.
        let folder = std::path::absolute(folder).ok()?;
        Some(Binaries { folder, major })
    }

    fn nothing(self) -> Error {
        Error::NoServer {
            wanted: self.wanted,
            found: self.found,
            looked_in: self.looked_in,
            install: install::line(Package::Server, self.wanted),
        }
    }
}

/// Where package managers put a server, as what stands before and after the version.
const KNOWN_FOLDERS: [(&str, &str); 7] = [
    ("/usr/lib/postgresql/", "/bin"),
    ("/usr/pgsql-", "/bin"),
    ("/usr/libexec/postgresql", ""),
    ("/opt/homebrew/opt/postgresql@", "/bin"),
    ("/usr/local/opt/postgresql@", "/bin"),
    ("/usr/lib/postgresql", "/bin"),
    ("/usr/local/pgsql", "/bin"),
];

/// The folders that match `before*after`, with the highest version first; the bare folder, which has none, last.
fn newest_first(before: &str, after: &str) -> Vec<PathBuf> {
    let (parent, prefix) = before.rsplit_once('/').unwrap_or(("", before));
    let mut versions: Vec<(u32, PathBuf)> = std::fs::read_dir(format!("{parent}/"))
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name();
            let version = name.to_str()?.strip_prefix(prefix)?;
            let number = if version.is_empty() { 0 } else { version.parse().ok()? };
            Some((number, PathBuf::from(format!("{before}{version}{after}"))))
        })
        .collect();
    versions.sort_by(|a, b| b.cmp(a));
    versions.into_iter().map(|(_, folder)| folder).collect()
}

fn pg_config_bindir() -> Option<PathBuf> {
    let output = Command::new("pg_config").arg("--bindir").output().ok()?;
    Some(PathBuf::from(String::from_utf8(output.stdout).ok()?.trim()))
}

/// `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)` is 15, and `postgres (PostgreSQL) 19beta1` is 19.
fn version_of(postgres: &Path) -> Option<u32> {
    let output = Command::new(postgres).arg("--version").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let version = text.split_once(") ")?.1;
    version.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}
