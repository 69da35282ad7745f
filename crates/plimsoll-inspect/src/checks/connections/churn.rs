//! C03: sessions live longer than a request.

use crate::answer::{Row, Unreadable};
use crate::checks::check::{Answers, Check, Threshold, Thresholds};
use crate::checks::finding::{Finding, Remedy, State};
use crate::checks::subject::Subject;

const RATE: Threshold = Threshold {
    name: "churn_rate_warn",
    default: 1.0,
    unit: "sessions/s",
    meaning: "more new sessions a second, if they are short, are a warning",
};

const SHORT: Threshold = Threshold {
    name: "churn_age_warn",
    default: 60.0,
    unit: "s",
    meaning: "sessions that last, or are, less than that on average are short",
};

const SESSIONS: Threshold = Threshold {
    name: "churn_sessions_least",
    default: 100.0,
    unit: "",
    meaning: "fewer sessions since the statistics began tell nothing",
};

const BACKENDS: Threshold = Threshold {
    name: "churn_backends_least",
    default: 10.0,
    unit: "",
    meaning: "of fewer clients that are connected the age tells nothing",
};

const UPTIME: Threshold = Threshold {
    name: "churn_uptime_least",
    default: 600.0,
    unit: "s",
    meaning: "a server that was started later has young sessions only",
};

pub(super) const C03: Check = Check {
    id: "C03",
    title: "Sessions live longer than a request",
    why: "a new session costs a process and some milliseconds of the server, many times what most queries do",
    ask: &[include_str!("churn.sql")],
    needs_monitor: true,
    thresholds: &[RATE, SHORT, SESSIONS, BACKENDS, UPTIME],
    read,
    ..Check::USUAL
};

fn read(answers: &Answers<'_>, _: &Subject, thresholds: &Thresholds) -> Result<Vec<Finding>, Unreadable> {
    let mut findings = Vec::new();
    for row in answers.rows() {
        findings.push(of_database(row, thresholds)?);
        findings.push(of_server(row, thresholds)?);
    }
    Ok(findings)
}

fn remedy(finding: Finding) -> Finding {
    match finding.state {
        State::Warn => finding.remedy(Remedy::advice(
            "have the application keep its sessions in a pool (persistent connections), or put a PgBouncer before the server",
        )),
        _ => finding,
    }
}

/// The statistics: how many sessions, how long each.
fn of_database(row: Row<'_>, thresholds: &Thresholds) -> Result<Finding, Unreadable> {
    let number = |column| row.number::<f64>(column).map(Option::unwrap_or_default);
    let about = format!("database {}", row.text("churn_database")?.unwrap_or_default());
    let (sessions, least) = (number("churn_sessions")?, thresholds.get(&SESSIONS));
    if sessions < least {
        let why = format!(
            "{sessions} sessions since the statistics began: at least {least} are wanted to judge by"
        );
        return Ok(Finding::skipped(about, why));
    }
    let Some(seconds) = row.number::<f64>("churn_seconds")? else {
        return Ok(Finding::skipped(about, "the server does not tell since when it counts sessions"));
    };
    let (rate, mean) = (sessions / seconds.max(1.0), number("churn_session_seconds")? / sessions.max(1.0));
    let (most, short) = (thresholds.get(&RATE), thresholds.get(&SHORT));
    let state = if rate > most && mean < short { State::Warn } else { State::Ok };
    Ok(remedy(
        Finding::new(
            state,
            about,
            format!("{sessions} sessions in {seconds:.0} s, {rate:.2} a second, which lasted {mean:.1} s on average"),
        )
        .source("pg_stat_database.sessions, session_time")
        .threshold(format!("at most {most} a second, or {short} s on average")),
    ))
}

/// The clients that are there now.
fn of_server(row: Row<'_>, thresholds: &Thresholds) -> Result<Finding, Unreadable> {
    let number = |column| row.number::<f64>(column).map(Option::unwrap_or_default);
    let (backends, age) = (number("churn_backends")?, number("churn_age")?);
    let (least, short) = (thresholds.get(&BACKENDS), thresholds.get(&SHORT));
    let (uptime, oldest) = (number("churn_uptime")?, thresholds.get(&UPTIME));
    let is_young = backends >= least && age < short;
    if is_young && uptime < oldest {
        let why = format!("the server was started {uptime:.0} s ago, so all sessions are young");
        return Ok(Finding::skipped("server", why));
    }
    let state = if is_young { State::Warn } else { State::Ok };
    let hint = if is_young { ". After a deployment that is as it should be" } else { "" };
    Ok(remedy(
        Finding::new(
            state,
            "server",
            format!("{backends} clients are connected, since {age:.0} s on average{hint}"),
        )
        .source("pg_stat_activity.backend_start")
        .threshold(format!("{short} s on average, of {least} clients and more")),
    ))
}
