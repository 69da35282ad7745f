//! What a device keeps until it is acknowledged: so many readings and no more. Pure.

use super::values::Values;
use jiff::Timestamp;
use std::collections::VecDeque;
use std::time::Instant;

/// A reading that was made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Kept {
    /// The moment for which it was meant.
    pub meant: Instant,
    /// The same by the clock on the wall, in whole microseconds.
    pub made: Timestamp,
    /// What was measured.
    pub values: Values,
}

/// A device's readings that were not acknowledged, oldest first.
#[derive(Debug)]
pub struct Outbox {
    kept: VecDeque<Kept>,
    most: usize,
    is_closed: bool,
}

impl Outbox {
    /// With room for so many.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Outbox { kept: VecDeque::new(), most, is_closed: false }
    }

    /// Keeps a reading. False where there is no room: the newest is given up then, since it was never sent, and so it is
    /// certain that the service does not have it.
    #[must_use]
    pub fn keep(&mut self, reading: Kept) -> bool {
        let has_room = self.kept.len() < self.most;
        if has_room {
            self.kept.push_back(reading);
        }
        has_room
    }

    /// The oldest.
    #[must_use]
    pub fn oldest(&self) -> Option<Kept> {
        self.kept.front().copied()
    }

    /// The oldest is done with.
    pub fn forget_oldest(&mut self) {
        self.kept.pop_front();
    }

    /// Nothing more will be kept.
    pub fn close(&mut self) {
        self.is_closed = true;
    }

    /// Whether nothing is kept, and nothing will be.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.is_closed && self.kept.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(seconds: i64) -> Kept {
        Kept {
            meant: Instant::now(),
            made: Timestamp::from_second(seconds).unwrap(),
            values: Values { temperature: 20.0, humidity: 50.0, battery: 90.0 },
        }
    }

    #[test]
    fn it_holds_so_many_and_gives_the_newest_up() {
        let mut outbox = Outbox::new(2);
        assert_eq!([1, 2, 3].map(|at| outbox.keep(reading(at))), [true, true, false]);
        assert_eq!(outbox.oldest().map(|kept| kept.made.as_second()), Some(1));
        outbox.forget_oldest();
        assert!(outbox.keep(reading(4)));
        outbox.close();
        assert!(!outbox.is_done());
        outbox.forget_oldest();
        assert_eq!(outbox.oldest().map(|kept| kept.made.as_second()), Some(4));
        outbox.forget_oldest();
        assert!(outbox.is_done());
    }
}
