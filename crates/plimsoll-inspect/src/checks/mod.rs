//! Checks: what is wrong with a server, a role or a table, why that matters, and what puts it right.
//!
//! A [`Check`] is one constant in a file of its own, with its SQL beside it. [`all`] lists them, once: `plimsoll doctor`, its
//! help and its page are made of that list. [`examine`] asks them one after the other on a connection that the caller has, and
//! [`Report`] holds what was found.
//!
//! | file or folder | what it holds |
//! |---|---|
//! | [`check`] | what a check consists of |
//! | [`finding`] | what a check finds, and the remedy |
//! | [`subject`] | what is known of the server and of the role before anything is checked |
//! | [`role_settings`] | the settings as a session of the application's role has them |
//! | [`setting_value`] | how PostgreSQL reads times and sizes |
//! | [`run`] | asks the checks, within limits |
//! | [`report`] | all findings, as they are shown, compared and written |
//! | `guardrails/`, `connections/`, .. | the checks, a file each |
//!
//! A check that could not be made is [`State::Skipped`] with the reason, and never ok: a role that may not see something, a
//! server of another version, a question that ran into its limit.

mod activity;
mod connections;
mod guardrails;
mod indexes;
mod observability;
mod replication;
mod vacuum;

pub mod check;
pub mod finding;
pub mod report;
pub mod role_settings;
pub mod run;
pub mod setting_value;
pub mod subject;

pub(crate) use activity::terminate;
pub use check::{Answers, Check, Place, Threshold, Thresholds};
pub use finding::{Finding, Remedy, State};
pub use report::{Checked, Report};
pub use run::examine;
pub use subject::Subject;

/// All checks, by group and number.
pub fn all() -> impl Iterator<Item = &'static Check> {
    let groups: [&[&'static Check]; 7] = [
        guardrails::CHECKS,
        connections::CHECKS,
        activity::CHECKS,
        vacuum::CHECKS,
        indexes::CHECKS,
        replication::CHECKS,
        observability::CHECKS,
    ];
    groups.into_iter().flatten().copied()
}
