//! A script from a seed.
//!
//! Troubles come one after another and never two at once: a failure then points at one of them, and a script that is
//! shortened by a trouble (its step and the one that lifts it) is still a sound script. The sizes are those of a bad
//! day and not of the end of the world, so that a program which is right can live through all of it.

use std::time::Duration;

use fastrand::Rng;

use super::{Script, Step, What};
use crate::fault::{Cut, Direction, Fault};

/// A kind of trouble that a script can be drawn from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Trouble {
    /// A latency of 1 to 100 ms, with jitter up to as much.
    Delay,
    /// 0.1 to 5 % of the segments lost, sent again after 200 ms.
    Loss,
    /// 1 000 to 1 000 000 bytes a second.
    Throttle,
    /// Pieces of 1 to 16 bytes, without pauses.
    Slice,
    /// Nothing passes, one way or both.
    Blackhole,
    /// New connections are refused.
    Refuse,
    /// Every connection ends, by a reset or in order.
    Cut,
    /// Every connection becomes half open.
    HalfOpen,
    /// The process stands still.
    Freeze,
}

impl Trouble {
    /// All of them.
    pub const ALL: &[Trouble] = &[
        Trouble::Delay,
        Trouble::Loss,
        Trouble::Throttle,
        Trouble::Slice,
        Trouble::Blackhole,
        Trouble::Refuse,
        Trouble::Cut,
        Trouble::HalfOpen,
        Trouble::Freeze,
    ];

    /// Those for which no process is needed.
    pub const OF_THE_WIRE: &[Trouble] = &[
        Trouble::Delay,
        Trouble::Loss,
        Trouble::Throttle,
        Trouble::Slice,
        Trouble::Blackhole,
        Trouble::Refuse,
        Trouble::Cut,
        Trouble::HalfOpen,
    ];

    /// How it begins, and how it is lifted.
    fn drawn(self, dice: &mut Rng) -> (What, Option<What>) {
        let direction = one_of(dice, [Direction::ToServer, Direction::ToClient], Direction::Both);
        let fault = match self {
            Trouble::Delay => {
                let by = dice.u64(1..=100);
                let spread = dice.u64(0..=by);
                Fault::delay(direction, Duration::from_millis(by)).jitter(Duration::from_millis(spread))
            }
            Trouble::Loss => Fault::Loss {
                direction,
                per_million: dice.u32(1..=50) * 1000,
                resent_after: Duration::from_millis(200),
            },
            Trouble::Throttle => Fault::throttle(direction, dice.u64(1..=1000) * 1000),
            Trouble::Slice => Fault::slice(direction, dice.usize(1..=16)),
            Trouble::Blackhole => Fault::blackhole(direction),
            Trouble::Refuse => Fault::Refuse,
            Trouble::Cut => {
                let how = one_of(dice, [Cut::Close, Cut::ResetClient, Cut::ResetServer], Cut::Reset);
                return (What::End(how), None);
            }
            Trouble::HalfOpen => {
                let how = one_of(dice, [Cut::ClientGone], Cut::ServerGone);
                return (What::End(how), Some(What::Heal));
            }
            Trouble::Freeze => return (What::Freeze, Some(What::Thaw)),
        };
        (What::Arm(fault), Some(What::Heal))
    }
}

impl Script {
    /// Draws troubles of these kinds, one after another with quiet between them, and lifts each again before `span` is
    /// over. The same arguments give the same script. A trouble lasts up to a tenth of the span, and the quiet before
    /// it up to a twentieth; times are whole milliseconds.
    pub fn seeded(seed: u64, span: Duration, troubles: &[Trouble]) -> Self {
        let mut script = Self { seed: Some(seed), steps: Vec::new() };
        script.extend(steps(seed, span, troubles));
        script
    }
}

/// One of some, each as likely as the other.
fn one_of<T: Copy, const N: usize>(dice: &mut Rng, some: [T; N], or: T) -> T {
    some.get(dice.usize(0..=N)).copied().unwrap_or(or)
}

/// The steps of a script of this length.
fn steps(seed: u64, span: Duration, troubles: &[Trouble]) -> Vec<Step> {
    let mut dice = Rng::with_seed(seed);
    let span = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    let mut steps = Vec::new();
    let mut now: u64 = 0;
    loop {
        let began = now.saturating_add(dice.u64(1..=(span / 20).max(1)));
        now = began.saturating_add(dice.u64(1..=(span / 10).max(1)));
        let Some(trouble) = dice.choice(troubles).filter(|_| now <= span && now < u64::MAX) else {
            return steps;
        };
        let (begins, lifted) = trouble.drawn(&mut dice);
        steps.push(Step { at: Duration::from_millis(began), what: begins });
        steps.extend(lifted.map(|what| Step { at: Duration::from_millis(now), what }));
    }
}
