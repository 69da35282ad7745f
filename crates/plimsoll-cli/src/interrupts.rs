//! ^C, and the polite kill: both ask a command to end, and to leave nothing behind.
//!
//! A command listens from its first moment to its last. What it does with the first one is its own matter (stop the load
//! and still count what was stored, say); whoever asks a second time does not want to wait for that either.

use std::io;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Listens for as long as it lives; until then a ^C would end the process with everything in it.
#[derive(Debug)]
pub(crate) struct Interrupts {
    from_the_keyboard: Signal,
    from_elsewhere: Signal,
    hung_up: Signal,
}

impl Interrupts {
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Interrupts {
            from_the_keyboard: signal(SignalKind::interrupt())?,
            from_elsewhere: signal(SignalKind::terminate())?,
            hung_up: signal(SignalKind::hangup())?,
        })
    }

    /// The next one. Dropped, none is missed.
    pub(crate) async fn next(&mut self) {
        tokio::select! {
            _ = self.from_the_keyboard.recv() => {}
            _ = self.from_elsewhere.recv() => {}
            _ = self.hung_up.recv() => {}
        }
    }
}
