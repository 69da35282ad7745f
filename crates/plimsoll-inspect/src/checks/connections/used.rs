//! C01: there are connections left.

use crate::answer::Unreadable;
use crate::checks::check::{Answers, Check, Threshold, Thresholds};
use crate::checks::finding::{Finding, Remedy, State};
use crate::checks::subject::Subject;

const WARN: Threshold = Threshold {
    name: "used_connections_warn",
    default: 80.0,
    unit: "%",
    meaning: "more used connections, of those that are not reserved, are a warning",
};

const CRIT: Threshold = Threshold {
    name: "used_connections_crit",
    default: 90.0,
    unit: "%",
    meaning: "more used connections, of those that are not reserved, are critical",
};

pub(super) const C01: Check = Check {
    id: "C01",
    title: "There are connections left",
    why: "when all are used every new session is refused, and restarting a service fails for the sessions that it left behind",
    ask: &[include_str!("used.sql")],
    needs_monitor: true,
    thresholds: &[WARN, CRIT],
    read,
    ..Check::USUAL
};

fn read(answers: &Answers<'_>, _: &Subject, thresholds: &Thresholds) -> Result<Vec<Finding>, Unreadable> {
    let (warn, crit) = (thresholds.get(&WARN), thresholds.get(&CRIT));
    let (mut used, mut usable, mut most) = (0.0, 0.0_f64, 0);
    let mut top = Vec::new();
    for row in answers.rows() {
        used = row.number("connections_used")?.unwrap_or_default();
        usable = row.number("connections_usable")?.unwrap_or_default();
        most = row.number("connections_most")?.unwrap_or_default();
        let sessions: u64 = row.number("sessions")?.unwrap_or_default();
        if let Some(application) = row.text("application")? {
            top.push(format!("{application} {sessions}"));
        }
    }
    let share = used / usable.max(1.0) * 100.0;
    let state = match share {
        share if share > crit => State::Crit,
        share if share > warn => State::Warn,
        _ => State::Ok,
    };
    let by = if top.is_empty() { String::new() } else { format!("; most by {}", top.join(", ")) };
    let finding = Finding::new(
        state,
        "server",
        format!("{used} of {usable} connections are used ({share:.0} %), besides the one that asks{by}"),
    )
    .source(format!("pg_stat_activity; max_connections is {most}, less what is reserved"))
    .threshold(format!("at most {warn} %, critical above {crit} %"));
    Ok(vec![match state {
        State::Ok => finding,
        _ => finding.remedy(Remedy::advice(
            "make the pools of the applications that are named smaller, or put a pooler in transaction mode before the server. \
             More max_connections takes a restart, and each costs memory",
        )),
    }])
}
