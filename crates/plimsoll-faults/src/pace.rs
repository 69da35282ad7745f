//! Waiting more finely than the runtime's timer.
//!
//! The runtime's timer ticks in milliseconds, which would turn a link of 0.5 ms into one of 1 to 2 ms. The long part
//! of a wait is left to it; the last few milliseconds are kept by one thread that sleeps until whichever wait is due
//! next, where the operating system is true to some 60 microseconds. One thread for all: with a thread for each wait,
//! many connections would mostly be switching threads.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use tokio::sync::oneshot;

/// More than the runtime's timer can be late by.
const LAST_PART: Duration = Duration::from_millis(3);
/// What the operating system, and waking the runtime, add to a sleep; so much sooner the thread wakes.
const SLACK: Duration = Duration::from_micros(60);

#[derive(Debug, Default)]
struct Waits {
    due: BTreeMap<(Instant, u64), oneshot::Sender<()>>,
    ever: u64,
    ended: bool,
}

/// Keeps the short waits of one proxy.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    waits: Mutex<Waits>,
    bell: Condvar,
}

impl Clock {
    /// The thread: until [`end`](Self::end).
    pub(crate) fn run(&self) {
        let mut waits = self.waits.lock();
        while !waits.ended {
            let soon = Instant::now() + SLACK;
            while let Some(first) = waits.due.first_entry().filter(|first| first.key().0 <= soon) {
                // Nobody may be waiting any more.
                let _ = first.remove().send(());
            }
            match waits.due.first_key_value().map(|((due, _), _)| *due) {
                Some(due) => drop(self.bell.wait_until(&mut waits, due - SLACK)),
                None => self.bell.wait(&mut waits),
            }
        }
    }

    /// Ends the thread.
    pub(crate) fn end(&self) {
        self.waits.lock().ended = true;
        self.bell.notify_all();
    }

    /// Returns at `due`, never before. Dropped, it has no effect.
    pub(crate) async fn until(&self, due: Instant) {
        loop {
            let left = due.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            } else if left > LAST_PART {
                tokio::time::sleep(left - LAST_PART).await;
            } else if left <= SLACK {
                tokio::task::yield_now().await;
            } else if self.wait(due).await.is_err() {
                // The thread has ended, and this future is about to.
                return;
            }
        }
    }

    fn wait(&self, due: Instant) -> oneshot::Receiver<()> {
        let (tell, told) = oneshot::channel();
        let mut waits = self.waits.lock();
        waits.ever += 1;
        let key = (due, waits.ever);
        waits.due.insert(key, tell);
        if waits.due.first_key_value().is_some_and(|(first, _)| *first == key) {
            self.bell.notify_all();
        }
        told
    }
}
