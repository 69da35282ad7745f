//! What is logged, for tests of phrases that operators search for.

use std::io;
use std::sync::{Arc, Mutex};
use tracing::Level;
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::SubscriberInitExt;

/// What was logged by this test's thread; in a test of one thread that is everything.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    pub(crate) fn start() -> (Log, DefaultGuard) {
        let (log, for_writer) = {
            let log = Log::default();
            (log.clone(), log)
        };
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(Level::DEBUG)
            .with_ansi(false)
            .with_writer(move || for_writer.clone())
            .finish();
        (log, tracing::subscriber::set_default(subscriber))
    }

    /// Everything that is logged at all, by this crate and by those beneath it, as far as this filter lets it through.
    pub(crate) fn everything(filter: &str) -> (Log, DefaultGuard) {
        let (log, for_writer) = {
            let log = Log::default();
            (log.clone(), log)
        };
        let subscriber = tracing_subscriber::fmt()
            .with_env_filter(EnvFilter::new(filter))
            .with_ansi(false)
            .with_writer(move || for_writer.clone());
        // Takes what is said by the crate `log` along, as programs do.
        (log, subscriber.set_default())
    }

    /// The lines that have all of this in them.
    pub(crate) fn lines(&self, parts: &[&str]) -> Vec<String> {
        let text = self.text();
        let lines = text.lines().filter(|line| parts.iter().all(|part| line.contains(part)));
        lines.map(str::to_owned).collect()
    }

    /// Whether there is a line of this level with exactly this message.
    pub(crate) fn has(&self, level: Level, message: &str) -> bool {
        self.text().lines().any(|line| {
            line.contains(&format!(" {level} "))
                && line.split_once("plimsoll: ").is_some_and(|(_, said)| said == message)
        })
    }

    /// Whether a line of this level has this in it.
    pub(crate) fn mentions(&self, level: Level, words: &str) -> bool {
        self.text().lines().any(|line| line.contains(&format!(" {level} ")) && line.contains(words))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}
