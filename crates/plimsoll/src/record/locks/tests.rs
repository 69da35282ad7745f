use super::*;
use plimsoll_inspect::blocking::Wait;
use proptest::prelude::*;

/// A record, and a clock that it is told of.
struct World {
    record: LockRecord,
    start: Moment,
    names: HashMap<i32, LeaseName>,
}

impl World {
    fn new() -> Self {
        World { record: LockRecord::default(), start: Moment::now(), names: HashMap::new() }
    }

    fn named(mut self, pid: i32, work: &str) -> Self {
        self.names
            .insert(pid, LeaseName { work: work.to_owned(), request_id: Some(format!("request-{pid}")) });
        self
    }

    fn at(&self, seconds: u64) -> Moment {
        self.start + Duration::from_secs(seconds)
    }

    fn look(&mut self, seconds: u64, seen: &Blocking) -> Vec<LockEpisode> {
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000 + seconds);
        let look = Look { seen, names: &self.names, now: self.at(seconds), at };
        self.record.observe(&look, Some(Duration::from_secs(5)))
    }

    fn episodes(&mut self, seconds: u64) -> Vec<LockEpisode> {
        let now = self.at(seconds);
        self.record.episodes(now)
    }

    fn only(&mut self, seconds: u64) -> LockEpisode {
        let mut episodes = self.episodes(seconds);
        assert_eq!(episodes.len(), 1, "{episodes:#?}");
        episodes.remove(0)
    }
}

fn holder(pid: i32, idle: u64) -> Session {
    Session {
        pid,
        application_name: format!("app {pid}"),
        user: Some("app".to_owned()),
        client: Some("local".to_owned()),
        state: Some("idle in transaction".to_owned()),
        state_for: Some(Duration::from_secs(idle)),
        transaction_for: Some(Duration::from_secs(idle)),
        query: Some("update devices set owner = 'a secret' where id = 7".to_owned()),
        wait: None,
    }
}

fn waiter(pid: i32, waited: u64, blockers: &[i32]) -> Session {
    Session {
        wait: Some(Wait {
            lock_type: Some("tuple".to_owned()),
            mode: Some("ExclusiveLock".to_owned()),
            object: Some("devices".to_owned()),
            waited: Some(Duration::from_secs(waited)),
            blockers: blockers.to_vec(),
        }),
        state: Some("active".to_owned()),
        ..holder(pid, waited)
    }
}

fn seen(sessions: Vec<Session>) -> Blocking {
    let lock_waits = sessions.iter().filter(|session| session.wait.is_some()).count() as u64;
    Blocking { sessions, lock_waits, sees_all: true }
}

/// One session holds a row, so many wait, each for the one before as well.
fn pile_up(holding: i32, waiters: std::ops::Range<i32>, waited: u64) -> Blocking {
    let first = waiters.start;
    let mut sessions = vec![holder(holding, waited + 1)];
    sessions.extend(waiters.map(|pid| {
        let blockers: Vec<_> = std::iter::once(holding).chain(first..pid).collect();
        waiter(pid, waited, &blockers)
    }));
    seen(sessions)
}

#[test]
fn a_pile_up_that_is_over_is_one_episode_with_all_of_it_for_15_minutes() {
    let mut world = World::new().named(1, "\"nightly report\" (report.rs:88)").named(100, "renew.rs:7");
    for second in 1..=12 {
        world.look(second, &pile_up(1, 100..100 + i32::try_from(second).unwrap() * 4, second));
    }
    // The lock goes on from one to the next, each of which keeps it for a moment.
    for second in 13..=20 {
        let first = 100 + (i32::try_from(second).unwrap() - 13) * 6;
        world.look(second, &pile_up(first, first + 1..148, second));
    }
    let now = world.at(21);
    world.record.observe_none(now);

    let told = world.only(21 + 120);
    assert!(told.is_over && !told.is_partial);
    assert_eq!((told.most_waiting, told.object.as_deref()), (48, Some("devices")));
    assert_eq!((told.mode.as_deref(), told.lock_type.as_deref()), (Some("ExclusiveLock"), Some("tuple")));
    assert!((told.lasted_seconds - 20.0).abs() < 1e-9 && told.longest_wait_seconds >= 20.0, "{told:#?}");
    assert_eq!(told.last_seen.to_string(), "1970-01-12T13:47:00.000Z");
    assert_eq!(told.began.to_string(), "1970-01-12T13:46:40.000Z");
    assert!(told.blockers.len() == BLOCKERS && told.has_more_blockers, "{told:#?}");
    let root = &told.blockers[0];
    assert_eq!((root.pid, root.work.as_deref()), (1, Some("\"nightly report\" (report.rs:88)")));
    assert_eq!((root.request_id.as_deref(), root.state_seconds), (Some("request-1"), Some(13.0)));
    assert_eq!(root.last_statement.as_deref(), Some("update devices set owner = ? where id = ?"));
    assert_eq!(told.blockers[1].work.as_deref(), Some("renew.rs:7"), "it had the lock next");
    assert_eq!(told.waiting.len(), NAMES);
    let said = told.to_string();
    assert!(
        said.starts_with("48 sessions waited for ExclusiveLock on devices, in all 20 s; blocked by pid 1, ")
    );
    assert!(
        said.contains("idle in transaction for 13 s: \"nightly report\" (report.rs:88), request request-1")
    );

    assert_eq!(world.episodes(20 + 15 * 60 - 1).len(), 1);
    assert_eq!(world.episodes(20 + 15 * 60).len(), 0, "15 minutes after its end");
}

#[test]
fn a_chain_is_one_episode_and_its_root_is_named() {
    let mut world = World::new();
    world.look(1, &seen(vec![holder(1, 9), waiter(2, 3, &[1]), waiter(3, 2, &[2]), waiter(4, 1, &[3])]));
    let told = world.only(1);
    assert_eq!(told.blockers.iter().map(|blocker| blocker.pid).collect::<Vec<_>>(), [1]);
    assert_eq!((told.most_waiting, told.longest_wait_seconds), (3, 3.0));
    assert!(!told.is_over);
}

#[test]
fn sessions_that_have_nothing_to_do_with_each_other_are_episodes_of_their_own() {
    let mut world = World::new();
    world.look(1, &seen(vec![holder(1, 9), waiter(2, 3, &[1]), holder(3, 1), waiter(4, 1, &[3])]));
    world.look(2, &seen(vec![holder(1, 10), waiter(2, 4, &[1])]));
    let episodes = world.episodes(2);
    assert_eq!(episodes.iter().map(|told| told.is_over).collect::<Vec<_>>(), [false, true]);
    // The same holder again, but between there was a look without it.
    world.look(3, &seen(vec![holder(1, 11), waiter(2, 5, &[1]), holder(3, 3), waiter(9, 1, &[3])]));
    assert_eq!(world.episodes(3).len(), 3);
}

#[test]
fn where_nothing_blocks_there_is_no_episode() {
    let mut world = World::new();
    world.look(1, &Blocking::default());
    world.look(2, &seen(vec![holder(1, 9)]));
    let now = world.at(3);
    world.record.observe_none(now);
    assert_eq!(world.episodes(3), []);
    assert_eq!(world.record.own_pile_up(now), None);
}

#[test]
fn a_short_wait_makes_no_episode_and_is_part_of_one() {
    let mut world = World::new();
    let waits = |pid, nanos| {
        let mut session = waiter(pid, 0, &[1]);
        let wait = session.wait.as_mut().unwrap();
        wait.waited = Some(LEAST_WAIT - Duration::from_nanos(nanos));
        session
    };
    world.look(1, &seen(vec![holder(1, 9), waits(2, 1)]));
    assert_eq!(world.episodes(1), []);
    world.look(2, &seen(vec![holder(1, 9), waits(3, 1), waits(4, 0)]));
    assert_eq!(world.only(2).most_waiting, 2);
    world.look(3, &seen(vec![holder(1, 9), waits(5, 1), waits(6, 1), waits(7, 1)]));
    assert_eq!(world.only(3).most_waiting, 3, "it goes on, with others");
}

#[test]
fn short_ones_do_not_push_out_a_long_one() {
    let mut world = World::new();
    for second in 1..=10 {
        world.look(second, &pile_up(1, 10..60, second));
    }
    for second in 11..600_u64 {
        let base = 100 + 2 * i32::try_from(second).unwrap();
        world.look(second, &seen(vec![holder(base, 1), waiter(base + 1, 1, &[base])]));
    }
    let episodes = world.episodes(600);
    assert_eq!(episodes.len(), EPISODES);
    assert_eq!(episodes[0].most_waiting, 50, "{:#?}", episodes[0]);
}

#[test]
fn a_long_pile_up_is_reported_once_and_a_short_one_never() {
    let mut world = World::new();
    for second in 1..=4 {
        assert_eq!(world.look(second, &pile_up(1, 10..12, second)), []);
    }
    let reported = world.look(5, &pile_up(1, 10..13, 5));
    assert_eq!(reported.iter().map(|told| told.most_waiting).collect::<Vec<_>>(), [3]);
    for second in 6..=60 {
        assert_eq!(world.look(second, &pile_up(1, 10..14, second)), []);
    }
}

#[test]
fn a_waiter_is_told_who_blocks_it_if_it_was_seen_since_it_began() {
    let mut world = World::new().named(1, "report.rs:88").named(11, "renew.rs:7");
    world.look(10, &pile_up(1, 10..13, 4));
    let told = world.record.blocker_of(11, world.at(6)).unwrap();
    assert!(told.starts_with("it waited for ExclusiveLock on devices, blocked by pid 1, idle"), "{told}");
    assert!(told.ends_with("report.rs:88, request request-1"), "{told}");
    assert_eq!(world.record.blocker_of(11, world.at(11)), None, "that was an earlier statement");
    assert_eq!(world.record.blocker_of(1, world.at(6)), None, "it waits for none");
    assert!(world.record.own_pile_up(world.at(12)).unwrap().contains("report.rs:88"));
    assert_eq!(world.record.own_pile_up(world.at(14)), None, "that is not known to be so any more");
    world.look(11, &pile_up(1, 20..23, 4));
    assert_eq!(world.record.own_pile_up(world.at(11)), None, "of this pool none waits");
}

#[test]
fn what_a_role_may_not_see_is_said() {
    let mut world = World::new();
    let hidden = Session { state: None, state_for: None, query: None, client: None, ..holder(1, 0) };
    let mut blocking = seen(vec![hidden, waiter(2, 3, &[1])]);
    blocking.sees_all = false;
    world.look(1, &blocking);
    let told = world.only(1);
    assert!(told.is_partial);
    assert!(
        told.to_string().ends_with("pid 1, in a state that this role may not see: app 1, user app"),
        "{told}"
    );
}

#[test]
fn those_beyond_the_answer_are_counted() {
    let mut world = World::new();
    let mut blocking = pile_up(1, 10..74, 1);
    blocking.lock_waits = 1_000;
    world.look(1, &blocking);
    assert_eq!(world.only(1).most_waiting, 1_000);
}

#[test]
fn the_memory_is_bounded_whatever_is_seen() {
    let mut world = World::new();
    let text = format!("select {}", "a_long_name, ".repeat(100));
    for second in 0..80_u64 {
        let base = i32::try_from(second * 1_000).unwrap();
        let sessions = (0..100).flat_map(|pair| {
            let (one, other) = (base + 2 * pair, base + 2 * pair + 1);
            let root = Session { query: Some(text.clone()), ..holder(one, 1) };
            [root, waiter(other, 1, &[one])]
        });
        world.look(second, &seen(sessions.collect()));
    }
    assert_eq!(world.record.episodes.len(), EPISODES);
    // One that goes on for long, with other sessions in each look.
    for second in 80..1_000_u64 {
        let base = i32::try_from(second).unwrap();
        world.look(second, &pile_up(base, base + 1..base + 60, 2));
    }
    let told = world.episodes(1_000).pop().unwrap();
    assert!(told.blockers.len() <= BLOCKERS && told.waiting.len() <= NAMES);
    assert!(world.episodes(1_000).iter().all(|told| {
        told.blockers
            .iter()
            .all(|blocker| blocker.last_statement.as_ref().is_none_or(|text| text.len() <= TEXT))
    }));
}

proptest! {
    /// Whatever hangs together, an episode is open exactly while a session of it was seen waiting in the last look, its
    /// roots wait for nothing, and no session is in two.
    #[test]
    fn an_episode_is_open_while_a_session_waits(
        looks in prop::collection::vec(prop::collection::vec((0..12_i32, 0..12_i32), 0..12), 1..20),
    ) {
        let mut world = World::new();
        for (second, edges) in looks.iter().enumerate() {
            let mut blockers: HashMap<i32, Vec<i32>> = HashMap::new();
            for (one, other) in edges.iter().filter(|(one, other)| one != other) {
                blockers.entry(*one).or_default().push(*other);
            }
            let mut pids: Vec<_> = edges.iter().flat_map(|(one, other)| [*one, *other]).collect();
            pids.sort_unstable();
            pids.dedup();
            let session = |pid: &i32| match blockers.get(pid) {
                Some(blockers) => waiter(*pid, 1, blockers),
                None => holder(*pid, 1),
            };
            world.look(second as u64, &seen(pids.iter().map(session).collect()));
            let mut waiting: Vec<_> =
                world.record.episodes.iter().flat_map(|kept| kept.before.waiters.clone()).collect();
            waiting.sort_unstable();
            let mut expected: Vec<_> = blockers.keys().copied().collect();
            expected.sort_unstable();
            prop_assert_eq!(waiting, expected);
            for kept in &world.record.episodes {
                prop_assert_eq!(kept.told.is_over, kept.before.waiters.is_empty());
                let of_now = kept.told.blockers.iter().filter(|_| kept.is_open());
                for blocker in of_now.filter(|blocker| blocker.last_seen == kept.told.last_seen) {
                    prop_assert!(!blockers.contains_key(&blocker.pid), "{:?}", blocker);
                }
            }
        }
    }
}
