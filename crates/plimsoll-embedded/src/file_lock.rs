//! Locks on files, by which processes that know nothing else of each other take turns.

use crate::error::{Error, Result};
use crate::process;
use rustix::fs::{FlockOperation, flock};
use std::fs::File;
use std::path::Path;
use std::time::{Duration, Instant};

/// Takes a lock on a file, or gives up. The lock ends when the last copy of the `File` is closed.
pub(crate) async fn wait_for(
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
