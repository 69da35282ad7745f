use super::super::facts::{Breaker, Recent};
use super::*;
use std::time::SystemTime;

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A pool of twenty of which nothing is wrong.
fn calm() -> Facts {
    Facts {
        now: Some(SystemTime::UNIX_EPOCH + secs(1_000_000)),
        lent: 3,
        maximum: 20,
        opened: 20,
        recent: Recent { a_second: 1_204, failed: 0, is_quiet: false },
        p95_ms: 3.08,
        ..Facts::default()
    }
}

fn held(work: &str, seconds: u64) -> Held {
    Held { work: work.to_owned(), held: secs(seconds) }
}

fn pile_up(waiting: u64, lasted: u64) -> Option<PileUp> {
    let (lock, blocker) = (Some("devices".to_owned()), Some("\"nightly report\" (report.rs:88)".to_owned()));
    Some(PileUp { waiting, lock, blocker, lasted: secs(lasted) })
}

fn breaker(state: BreakerState, is_frozen: bool, open_ms: u64, silent_ms: u64) -> Breaker {
    let silent_for = Some(Duration::from_millis(silent_ms)).filter(|silent| !silent.is_zero());
    Breaker { state, open_for: Duration::from_millis(open_ms), silent_for, is_frozen, is_dark: false }
}

#[test]
fn each_state_is_told_by_its_own_sentence() {
    use Level::{Notice, Trouble, Well};
    let frozen = breaker(BreakerState::Open, true, 4_200, 4_200);
    let cases = [
        (
            calm(),
            Well,
            "healthy",
            "All is well: 1,204 calls in the last second, 95 % of statements within 3.1 ms.",
        ),
        (
            Facts { recent: Recent { is_quiet: true, ..Recent::default() }, lent: 0, ..calm() },
            Well,
            "idle",
            "All is well: the database would answer, and nothing is asked of it.",
        ),
        (
            Facts { breaker: frozen.clone(), ..calm() },
            Trouble,
            "frozen",
            "The database is frozen: it has given no answer for 4.2 s, and calls are refused at once.",
        ),
        (
            Facts { breaker: Breaker { is_dark: true, ..frozen }, ..calm() },
            Trouble,
            "frozen",
            "The database is frozen: it has given no answer for 4.2 s, and calls go on waiting for it.",
        ),
        (
            Facts { breaker: breaker(BreakerState::Closed, true, 0, 600), ..calm() },
            Trouble,
            "frozen",
            "The database has given no answer for 0.6 s.",
        ),
        (
            Facts { breaker: breaker(BreakerState::Open, false, 75_000, 0), ..calm() },
            Trouble,
            "refused",
            "No connection to the database can be opened for 75 s, and calls are refused at once.",
        ),
        (
            Facts { breaker: breaker(BreakerState::HalfOpen, false, 9_000, 0), ..calm() },
            Notice,
            "recovering",
            "The database answers again; calls are let through step by step.",
        ),
        (
            Facts { breaker: breaker(BreakerState::Isolated, false, 9_000, 0), ..calm() },
            Trouble,
            "isolated",
            "Calls are refused because the database was isolated by hand; resume lets them through again.",
        ),
        (
            Facts { is_closed: true, ..calm() },
            Trouble,
            "closed",
            "The pool is closed: nothing is lent any more.",
        ),
        (
            Facts { opened: 0, waiting: 2, ..calm() },
            Notice,
            "starting",
            "The first connection is being opened.",
        ),
        (
            Facts { opened: 0, connect_failures: 1, ..calm() },
            Trouble,
            "starting",
            "No connection could be opened since the start: 1 attempt failed.",
        ),
        (
            Facts { is_paused: true, waiting: 12, ..calm() },
            Notice,
            "paused",
            "The pool was paused by hand: nothing is lent, and 12 callers wait.",
        ),
        (
            Facts { demotion: Some("the server takes no writes".to_owned()), ..calm() },
            Trouble,
            "demoted",
            "The server takes no writes.",
        ),
    ];
    for (facts, level, matter, sentence) in cases {
        let told = judge(&facts);
        assert_eq!((told.level, told.matter.as_str(), &*told.sentence), (level, matter, sentence));
    }
}

#[test]
fn each_load_is_told_by_its_own_sentence() {
    use Level::{Notice, Trouble};
    let full = Facts { lent: 20, waiting: 31, oldest: Some(held("\"export\" (export.rs:9)", 48)), ..calm() };
    let refused = Recent { failed: 120, ..calm().recent };
    let cases = [
        (
            Facts { recent: refused, ..full.clone() },
            Trouble,
            "exhausted",
            "The pool is exhausted: all 20 connections are lent and 31 callers wait; \"export\" (export.rs:9) has held \
             one for 48 s.",
        ),
        (
            Facts { recent: refused, pile_up: pile_up(12, 4), ..full },
            Trouble,
            "exhausted",
            "The pool is exhausted: all 20 connections are lent and 31 callers wait; 12 sessions wait for a lock on \
             devices behind \"nightly report\" (report.rs:88).",
        ),
        (
            Facts { recent: refused, ..calm() },
            Trouble,
            "overloaded",
            "The pool is overloaded: 120 callers were refused or gave up in the last 5 s.",
        ),
        (
            Facts { pile_up: pile_up(1, 3), ..calm() },
            Notice,
            "lock-pile-up",
            "1 session waits for a lock on devices behind \"nightly report\" (report.rs:88).",
        ),
        (Facts { failing: 0.31, ..calm() }, Notice, "failing", "31 % of the latest statements failed."),
        (
            Facts { unused: vec![held("\"export\" (export.rs:9)", 360), held("x", 301)], ..calm() },
            Notice,
            "leaking",
            "A connection is held and not used: by \"export\" (export.rs:9), for 6 min, and 1 more.",
        ),
        (
            Facts { slow: 14, p95_ms: 1_250.0, ..calm() },
            Notice,
            "slow",
            "14 of the latest statements were slow; 95 % took no longer than 1.2 s.",
        ),
        (
            Facts { queued_for: secs(3), waiting: 2, lent: 20, ..calm() },
            Notice,
            "queueing",
            "2 callers wait for a connection; 20 of 20 are lent.",
        ),
    ];
    for (facts, level, matter, sentence) in cases {
        let told = judge(&facts);
        assert_eq!((told.level, told.matter.as_str(), &*told.sentence), (level, matter, sentence));
    }
}

#[test]
fn what_is_just_below_a_bound_is_well() {
    let quiet = [
        Facts { failing: 0.049, ..calm() },
        Facts { slow: 10, ..calm() },
        Facts { queued_for: Duration::from_millis(1_999), waiting: 9, lent: 20, ..calm() },
        Facts { breaker: breaker(BreakerState::Closed, true, 0, 499), ..calm() },
        // Connects fail while all that is open answers: the breaker decides what that means.
        Facts { breaker: breaker(BreakerState::Closed, false, 0, 900), ..calm() },
        Facts { connect_failures: 3, ..calm() },
        Facts { lent: 20, ..calm() },
    ];
    for facts in quiet {
        let told = judge(&facts);
        assert_eq!((told.level, told.matter), (Level::Well, Matter::Healthy), "{facts:?}: {told}");
    }
    let is_trouble = |facts| judge(&facts).level == Level::Trouble;
    for (bad, not_yet) in [
        (Facts { pile_up: pile_up(10, 1), ..calm() }, Facts { pile_up: pile_up(9, 29), ..calm() }),
        (Facts { pile_up: pile_up(1, 30), ..calm() }, Facts { pile_up: None, ..calm() }),
        (Facts { failing: 0.5, ..calm() }, Facts { failing: 0.49, ..calm() }),
        (
            Facts { lent: 20, waiting: 20, queued_for: secs(2), ..calm() },
            Facts { lent: 20, waiting: 19, queued_for: secs(2), ..calm() },
        ),
    ] {
        assert!(is_trouble(bad.clone()) && !is_trouble(not_yet), "{bad:?}");
    }
}

#[test]
fn the_cause_is_told_and_not_what_follows_from_it() {
    let all = Facts {
        breaker: breaker(BreakerState::Open, true, 2_000, 2_000),
        is_paused: true,
        lent: 20,
        waiting: 40,
        recent: Recent { failed: 9, ..calm().recent },
        pile_up: pile_up(12, 40),
        failing: 0.9,
        slow: 100,
        unused: vec![held("x", 400)],
        ..calm()
    };
    let mut order = Vec::new();
    let mut facts = all;
    for mend in [
        (|facts| facts.breaker = Breaker::default()) as fn(&mut Facts),
        |facts| facts.is_paused = false,
        |facts| facts.lent = 3,
        |facts| facts.recent.failed = 0,
        |facts| facts.pile_up = None,
        |facts| facts.failing = 0.0,
        |facts| facts.unused.clear(),
        |facts| facts.slow = 0,
    ] {
        order.push(judge(&facts).matter.as_str());
        mend(&mut facts);
    }
    let expected =
        ["frozen", "paused", "exhausted", "overloaded", "lock-pile-up", "failing", "leaking", "slow"];
    assert_eq!(order, expected);
    // A pool that is closed is closed, whatever its breaker last saw.
    facts.is_closed = true;
    facts.breaker = breaker(BreakerState::Open, true, 2_000, 2_000);
    assert_eq!(judge(&facts).matter, Matter::Closed);
}

#[test]
fn since_when_is_told_where_it_is_known() {
    let facts = Facts { breaker: breaker(BreakerState::Open, true, 4_000, 3_000), ..calm() };
    assert_eq!(judge(&facts).since, facts.now.and_then(|now| now.checked_sub(secs(4))).map(Timestamp));
    assert_eq!(judge(&calm()).since, None);
    let json = serde_json::to_value(judge(&Facts { is_closed: true, ..calm() })).unwrap();
    let expected = serde_json::json!({"level": "trouble", "matter": "closed", "since": null,
        "sentence": "The pool is closed: nothing is lent any more."});
    assert_eq!(json, expected);
}
