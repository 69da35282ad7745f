//! G01: a client that is gone is noticed while its statement runs.

use crate::checks::check::{Check, Threshold};
use crate::checks::finding::{Finding, Remedy, State};
use crate::checks::role_settings::{self, ROLE_SETTINGS};
use crate::checks::subject::quoted;

const SETTING: &str = "client_connection_check_interval";

const LONGEST: Threshold = Threshold {
    name: "dead_client_check_warn",
    default: 60.0,
    unit: "s",
    meaning: "a longer interval between two looks is a warning",
};

pub(super) const G01: Check = Check {
    id: "G01",
    title: "A client that is gone is noticed while its statement runs",
    why: "without it the statement of a client that was killed or cut off goes on to its end, holds its locks, and commits",
    ask: &[ROLE_SETTINGS],
    thresholds: &[LONGEST],
    read: |answer, subject, thresholds| {
        let settings = role_settings::read(answer)?;
        let Some(setting) = settings.get(SETTING) else {
            return Ok(vec![Finding::skipped(subject.the_role(), format!("this server has no {SETTING}"))]);
        };
        let Some(millis) = setting.number() else {
            return Ok(vec![Finding::skipped(
                subject.the_role(),
                format!("{SETTING} is {}", setting.source),
            )]);
        };
        let longest = thresholds.get(&LONGEST);
        let state = match millis {
            0.0 => State::Crit,
            millis if millis > longest * 1_000.0 => State::Warn,
            _ => State::Ok,
        };
        let finding = Finding::new(
            state,
            subject.the_role(),
            format!("{SETTING} is {}", setting.text.as_deref().unwrap_or_default()),
        )
        .source(setting.source.as_str())
        .threshold(format!("above 0, at most {longest} s"));
        let role = quoted(&subject.role);
        Ok(vec![match state {
            State::Ok => finding,
            _ => finding.remedy(Remedy::for_new_sessions(
                format!("ALTER ROLE {role} SET {SETTING} = '2s'"),
                format!("ALTER ROLE {role} RESET {SETTING}"),
            )),
        }])
    },
    ..Check::USUAL
};
