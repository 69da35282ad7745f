//! One limit on time that a session of the application's role ought to have: what it is, and how it is judged.

use super::session_limits::{self, SESSION_LIMITS, SessionLimit};
use crate::answer::Unreadable;
use crate::checks::check::{Answers, Threshold, Thresholds};
use crate::checks::finding::{Finding, State};
use crate::checks::role_settings::{self, ROLE_SETTINGS, RoleSetting};
use crate::checks::setting_value::time;
use crate::checks::subject::Subject;
use std::collections::BTreeMap;

/// What is asked to know the limits of a role.
pub(super) const ASK: &[&str] = &[ROLE_SETTINGS, SESSION_LIMITS];

/// The limits of the application's role.
pub(super) struct Limits {
    settings: BTreeMap<String, RoleSetting>,
    of_session: BTreeMap<String, SessionLimit>,
}

impl Limits {
    pub(super) fn read(answers: &Answers<'_>) -> Result<Self, Unreadable> {
        Ok(Limits { settings: role_settings::read(answers)?, of_session: session_limits::read(answers)? })
    }

    /// The setting, if this server has it.
    pub(super) fn setting(&self, name: &str) -> Option<&RoleSetting> {
        self.settings.get(name)
    }

    /// The same limit as the session that asks has it.
    pub(super) fn of_session(&self, name: &str) -> Option<&SessionLimit> {
        self.of_session.get(name)
    }

    /// The setting and its number in milliseconds.
    ///
    /// # Errors
    /// It cannot be known: the server does not have it, or the server's own value is hidden by what is set for the role that
    /// asks or by what its session was started with. The reason comes as a finding.
    pub(super) fn known(&self, name: &str, subject: &Subject) -> Result<(&RoleSetting, f64), Box<Finding>> {
        let skipped = |why: String| Box::new(Finding::skipped(subject.the_role(), why));
        let setting = self.setting(name).ok_or_else(|| skipped(format!("this server has no {name}")))?;
        let millis = setting.number().ok_or_else(|| skipped(format!("{name} is {}", setting.source)))?;
        // The questions' own limit is in the way of the look at where the setting of a session comes from.
        let is_hidden = setting.is_of_server && self.of_session(name).is_some_and(|limit| limit.is_of_client);
        if is_hidden {
            return Err(skipped(format!(
                "{name} is hidden by what the session that asks was started with: ask in a session without `options`"
            )));
        }
        Ok((setting, millis))
    }
}

/// A limit, and what is wrong with it.
pub(super) struct Limit {
    /// The setting.
    pub(super) name: &'static str,
    /// How bad it is that there is none.
    pub(super) none: State,
    /// The longest that is no warning.
    pub(super) longest: &'static Threshold,
    /// What the remedy sets.
    pub(super) remedy: &'static str,
}

impl Limit {
    /// Judges it by itself.
    pub(super) fn judge(
        &self,
        answers: &Answers<'_>,
        subject: &Subject,
        thresholds: &Thresholds,
    ) -> Result<Vec<Finding>, Unreadable> {
        let limits = Limits::read(answers)?;
        Ok(vec![self.judge_in(&limits, subject, thresholds)])
    }

    /// The same, of limits that were read.
    pub(super) fn judge_in(&self, limits: &Limits, subject: &Subject, thresholds: &Thresholds) -> Finding {
        let (setting, millis) = match limits.known(self.name, subject) {
            Ok(known) => known,
            Err(skipped) => return *skipped,
        };
        let longest = thresholds.get(self.longest);
        let state = match millis {
            0.0 => self.none,
            millis if millis > longest * 1_000.0 => State::Warn,
            _ => State::Ok,
        };
        let finding =
            Finding::new(state, subject.the_role(), format!("{} is {}", self.name, setting.shown()))
                .source(setting.source.as_str())
                .threshold(format!("above 0, at most {longest} s"));
        match state {
            State::Ok => finding,
            _ => finding.remedy(role_settings::set_all([(setting, self.remedy.to_owned())], subject)),
        }
    }
}

/// A shorter time than this one: the recommended one if it is shorter, else half of it.
pub(super) fn shorter_than(outer: f64, recommended: f64) -> String {
    time(recommended.min((outer / 2.0).floor()).max(1.0))
}
