//! Temporary folders for sockets, logs and data.
//!
//! A Unix socket's path must stay under about 100 characters, and a user that is not us must be able to get there; a
//! `TMPDIR` of macOS or of a build system often breaks one of the two. `/tmp` breaks neither.

use crate::error::{Error, Result};
use crate::root::RunAs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// What `/.s.PGSQL.65535.lock` and a random name add must fit into the 103 bytes that macOS allows.
const LONGEST_BASE: usize = 55;

/// A test server in memory makes a database in a sixth of the time; but a small machine, or a container (whose
/// `/dev/shm` has 64 MB unless told otherwise), must not be filled.
const MEMORY: &str = "/dev/shm";
const MEMORY_ENOUGH: u64 = 2 << 30;

/// A new folder that belongs to whom programs run as. Removed when dropped, until a watchdog takes that over.
pub(crate) fn temporary(kind: &str, in_memory: bool, run_as: &RunAs) -> Result<TempDir> {
    let base = if in_memory && memory_has_room() { PathBuf::from(MEMORY) } else { base(run_as) };
    let folder = tempfile::Builder::new()
        .prefix(&format!("plimsoll-{kind}-"))
        .rand_bytes(8)
        .tempdir_in(&base)
        .map_err(Error::io("make a folder in", &base))?;
    // Others may pass (a client may be another user than the server), but not list it.
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o711))
        .map_err(Error::io("set the mode of", folder.path()))?;
    run_as.give(folder.path())?;
    run_as.can_reach(folder.path())?;
    Ok(folder)
}

fn memory_has_room() -> bool {
    let free = rustix::fs::statvfs(MEMORY).map(|about| about.f_bavail.saturating_mul(about.f_frsize));
    let available = std::fs::read_to_string("/proc/meminfo").ok().and_then(|text| {
        let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
        line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()
    });
    free.is_ok_and(|bytes| bytes >= MEMORY_ENOUGH) && available.is_some_and(|kb| kb << 10 >= MEMORY_ENOUGH)
}

fn base(run_as: &RunAs) -> PathBuf {
    let said = std::env::temp_dir();
    let fits = said.as_os_str().len() <= LONGEST_BASE && said.is_absolute();
    if fits && run_as.can_reach(&said.join("x")).is_ok() { said } else { PathBuf::from("/tmp") }
}

/// Writes a file that belongs to whom programs run as. The mode is set before a word is in it.
pub(crate) fn write(path: &Path, content: &str, mode: u32, run_as: &RunAs) -> Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(mode)
        .open(path)
        .map_err(Error::io("write", path))?;
    file.set_permissions(std::fs::Permissions::from_mode(mode))
        .map_err(Error::io("set the mode of", path))?;
    run_as.give(path)?;
    file.write_all(content.as_bytes()).map_err(Error::io("write", path))
}

/// `/a/b` becomes `/a/.b.lock`: a place for what belongs to a folder and may not lie in it.
pub(crate) fn beside(data: &Path, extension: &str) -> PathBuf {
    let name = data.file_name().unwrap_or_default().to_string_lossy();
    data.with_file_name(format!(".{name}.{extension}"))
}

/// The end of a log: enough to see why, little enough to read.
pub(crate) fn tail(path: &Path) -> String {
    let bytes = std::fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    lines.get(lines.len().saturating_sub(40)..).unwrap_or_default().join("\n")
}

/// What was written to a log since it was `length` bytes long.
pub(crate) fn since(path: &Path, length: u64) -> String {
    let bytes = std::fs::read(path).unwrap_or_default();
    let from = usize::try_from(length).unwrap_or_default();
    String::from_utf8_lossy(bytes.get(from..).unwrap_or_default()).into_owned()
}
