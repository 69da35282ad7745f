//! What a script prints can be pasted back and is the same script, whatever is in it; and a line that is none is told
//! apart from the others, with what could stand there.

use std::time::Duration;

use plimsoll_faults::{At, Cut, Direction, Fault, Script, Since, Step, Trouble, What, When};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

fn time() -> impl Strategy<Value = Duration> {
    prop_oneof![
        (0..100_000_u64).prop_map(Duration::from_millis),
        any::<u64>().prop_map(Duration::from_nanos),
        Just(Duration::MAX),
    ]
}

fn fault() -> impl Strategy<Value = Fault> {
    let direction = || select(vec![Direction::Both, Direction::ToServer, Direction::ToClient]);
    let since = || select(vec![Since::Connected, Since::Ready, Since::Set]);
    let how = || {
        let ways =
            [Cut::Reset, Cut::Close, Cut::ResetClient, Cut::ResetServer, Cut::ClientGone, Cut::ServerGone];
        select(ways.to_vec())
    };
    let at = || {
        let kinds = [At::BeforeMessage, At::AfterMessage, At::AfterBytes];
        (0..3_usize, any::<u64>()).prop_map(move |(kind, n)| kinds[kind](n))
    };
    prop_oneof![
        (direction(), time(), time())
            .prop_map(|(direction, by, spread)| Fault::delay(direction, by).jitter(spread)),
        (direction(), 0..=1_000_000_u32, time()).prop_map(|(direction, per_million, resent_after)| {
            Fault::Loss { direction, per_million, resent_after }
        }),
        (direction(), any::<u64>()).prop_map(|(direction, rate)| Fault::throttle(direction, rate)),
        (direction(), any::<usize>(), time())
            .prop_map(|(direction, bytes, pause)| Fault::slice(direction, bytes).pausing(pause)),
        direction().prop_map(Fault::blackhole),
        Just(Fault::Refuse),
        (direction(), at(), since(), how())
            .prop_map(|(direction, at, since, how)| Fault::cut(direction, at).since(since).ending(how)),
        (direction(), at(), since())
            .prop_map(|(direction, at, since)| Fault::stall(direction, at).since(since)),
        (
            direction(),
            any::<u8>(),
            vec(any::<u8>(), 0..12),
            select(vec![When::Before, When::After, When::AnswerDropped]),
            how()
        )
            .prop_map(|(direction, kind, containing, when, how)| {
                Fault::on_message(direction, kind, containing, when).ending(how)
            }),
    ]
}

fn what() -> impl Strategy<Value = What> {
    prop_oneof![
        5 => fault().prop_map(What::Arm),
        2 => fault().prop_map(What::ArmOnce),
        2 => select(vec![
            What::Heal, What::Freeze, What::Thaw, What::Kill, What::End(Cut::Reset), What::End(Cut::Close),
            What::End(Cut::ServerGone),
        ]),
    ]
}

proptest! {
    #[test]
    fn whatever_is_in_it(steps in vec((time(), what()), 0..12)) {
        let script: Script = steps.into_iter().map(|(at, what)| Step { at, what }).collect();
        let text = script.to_string();
        prop_assert_eq!(text.parse::<Script>(), Ok(script), "{}", text);
    }

    #[test]
    fn and_so_does_one_from_a_seed(seed in any::<u64>(), seconds in 0..10_000_u64) {
        let span = Duration::from_secs(seconds);
        let script = Script::seeded(seed, span, Trouble::ALL);
        prop_assert_eq!(&script, &Script::seeded(seed, span, Trouble::ALL));
        prop_assert!(script.span() <= span && script.seed() == Some(seed));
        let text = script.to_string();
        prop_assert_eq!(text.parse::<Script>(), Ok(script), "{}", text);
    }

    #[test]
    fn anything_else_is_an_error_and_no_panic(text in "[ -~\n\u{e9}]{0,60}") {
        let _either = text.parse::<Script>();
    }

    #[test]
    fn nor_does_a_word_too_many_or_too_few(what in what(), cut in 0..60_usize) {
        let line = format!("1s {what}");
        let more = format!("{line} more").parse::<Script>();
        prop_assert!(more.is_err());
        let _either = line.get(..cut.min(line.len())).unwrap_or_default().parse::<Script>();
    }
}

#[test]
fn by_hand_it_is_the_same_as_by_text() {
    let by_hand = Script::new()
        .at(
            Duration::from_secs(20),
            Fault::delay(Direction::Both, Duration::from_millis(50)).jitter(Duration::from_millis(20)),
        )
        .at(Duration::from_secs(2), What::Freeze)
        .at(Duration::from_secs(12), What::Thaw)
        .at(Duration::from_secs(15), What::End(Cut::Reset));
    let text = "
        # A night.
        2.0s freeze
        12s thaw
        15s cut
        20s delay 50ms +-20ms
    ";
    assert_eq!(text.parse(), Ok(by_hand.clone()));
    assert_eq!(by_hand.to_string(), "2s freeze\n12s thaw\n15s cut\n20s delay 50ms +-20ms\n");
    assert_eq!(by_hand.span(), Duration::from_secs(20));
}

#[test]
fn every_trouble_of_a_seed_is_lifted_again() {
    let span = Duration::from_secs(600);
    let script = Script::seeded(42, span, Trouble::ALL);
    println!("{script}");
    assert!(script.steps().len() > 10);
    let (mut wire_broken, mut frozen) = (false, false);
    for step in script.steps() {
        match &step.what {
            What::Heal => wire_broken = false,
            What::Thaw => frozen = false,
            What::End(how) if !matches!(how, Cut::ClientGone | Cut::ServerGone) => {}
            begins => {
                assert!(!wire_broken && !frozen, "one at a time: {step}");
                (wire_broken, frozen) = (*begins != What::Freeze, *begins == What::Freeze);
            }
        }
    }
    assert!(!wire_broken && !frozen, "nothing is left at the end");
    assert_ne!(script.steps(), Script::seeded(43, span, Trouble::ALL).steps());
    assert!(Script::seeded(42, span, &[]).steps().is_empty());
}

#[test]
fn a_bad_line_is_told_with_what_could_stand_there() {
    let steps = "one of delay, loss, throttle, slice, blackhole, refuse, cut-at, stall-at, on-message, once, cut, heal, \
                 freeze, thaw, kill";
    let time = "a length of time such as 250us, 50ms, 1.5s, 2min or 1h";
    for (line, problem, allowed) in [
        ("explode", "`explode` is not a time to begin at", time),
        ("2x freeze", "`2x` is not a time to begin at", time),
        ("-2s freeze", "`-2s` is not a time to begin at", time),
        ("2s", "a step is missing", steps),
        ("2s explode", "`explode` is no step", steps),
        ("2s once freeze", "`freeze` is no step", steps),
        ("2s freeze now", "`now` is not understood here", "the end of the line"),
        ("2s delay", "a latency is missing", time),
        ("2s delay 50", "`50` is not a latency", time),
        ("2s delay 50ms 20ms", "`20ms` is not understood here", "the end of the line"),
        ("2s loss 101% 1ms", "`101%` is not a share", "0% to 100%, such as 0.5%"),
        ("2s throttle 10", "`10` is not a rate", "whole bytes a second, such as 1000B/s"),
        ("2s slice to-nobody 1B", "`to-nobody` is not a size", "whole bytes, such as 1B"),
        (
            "2s cut softly",
            "`softly` is not a way to end",
            "reset, close, reset-client, reset-server, client-gone or server-gone",
        ),
        (
            "2s cut-at between-messages:3",
            "`between-messages:3` is not a place",
            "before-message:n, after-message:n or after-bytes:n",
        ),
        ("seed -1", "`-1` is not a seed", "a whole number below 2^64"),
    ] {
        let error = format!("1s heal\n\n  {line}\n").parse::<Script>().unwrap_err();
        assert_eq!(error.to_string(), format!("line 3: {problem}, in `{line}`; allowed is {allowed}"));
        assert_eq!((error.line, error.read.as_str()), (3, line));
    }
    assert!("seed 1\nseed 1".parse::<Script>().unwrap_err().to_string().starts_with("line 2: a second seed"));
}
