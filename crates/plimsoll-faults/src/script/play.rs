//! Playing a script: waiting for each step's time, and doing it.
//!
//! Times count from the beginning of the play and not from the step before, so a freeze that takes its time makes
//! nothing after it late that would not be late anyway. The clock is tokio's: where a test has paused it, a script of an
//! hour is played in a moment.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::{Script, Step, What};
use crate::process::{Process, ProcessError};
use crate::proxy::Proxy;

/// A script could not be played to its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlayError {
    /// A step is for a wire, and there is none. Nothing was played.
    #[error("`{step}` needs a wire, and the script is played without one; hand over a proxy")]
    NoWire {
        /// The first such step.
        step: Step,
    },
    /// A step is for a process, and there is none. Nothing was played.
    #[error("`{step}` needs a process, and the script is played without one; hand over a process")]
    NoProcess {
        /// The first such step.
        step: Step,
    },
    /// A step failed, and nothing after it was played.
    #[error("`{step}` failed: {source}")]
    Process {
        /// The step.
        step: Step,
        /// Why.
        source: ProcessError,
    },
}

/// A script as it is played, to be asked how far it has come.
#[derive(Debug)]
pub struct Play {
    script: Script,
    played: watch::Sender<usize>,
}

impl Play {
    /// Not begun.
    pub fn of(script: Script) -> Self {
        Self { script, played: watch::Sender::new(0) }
    }

    /// The whole script.
    pub fn script(&self) -> &Script {
        &self.script
    }

    /// The steps that have been played, in order.
    pub fn played(&self) -> &[Step] {
        self.script.steps().get(..*self.played.borrow()).unwrap_or_default()
    }

    /// Waits until so many steps have been played. It has no limit of its own; dropped, it has changed nothing.
    pub async fn until_played(&self, count: usize) {
        // The sender is ours, so there is an end to wait for.
        let _ = self.played.subscribe().wait_for(|played| *played >= count).await;
    }

    /// Plays what has not been played yet, on a wire, on a process, or on both; see [`Script::play`], which also
    /// says what a drop leaves. Times count from this call; calls at the same time would each play everything.
    pub async fn run<'a>(
        &self,
        wire: impl Into<Option<&'a Proxy>>,
        process: impl Into<Option<&'a Process>>,
    ) -> Result<(), PlayError> {
        let (wire, process) = (wire.into(), process.into());
        self.is_cast(wire.is_some(), process.is_some())?;
        let began = Instant::now();
        loop {
            let played = *self.played.borrow();
            let Some(next) = self.script.steps().get(played) else { return Ok(()) };
            let due = self.script.due(played, began.elapsed());
            if due.is_empty() {
                until(began, next.at).await;
            }
            for step in due {
                perform(step, wire, process).await?;
                self.played.send_modify(|played| *played += 1);
            }
        }
    }

    /// Whether there is somebody for every part.
    fn is_cast(&self, wire: bool, process: bool) -> Result<(), PlayError> {
        let first = |for_a_process: bool| {
            let mut steps = self.script.steps().iter();
            steps.find(|step| step.what.is_for_a_process() == for_a_process).cloned()
        };
        match (first(false).filter(|_| !wire), first(true).filter(|_| !process)) {
            (Some(step), _) => Err(PlayError::NoWire { step }),
            (None, Some(step)) => Err(PlayError::NoProcess { step }),
            (None, None) => Ok(()),
        }
    }
}

impl Script {
    /// Plays it on a wire, on a process, or on both (`script.play(&proxy, None)`), each step at its time.
    ///
    /// It ends with its last step. What that leaves armed, frozen or dead stays so; so does what was set by then when
    /// this is dropped before it is done, or fails: until [`Proxy::heal`], [`Process::thaw`], or the drop of either.
    pub async fn play<'a>(
        &self,
        wire: impl Into<Option<&'a Proxy>>,
        process: impl Into<Option<&'a Process>>,
    ) -> Result<(), PlayError> {
        Play::of(self.clone()).run(wire, process).await
    }
}

async fn until(began: Instant, at: Duration) {
    match began.checked_add(at) {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}

async fn perform(step: &Step, wire: Option<&Proxy>, process: Option<&Process>) -> Result<(), PlayError> {
    match (&step.what, wire, process) {
        (What::Arm(fault), Some(wire), _) => wire.add(fault.clone()),
        (What::ArmOnce(fault), Some(wire), _) => wire.add_once(fault.clone()),
        (What::End(how), Some(wire), _) => drop(wire.end_all(*how)),
        (What::Heal, Some(wire), _) => wire.heal(),
        (What::Freeze, _, Some(process)) => return done(step, process.freeze().await.map(drop)),
        (What::Thaw, _, Some(process)) => return done(step, process.thaw()),
        (What::Kill, _, Some(process)) => return done(step, process.kill().await.map(drop)),
        (what, ..) if what.is_for_a_process() => return Err(PlayError::NoProcess { step: step.clone() }),
        _ => return Err(PlayError::NoWire { step: step.clone() }),
    }
    Ok(())
}

fn done(step: &Step, how: Result<(), ProcessError>) -> Result<(), PlayError> {
    how.map_err(|source| PlayError::Process { step: step.clone(), source })
}
