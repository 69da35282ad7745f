//! The plan and the verdicts, as text of 80 columns and, for the plan, as JSON.

use super::drill::Drill;
use super::options::Options;
use super::promises::{Held, Promise};
use super::record::{Answer, Probe, Seen};
use super::{Played, Stage};
use crate::columns::{count, lines_from, span};
use crate::show::paint::{self, paint};
use plimsoll_inspect::checks::State;
use serde::Serialize;
use std::fmt::Write;
use std::time::Duration;

/// Where sentences begin.
const INDENT: usize = 11;

/// What would be done.
#[derive(Debug, Serialize)]
pub(super) struct Plan<'a> {
    schema_version: u32,
    service: String,
    database: &'a str,
    looks_like_production: &'a [String],
    drills: Vec<PlannedDrill>,
}

#[derive(Debug, Serialize)]
struct PlannedDrill {
    drill: &'static str,
    does: String,
    ends: String,
    sql: Vec<String>,
    must_hold: Vec<(Promise, String)>,
}

fn planned(options: &Options, stage: &Stage<'_>, drill: Drill) -> PlannedDrill {
    let is_sql = matches!(drill, Drill::SlowQuery | Drill::LockPileUp);
    let mut sql = if is_sql { drill.takes(options) } else { Vec::new() };
    sql.extend(is_sql.then(|| drill.holds(options)));
    PlannedDrill {
        drill: drill.name(),
        does: drill.does(options),
        ends: drill.ends(options),
        sql,
        must_hold: stage.expected(drill).promises(),
    }
}

pub(super) fn plan_json<'a>(options: &Options, stage: &'a Stage<'_>) -> Plan<'a> {
    Plan {
        schema_version: 1,
        service: stage.watched.service.name(),
        database: &stage.server.place,
        looks_like_production: &stage.signs,
        drills: options.drills.iter().map(|drill| planned(options, stage, *drill)).collect(),
    }
}

/// What each drill does, how it ends, and what must hold.
pub(super) fn plan(options: &Options, stage: &Stage<'_>) -> String {
    let mut text = String::new();
    let mut head = |name: &str, said: &str| text.push_str(&said_of(name, said));
    head("service", &format!("{}, asked {} times a second", stage.watched.service.name(), options.rate));
    if let Some(health) = &stage.watched.health {
        head("health", &health.name());
    }
    head("database", &stage.server.place);
    for sign in &stage.signs {
        head("careful", &format!("this looks like production: {sign}"));
    }
    for drill in &options.drills {
        let drill = planned(options, stage, *drill);
        let _ = write!(text, "\n{}\n", paint(paint::BOLD, drill.drill));
        text.push_str(&said_of("does", &drill.does));
        text.push_str(&said_of("ends", &drill.ends));
        for (number, (_, promise)) in drill.must_hold.iter().enumerate() {
            text.push_str(&said_of(if number == 0 { "must hold" } else { "" }, promise));
        }
    }
    text
}

fn said_of(name: &str, said: &str) -> String {
    let text = lines_from(INDENT, said, INDENT);
    format!("  {name:<9}{}", text.get(INDENT..).unwrap_or_default())
}

/// Each drill with its numbers and its promises.
pub(super) fn verdicts(all: &[Played]) -> String {
    let mut text = String::new();
    for played in all {
        let head = match (played.held, &played.could_not) {
            (Some(held), _) => word(held),
            (None, _) => paint(paint::of(State::Skipped), "COULD NOT BE PLAYED"),
        };
        let _ = write!(text, "\n{}: {head}\n", paint(paint::BOLD, played.drill));
        if let Some(why) = &played.could_not {
            text.push_str(&said_of("", why));
            continue;
        }
        text.push_str(&said_of("done", &played.done));
        text.push_str(&numbers(&played.seen));
        for verdict in &played.verdicts {
            let first = format!("{}: {}", verdict.said, verdict.told);
            let body = lines_from(INDENT, &first, INDENT);
            let mark = word(verdict.held);
            let blanks = " ".repeat(INDENT.saturating_sub(2 + plain(verdict.held).len()));
            let _ = write!(text, "  {mark}{blanks}{}", body.get(INDENT..).unwrap_or_default());
        }
    }
    text
}

fn plain(held: Held) -> &'static str {
    match held {
        Held::Held => "held",
        Held::Broken => "BROKEN",
        Held::Unknown => "unknown",
    }
}

fn word(held: Held) -> String {
    let state = match held {
        Held::Held => State::Ok,
        Held::Broken => State::Crit,
        Held::Unknown => State::Skipped,
    };
    paint(paint::of(state), plain(held))
}

/// What was asked and answered before, in and after the fault, and how many sessions there were.
pub(super) fn numbers(seen: &Seen) -> String {
    let mut text = String::new();
    let parts = [
        ("before", Duration::ZERO, seen.began),
        ("fault", seen.began, seen.ended),
        ("after", seen.ended, Duration::MAX),
    ];
    for (name, from, to) in parts {
        let probes: Vec<&Probe> = seen.probes.iter().filter(|it| it.at >= from && it.at < to).collect();
        text.push_str(&said_of(name, &in_numbers(&probes)));
    }
    let most = |of: fn(&super::record::Sample) -> u64| seen.samples.iter().map(of).max().unwrap_or(0);
    if let (Some(first), Some(last)) = (seen.samples.first(), seen.samples.last()) {
        let told = format!(
            "{} before, {} at most, {} at the end; {} waited for a lock at most",
            first.sessions,
            most(|sample| sample.sessions),
            last.sessions,
            most(|sample| sample.waiting)
        );
        text.push_str(&said_of("sessions", &told));
    }
    text
}

/// `100 asked: 10 served, 90 refused; half within 3 ms, the slowest 1.2 s`.
fn in_numbers(probes: &[&Probe]) -> String {
    let of = |is: fn(&Answer) -> bool| probes.iter().filter(|probe| is(&probe.answer)).count();
    let kinds = [
        ("served", of(Answer::is_served)),
        ("refused", of(|answer| matches!(answer, Answer::Refused(_)))),
        ("failed", of(|answer| matches!(answer, Answer::Failed(_)))),
        ("found no service", of(|answer| matches!(answer, Answer::Broken(_)))),
        ("without an answer", of(|answer| matches!(answer, Answer::None))),
    ];
    let told: Vec<String> =
        kinds.iter().filter(|(_, many)| *many > 0).map(|(name, many)| format!("{many} {name}")).collect();
    let mut took: Vec<Duration> = probes.iter().map(|probe| probe.took).collect();
    took.sort_unstable();
    let (Some(half), Some(slowest)) = (took.get(took.len() / 2), took.last()) else {
        return "nothing was asked".to_owned();
    };
    format!(
        "{} asked: {}; half within {}, the slowest {}",
        count(probes.len() as u64),
        told.join(", "),
        span(*half),
        span(*slowest)
    )
}

/// An answer in a few words.
pub(super) fn answer(answer: &Answer) -> String {
    match answer {
        Answer::Served(status) => format!("served with {status}"),
        Answer::Refused(status) => format!("refused with {status}"),
        Answer::Failed(status) => format!("it answered with status {status}"),
        Answer::Broken(why) => why.clone(),
        Answer::None => "no answer in time".to_owned(),
    }
}

