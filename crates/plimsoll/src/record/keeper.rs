//! Keeps the totals of the monitor in a file, so that they go on after a restart instead of beginning at zero.
//!
//! A file belongs to one pool at a time, by a lock on a second file beside it (the first is replaced at each writing, so a
//! lock on it would be lost). While another pool has it, for example that of the process which this one replaces, this one
//! counts without the file and tries again; when it gets the file, it adds what is in it. A file that cannot be read as
//! what it should be is moved aside and never overwritten. Whatever goes wrong is told in the log, once, and no call
//! notices it.

use super::Monitor;
use super::counters::Counters;
use parking_lot::Mutex;
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// How often the totals are written: so much is lost when the program is killed.
pub(crate) const EVERY: Duration = Duration::from_secs(10);

/// How long the writing is waited for.
const SLOW: Duration = Duration::from_secs(1);

/// A larger file was not written by this crate.
const LARGEST: u64 = 1 << 20;

/// The file of one pool.
pub(crate) struct Keeper {
    path: PathBuf,
    /// The lock, once this pool has it.
    lock: Mutex<Lock>,
}

/// What is in the file. The first field tells it from any other JSON.
#[derive(Serialize, Deserialize)]
struct Kept<C> {
    plimsoll_totals: u32,
    totals: C,
}

/// The form of the file that this version reads and writes.
const FORM: u32 = 1;

#[derive(Default)]
struct Lock {
    /// The totals were written for the last time; another pool may have the file.
    is_ended: bool,
    held: Option<File>,
    /// What was told last, so that it is not told again.
    told: Option<String>,
}

impl Keeper {
    /// The keeper of this file; `None` for an empty path.
    pub(super) fn of(path: &str) -> Option<Self> {
        (!path.is_empty()).then(|| Keeper { path: PathBuf::from(path), lock: Mutex::new(Lock::default()) })
    }

    /// Takes the file if it is not ours yet, and writes the totals. It waits for the disk. Gives what is to be told.
    fn keep(&self, monitor: &Monitor, is_last: bool) -> Vec<String> {
        let mut lock = self.lock.lock();
        let mut told = Vec::new();
        if lock.is_ended {
            return told;
        }
        match self.try_keep(&mut lock.held, monitor, &mut told) {
            Ok(()) => lock.told = None,
            Err(why) if lock.told.as_ref() == Some(&why) => {}
            Err(why) => {
                told.push(format!(
                    "the monitor's totals are not kept in {}: {why}; counting goes on without the file, and it is tried \
                     again",
                    self.path.display()
                ));
                lock.told = Some(why);
            }
        }
        if is_last {
            *lock = Lock { is_ended: true, ..Lock::default() };
        }
        told
    }

    fn try_keep(
        &self,
        held: &mut Option<File>,
        monitor: &Monitor,
        told: &mut Vec<String>,
    ) -> Result<(), String> {
        if held.is_none() {
            let file = self.lock_file()?;
            if let Some(earlier) = self.read(told)? {
                monitor.add_counters(&earlier);
            }
            *held = Some(file);
        }
        self.write(&monitor.counters()).map_err(|error| format!("it cannot be written: {error}"))
    }

    /// The same path with another ending.
    fn beside(&self, ending: &str) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(ending);
        name.into()
    }

    fn lock_file(&self) -> Result<File, String> {
        let path = self.beside(".lock");
        let opened = File::options().read(true).write(true).create(true).truncate(false).open(&path);
        let file = opened.map_err(|error| format!("{} cannot be opened: {error}", path.display()))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(file),
            Err(rustix::io::Errno::WOULDBLOCK) => {
                Err("another pool has it; give each pool a file of its own".to_owned())
            }
            Err(errno) => Err(format!("{} cannot be locked: {errno}", path.display())),
        }
    }

    fn read(&self, told: &mut Vec<String>) -> Result<Option<Counters>, String> {
        let length = match self.path.metadata() {
            Ok(about) => about.len(),
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(format!("it cannot be looked at: {error}")),
        };
        let text = if length > LARGEST { Ok(String::new()) } else { std::fs::read_to_string(&self.path) };
        let text = match text {
            Err(error) if error.kind() == ErrorKind::InvalidData => String::new(),
            text => text.map_err(|error| format!("it cannot be read: {error}"))?,
        };
        match serde_json::from_str(&text) {
            Ok(Kept { plimsoll_totals: FORM, totals }) => Ok(Some(totals)),
            _ => self.move_aside().map(|moved| {
                told.push(moved);
                None
            }),
        }
    }

    /// Keeps what cannot be read: it may be the only copy of something else.
    fn move_aside(&self) -> Result<String, String> {
        let aside = self.beside(".unreadable");
        std::fs::rename(&self.path, &aside).map_err(|error| format!("it cannot be read: {error}"))?;
        Ok(format!(
            "{} held no totals of a monitor and is {} now; the totals begin at zero",
            self.path.display(),
            aside.display()
        ))
    }

    /// Replaces the file as a whole, so that a crash leaves the old one or the new one.
    fn write(&self, counters: &Counters) -> std::io::Result<()> {
        let fresh = self.beside(".new");
        let mut file = File::create(&fresh)?;
        file.write_all(&serde_json::to_vec(&Kept { plimsoll_totals: FORM, totals: counters })?)?;
        file.sync_data()?;
        std::fs::rename(&fresh, Path::new(&self.path))
    }
}

/// Writes the totals, if they are kept. A thread that may wait for the disk does it; a disk that is slow is not waited for.
pub(crate) async fn keep(monitor: &Arc<Monitor>) {
    write(monitor, false).await;
}

/// The same for the last time: another pool may have the file from now on.
pub(crate) async fn end(monitor: &Arc<Monitor>) {
    write(monitor, true).await;
}

async fn write(monitor: &Arc<Monitor>, is_last: bool) {
    if monitor.keeper.is_none() {
        return;
    }
    let monitor = Arc::clone(monitor);
    let writing = tokio::task::spawn_blocking(move || {
        monitor.keeper.as_ref().map(|keeper| keeper.keep(&monitor, is_last)).unwrap_or_default()
    });
    // Else the disk is slow and the thread goes on, or the runtime ends and all work with it.
    if let Ok(Ok(told)) = tokio::time::timeout(SLOW, writing).await {
        told.iter().for_each(|sentence| tracing::warn!(target: "plimsoll", "{sentence}"));
    }
}
