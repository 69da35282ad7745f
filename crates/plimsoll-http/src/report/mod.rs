//! What goes on in a program that hangs, printed when it is sent SIGUSR1.
//!
//! ```no_run
//! use plimsoll_http::report::{ReportOptions, on_sigusr1};
//! use plimsoll_http::Databases;
//!
//! # fn example(db: plimsoll::Database) -> Result<(), Box<dyn std::error::Error>> {
//! let databases = Databases::from(&db);
//! // At the start, and kept for as long as the program runs.
//! let on_signal = on_sigusr1(&databases, ReportOptions::default())?;
//! // .. serve ..
//! # drop(on_signal);
//! # Ok(())
//! # }
//! ```
//!
//! `kill -USR1 <pid>` then writes to stderr: the requests in flight with what each does on the database, for each database who
//! holds connections and who waits for one, its breaker, retries, listeners and share, whether the runtime's workers are
//! blocked, and what the threads of the program do.
//!
//! It is made for the moment at which nothing else answers: the database frozen, the pool exhausted, every worker of the
//! runtime blocked. So a thread of its own makes it, which needs no runtime, asks no server and logs nothing (a log may be
//! locked by what hangs). It waits for no lock longer than 200 ms and says what it left out for that.
//!
//! No SQL, no parameter, no path and no query string is in it, only names that the program gave, templates of routes, ids of
//! requests and users, and fingerprints of statements; texts of statements without their constants where
//! [`ReportOptions::statement_texts`] asks for them.
//!
//! | the signal comes .. | |
//! |---|---|
//! | while the report is on | it is printed |
//! | while a report is printed | one more is printed, however many signals came |
//! | while it is switched off | nothing happens; the first time one line says that it is switched off |
//! | when the guard was dropped | nothing happens |
//! | and [`on_sigusr1`] was never called | the program ends: that is what SIGUSR1 does by itself |
//!
//! | file | what is in it |
//! |---|---|
//! | here | how it is switched on and off |
//! | [`options`] | what is told, and where to |
//! | [`listener`] | the thread, and who is told of a signal |
//! | [`text`] | the report as a whole |
//! | [`requests`], [`databases`] | its parts on requests and databases |
//! | [`runtime`], [`threads`], [`tasks`] | its parts on the runtime and the threads of the program |
//! | [`stderr`] | writing where no lock is needed |

mod databases;
mod listener;
mod options;
mod requests;
mod runtime;
mod stderr;
mod tasks;
mod text;
mod threads;

pub use options::ReportOptions;

use crate::databases::Databases;
use listener::Installed;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Why SIGUSR1 cannot be listened for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReportError {
    /// The system does not let the program listen for the signal.
    #[error("SIGUSR1 cannot be listened for: {0}; the program has perhaps no descriptor left")]
    Signal(#[source] io::Error),
    /// There is no thread for it.
    #[error("the thread that prints the report on SIGUSR1 cannot be started: {0}")]
    Thread(#[source] io::Error),
}

/// Prints what goes on with these databases, the requests and the runtime, whenever SIGUSR1 comes: see the [module](self).
/// Databases that are added later are in it. Call it at the start, inside the runtime.
///
/// The first call starts a thread that goes on until the program ends. Called again, the newest of what was given holds, until
/// its guard is dropped; then what was given before holds again.
///
/// The signal is taken however the program was started: also with SIGUSR1 ignored or blocked by what started it. Send it to
/// the program itself: a shell that was put around it dies of the signal and passes nothing on.
///
/// # Errors
/// There is no thread or no descriptor left.
pub fn on_sigusr1(
    databases: impl Into<Databases>,
    options: ReportOptions,
) -> Result<ReportGuard, ReportError> {
    let installed = Arc::new(Installed::new(databases.into(), options));
    listener::install(&installed)?;
    let pid = std::process::id();
    match installed.is_enabled.load(Ordering::Relaxed) {
        true => {
            tracing::info!(target: "plimsoll::http", pid, "SIGUSR1 prints what goes on: kill -USR1 {pid}")
        }
        false => {
            tracing::info!(target: "plimsoll::http", pid, "SIGUSR1 is ignored: its report is switched off")
        }
    }
    Ok(ReportGuard(installed))
}

/// The report is printed for as long as this is kept. Once the last is dropped, SIGUSR1 is ignored: an operator who sends it
/// while the program stops must not kill it. A report that is being printed is finished.
#[must_use = "dropped, SIGUSR1 prints nothing"]
#[derive(Debug)]
pub struct ReportGuard(Arc<Installed>);

impl ReportGuard {
    /// Prints the report from now on, or does not.
    pub fn set_enabled(&self, is_enabled: bool) {
        self.0.is_enabled.store(is_enabled, Ordering::Relaxed);
        self.0.was_told_off.store(false, Ordering::Relaxed);
    }

    /// Whether the report is printed.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.0.is_enabled.load(Ordering::Relaxed)
    }
}

impl Drop for ReportGuard {
    fn drop(&mut self) {
        listener::remove(&self.0);
    }
}
