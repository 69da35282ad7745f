//! The thread that writes the access log. It ends when the last handle is dropped and what was left is written, or cannot be.

use super::Form;
use super::held::{Batch, Held};
use super::sink::Sink;
use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

/// The pause before writing is tried again, which doubles with each failure.
const PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

pub(super) fn start(form: Form, sink: Sink, held: Arc<Held>) -> io::Result<()> {
    thread::Builder::new().name("access-log".to_owned()).spawn(move || {
        // Also where the sink panics: then nothing is waited for in vain.
        let _end = End(&held);
        Writer { sink, held: &held, is_failing: false }.run(form);
    })?;
    Ok(())
}

struct End<'a>(&'a Held);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.end();
    }
}

struct Writer<'a> {
    sink: Sink,
    held: &'a Held,
    is_failing: bool,
}

impl Writer<'_> {
    fn run(mut self, form: Form) {
        let mut batch = Batch::default();
        while self.held.next(&mut batch, form) {
            self.write(&mut batch);
            self.held.settle(&mut batch);
        }
    }

    /// Writes a batch. A sink that fails is tried again from where it stopped, so that no line is broken or twice, while new
    /// lines gather; once the last handle is gone only a sink that is busy is.
    fn write(&mut self, batch: &mut Batch) {
        let mut pause = PAUSE;
        loop {
            let before = batch.sent;
            let Err(error) = self.sink.send(&batch.bytes, &mut batch.sent) else { break };
            if batch.sent > before {
                pause = PAUSE;
            }
            let is_busy = error.kind() == io::ErrorKind::WouldBlock;
            if !is_busy {
                self.has_failed(&error);
            }
            if self.held.closes_in().is_some_and(|left| !is_busy || left.is_zero()) {
                return;
            }
            self.held.pause(pause);
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        if std::mem::take(&mut self.is_failing) {
            tracing::info!(target: "plimsoll::http", "the access log can be written again");
        }
    }

    fn has_failed(&mut self, error: &io::Error) {
        if !std::mem::replace(&mut self.is_failing, true) {
            tracing::error!(
                target: "plimsoll::http",
                "the access log cannot be written: {error}; it is tried again every {} ms, and records that find no room \
                 meanwhile are dropped and counted; requests are not held up",
                LONGEST_PAUSE.as_millis()
            );
        }
    }
}
