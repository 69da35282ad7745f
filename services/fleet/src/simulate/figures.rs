//! What came of the readings, counted while it happens.

use super::latency::Latency;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Kinds of answers that are told apart; a service that makes up more of them fills no memory here.
const KINDS: usize = 40;

/// The counts.
#[derive(Debug)]
pub struct Figures {
    began: Instant,
    made: AtomicU64,
    acknowledged: AtomicU64,
    dropped: AtomicU64,
    refused: AtomicU64,
    /// Devices whose last attempt was not acknowledged.
    sending_again: AtomicUsize,
    answers: Mutex<BTreeMap<String, u64>>,
    latency: Mutex<Latency>,
}

/// As they stood at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// How long after the start.
    pub after: Duration,
    /// Readings that were made.
    pub made: u64,
    /// Of those: what the service said is stored.
    pub acknowledged: u64,
    /// What a device had no room for.
    pub dropped: u64,
    /// What the service will not take as it is.
    pub refused: u64,
    /// What was answered other than well, with how often: each attempt counts.
    pub answers: Vec<(String, u64)>,
    /// From the moment for which a reading was meant to its acknowledgement: half of them were within this ..
    pub half: Option<Duration>,
    /// .. 99 of 100 within this ..
    pub most: Option<Duration>,
    /// .. and all of them within this.
    pub longest: Option<Duration>,
}

impl View {
    /// What was made and is neither acknowledged nor given up.
    #[must_use]
    pub fn waiting(&self) -> u64 {
        self.made.saturating_sub(self.acknowledged + self.dropped + self.refused)
    }

    /// Whether each reading was acknowledged, or given up by its own device for want of room.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.waiting() == 0 && self.refused == 0
    }
}

impl Default for Figures {
    fn default() -> Self {
        Figures {
            began: Instant::now(),
            made: AtomicU64::new(0),
            acknowledged: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            sending_again: AtomicUsize::new(0),
            answers: Mutex::default(),
            latency: Mutex::default(),
        }
    }
}

impl Figures {
    pub(super) fn made(&self, is_kept: bool) {
        if !is_kept {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        self.made.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn acknowledged(&self, took: Duration) {
        self.acknowledged.fetch_add(1, Ordering::Relaxed);
        self.latency.lock().add(took);
    }

    pub(super) fn refused(&self, why: String) {
        self.refused.fetch_add(1, Ordering::Relaxed);
        self.answered(why);
    }

    pub(super) fn answered(&self, why: String) {
        let mut answers = self.answers.lock();
        let why = if answers.len() < KINDS || answers.contains_key(&why) { why } else { "other".to_owned() };
        *answers.entry(why).or_default() += 1;
    }

    /// Counts as one that sends again, until the guard is dropped.
    pub(super) fn sends_again(&self) -> SendsAgain<'_> {
        self.sending_again.fetch_add(1, Ordering::Relaxed);
        SendsAgain(self)
    }

    /// Devices whose last attempt was not acknowledged.
    #[must_use]
    pub fn sending_again(&self) -> usize {
        self.sending_again.load(Ordering::Relaxed)
    }

    /// Since when it is counted.
    pub(super) fn began(&self) -> Instant {
        self.began
    }

    /// As they stand at `now`.
    #[must_use]
    pub fn view(&self, now: Instant) -> View {
        // What becomes of readings is read before how many there are, so that never more are done with than were made.
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let (acknowledged, dropped, refused) =
            (read(&self.acknowledged), read(&self.dropped), read(&self.refused));
        let answers = self.answers.lock().iter().map(|(why, count)| (why.clone(), *count)).collect();
        let latency = self.latency.lock();
        View {
            after: now.saturating_duration_since(self.began),
            made: read(&self.made),
            acknowledged,
            dropped,
            refused,
            answers,
            half: latency.within(0.5),
            most: latency.within(0.99),
            longest: latency.longest(),
        }
    }
}

/// One device whose reading was not acknowledged yet.
pub(super) struct SendsAgain<'a>(&'a Figures);

impl Drop for SendsAgain<'_> {
    fn drop(&mut self) {
        self.0.sending_again.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_neither_acknowledged_nor_given_up_waits() {
        let figures = Figures::default();
        for is_kept in [true, true, true, false] {
            figures.made(is_kept);
        }
        figures.acknowledged(Duration::from_millis(5));
        let view = figures.view(Instant::now());
        assert_eq!((view.made, view.waiting(), view.dropped, view.is_clean()), (4, 2, 1, false));
        figures.acknowledged(Duration::from_millis(5));
        figures.acknowledged(Duration::from_millis(5));
        assert!(figures.view(Instant::now()).is_clean(), "what had no room was given up knowingly");
        figures.made(true);
        figures.refused("401".to_owned());
        let view = figures.view(Instant::now());
        assert_eq!((view.waiting(), view.is_clean()), (0, false));
    }

    #[test]
    fn answers_of_many_kinds_fill_no_memory() {
        let figures = Figures::default();
        for number in 0..1000 {
            figures.answered(format!("CODE_{number}"));
        }
        let view = figures.view(Instant::now());
        assert_eq!(view.answers.len(), KINDS + 1);
        assert_eq!(view.answers.iter().map(|(_, count)| count).sum::<u64>(), 1000);
    }
}
