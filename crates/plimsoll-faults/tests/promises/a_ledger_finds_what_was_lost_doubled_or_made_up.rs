//! The checker of the ledger can fail: whatever is wrong between the log and the table is found, and counted right.

use plimsoll_faults::ledger::{End, Entry, Verdict};

fn log(ends: &[(u64, End)]) -> Vec<Entry> {
    ends.iter().map(|&(id, end)| Entry { id, end }).collect()
}

const HONEST: [(u64, End); 5] = [
    (1, End::Acknowledged),
    (2, End::Refused),
    (3, End::Failed),
    (4, End::Unknown), // stored
    (5, End::Unknown), // not stored
];

fn verdict(stored: &[u64]) -> Verdict {
    Verdict::of(5, &log(&HONEST), stored.iter().copied())
}

#[test]
fn an_honest_log_is_found_honest() {
    let honest = verdict(&[4, 1]);
    assert!(honest.is_true(), "{honest:?}");
    let expected = Verdict {
        attempts: 5,
        acknowledged: 1,
        refused: 1,
        failed: 1,
        unknown: 2,
        stored: 2,
        unknown_stored: 1,
        ..Verdict::default()
    };
    assert_eq!(honest, expected);
    assert!(Verdict::of(0, &[], []).is_true(), "nothing was asked and nothing is there");
}

#[test]
fn an_acknowledged_request_without_a_row_is_lost() {
    let found = verdict(&[4]);
    assert_eq!((found.lost, found.stored, found.is_true()), (1, 1, false));
    assert_eq!(found.lies, [1]);
    assert!(found.adds_up(), "a loss is a lie and no mistake in counting");
}

#[test]
fn an_id_that_is_stored_twice_is_doubled_whatever_was_told() {
    let found = verdict(&[1, 1, 1, 4, 4]);
    assert_eq!((found.doubled, found.stored, found.lost, found.is_true()), (2, 5, 0, false));
    assert_eq!(found.unknown_stored, 1, "unknown ids are counted, not their rows");
}

#[test]
fn a_failed_or_refused_request_with_a_row_is_a_phantom() {
    for stored in [[1, 2], [1, 3]] {
        let found = verdict(&stored);
        assert_eq!((found.phantoms, found.is_true()), (1, false), "{stored:?}");
    }
    assert_eq!((verdict(&[1, 2, 3]).phantoms, verdict(&[3, 2, 2]).lies), (2, vec![1, 2, 3]));
}

#[test]
fn an_attempt_that_nobody_answered_does_not_add_up() {
    let found = Verdict::of(6, &log(&HONEST), [1]);
    assert_eq!((found.unanswered, found.adds_up(), found.is_true()), (1, false, false));
    // Its row may be there: nobody has said anything of it.
    let stored = Verdict::of(6, &log(&HONEST), [1, 6]);
    assert_eq!((stored.unanswered, stored.strangers), (1, 0));
}

#[test]
fn a_row_that_nobody_asked_for_does_not_add_up() {
    let found = verdict(&[1, 77]);
    assert_eq!((found.strangers, found.adds_up(), found.is_true()), (1, false, false));
}

#[test]
fn an_attempt_that_was_answered_twice_does_not_add_up() {
    let mut ends = HONEST.to_vec();
    ends.push((1, End::Failed));
    let found = Verdict::of(5, &log(&ends), [1]);
    assert_eq!((found.repeated, found.adds_up(), found.is_true()), (1, false, false));
    // Nor does a second answer stand in for one that is missing.
    let found = Verdict::of(6, &log(&ends), [1]);
    assert_eq!((found.repeated, found.unanswered, found.adds_up()), (1, 1, false));
}
