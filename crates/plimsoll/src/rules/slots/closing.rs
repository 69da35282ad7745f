//! Why a connection was closed, counted by reason.

/// Why a connection was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Closing {
    /// It had reached its age.
    Expired,
    /// It had been idle for too long, and was not needed for the minimum.
    Idle,
    /// It was found dead while it was idle, or did not answer when it was asked.
    Dead,
    /// It was one more than there may be.
    Surplus,
    /// Its lease or its cleaning took longer than the pool's clock allows.
    Overdue,
    /// It ended while it was lent or being made clean, or a fault had occurred on it after which it is not lent again.
    Broken,
    /// What ran on it did not stop.
    StillRunning,
    /// What was left in its session could not be undone.
    SessionState,
    /// It was taken back from a lease that did not use it.
    TakenBack,
    /// Large messages had swollen its buffers, and none came any more.
    Swollen,
    /// The pool was closed.
    PoolClosed,
}

impl Closing {
    pub(crate) const ALL: [Closing; 11] = [
        Closing::Expired,
        Closing::Idle,
        Closing::Dead,
        Closing::Surplus,
        Closing::Overdue,
        Closing::Broken,
        Closing::StillRunning,
        Closing::SessionState,
        Closing::TakenBack,
        Closing::Swollen,
        Closing::PoolClosed,
    ];

    /// In a word, for metrics.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Closing::Expired => "expired",
            Closing::Idle => "idle",
            Closing::Dead => "dead",
            Closing::Surplus => "surplus",
            Closing::Overdue => "overdue",
            Closing::Broken => "broken",
            Closing::StillRunning => "still_running",
            Closing::SessionState => "session_state",
            Closing::TakenBack => "taken_back",
            Closing::Swollen => "swollen",
            Closing::PoolClosed => "pool_closed",
        }
    }
}

/// How many connections were closed, by reason.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Closings([u64; Closing::ALL.len()]);

impl Closings {
    pub(crate) fn add(&mut self, why: Closing) {
        if let Some(count) = self.0.get_mut(why as usize) {
            *count += 1;
        }
    }

    /// All together.
    pub(crate) fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// Each reason with its count.
    pub(crate) fn each(&self) -> impl Iterator<Item = (Closing, u64)> {
        Closing::ALL.into_iter().zip(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_is_counted_apart_and_has_a_word_of_its_own() {
        for why in Closing::ALL {
            let mut closings = Closings::default();
            closings.add(why);
            let counted: Vec<_> = closings.each().filter(|(_, count)| *count > 0).collect();
            assert_eq!((counted, closings.total()), (vec![(why, 1)], 1));
        }
        let words: std::collections::BTreeSet<_> = Closing::ALL.map(Closing::word).into();
        assert_eq!(words.len(), Closing::ALL.len());
    }
}
