//! What statements did from look to look is never told larger than it was, and it is exact where nothing began anew in between.

use plimsoll_inspect::statements::Order;
use plimsoll_inspect::statements::history::{Entry, Growth, Key, Snapshot, Work};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// What may happen to the counters of a server.
#[derive(Clone, Debug)]
enum Event {
    /// So many calls of one statement.
    Calls(i64, u64),
    /// Somebody resets everything.
    Reset,
    /// One statement is forgotten for want of room.
    Forgotten(i64),
    /// Somebody resets one statement, which no counter tells.
    ResetOne(i64),
    /// A look is kept.
    Look,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => (0..4_i64, 1..50_u64).prop_map(|(id, calls)| Event::Calls(id, calls)),
        1 => Just(Event::Reset),
        1 => (0..4_i64).prop_map(Event::Forgotten),
        1 => (0..4_i64).prop_map(Event::ResetOne),
        4 => Just(Event::Look),
    ]
}

#[derive(Default)]
struct Server {
    counters: BTreeMap<i64, (u64, u64)>,
    since: u64,
    forgotten: u64,
    seconds: u64,
    /// A moment that no two counters share.
    moment: u64,
    /// PostgreSQL 17 and later tell since when a statement is counted.
    tells_since: bool,
}

impl Server {
    fn look(&self) -> Snapshot {
        let statements = self.counters.iter().map(|(&id, &(calls, since))| Entry {
            key: Key { id, user: "app".to_owned(), is_top: true },
            query: None,
            since: self.tells_since.then(|| since.to_string()),
            work: Work { calls, total_ms: calls as f64, rows: calls * 2, ..Work::default() },
        });
        Snapshot {
            at_seconds: self.seconds as f64,
            since: self.since.to_string(),
            forgotten: self.forgotten,
            is_whole: true,
            statements: statements.collect(),
            ..Snapshot::default()
        }
    }

    fn happens(&mut self, event: &Event) {
        self.moment += 1;
        match event {
            Event::Calls(id, calls) => {
                let begun = self.moment;
                self.counters.entry(*id).or_insert((0, begun)).0 += calls;
            }
            Event::Reset => {
                self.counters.clear();
                (self.since, self.forgotten) = (self.moment, 0);
            }
            Event::Forgotten(id) => self.forgotten += u64::from(self.counters.remove(id).is_some()),
            Event::ResetOne(id) => {
                self.counters.remove(id);
            }
            Event::Look => self.seconds += 60,
        }
    }
}

proptest! {
    #[test]
    fn whatever_happens_in_between(events in proptest::collection::vec(event(), 1..60), tells_since: bool) {
        let mut server = Server { tells_since, ..Server::default() };
        let mut growth = Growth::from(server.look());
        let mut done: BTreeMap<i64, u64> = BTreeMap::new();
        let mut is_disturbed = false;
        for event in events.iter().chain([&Event::Look]) {
            server.happens(event);
            match event {
                Event::Calls(id, calls) => *done.entry(*id).or_default() += calls,
                Event::Look => growth.step(server.look()),
                _ => is_disturbed = true,
            }
        }
        let told: BTreeMap<i64, u64> =
            growth.top(Order::Total, usize::MAX, 0).iter().map(|it| (it.key.id, it.work.calls)).collect();
        for (id, calls) in &told {
            prop_assert!(*calls <= done[id], "{id}: {calls} of {}", done[id]);
        }
        if !is_disturbed {
            prop_assert!(!growth.is_at_least());
            prop_assert_eq!(told, done);
        }
        let shares: f64 = growth.top(Order::Mean, usize::MAX, 0).iter().map(|it| it.share).sum();
        prop_assert!(shares <= 1.000_001);
    }
}

#[test]
fn what_had_no_room_in_a_look_is_not_told_as_new() {
    let entry = |id, calls| Entry {
        key: Key { id, user: "app".to_owned(), is_top: true },
        work: Work { calls, total_ms: calls as f64, ..Work::default() },
        ..Entry::default()
    };
    let mut growth = Growth::from(Snapshot { statements: vec![entry(1, 900)], ..Snapshot::default() });
    growth.step(Snapshot { statements: vec![entry(1, 901), entry(2, 800)], ..Snapshot::default() });
    assert_eq!((growth.uncounted, growth.begun_anew, growth.is_at_least()), (1, 0, true));
    let calls: Vec<u64> = growth.top(Order::Total, 9, 0).iter().map(|it| it.work.calls).collect();
    assert_eq!(calls, [1]);
    // From the next look on it is followed.
    growth.step(Snapshot { statements: vec![entry(2, 803)], ..Snapshot::default() });
    let calls: Vec<u64> = growth.top(Order::Total, 9, 0).iter().map(|it| it.work.calls).collect();
    assert_eq!(calls, [3, 1]);
    assert_eq!(growth.begun_anew, 0, "it may have had no room");
}

#[test]
fn what_a_file_rounds_is_no_new_beginning() {
    let look = |total_ms: f64| Snapshot {
        is_whole: true,
        statements: vec![Entry { work: Work { calls: 1, total_ms, ..Work::default() }, ..Entry::default() }],
        ..Snapshot::default()
    };
    let time: f64 = 0.052_699;
    let mut growth = Growth::from(look(f64::from_bits(time.to_bits() + 1)));
    growth.step(look(time));
    assert!(!growth.is_at_least(), "{growth:?}");
    growth.step(look(time / 2.0));
    assert_eq!(growth.begun_anew, 1);
}
