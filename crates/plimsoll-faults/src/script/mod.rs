//! Trouble by the clock.
//!
//! One fault shows one weakness. What breaks a program in the night is several in a row: the server hangs, comes back,
//! the wire turns slow, a cut falls into the recovery. A [`Script`] writes such a night down as a list of steps, each
//! with its time. It is a plain value: made by hand, drawn from a seed, or read from text, and it prints as the text
//! that it is read from, so that a run which failed can be pasted back, and shortened line by line until only the
//! steps are left that matter:
//!
//! ```text
//! 2s freeze
//! 12s thaw
//! 15s cut
//! 20s delay 50ms +-20ms
//! 25s heal
//! ```
//!
//! Which step is due is a pure rule with the time as an argument ([`Script::due`]); [`Play`] is what waits.

mod drawn;
mod play;
mod quantity;
mod text;

use std::time::Duration;

pub use drawn::Trouble;
pub use play::{Play, PlayError};
pub use text::ScriptError;

use crate::fault::{Cut, Fault};

/// What one step does. As text, it is the word in parentheses.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum What {
    /// Arms a fault beside those that are armed (`delay`, `loss`, `throttle`, `slice`, `blackhole`, `refuse`, `cut-at`,
    /// `stall-at`, `on-message`).
    Arm(Fault),
    /// The same for the first connection that meets it (`once`, and the fault).
    ArmOnce(Fault),
    /// Ends every connection that is open (`cut`, and how if it is no reset).
    End(Cut),
    /// Makes the wire whole (`heal`). A frozen process stays frozen.
    Heal,
    /// Freezes the process (`freeze`).
    Freeze,
    /// Thaws the process (`thaw`).
    Thaw,
    /// Kills the process (`kill`).
    Kill,
}

impl What {
    /// Whether a process is needed for it; everything else needs a wire.
    pub(crate) fn is_for_a_process(&self) -> bool {
        matches!(self, What::Freeze | What::Thaw | What::Kill)
    }
}

impl From<Fault> for What {
    fn from(fault: Fault) -> Self {
        What::Arm(fault)
    }
}

/// Something that happens at a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// When, counted from the beginning of the play.
    pub at: Duration,
    /// What.
    pub what: What,
}

/// A schedule of trouble, in the order of time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Script {
    seed: Option<u64>,
    steps: Vec<Step>,
}

impl Script {
    /// Nothing happens.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same script with one more step. Steps of the same time happen in the order in which they were added.
    #[must_use]
    pub fn at(mut self, at: Duration, what: impl Into<What>) -> Self {
        self.extend([Step { at, what: what.into() }]);
        self
    }

    /// The seed that it was drawn from.
    pub fn seed(&self) -> Option<u64> {
        self.seed
    }

    /// Every step, in the order of time.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// When the last step happens.
    pub fn span(&self) -> Duration {
        self.steps.last().map_or(Duration::ZERO, |last| last.at)
    }

    /// The steps that are due when so many have been played and so much time has gone by.
    pub fn due(&self, played: usize, elapsed: Duration) -> &[Step] {
        let until = self.steps.partition_point(|step| step.at <= elapsed);
        self.steps.get(played..until).unwrap_or_default()
    }
}

impl Extend<Step> for Script {
    fn extend<I: IntoIterator<Item = Step>>(&mut self, steps: I) {
        self.steps.extend(steps);
        // Stable: steps of the same time keep their order.
        self.steps.sort_by_key(|step| step.at);
    }
}

impl FromIterator<Step> for Script {
    fn from_iter<I: IntoIterator<Item = Step>>(steps: I) -> Self {
        let mut script = Self::new();
        script.extend(steps);
        script
    }
}
