//! What goes on, on the standard error, where it takes over a second and a terminal is there to show it.

use parking_lot::Mutex;
use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// Before it, nothing is shown: what is over at once needs no word.
const PATIENCE: Duration = Duration::from_secs(1);
const EVERY: Duration = Duration::from_millis(200);

/// Shows a line that changes, until it is dropped, which takes the line away.
#[derive(Debug)]
pub(crate) struct Progress {
    line: Arc<Mutex<String>>,
    is_shown: Arc<AtomicBool>,
    task: Option<JoinHandle<()>>,
}

impl Progress {
    /// Begins, if the standard error is a terminal.
    pub(crate) fn begin() -> Self {
        let line = Arc::new(Mutex::new(String::new()));
        let is_shown = Arc::new(AtomicBool::new(false));
        let shown = show(Arc::clone(&line), Arc::clone(&is_shown));
        let task = std::io::stderr().is_terminal().then(|| tokio::spawn(shown));
        Progress { line, is_shown, task }
    }

    /// What goes on from now on.
    pub(crate) fn is_at(&self, line: String) {
        *self.line.lock() = line;
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        let Some(task) = self.task.take() else { return };
        task.abort();
        if self.is_shown.load(Ordering::Acquire) {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}

async fn show(line: Arc<Mutex<String>>, is_shown: Arc<AtomicBool>) {
    let begun = Instant::now();
    tokio::time::sleep(PATIENCE).await;
    is_shown.store(true, Ordering::Release);
    loop {
        let text = format!("\r\x1b[K{} ({} s)", *line.lock(), begun.elapsed().as_secs());
        let _ = std::io::stderr().write_all(text.as_bytes());
        tokio::time::sleep(EVERY).await;
    }
}
