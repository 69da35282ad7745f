//! The thread that waits for SIGUSR1, and who is told of one.
//!
//! There is one thread for the program, from the first call on: a signal that was once listened for cannot be given back to
//! what it did before without code that the compiler does not check, and would then end the program. So what was given is
//! kept on a stack, the newest holds, and on an empty stack the signal is ignored.
//!
//! One thread also means that no two reports are mixed. Signals that come while it prints are one signal to it.

use super::options::ReportOptions;
use super::text::{self, Subject};
use super::{ReportError, runtime};
use crate::databases::Databases;
use nix::sys::signal::{SigSet, Signal};
use parking_lot::Mutex;
use signal_hook::consts::SIGUSR1;
use signal_hook::iterator::Signals;
use std::fmt;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What was given.
pub(super) struct Installed {
    pub(super) is_enabled: AtomicBool,
    /// It was said that it is switched off.
    pub(super) was_told_off: AtomicBool,
    subject: Subject,
    writer: Mutex<Box<dyn Write + Send>>,
}

impl Installed {
    pub(super) fn new(databases: Databases, options: ReportOptions) -> Self {
        let ReportOptions { is_enabled, most, statement_texts, runtime, writer } = options;
        Installed {
            is_enabled: AtomicBool::new(is_enabled),
            was_told_off: AtomicBool::new(false),
            subject: Subject { databases, most, statement_texts, runtime: runtime.or_else(runtime::here) },
            writer: Mutex::new(writer),
        }
    }
}

impl fmt::Debug for Installed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Installed")
            .field("is_enabled", &self.is_enabled)
            .field("databases", &self.subject.databases)
            .finish_non_exhaustive()
    }
}

struct Stack {
    has_thread: bool,
    all: Vec<Arc<Installed>>,
}

static STACK: Mutex<Stack> = Mutex::new(Stack { has_thread: false, all: Vec::new() });

/// From now on this holds.
pub(super) fn install(installed: &Arc<Installed>) -> Result<(), ReportError> {
    let mut stack = STACK.lock();
    if !stack.has_thread {
        let signals = Signals::new([SIGUSR1]).map_err(ReportError::Signal)?;
        let thread = std::thread::Builder::new().name("plimsoll-report".to_owned());
        thread.spawn(|| listen(signals)).map_err(ReportError::Thread)?;
        stack.has_thread = true;
    }
    stack.all.push(Arc::clone(installed));
    Ok(())
}

/// What was given before it holds again.
pub(super) fn remove(installed: &Arc<Installed>) {
    STACK.lock().all.retain(|known| !Arc::ptr_eq(known, installed));
}

/// Waits for signals until the program ends.
fn listen(mut signals: Signals) {
    // What started the program may have blocked the signal in all of its threads; one that takes it is enough.
    let _ = SigSet::from(Signal::SIGUSR1).thread_unblock();
    for _ in signals.forever() {
        let newest = STACK.lock().all.last().cloned();
        // A writer of the program's own may panic; that must not be the last report.
        let _ = catch_unwind(AssertUnwindSafe(move || newest.iter().for_each(|installed| tell(installed))));
    }
}

fn tell(installed: &Installed) {
    let told = match installed.is_enabled.load(Ordering::Relaxed) {
        true => text::report(&installed.subject),
        false if installed.was_told_off.swap(true, Ordering::Relaxed) => return,
        false => text::is_off(),
    };
    let mut writer = installed.writer.lock();
    // Where a report cannot be written there is no one to tell so.
    let _ = writer.write_all(told.as_bytes()).and_then(|()| writer.flush());
}
