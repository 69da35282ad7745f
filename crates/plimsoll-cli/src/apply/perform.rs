//! Runs the steps of a plan, one after the other, with a line in the journal before and after each thing that changes something.
//!
//! A run that was killed goes on by the same way: what the journal calls done is not done again; what it calls begun is looked
//! at on the server, once the session that may still work on it has ended; the rest is done.

use super::journal::{Journal, Line, Progress, Session, Told, now};
use super::read_back::Way;
use super::server::Server;
use super::shown;
use crate::prompt::{self, Said};
use anyhow::{Result, bail};
use plimsoll_inspect::profiles::parts::{Part, parts};
use plimsoll_inspect::profiles::{Probe, Step};

/// Who is asked before a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Consent {
    /// No one, for what has an inverse.
    pub(super) to_what_has_an_inverse: bool,
    /// No one, for what has none.
    pub(super) to_what_has_none: bool,
}

impl Consent {
    fn covers(self, step: &Step) -> bool {
        if step.undo.is_empty() { self.to_what_has_none } else { self.to_what_has_an_inverse }
    }
}

/// What came of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) applied: usize,
    pub(super) already: usize,
    pub(super) declined: usize,
    pub(super) failed: usize,
    /// Values that are not what a new session shows.
    pub(super) not_arrived: usize,
    /// Somebody wanted no more.
    pub(super) is_stopped: bool,
}

/// A run.
pub(super) struct Run<'a> {
    pub(super) server: &'a Server,
    pub(super) way: &'a Way,
    pub(super) journal: Journal,
    pub(super) told: Told,
    pub(super) consent: Consent,
    pub(super) tally: Tally,
}

impl Run<'_> {
    /// Runs what is left. It stops at the first step that fails: what comes behind it may build on it.
    ///
    /// # Errors
    /// The journal cannot be written, or the server is gone. The journal tells how far it came.
    pub(super) async fn all(&mut self) -> Result<Tally> {
        self.server.outlive(&self.told.sessions).await?;
        let session = Session::clone(&self.server.session);
        self.journal.append(&Line::Session { at: now(), session })?;
        let steps = self.told.plan.steps.clone();
        for (number, step) in steps.iter().enumerate() {
            let progress = self.told.progress.get(number).cloned().unwrap_or_default();
            if progress.is_over() {
                continue;
            }
            if progress.applied {
                self.read_back(number, step).await?;
                continue;
            }
            match self.one(number, step, &progress).await {
                Ok(true) => {}
                Ok(false) => {
                    self.tally.is_stopped = true;
                    return Ok(self.tally);
                }
                Err(error) => {
                    let why = format!("{error:#}");
                    shown::line(&format!("{:>3}. failed: {why}", number + 1));
                    self.journal.append(&Line::Failed { at: now(), step: number, why })?;
                    self.tally.failed += 1;
                    return Ok(self.tally);
                }
            }
        }
        self.journal.append(&Line::End { at: now() })?;
        Ok(self.tally)
    }

    /// One step; it tells whether to go on.
    async fn one(&mut self, number: usize, step: &Step, progress: &Progress) -> Result<bool> {
        let is_begun = progress.in_doubt || progress.done > 0;
        if !is_begun {
            if self.is_so_already(step).await? {
                self.tally.already += 1;
                shown::line(&format!("{:>3}. {}: it is so already", number + 1, step.what));
                self.journal.append(&Line::Already { at: now(), step: number })?;
                return Ok(true);
            }
            match self.may(number, step).await? {
                Said::Yes | Said::All => {}
                Said::No => {
                    self.tally.declined += 1;
                    self.journal.append(&Line::Declined { at: now(), step: number })?;
                    return Ok(true);
                }
                Said::Quit => return Ok(false),
            }
        }
        for (at, part) in parts(&step.run).iter().enumerate().skip(progress.done) {
            let is_in_doubt = progress.in_doubt && at == progress.done;
            if is_in_doubt && *part != Part::Reload && self.server.holds(&step.after).await? {
                self.journal.append(&Line::Done { at: now(), step: number, part: at, found: true })?;
                continue;
            }
            self.journal.append(&Line::Begin { at: now(), step: number, part: at })?;
            self.server.send(part, |wait| shown::line(&format!("     {wait}"))).await?;
            self.journal.append(&Line::Done { at: now(), step: number, part: at, found: false })?;
        }
        self.journal.append(&Line::Applied { at: now(), step: number })?;
        self.read_back(number, step).await?;
        Ok(true)
    }

    /// Whether there is nothing to do. What is neither as it was when the plan was made nor as it ought to be is left to a new
    /// plan: somebody else has changed it since.
    async fn is_so_already(&self, step: &Step) -> Result<bool> {
        if self.server.holds(&step.after).await? {
            return Ok(true);
        }
        if matches!(step.before, Probe::Sql { .. }) && !self.server.holds(&step.before).await? {
            bail!(
                "{} has been changed since the plan was made, by somebody else; it is left alone: a new plan takes it as it is now",
                step.what
            );
        }
        Ok(false)
    }

    /// Whether somebody allows it.
    async fn may(&mut self, number: usize, step: &Step) -> Result<Said> {
        if self.consent.covers(step) {
            shown::line(&format!("{:>3}. {}: {}", number + 1, step.what, step.run.join("; ")));
            return Ok(Said::Yes);
        }
        let inverse = if step.undo.is_empty() { "NOTHING BRINGS THIS BACK. " } else { "" };
        let question = format!(
            "{:>3}. {}\n     {};\n     {inverse}Run it?",
            number + 1,
            step.what,
            step.run.join(";\n     ")
        );
        let said = prompt::ask(&question, !step.undo.is_empty()).await?;
        if said == Said::All {
            self.consent.to_what_has_an_inverse = true;
        }
        Ok(said)
    }

    async fn read_back(&mut self, number: usize, step: &Step) -> Result<()> {
        self.tally.applied += 1;
        let read = self.way.read(self.server, &step.reading, step.effect).await?;
        if let Some(why) = &read.why {
            self.tally.not_arrived += 1;
            shown::line(&format!("     NOT WHAT WAS SET {}: {}. {why}", self.way.name(), read.shown));
        } else {
            shown::line(&format!("     read back {}: {}", self.way.name(), read.shown));
        }
        let (arrived, shown, why) = (read.arrived, read.shown, read.why);
        self.journal.append(&Line::ReadBack { at: now(), step: number, arrived, shown, why })
    }
}
