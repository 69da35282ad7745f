use super::*;
use proptest::prelude::*;

fn numbered(number: u64) -> Notification {
    Notification { channel: "a".to_owned(), payload: number.to_string(), pid: 1 }
}

fn inbox(capacity: usize) -> Inbox {
    Inbox::new(capacity, BTreeSet::from(["a".to_owned()]))
}

fn gap(message: Option<Message>) -> Gap {
    match message {
        Some(Message::Gap(gap)) => gap,
        other => panic!("{other:?} is no gap"),
    }
}

fn number(message: Option<Message>) -> u64 {
    match message {
        Some(Message::Notification(heard)) => heard.payload.parse().unwrap(),
        other => panic!("{other:?} is no notification"),
    }
}

#[test]
fn the_first_message_is_a_gap_and_comes_once_listen_holds() {
    let now = Instant::now();
    let mut inbox = inbox(10);
    let epoch = inbox.begin();
    assert_eq!(inbox.receive(epoch, numbered(1), now), Received::Kept);
    assert_eq!(inbox.take(), None, "LISTEN does not hold for all channels yet");
    assert!(!inbox.holds());
    inbox.established();
    assert!(inbox.holds());
    assert_eq!(gap(inbox.take()), Gap { since: None, cause: GapCause::Began, dropped: 0 });
    assert_eq!(number(inbox.take()), 1);
    assert_eq!(inbox.take(), None);
    inbox.established();
    assert_eq!(inbox.take(), None, "a channel more is no gap");
}

#[test]
fn a_lost_connection_is_told_once_listen_holds_again() {
    let now = Instant::now();
    let mut inbox = inbox(10);
    let first = inbox.begin();
    inbox.established();
    gap(inbox.take());
    inbox.receive(first, numbered(1), now);
    inbox.lost(now);
    assert_eq!(inbox.receive(first, numbered(2), now), Received::Ignored, "it was given up");
    assert_eq!(number(inbox.take()), 1, "what was heard before is not lost");
    assert_eq!(inbox.take(), None);
    let second = inbox.begin();
    inbox.receive(second, numbered(3), now);
    inbox.lost(now);
    inbox.begin();
    inbox.established();
    let told = gap(inbox.take());
    assert_eq!((told.cause, told.since, told.dropped), (GapCause::Lost, Some(now), 1), "3 is covered by it");
    assert_eq!(inbox.take(), None);
}

#[test]
fn a_gap_that_was_not_taken_grows_instead_of_a_second_one() {
    let now = Instant::now();
    let mut inbox = inbox(10);
    for _ in 0..5 {
        inbox.begin();
        inbox.established();
        inbox.lost(now);
    }
    inbox.begin();
    inbox.established();
    assert_eq!(gap(inbox.take()).cause, GapCause::Began);
    assert_eq!(inbox.take(), None);
}

#[test]
fn an_overflow_is_told_once_for_each_filling() {
    let now = Instant::now();
    let mut inbox = inbox(3);
    let epoch = inbox.begin();
    inbox.established();
    gap(inbox.take());
    let answers: Vec<_> = (1..=6).map(|n| inbox.receive(epoch, numbered(n), now)).collect();
    let (kept, dropped) = (Received::Kept, Received::Dropped);
    assert_eq!(answers, [kept, kept, kept, Received::Overflowed, dropped, dropped]);
    assert_eq!(number(inbox.take()), 1);
    assert_eq!(inbox.receive(epoch, numbered(7), now), dropped, "the gap would stand before it otherwise");
    assert_eq!((number(inbox.take()), number(inbox.take())), (2, 3));
    let told = gap(inbox.take());
    assert_eq!((told.cause, told.dropped, told.since), (GapCause::Overflow, 4, Some(now)));
    assert_eq!(inbox.receive(epoch, numbered(8), now), kept);
    assert_eq!(number(inbox.take()), 8);
}

#[test]
fn a_channel_that_was_removed_is_heard_no_more() {
    let now = Instant::now();
    let mut inbox = inbox(10);
    let epoch = inbox.begin();
    inbox.established();
    gap(inbox.take());
    inbox.receive(epoch, numbered(1), now);
    assert!(inbox.remove("a"));
    assert!(!inbox.remove("a"));
    assert_eq!(inbox.take(), None);
    assert_eq!(inbox.receive(epoch, numbered(2), now), Received::Ignored);
    inbox.add("a".to_owned());
    assert_eq!(inbox.receive(epoch, numbered(3), now), Received::Kept);
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Begin,
    Established,
    Lost,
    Notify,
    Late,
    Take,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        1 => Just(Step::Begin),
        2 => Just(Step::Established),
        1 => Just(Step::Lost),
        6 => Just(Step::Notify),
        1 => Just(Step::Late),
        4 => Just(Step::Take),
    ];
    proptest::collection::vec(step, 0..400)
}

proptest! {
    /// A writer numbers its notifications without end; whether one reaches the inbox depends on the connection.
    #[test]
    fn a_number_that_is_missing_is_covered_by_a_gap_before_the_next(capacity in 1_usize..6, steps in steps()) {
        let now = Instant::now();
        let mut inbox = inbox(capacity);
        let mut connection: Option<(Epoch, bool)> = None;
        let mut old: Option<Epoch> = None;
        let (mut written, mut expected) = (0_u64, None::<u64>);
        // The first number that the reader may have missed unless a gap tells of it.
        for step in steps {
            match step {
                Step::Begin if connection.is_none() => connection = Some((inbox.begin(), false)),
                Step::Established => if let Some((_, holds)) = &mut connection {
                    *holds = true;
                    inbox.established();
                },
                Step::Lost => if let Some((epoch, _)) = connection.take() {
                    old = Some(epoch);
                    inbox.lost(now);
                },
                Step::Notify => {
                    written += 1;
                    if let Some((epoch, true)) = connection {
                        inbox.receive(epoch, numbered(written), now);
                    }
                }
                Step::Late => if let Some(epoch) = old {
                    prop_assert_eq!(inbox.receive(epoch, numbered(0), now), Received::Ignored);
                },
                Step::Take => match inbox.take() {
                    // The reader rereads everything that is written by now.
                    Some(Message::Gap(_)) => {
                        prop_assert!(connection.is_some_and(|(_, holds)| holds) || expected.is_some() || old.is_some());
                        expected = Some(written + 1);
                    }
                    Some(Message::Notification(heard)) => {
                        let heard: u64 = heard.payload.parse().unwrap();
                        let next = expected.expect("the first message is a gap");
                        prop_assert!(heard <= next, "{} is missing before {heard}, and no gap told of it", next);
                        expected = Some(next.max(heard + 1));
                    }
                    None => {}
                },
                Step::Begin => {}
            }
            prop_assert!(inbox.len() <= capacity + 1, "{} of {capacity}", inbox.len());
        }
    }
}
