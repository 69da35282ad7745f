use super::*;
use proptest::prelude::*;

const AFTER: Duration = Duration::from_millis(900);

fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// A question that is out since then, and a new connect beside it.
fn since(asked: Instant) -> Option<Probe> {
    Some(Probe { asked, beside: Some(asked) })
}

/// Looks every 50 ms from one time to another while a probe is out since `probe`.
fn silence(circuit: &mut Circuit, start: Instant, from: u64, to: u64, probe: u64) -> Option<u64> {
    (from..=to).step_by(50).find(|at| {
        let probe = (*at >= probe).then(|| since(start + ms(probe))).flatten();
        circuit.look(start + ms(*at), true, probe).is_some()
    })
}

fn opened(start: Instant) -> Circuit {
    let mut circuit = Circuit::new(AFTER);
    assert_eq!(silence(&mut circuit, start, 0, 2_000, 200), Some(900));
    circuit
}

#[test]
fn silence_opens_it_and_a_shorter_one_does_not() {
    let start = Instant::now();
    let mut circuit = Circuit::new(AFTER);
    assert_eq!(silence(&mut circuit, start, 0, 800, 200), None);
    circuit.heard(start + ms(820));
    assert_eq!(silence(&mut circuit, start, 850, 1_600, 1_000), None, "it counts anew from the answer");
    assert_eq!(circuit.state(), BreakerState::Closed);
    assert_eq!(silence(&mut circuit, start, 1_650, 2_000, 1_000), Some(1_750));
}

#[test]
fn slow_statements_are_no_silence_while_the_probe_is_answered() {
    let start = Instant::now();
    let mut circuit = Circuit::new(AFTER);
    for at in (0..60_000).step_by(50) {
        let now = start + ms(at);
        if at % 250 == 0 {
            circuit.heard(now);
        }
        let probe = (at % 250 > 150).then(|| since(now - ms(50))).flatten();
        assert_eq!(circuit.look(now, true, probe), None);
    }
}

#[test]
fn without_a_probe_nothing_is_called_silent() {
    let start = Instant::now();
    let mut circuit = Circuit::new(AFTER);
    assert_eq!(silence(&mut circuit, start, 0, 60_000, u64::MAX), None);
}

#[test]
fn connects_that_fail_open_it_unless_anything_is_answered_between() {
    let start = Instant::now();
    let fail = |circuit: &mut Circuit, at| {
        circuit.connect_failed(start + ms(at), Fault::Unreachable, "connection refused")
    };
    let mut circuit = Circuit::new(AFTER);
    assert!([0, 100, 300, 899].iter().all(|at| fail(&mut circuit, *at).is_none()), "not long enough");
    assert!(fail(&mut circuit, 900).is_some());

    let mut circuit = Circuit::new(AFTER);
    for at in (0..10_000).step_by(100) {
        assert!(fail(&mut circuit, at).is_none(), "others are answered");
        if at % 500 == 0 {
            circuit.heard(start + ms(at + 1));
        }
    }
    let mut circuit = Circuit::new(AFTER);
    assert!([0, 2_000].iter().all(|at| fail(&mut circuit, *at).is_none()), "two failures prove nothing");
}

#[test]
fn an_answer_lets_a_few_through_and_more_with_each_step() {
    let start = Instant::now();
    let mut circuit = opened(start);
    assert_eq!(circuit.permit(), Err(()));
    assert!(matches!(circuit.heard(start + ms(1_500)), Some(Change::HalfOpened { .. })));
    let mut closed = None;
    for step in [2, 4, 8, 16] {
        let mut rights = Vec::new();
        while let Ok(Some(right)) = circuit.permit() {
            rights.push(right);
        }
        assert_eq!(rights.len(), step);
        let first = rights.pop().expect("one at least");
        assert_eq!(closed, None);
        closed = circuit.done(first, CallResult::Answered, start + ms(1_501));
        for right in rights {
            circuit.done(right, CallResult::Unknown, start + ms(1_502));
        }
    }
    assert!(matches!(closed, Some(Change::Closed { .. })));
    assert_eq!(circuit.permit(), Ok(None));
}

#[test]
fn a_failure_while_half_open_opens_it_again_and_late_answers_of_an_earlier_opening_mean_nothing() {
    let start = Instant::now();
    let mut circuit = opened(start);
    circuit.heard(start + ms(1_500));
    let Ok(Some(early)) = circuit.permit() else { panic!("half open") };
    let Ok(Some(failing)) = circuit.permit() else { panic!("half open") };
    assert!(matches!(
        circuit.done(failing, CallResult::Failed, start + ms(1_600)),
        Some(Change::Opened { .. })
    ));
    circuit.heard(start + ms(1_700));
    for _ in 0..9 {
        assert_eq!(circuit.done(early, CallResult::Answered, start + ms(1_800)), None);
    }
    assert_eq!(circuit.state(), BreakerState::HalfOpen);
}

#[test]
fn rights_that_are_kept_do_not_keep_it_half_open() {
    let start = Instant::now();
    let mut circuit = opened(start);
    circuit.heard(start + ms(1_500));
    // Two reports that run for long, or two leases for life.
    let kept = [circuit.permit(), circuit.permit()];
    assert!(kept.iter().all(|right| matches!(right, Ok(Some(_)))) && circuit.permit().is_err());
    assert_eq!(circuit.heard(start + ms(1_550)), None);
    assert!(circuit.permit().is_err(), "the step has not lasted yet");
    let mut now = 1_550;
    let closed = loop {
        now += 50;
        assert!(now < 2_500, "the server answers all the time, and calls are still refused");
        if let Some(change) = circuit.heard(start + ms(now)) {
            break change;
        }
    };
    assert!(matches!(closed, Change::Closed { .. }), "{closed:?}");
    assert!((1_900..=2_000).contains(&now), "four steps of a tenth of a second: {now}");
}

#[test]
fn a_full_server_has_answered_where_the_pool_has_connections() {
    let start = Instant::now();
    let full = |circuit: &mut Circuit, at| {
        circuit.connect_failed(start + ms(at), Fault::TooManyConnections, "too many clients already")
    };
    let mut circuit = Circuit::new(AFTER);
    circuit.has_connections(true);
    assert!((0..60_000).step_by(250).all(|at| full(&mut circuit, at).is_none()), "they are good");
    let mut circuit = Circuit::new(AFTER);
    assert!((0..=1_000).step_by(250).any(|at| full(&mut circuit, at).is_some()), "there is none to be had");
    circuit.has_connections(true);
    assert!(matches!(full(&mut circuit, 2_000), Some(Change::HalfOpened { .. })));
}

#[test]
fn an_outage_with_an_answer_in_between_is_one_outage_and_says_what_it_is_now() {
    let start = Instant::now();
    let mut circuit = opened(start);
    let since = circuit.opened().map(|(since, _)| since);
    assert_eq!(since, Some(start + ms(900)));
    circuit.heard(start + ms(60_000));
    let (at, reason) = circuit.opened().expect("half open");
    assert_eq!((Some(at), &reason), (since, &Cause::Recovering(2)));
    assert!(reason.told(at).contains("answers again"), "{}", reason.told(at));
    let Ok(Some(right)) = circuit.permit() else { panic!("half open") };
    circuit.done(right, CallResult::Failed, start + ms(61_000));
    let (at, reason) = circuit.opened().expect("open");
    assert_eq!((Some(at), reason), (since, Cause::Relapsed));
    assert!(circuit.heard(start + ms(60_500)).is_none(), "that was before");
    let change = circuit.heard(start + ms(62_000));
    assert_eq!(change, Some(Change::HalfOpened { after: ms(61_100) }));
}

#[test]
fn an_outage_that_lasts_is_told_of_once_a_minute() {
    let start = Instant::now();
    let mut circuit = opened(start);
    let told = |circuit: &mut Circuit, from: u64, to: u64| {
        (from..=to).step_by(50).filter(|at| circuit.remind(start + ms(*at)).is_some()).collect::<Vec<_>>()
    };
    assert_eq!(told(&mut circuit, 900, 200_000), [60_900, 120_900, 180_900]);
    // An answer in between does not begin it anew, a closed breaker does.
    circuit.heard(start + ms(200_100));
    assert_eq!(told(&mut circuit, 200_100, 250_000), Vec::<u64>::new(), "half open");
    let Ok(Some(right)) = circuit.permit() else { panic!("half open") };
    circuit.done(right, CallResult::Failed, start + ms(250_000));
    assert_eq!(told(&mut circuit, 250_000, 260_000), [250_000]);
    for at in (260_000..270_000).step_by(50) {
        circuit.heard(start + ms(at));
    }
    assert_eq!(circuit.state(), BreakerState::Closed);
    assert_eq!(told(&mut circuit, 270_000, 400_000), Vec::<u64>::new());
    assert!(silence(&mut circuit, start, 400_000, 402_000, 400_100).is_some());
    assert_eq!(told(&mut circuit, 402_000, 462_000), [460_900]);
}

#[test]
fn what_was_heard_before_it_opened_does_not_close_it() {
    let start = Instant::now();
    let mut circuit = opened(start);
    assert_eq!(circuit.heard(start + ms(100)), None);
    assert_eq!(circuit.state(), BreakerState::Open);
}

#[test]
fn isolated_it_stays_so_whatever_is_heard() {
    let start = Instant::now();
    let mut circuit = Circuit::new(AFTER);
    assert!(matches!(circuit.isolate(start), Some(Change::Isolated { .. })));
    assert_eq!(circuit.isolate(start), None);
    assert_eq!(circuit.heard(start + ms(10)), None);
    assert_eq!(circuit.permit(), Err(()));
    assert!(matches!(circuit.resume(start + ms(20)), Some(Change::Closed { .. })));
    assert_eq!(circuit.permit(), Ok(None));
}

#[test]
fn time_in_which_nobody_could_look_is_forgiven() {
    let start = Instant::now();
    let mut circuit = Circuit::new(AFTER);
    circuit.look(start, true, since(start));
    circuit.forgive();
    assert_eq!(circuit.look(start + ms(5_000), true, since(start + ms(4_990))), None);
}

#[test]
fn silence_begins_with_the_first_owed_answer_or_the_first_failed_connect() {
    let start = Instant::now();
    let mut circuit = Circuit::new(AFTER);
    assert_eq!(circuit.silent_since(), None);
    circuit.connect_failed(start + ms(10), Fault::Unreachable, "refused");
    circuit.connect_failed(start + ms(20), Fault::Unreachable, "refused");
    assert_eq!(circuit.silent_since(), Some(start + ms(10)));
    circuit.look(start + ms(30), true, None);
    circuit.look(start + ms(40), false, since(start + ms(40)));
    assert_eq!(circuit.silent_since(), Some(start + ms(30)), "an answer is owed all the time since");
    circuit.look(start + ms(50), false, None);
    assert_eq!(circuit.silent_since(), Some(start + ms(10)), "nothing is owed any more");
    circuit.heard(start + ms(60));
    assert_eq!(circuit.silent_since(), None);
}

#[test]
fn only_an_answer_that_came_later_ends_a_silence() {
    let start = Instant::now();
    let mut circuit = Circuit::new(AFTER);
    circuit.look(start, true, None);
    circuit.heard(start);
    assert_eq!(circuit.silent_since(), Some(start), "heard in the moment in which it began");
    circuit.heard(start + ms(1));
    assert_eq!(circuit.silent_since(), None);

    let mut circuit = Circuit::new(AFTER);
    circuit.connect_failed(start + ms(5), Fault::Unreachable, "refused");
    for (at, expected) in [(4, Some(start + ms(5))), (5, Some(start + ms(5))), (6, None)] {
        circuit.heard(start + ms(at));
        assert_eq!(circuit.silent_since(), expected, "heard after {at} ms");
    }
}

#[test]
fn an_answer_is_heard_once() {
    let start = Instant::now();
    let mut circuit = opened(start);
    assert!(circuit.heard(start + ms(1_500)).is_some());
    for at in [1_500, 1_499] {
        assert_eq!(circuit.heard(start + ms(at)), None);
        assert_eq!(circuit.opened().map(|(_, cause)| cause), Some(Cause::Recovering(2)), "{at}");
    }
    circuit.heard(start + ms(1_501));
    assert_eq!(circuit.opened().map(|(_, cause)| cause), Some(Cause::Recovering(4)), "no call is out");
}

#[test]
fn only_what_is_heard_after_it_opened_half_opens_it() {
    let start = Instant::now();
    let mut circuit = opened(start);
    assert_eq!(circuit.heard(start + ms(900)), None, "in the moment in which it opened");
    assert_eq!(circuit.heard(start + ms(901)), Some(Change::HalfOpened { after: ms(1) }));
}

#[test]
fn a_step_waits_for_its_calls_for_a_tenth_of_a_second() {
    let start = Instant::now();
    let mut circuit = opened(start);
    circuit.heard(start + ms(1_500));
    assert!(matches!(circuit.permit(), Ok(Some(_))), "one of two is out");
    let step = |circuit: &Circuit| circuit.opened().map(|(_, cause)| cause);
    circuit.heard(start + ms(1_599));
    assert_eq!(step(&circuit), Some(Cause::Recovering(2)));
    circuit.heard(start + ms(1_600));
    assert_eq!(step(&circuit), Some(Cause::Recovering(4)));
    circuit.heard(start + ms(1_699));
    assert_eq!(step(&circuit), Some(Cause::Recovering(4)), "the next step has a tenth of its own");
}

#[test]
fn silence_needs_a_probe_that_was_out_for_half_of_it() {
    let start = Instant::now();
    for (probe, opens) in [(450, true), (451, false)] {
        let mut circuit = Circuit::new(AFTER);
        circuit.look(start, true, None);
        let change = circuit.look(start + ms(900), true, since(start + ms(probe)));
        assert_eq!(change.is_some(), opens, "a probe since {probe} ms");
    }
    let mut circuit = Circuit::new(AFTER);
    circuit.look(start + ms(1), true, None);
    assert_eq!(circuit.look(start + ms(900), true, since(start)), None, "owed for 899 ms");
    let mut circuit = Circuit::new(AFTER);
    circuit.look(start, false, since(start));
    assert!(
        circuit.look(start + ms(900), false, since(start)).is_some(),
        "the probe alone is owed an answer"
    );
}

#[test]
fn one_connection_that_stands_still_is_no_silence_unless_a_new_connect_is_not_answered_either() {
    let start = Instant::now();
    for (beside, opens) in [(None, false), (Some(675), true), (Some(676), false)] {
        let mut circuit = Circuit::new(AFTER);
        circuit.look(start, true, None);
        let probe = Probe { asked: start, beside: beside.map(|at| start + ms(at)) };
        let change = circuit.look(start + ms(900), true, Some(probe));
        assert_eq!(change.is_some(), opens, "connects are out since {beside:?} ms");
    }
    // For as long as its new connects are answered.
    let mut circuit = Circuit::new(AFTER);
    for at in (0..60_000).step_by(50) {
        let (now, beside) = (start + ms(at), start + ms(at - at % 500));
        assert_eq!(circuit.look(now, true, Some(Probe { asked: start, beside: Some(beside) })), None, "{at}");
        if at % 500 == 250 {
            circuit.heard(now);
        }
    }
}

#[test]
fn three_failed_connects_are_enough_and_it_tells_of_the_last() {
    let start = Instant::now();
    let mut circuit = Circuit::new(AFTER);
    assert_eq!(circuit.connect_failed(start, Fault::Unreachable, "no route"), None);
    assert_eq!(circuit.connect_failed(start + ms(1), Fault::Unreachable, "no route"), None);
    circuit.has_connections(true);
    let change = circuit.connect_failed(start + ms(900), Fault::ConnectTimeout, "no answer");
    let told = "no connection could be opened for 0.9 s (3 tries; the last: no answer)";
    assert_eq!(change, Some(Change::Opened { reason: told.to_owned() }));
    let cause = Cause::Failing {
        since: start,
        failures: 3,
        fault: Fault::ConnectTimeout,
        last: "no answer".to_owned(),
    };
    assert_eq!(circuit.opened(), Some((start + ms(900), cause)));
}

#[test]
fn silence_is_told_as_silence_although_a_connect_has_failed() {
    let start = Instant::now();
    let mut circuit = Circuit::new(AFTER);
    circuit.connect_failed(start, Fault::Unreachable, "refused");
    circuit.look(start, true, since(start));
    assert!(circuit.look(start + ms(900), true, since(start)).is_some());
    assert_eq!(circuit.opened(), Some((start + ms(900), Cause::Silent(start))));
}

#[test]
fn it_opens_once_and_half_open_it_opens_again_by_silence() {
    let start = Instant::now();
    let mut circuit = opened(start);
    assert_eq!(silence(&mut circuit, start, 1_000, 9_000, 200), None, "it is open");
    circuit.heard(start + ms(10_000));
    assert!(silence(&mut circuit, start, 10_050, 11_000, 10_100).is_some());
    assert_eq!(circuit.state(), BreakerState::Open);
    circuit.isolate(start + ms(12_000));
    assert_eq!(silence(&mut circuit, start, 12_000, 20_000, 12_000), None, "it is isolated");
}

#[test]
fn an_isolation_tells_how_long_it_lasted_and_forgets_what_was_owed() {
    let start = Instant::now();
    let mut circuit = Circuit::new(AFTER);
    let told = "it was isolated by hand".to_owned();
    assert_eq!(circuit.resume(start), None, "it is not isolated");
    assert_eq!(circuit.isolate(start), Some(Change::Isolated { reason: told }));
    assert_eq!((circuit.state(), circuit.opened()), (BreakerState::Isolated, Some((start, Cause::Isolated))));
    circuit.look(start + ms(5), true, None);
    assert_eq!(circuit.resume(start + ms(20)), Some(Change::Closed { after: ms(20) }));
    assert_eq!((circuit.silent_since(), circuit.opened()), (None, None));
}

#[test]
fn it_says_when_the_outage_ended_and_how_long_it_was() {
    let start = Instant::now();
    let mut circuit = opened(start);
    assert_eq!(circuit.heard(start + ms(1_500)), Some(Change::HalfOpened { after: ms(600) }));
    let changes: Vec<_> = (1..=4).map(|at| circuit.heard(start + ms(1_500 + at))).collect();
    assert_eq!(changes, [None, None, None, Some(Change::Closed { after: ms(604) })]);
}

#[test]
fn each_state_has_its_word() {
    let states = [BreakerState::Closed, BreakerState::Open, BreakerState::HalfOpen, BreakerState::Isolated];
    let words = ["closed", "open", "half-open", "isolated"];
    assert_eq!(states.map(|state| state.to_string()), words);
}

#[derive(Clone, Debug)]
enum Move {
    Look(bool, bool),
    Heard,
    Failed,
    Permit,
    Done(u8),
    Isolate,
    Resume,
}

fn moves() -> impl Strategy<Value = Vec<(u64, Move)>> {
    let one = prop_oneof![
        4 => (any::<bool>(), any::<bool>()).prop_map(|(owed, probe)| Move::Look(owed, probe)),
        2 => Just(Move::Heard), 2 => Just(Move::Failed), 3 => Just(Move::Permit),
        3 => (0u8..3).prop_map(Move::Done), 1 => Just(Move::Isolate), 1 => Just(Move::Resume),
    ];
    prop::collection::vec((0u64..400, one), 0..200)
}

proptest! {
    /// No call is let through while it is open, no more than the last step while half open, and rights that are
    /// never given back do not keep it from opening anew.
    #[test]
    fn it_never_lets_more_through_than_its_state_allows(moves in moves()) {
        let mut now = Instant::now();
        let mut circuit = Circuit::new(AFTER);
        let mut rights = Vec::new();
        let mut probe = None;
        for (pause, step) in moves {
            now += ms(pause);
            match step {
                Move::Look(owed, probes) => {
                    probe = if probes { Some(probe.unwrap_or(now)) } else { None };
                    circuit.look(now, owed, probe.and_then(since));
                }
                Move::Heard => { circuit.heard(now); }
                Move::Failed => { circuit.connect_failed(now, Fault::Unreachable, "refused"); }
                Move::Permit => match (circuit.state(), circuit.permit()) {
                    (BreakerState::Closed, permit) => prop_assert_eq!(permit, Ok(None)),
                    (BreakerState::HalfOpen, Ok(right)) => rights.extend(right),
                    (BreakerState::HalfOpen, Err(())) => {}
                    (_, permit) => prop_assert_eq!(permit, Err(())),
                },
                Move::Done(how) => if let Some(right) = rights.pop() {
                    let answer = [CallResult::Answered, CallResult::Failed, CallResult::Unknown][usize::from(how)];
                    circuit.done(right, answer, now);
                },
                Move::Isolate => { circuit.isolate(now); }
                Move::Resume => { circuit.resume(now); }
            }
            if let CircuitState::HalfOpen { step, out, .. } = circuit.state {
                prop_assert!(out <= step && step <= LAST_STEP);
            }
        }
    }
}

#[test]
fn a_full_server_opens_nothing_where_its_connections_are_shared() {
    let start = Instant::now();
    let mut circuit = Circuit::new(AFTER).waiting_when_full(true);
    circuit.has_connections(false);
    for at in [0, 500, 1_000, 5_000] {
        let told =
            circuit.connect_failed(start + ms(at), Fault::TooManyConnections, "too many clients already");
        assert_eq!(told, None);
        assert_eq!(circuit.state(), BreakerState::Closed);
    }
    let refused =
        |circuit: &mut Circuit, at| circuit.connect_failed(start + ms(at), Fault::Unreachable, "refused");
    assert_eq!([6_000, 6_500].map(|at| refused(&mut circuit, at)), [None, None]);
    assert!(matches!(refused(&mut circuit, 7_000), Some(Change::Opened { .. })), "another fault counts");
}
