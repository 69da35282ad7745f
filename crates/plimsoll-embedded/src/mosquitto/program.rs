//! Finds the Mosquitto that the machine has: `PLIMSOLL_MOSQUITTO`, else the first on `PATH`, else the one in the folders for
//! system programs.

use crate::error::{Error, Result};
use crate::install::{self, Package};
use std::path::{Path, PathBuf};

const PROGRAM_VARIABLE: &str = "PLIMSOLL_MOSQUITTO";
const KNOWN_FOLDERS: [&str; 5] =
    ["/usr/sbin", "/usr/local/sbin", "/usr/local/bin", "/opt/homebrew/sbin", "/opt/homebrew/bin"];

/// The broker.
pub(super) fn find() -> Result<PathBuf> {
    let mut looked_in = Vec::new();
    let found = match std::env::var_os(PROGRAM_VARIABLE).filter(|said| !said.is_empty()) {
        Some(said) => {
            let program = PathBuf::from(said);
            looked_in.push(program.display().to_string());
            program.is_file().then_some(program)
        }
        None => {
            looked_in.push("PATH".into());
            looked_in.extend(KNOWN_FOLDERS.map(String::from));
            on_path("mosquitto")
        }
    };
    // Made absolute, since the program is run from another folder.
    let found = found.and_then(|program| std::path::absolute(program).ok());
    found.ok_or_else(|| Error::NoMosquitto { looked_in, install: install::line(Package::Mosquitto, None) })
}

/// The program beside it that makes files of passwords. It lies in the same folder, or where users' programs are.
pub(super) fn passwords(broker: &Path) -> PathBuf {
    let name = "mosquitto_passwd";
    let beside = broker.with_file_name(name);
    if beside.is_file() { beside } else { on_path(name).unwrap_or_else(|| name.into()) }
}

fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(KNOWN_FOLDERS.iter().map(PathBuf::from))
        .map(|folder| folder.join(name))
        .find(|program| program.is_file())
}
