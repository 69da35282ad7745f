use super::*;
use proptest::prelude::*;

const AFTER: Duration = Duration::from_millis(900);

fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// Looks every 50 ms from one time to another while a probe is out since `probe`.
fn silence(circuit: &mut Circuit, start: Instant, from: u64, to: u64, probe: u64) -> Option<u64> {
    (from..=to).step_by(50).find(|at| {
        let probe = (*at >= probe).then(|| start + ms(probe));
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
        let probe = (at % 250 > 150).then(|| now - ms(50));
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
    circuit.look(start, true, Some(start));
    circuit.forgive();
    assert_eq!(circuit.look(start + ms(5_000), true, Some(start + ms(4_990))), None);
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
                    circuit.look(now, owed, probe);
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
