//! Why a caller got no connection, counted by reason.

/// Why a caller got no connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GivenUp {
    /// Too many callers waited already.
    QueueFull,
    /// It could not have been served in time.
    Overloaded,
    /// The pool's limit on the wait passed.
    TimedOut,
    /// The request's deadline passed.
    DeadlinePassed,
    /// The limit passed while its name held as many connections as it may.
    AtCap,
    /// The limit passed while the pool was paused.
    Paused,
    /// Every lease was held by a task that waits for another.
    SelfDeadlock,
    /// No connection could be opened.
    NoConnection,
    /// The pool is closed.
    PoolClosed,
    /// The caller stopped waiting.
    Dropped,
}

impl GivenUp {
    pub(crate) const ALL: [GivenUp; 10] = [
        GivenUp::QueueFull,
        GivenUp::Overloaded,
        GivenUp::TimedOut,
        GivenUp::DeadlinePassed,
        GivenUp::AtCap,
        GivenUp::Paused,
        GivenUp::SelfDeadlock,
        GivenUp::NoConnection,
        GivenUp::PoolClosed,
        GivenUp::Dropped,
    ];

    /// In a word, for metrics.
    pub(crate) fn word(self) -> &'static str {
        match self {
            GivenUp::QueueFull => "queue_full",
            GivenUp::Overloaded => "overloaded",
            GivenUp::TimedOut => "timed_out",
            GivenUp::DeadlinePassed => "deadline_passed",
            GivenUp::AtCap => "at_cap",
            GivenUp::Paused => "paused",
            GivenUp::SelfDeadlock => "self_deadlock",
            GivenUp::NoConnection => "no_connection",
            GivenUp::PoolClosed => "pool_closed",
            GivenUp::Dropped => "dropped",
        }
    }

    /// Whether time ran out during the wait.
    pub(crate) fn is_timeout(self) -> bool {
        matches!(self, GivenUp::TimedOut | GivenUp::DeadlinePassed | GivenUp::AtCap | GivenUp::Paused)
    }

    /// Whether there were too few connections for the work. A deadline says nothing of that by itself: it may have been
    /// short. A pause, a cap and a server that is away are other reasons.
    pub(crate) fn is_exhaustion(self) -> bool {
        matches!(self, GivenUp::QueueFull | GivenUp::Overloaded | GivenUp::TimedOut)
    }
}

/// How many callers got no connection, by reason.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct GivenUps([u64; GivenUp::ALL.len()]);

impl GivenUps {
    pub(crate) fn add(&mut self, why: GivenUp) {
        self.set(why, self.of(why) + 1);
    }

    pub(crate) fn set(&mut self, why: GivenUp, count: u64) {
        if let Some(place) = self.0.get_mut(why as usize) {
            *place = count;
        }
    }

    fn of(&self, why: GivenUp) -> u64 {
        self.0.get(why as usize).copied().unwrap_or_default()
    }

    /// Each reason with its count.
    pub(crate) fn each(&self) -> impl Iterator<Item = (GivenUp, u64)> {
        GivenUp::ALL.into_iter().zip(self.0)
    }

    /// Those of which this is true, all together.
    pub(crate) fn that(&self, is_one: impl Fn(GivenUp) -> bool) -> u64 {
        self.each().filter(|(why, _)| is_one(*why)).map(|(_, count)| count).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_is_counted_apart_and_has_a_word_of_its_own() {
        for why in GivenUp::ALL {
            let mut counts = GivenUps::default();
            counts.add(why);
            counts.add(why);
            assert_eq!((counts.that(|it| it == why), counts.that(|_| true)), (2, 2), "{why:?}");
        }
        let words: std::collections::BTreeSet<_> = GivenUp::ALL.map(GivenUp::word).into();
        assert_eq!(words.len(), GivenUp::ALL.len());
    }

    #[test]
    fn what_is_no_lack_of_connections_is_no_exhaustion() {
        let exhausting: Vec<_> = GivenUp::ALL.into_iter().filter(|why| why.is_exhaustion()).collect();
        assert_eq!(exhausting, [GivenUp::QueueFull, GivenUp::Overloaded, GivenUp::TimedOut]);
        assert!(!GivenUp::Dropped.is_timeout() && !GivenUp::QueueFull.is_timeout());
    }
}
