//! What the made-up devices were told, against what is in the table.
//!
//! A device numbers its readings one after another and begins the next only when the last was acknowledged. So a device's first
//! number and how many were acknowledged say exactly which readings must be in the table, once each, and the ledger needs no more
//! memory than that, however long it runs. The reading behind them is on its way: whether it is stored already says nothing.
//!
//! The table is asked about the readings of the last minutes. What is older and was found right is counted and not asked about
//! again, so that the question does not grow either.
//!
//! Pure: what was sent and what was found go in, the tally comes out.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

/// Readings that are older, and found right, are not asked about again.
const SETTLED: SignedDuration = SignedDuration::from_mins(5);
/// A reading is asked about from this much before its device made it.
const MARGIN: SignedDuration = SignedDuration::from_secs(1);

/// What came of all readings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Tally {
    /// Answered with 202.
    pub(super) acknowledged: u64,
    /// Of those, how many are in the table.
    pub(super) stored: u64,
    /// Acknowledged and not in the table.
    pub(super) lost: u64,
    /// Rows of a reading beyond its first.
    pub(super) doubled: u64,
}

/// A device's account.
#[derive(Clone, Copy, Debug)]
struct Account {
    /// The first reading that is still asked about.
    first: i64,
    /// So many from there on were acknowledged.
    acknowledged: u64,
    /// When the reading that is on its way was made.
    on_its_way: Option<Timestamp>,
}

/// The ledger of all devices.
#[derive(Debug)]
pub(super) struct Ledger {
    accounts: Vec<Account>,
    /// No reading that is asked about was made before.
    since: Timestamp,
    settled: Tally,
    tally: Tally,
}

/// What the table is asked: about each device so many readings from the first on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Question {
    pub(super) since: Timestamp,
    pub(super) devices: Vec<(i64, u64)>,
}

/// What the table has of one device's readings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) rows: u64,
    pub(super) distinct: u64,
}

impl Ledger {
    /// For so many devices. Numbers begin with the present microsecond, so none is one of an earlier run.
    pub(super) fn new(devices: usize, now: Timestamp) -> Self {
        let account = Account { first: now.as_microsecond(), acknowledged: 0, on_its_way: None };
        Ledger {
            accounts: vec![account; devices],
            since: earlier(now, MARGIN),
            settled: Tally::default(),
            tally: Tally::default(),
        }
    }

    /// The number of a device's next reading, which was made then: perhaps long before it is sent.
    pub(super) fn make(&mut self, device: usize, made: Timestamp) -> Option<i64> {
        let account = self.accounts.get_mut(device)?;
        account.on_its_way = Some(made);
        self.since = self.since.min(earlier(made, MARGIN));
        account.first.checked_add_unsigned(account.acknowledged)
    }

    /// The reading that is on its way was acknowledged.
    pub(super) fn acknowledged(&mut self, device: usize) {
        if let Some(account) = self.accounts.get_mut(device) {
            account.acknowledged += 1;
            account.on_its_way = None;
        }
    }

    /// What the table is to be asked now.
    pub(super) fn question(&self) -> Question {
        let devices = self.accounts.iter().map(|account| (account.first, account.acknowledged)).collect();
        Question { since: self.since, devices }
    }

    /// What it answered: for each device of the question what was found.
    pub(super) fn answered(&mut self, asked: &Question, found: &[Found], now: Timestamp) {
        let mut open = Tally::default();
        for (place, (_, acknowledged)) in asked.devices.iter().enumerate() {
            let Found { rows, distinct } = found.get(place).copied().unwrap_or_default();
            open.acknowledged += acknowledged;
            open.stored += distinct;
            open.lost += acknowledged.saturating_sub(distinct);
            open.doubled += rows.saturating_sub(distinct);
        }
        self.tally = self.settled.and(open);
        let since = earlier(now, MARGIN);
        let is_right = open.lost == 0 && open.doubled == 0;
        if is_right && now.duration_since(self.since) > SETTLED {
            self.settle(asked, open, since);
        }
    }

    /// Asks about later readings only. One that has been on its way for long keeps its own time in the question.
    fn settle(&mut self, asked: &Question, open: Tally, since: Timestamp) {
        for (account, (_, acknowledged)) in self.accounts.iter_mut().zip(&asked.devices) {
            account.first = account.first.saturating_add_unsigned(*acknowledged);
            account.acknowledged = account.acknowledged.saturating_sub(*acknowledged);
        }
        self.settled = self.settled.and(open);
        // One that was acknowledged since the question may be older than it, and its time is not known any more.
        if self.accounts.iter().all(|account| account.acknowledged == 0) {
            let on_its_way = self.accounts.iter().filter_map(|account| account.on_its_way).min();
            self.since = on_its_way.map_or(since, |made| since.min(earlier(made, MARGIN)));
        }
    }

    /// As it was found last.
    pub(super) fn tally(&self) -> Tally {
        self.tally
    }
}

impl Tally {
    fn and(self, other: Tally) -> Tally {
        Tally {
            acknowledged: self.acknowledged + other.acknowledged,
            stored: self.stored + other.stored,
            lost: self.lost + other.lost,
            doubled: self.doubled + other.doubled,
        }
    }
}

fn earlier(time: Timestamp, by: SignedDuration) -> Timestamp {
    time.checked_sub(by).unwrap_or(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_900_000_000 + seconds).unwrap()
    }

    /// A ledger of two devices, of which the first has sent so many.
    fn after(sent: u64) -> Ledger {
        let mut ledger = Ledger::new(2, at(0));
        for number in 0..sent {
            assert_eq!(ledger.make(0, at(1)), Some(at(0).as_microsecond() + i64::try_from(number).unwrap()));
            ledger.acknowledged(0);
        }
        ledger
    }

    fn found(rows: u64, distinct: u64) -> [Found; 2] {
        [Found { rows, distinct }, Found::default()]
    }

    fn tally(acknowledged: u64, stored: u64, lost: u64, doubled: u64) -> Tally {
        Tally { acknowledged, stored, lost, doubled }
    }

    #[test]
    fn what_is_missing_is_lost_and_what_is_there_twice_is_doubled() {
        for (rows, distinct, expected) in [
            (10, 10, tally(10, 10, 0, 0)),
            (9, 9, tally(10, 9, 1, 0)),
            (12, 10, tally(10, 10, 0, 2)),
            (0, 0, tally(10, 0, 10, 0)),
            (10, 8, tally(10, 8, 2, 2)),
        ] {
            let mut ledger = after(10);
            let question = ledger.question();
            ledger.answered(&question, &found(rows, distinct), at(2));
            assert_eq!(ledger.tally(), expected);
        }
    }

    #[test]
    fn what_is_acknowledged_while_the_table_is_asked_is_not_lost() {
        let mut ledger = after(10);
        let question = ledger.question();
        ledger.make(0, at(2));
        ledger.acknowledged(0);
        ledger.answered(&question, &found(10, 10), at(2));
        assert_eq!(ledger.tally(), tally(10, 10, 0, 0));
        assert_eq!(ledger.question().devices[0].1, 11);
    }

    #[test]
    fn what_was_found_right_is_not_asked_about_again_and_stays_counted() {
        let mut ledger = after(10);
        let first = ledger.question();
        // The second device has had one on its way for a long time: it keeps its time in the question.
        ledger.make(1, at(100));
        ledger.answered(&first, &found(10, 10), at(400));
        let second = ledger.question();
        assert_eq!(second.devices, [(first.devices[0].0 + 10, 0), (first.devices[1].0, 0)]);
        assert_eq!(second.since, at(99));
        ledger.make(0, at(401));
        ledger.acknowledged(0);
        let third = ledger.question();
        ledger.answered(&third, &found(1, 1), at(402));
        assert_eq!(ledger.tally(), tally(11, 11, 0, 0));
    }

    #[test]
    fn what_a_device_kept_for_long_is_looked_for_where_it_was_made() {
        let mut ledger = after(10);
        let question = ledger.question();
        ledger.answered(&question, &found(10, 10), at(400));
        assert_eq!(ledger.question().since, at(399));
        // Made while the service stood still, and sent only now.
        ledger.make(0, at(350));
        ledger.acknowledged(0);
        let question = ledger.question();
        assert_eq!((question.since, question.devices[0].1), (at(349), 1));
        ledger.answered(&question, &found(1, 1), at(402));
        assert_eq!(ledger.tally(), tally(11, 11, 0, 0));
    }

    #[test]
    fn what_was_not_found_right_is_asked_about_again() {
        let mut ledger = after(10);
        let question = ledger.question();
        ledger.answered(&question, &found(9, 9), at(4000));
        assert_eq!(ledger.question(), question);
        assert_eq!(ledger.tally().lost, 1);
    }
}
