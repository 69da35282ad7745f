//! The states of the breaker, and what moves it from one to the next. Pure: `now` is an argument.
//!
//! ```text
//!              nothing answers, for as long as `after`                     a probe is answered
//!   Closed ───────────────────────────────────────────► Open ──────────────────────────────────► HalfOpen
//!     ▲                                                   ▲ a call fails to reach the server        │
//!     │                                                   └─────────────────────────────────────────┤
//!     └───────── every step was answered: 2, 4, 8, 16 calls at a time ◄─────────────────────────────┘
//! ```
//!
//! One thing is watched, and it is a time: how long the server has owed an answer and given none, to anybody. A slow
//! statement is not silence, because the probe beside it is answered; a lock pile-up is not, a constraint is not, a
//! statement that was cancelled is not. A connection that breaks while others are answered is not. A stall that is
//! shorter than `after` passes unnoticed. That is why no failure is counted by itself: what counts is that nothing
//! succeeded since the first of them.

use crate::fault::Fault;
use std::fmt;
use std::time::Duration;
use tokio::time::Instant;

/// Fewer failed connects than this prove nothing.
const FAILURES: u32 = 3;
/// Calls at a time right after a probe was answered.
const FIRST_STEP: u32 = 2;
/// Once that many calls at a time were answered, nobody is counted any more.
const LAST_STEP: u32 = 16;

/// Why it opened.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Reason {
    /// Answers were owed, and none came since then.
    Silent(Instant),
    /// No connection could be opened since then.
    Failing { since: Instant, failures: u32, fault: Fault, last: String },
    /// Somebody said so.
    Isolated,
}

impl Reason {
    /// In words, as of now.
    pub(crate) fn told(&self, now: Instant) -> String {
        let seconds = |since: Instant| now.saturating_duration_since(since).as_secs_f64();
        match self {
            Reason::Silent(since) => {
                format!("the server has owed answers and given none for {:.1} s", seconds(*since))
            }
            Reason::Failing { since, failures, last, .. } => format!(
                "no connection could be opened for {:.1} s ({failures} tries; the last: {last})",
                seconds(*since)
            ),
            Reason::Isolated => "it was isolated by hand".to_owned(),
        }
    }
}

/// What a breaker does with calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BreakerState {
    /// Lets every call through.
    Closed,
    /// Lets none through.
    Open,
    /// Lets a few through, and more with each that is answered.
    HalfOpen,
    /// Lets none through until it is told otherwise.
    Isolated,
}

impl fmt::Display for BreakerState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            BreakerState::Closed => "closed",
            BreakerState::Open => "open",
            BreakerState::HalfOpen => "half-open",
            BreakerState::Isolated => "isolated",
        })
    }
}

#[derive(Debug)]
enum State {
    Closed,
    Open { since: Instant, reason: Reason },
    HalfOpen { opened: Instant, step: u32, out: u32 },
    Isolated { since: Instant },
}

/// A change of state, to be told once no lock is held.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Change {
    Opened { reason: String },
    HalfOpened { after: Duration },
    Closed { after: Duration },
}

/// The right to make one call while half open, good for the opening in which it was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Step(u64);

/// What became of a call that had such a right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The server said something, be it an error.
    Answered,
    /// It could not be reached.
    Failed,
    /// Nobody waited for it.
    Unknown,
}

struct Failing {
    since: Instant,
    failures: u32,
    fault: Fault,
    last: String,
}

/// The breaker of one server.
pub(crate) struct Circuit {
    after: Duration,
    state: State,
    /// Grows with each opening, so that what belongs to an earlier one is known.
    generation: u64,
    heard: Option<Instant>,
    owed: Option<Instant>,
    failing: Option<Failing>,
}

impl Circuit {
    /// A closed breaker that opens when a server has given no answer for so long.
    pub(crate) fn new(after: Duration) -> Self {
        Circuit { after, state: State::Closed, generation: 0, heard: None, owed: None, failing: None }
    }

    pub(crate) fn state(&self) -> BreakerState {
        match self.state {
            State::Closed => BreakerState::Closed,
            State::Open { .. } => BreakerState::Open,
            State::HalfOpen { .. } => BreakerState::HalfOpen,
            State::Isolated { .. } => BreakerState::Isolated,
        }
    }

    /// Since when it is not closed, and why it opened.
    pub(crate) fn opened(&self) -> Option<(Instant, Reason)> {
        match &self.state {
            State::Closed => None,
            State::Open { since, reason } => Some((*since, reason.clone())),
            State::HalfOpen { opened, .. } => Some((*opened, Reason::Silent(*opened))),
            State::Isolated { since } => Some((*since, Reason::Isolated)),
        }
    }

    /// Since when answers are owed and none comes, from anywhere.
    pub(crate) fn silent_since(&self) -> Option<Instant> {
        self.owed.or(self.failing.as_ref().map(|failing| failing.since))
    }

    /// The server said something at that time.
    pub(crate) fn heard(&mut self, at: Instant) -> Option<Change> {
        if self.heard.is_some_and(|known| at <= known) {
            return None;
        }
        self.heard = Some(at);
        if self.owed.is_some_and(|since| since < at) {
            self.owed = None;
        }
        if self.failing.as_ref().is_some_and(|failing| failing.since < at) {
            self.failing = None;
        }
        match self.state {
            State::Open { since, .. } if at > since => {
                self.state = State::HalfOpen { opened: since, step: FIRST_STEP, out: 0 };
                Some(Change::HalfOpened { after: at.saturating_duration_since(since) })
            }
            // Where there are no calls, the heartbeat's answers are the steps.
            State::HalfOpen { opened, out: 0, .. } if at > opened => self.step_up(at),
            _ => None,
        }
    }

    /// A connect did not reach the server.
    pub(crate) fn connect_failed(&mut self, now: Instant, fault: Fault, sentence: &str) -> Option<Change> {
        let failing = self.failing.get_or_insert_with(|| Failing {
            since: now,
            failures: 0,
            fault,
            last: String::new(),
        });
        failing.failures = failing.failures.saturating_add(1);
        failing.fault = fault;
        failing.last = sentence.to_owned();
        self.judge(now, None)
    }

    /// Looks at the server as a whole: whether anybody waits for an answer, and since when the probe does.
    pub(crate) fn look(&mut self, now: Instant, is_owed: bool, probe: Option<Instant>) -> Option<Change> {
        self.owed = match (is_owed || probe.is_some(), self.owed) {
            (true, known) => Some(known.unwrap_or(now)),
            (false, _) => None,
        };
        self.judge(now, probe)
    }

    /// Time in which nobody could look (this program stood still) is not held against the server.
    pub(crate) fn forgive(&mut self) {
        self.owed = None;
        self.failing = None;
    }

    fn judge(&mut self, now: Instant, probe: Option<Instant>) -> Option<Change> {
        if !matches!(self.state, State::Closed | State::HalfOpen { .. }) {
            return None;
        }
        let lasts = |since: Instant| now.saturating_duration_since(since);
        let is_silent = self.owed.is_some_and(|since| lasts(since) >= self.after)
            && probe.is_some_and(|since| lasts(since) >= self.after / 2);
        let is_failing = self
            .failing
            .as_ref()
            .is_some_and(|failing| lasts(failing.since) >= self.after && failing.failures >= FAILURES);
        let reason = match (&self.failing, self.owed) {
            (Some(failing), _) if is_failing => Reason::Failing {
                since: failing.since,
                failures: failing.failures,
                fault: failing.fault,
                last: failing.last.clone(),
            },
            (_, Some(since)) if is_silent => Reason::Silent(since),
            _ => return None,
        };
        Some(self.open(now, reason))
    }

    fn open(&mut self, now: Instant, reason: Reason) -> Change {
        self.generation += 1;
        let told = reason.told(now);
        self.state = State::Open { since: now, reason };
        Change::Opened { reason: told }
    }

    /// Whether a call may go on; with a right of its own while half open.
    pub(crate) fn permit(&mut self) -> Result<Option<Step>, ()> {
        match &mut self.state {
            State::Closed => Ok(None),
            State::HalfOpen { step, out, .. } if *out < *step => {
                *out += 1;
                Ok(Some(Step(self.generation)))
            }
            State::HalfOpen { .. } | State::Open { .. } | State::Isolated { .. } => Err(()),
        }
    }

    /// A call that had a right has ended. What belongs to an earlier opening says nothing about this one.
    pub(crate) fn done(&mut self, right: Step, answer: Answer, now: Instant) -> Option<Change> {
        if right.0 != self.generation {
            return None;
        }
        let State::HalfOpen { opened, out, .. } = &mut self.state else { return None };
        *out = out.saturating_sub(1);
        match answer {
            Answer::Unknown => None,
            Answer::Answered => self.step_up(now),
            Answer::Failed => {
                let reason = Reason::Silent(*opened);
                Some(self.open(now, reason))
            }
        }
    }

    fn step_up(&mut self, now: Instant) -> Option<Change> {
        let State::HalfOpen { opened, step, .. } = &mut self.state else { return None };
        if *step < LAST_STEP {
            *step *= 2;
            return None;
        }
        let after = now.saturating_duration_since(*opened);
        self.state = State::Closed;
        Some(Change::Closed { after })
    }

    /// Lets nothing through until [`Circuit::resume`].
    pub(crate) fn isolate(&mut self, now: Instant) -> Option<Change> {
        if matches!(self.state, State::Isolated { .. }) {
            return None;
        }
        self.generation += 1;
        self.state = State::Isolated { since: now };
        Some(Change::Opened { reason: Reason::Isolated.told(now) })
    }

    /// Lets everything through again; a server that is away opens it again by itself.
    pub(crate) fn resume(&mut self, now: Instant) -> Option<Change> {
        let State::Isolated { since } = self.state else { return None };
        self.state = State::Closed;
        self.forgive();
        Some(Change::Closed { after: now.saturating_duration_since(since) })
    }
}

#[cfg(test)]
mod tests {
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
            closed = circuit.done(first, Answer::Answered, start + ms(1_501));
            for right in rights {
                circuit.done(right, Answer::Unknown, start + ms(1_502));
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
            circuit.done(failing, Answer::Failed, start + ms(1_600)),
            Some(Change::Opened { .. })
        ));
        circuit.heard(start + ms(1_700));
        for _ in 0..9 {
            assert_eq!(circuit.done(early, Answer::Answered, start + ms(1_800)), None);
        }
        assert_eq!(circuit.state(), BreakerState::HalfOpen);
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
        assert!(circuit.isolate(start).is_some());
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
                        let answer = [Answer::Answered, Answer::Failed, Answer::Unknown][usize::from(how)];
                        circuit.done(right, answer, now);
                    },
                    Move::Isolate => { circuit.isolate(now); }
                    Move::Resume => { circuit.resume(now); }
                }
                if let State::HalfOpen { step, out, .. } = circuit.state {
                    prop_assert!(out <= step && step <= LAST_STEP);
                }
            }
        }
    }
}
