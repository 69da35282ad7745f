//! What is shown while a load runs, and how it is stopped: ^C ends it with what there is by then.

use super::tally::Tally;
use crate::columns::count;
use crate::interrupts::Interrupts;
use crate::load::baseline::ms;
use crate::show::progress::Progress;
use anyhow::{Context, Result};
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::sleep;

const EVERY: Duration = Duration::from_millis(250);

/// Whether the run is to end early. Dropped, it ends too.
#[derive(Debug)]
pub(super) struct Stop {
    said: watch::Receiver<bool>,
    listener: JoinHandle<()>,
}

impl Stop {
    /// Listens from now on. The first interrupt ends the run, the second one the program.
    ///
    /// # Errors
    /// Signals cannot be had.
    pub(super) fn listen() -> Result<Self> {
        let mut interrupts = Interrupts::listen().context("interrupts cannot be listened for")?;
        let (say, said) = watch::channel(false);
        let listener = tokio::spawn(async move {
            interrupts.next().await;
            // It is kept until the program ends: a channel without a sender reads as a stop.
            let _ = say.send(true);
            interrupts.next().await;
            std::process::exit(130);
        });
        Ok(Stop { said, listener })
    }

    pub(super) fn is_said(&self) -> bool {
        *self.said.borrow()
    }

    /// Comes when it is said.
    pub(super) async fn said(&mut self) {
        let _ = self.said.wait_for(|said| *said).await;
    }

    pub(super) fn receiver(&self) -> watch::Receiver<bool> {
        self.said.clone()
    }
}

impl Drop for Stop {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

/// The round that runs; 0 is the warm-up.
#[derive(Clone, Debug)]
struct Running {
    number: u32,
    tally: Arc<Mutex<Tally>>,
}

/// The line about the round that runs.
#[derive(Debug)]
pub(super) struct Screen {
    shown: Arc<Mutex<Option<Running>>>,
    task: JoinHandle<()>,
}

impl Screen {
    pub(super) fn begin(rounds: u32) -> Self {
        let shown: Arc<Mutex<Option<Running>>> = Arc::default();
        let looked_at = Arc::clone(&shown);
        let task = tokio::spawn(async move {
            let progress = Progress::begin();
            loop {
                let now = looked_at.lock().clone();
                if let Some(Running { number, tally }) = now {
                    progress.is_at(line(number, rounds, &tally.lock()));
                }
                sleep(EVERY).await;
            }
        });
        Screen { shown, task }
    }

    /// Round 0 is the warm-up.
    pub(super) fn is_at(&self, number: u32, tally: &Arc<Mutex<Tally>>) {
        *self.shown.lock() = Some(Running { number, tally: Arc::clone(tally) });
    }

    /// Takes the line away, before anything else is written.
    pub(super) async fn end(mut self) {
        self.task.abort();
        // It was cancelled: there is nothing to tell.
        let _ = (&mut self.task).await;
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn line(round: u32, rounds: u32, tally: &Tally) -> String {
    let counts = &tally.counts;
    let name = if round == 0 { "warming up".to_owned() } else { format!("round {round} of {rounds}") };
    let not_well = counts.not_well() - counts.skipped;
    let in_flight = counts.due.saturating_sub(counts.answered + counts.not_well());
    format!(
        "{name}: {} answered, {} not, {} skipped, {} in flight, p99 {}",
        count(counts.answered),
        count(not_well),
        count(counts.skipped),
        count(in_flight),
        ms(tally.times.percentiles().p99)
    )
}
