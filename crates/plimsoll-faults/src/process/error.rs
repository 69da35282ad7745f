//! Why a process was not frozen, thawed or killed. Each reads as one sentence and says what to do.

use std::io;
use std::time::Duration;

/// A process could not be handled as was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProcessError {
    /// This process is none that may be handed over.
    #[error("process {pid} is never signalled: {why}; hand over the process of the server under test")]
    Forbidden {
        /// The id that was handed over.
        pid: u32,
        /// What is wrong with it.
        why: &'static str,
    },
    /// There is no such process, or its id belongs to another one by now.
    #[error(
        "process {pid} is gone, or its id belongs to another process by now; attach to the one that runs"
    )]
    Gone {
        /// The id that was handed over.
        pid: u32,
    },
    /// The operating system refuses the signal.
    #[error("process {pid} may not be signalled: {cause}; run as its owner or as root")]
    Refused {
        /// Who was to be signalled.
        pid: u32,
        /// The operating system's word.
        cause: io::Error,
    },
    /// A process has not come to the state that was asked for; see [`Process::within`](crate::Process::within).
    #[error("process {pid} was not {wanted} after {limit:?}: its state is {state}; allow more time")]
    Late {
        /// The first process that is late.
        pid: u32,
        /// What it should have become: `stopped` or `dead`.
        wanted: &'static str,
        /// Its state, as `/proc` says it: `D` is a process that waits for a disk and takes no signal meanwhile.
        state: char,
        /// How long was waited.
        limit: Duration,
    },
    /// Somebody thawed it while it was being frozen. Nothing is frozen now.
    #[error("process {pid} was thawed while it was being frozen; do one after the other")]
    Thawed {
        /// The id that was handed over.
        pid: u32,
    },
    /// The system has no `/proc`, without which a process cannot be told from a later one with the same id.
    #[error("processes can be frozen on Linux only: this system has no /proc to tell one from another")]
    Unsupported,
}
