//! The tap shown whole conversations, message by message.

use super::*;
use crate::sql::residue::Residue;
use crate::wire::session_state::Front;
use crate::wire::transaction_status::TransactionStatus;

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![kind];
    bytes.extend_from_slice(&(body.len() as i32 + 4).to_be_bytes());
    bytes.extend_from_slice(body);
    bytes
}

fn started() -> (Tracker, SessionState) {
    started_with(&[])
}

fn started_with(reports: &[Vec<u8>]) -> (Tracker, SessionState) {
    let mut tracker = Tap::new((), std::sync::Arc::new(SessionState::new()), usize::MAX).tracker;
    let state = SessionState::new();
    tracker.sent(&[0, 0, 0, 8, 0, 3, 0, 0], &state);
    assert_eq!(state.owed(), 1);
    tracker.received(&reports.concat(), &state);
    tracker.received(&message(b'K', &[0, 0, 0, 7, 0, 0, 0, 9]), &state);
    tracker.received(&message(b'Z', b"I"), &state);
    (tracker, state)
}

#[test]
fn start_up_gives_pid_key_and_status() {
    let (_, state) = started();
    assert_eq!(
        (state.pid(), state.secret(), state.status(), state.owed()),
        (7, 9, TransactionStatus::Idle, 0)
    );
}

#[test]
fn a_statement_is_work_and_a_close_is_not() {
    let (mut tracker, state) = started();
    tracker.sent(&[message(b'B', b"\0s1\0"), message(b'E', b"\0"), message(b'S', b"")].concat(), &state);
    tracker.sent(&[message(b'C', b"Ss1\0"), message(b'S', b"")].concat(), &state);
    assert_eq!((state.owed(), state.owed_work()), (2, 1));
    tracker.received(&message(b'Z', b"I"), &state);
    assert_eq!((state.owed(), state.owed_work()), (1, 0));
}

#[test]
fn a_parse_is_work_since_it_waits_for_locks() {
    let (mut tracker, state) = started();
    let parse = [message(b'P', b"s1\0SELECT 1\0\0\0"), message(b'D', b"Ss1\0"), message(b'S', b"")].concat();
    tracker.sent(&parse, &state);
    assert_eq!((state.owed(), state.owed_work(), state.front()), (1, 1, Front::Work));
    tracker.sent(&[message(b'D', b"Ss1\0"), message(b'S', b"")].concat(), &state);
    tracker.received(&message(b'Z', b"I"), &state);
    assert_eq!((state.owed(), state.owed_work()), (1, 0), "describing again takes no time");
}

#[test]
fn a_copy_swallows_the_sync_of_its_execute_and_stays_work_until_its_end() {
    let (mut tracker, state) = started();
    tracker.sent(&[message(b'E', b"\0"), message(b'S', b"")].concat(), &state);
    tracker.received(&message(b'G', b""), &state);
    assert_eq!((state.owed(), state.owed_work()), (1, 1), "the copy is open");
    tracker.sent(&[message(b'd', b"row"), message(b'c', b""), message(b'S', b"")].concat(), &state);
    assert_eq!((state.owed(), state.owed_work()), (1, 1));
    tracker.received(&message(b'Z', b"I"), &state);
    assert_eq!((state.owed(), state.owed_work()), (0, 0));
}

#[test]
fn a_copy_that_was_told_to_fail_ends_by_itself_and_is_not_cancelled() {
    let (mut tracker, state) = started();
    tracker.sent(&[message(b'E', b"\0"), message(b'S', b"")].concat(), &state);
    tracker.received(&message(b'G', b""), &state);
    tracker.sent(&[message(b'd', b"row"), message(b'f', b"\0"), message(b'S', b"")].concat(), &state);
    assert_eq!((state.owed(), state.owed_work()), (1, 0));
    tracker.received(&message(b'Z', b"I"), &state);
    assert_eq!(state.owed(), 0);
}

#[test]
fn a_commit_is_an_end_and_no_work() {
    let (mut tracker, state) = started();
    tracker.sent(&message(b'Q', b"COMMIT\0"), &state);
    assert_eq!((state.owed(), state.owed_work()), (1, 0));
}

#[test]
fn a_named_statement_leaves_its_residue_each_time_it_is_bound() {
    let (mut tracker, state) = started();
    tracker.sent(&message(b'P', b"s1\0set x = 1\0\0\0"), &state);
    assert!(state.residue().is_none(), "parsed is not run");
    for _ in 0..2 {
        tracker.sent(&message(b'B', b"\0s1\0"), &state);
        assert!(!state.residue().is_none());
        state.forget_residue();
    }
}

#[test]
fn a_reported_setting_counts_once_the_session_is_idle_and_only_if_it_is_not_what_it_was() {
    let (mut tracker, state) = started_with(&[message(b'S', b"TimeZone\0UTC\0")]);
    let report = |zone: &[u8], status: &[u8]| {
        [message(b'S', &[b"TimeZone\0", zone, b"\0"].concat()), message(b'Z', status)].concat()
    };
    tracker.received(&report(b"Asia/Tokyo", b"T"), &state);
    assert!(state.residue().is_none(), "the transaction may take it back");
    tracker.received(&report(b"UTC", b"I"), &state);
    assert!(state.residue().is_none(), "and has");
    tracker.received(&report(b"Asia/Tokyo", b"I"), &state);
    assert_eq!(state.residue(), Residue::SETTING);
    state.settle();
    tracker.received(&message(b'Z', b"I"), &state);
    assert!(state.residue().is_none(), "a reset has made it the usual");
    tracker.received(&report(b"UTC", b"I"), &state);
    assert_eq!(state.residue(), Residue::SETTING);
}

#[test]
fn a_text_is_read_both_ways_while_what_was_sent_before_may_change_the_way() {
    let text = message(b'P', b"\0select '\\'; set x = 1; select '\0\0\0");
    let (mut tracker, state) = started_with(&[message(b'S', b"standard_conforming_strings\0off\0")]);
    tracker.sent(&text, &state);
    assert!(state.residue().is_none(), "it is one string");
    let (mut tracker, state) = started_with(&[message(b'S', b"standard_conforming_strings\0on\0")]);
    tracker.sent(&message(b'Q', b"select change()\0"), &state);
    tracker.sent(&message(b'P', b"\0select '\\''; set x = 1; select '1\0\0\0"), &state);
    assert_eq!(state.residue(), Residue::SETTING, "it may have been turned off");
}
