//! The plan and the verdicts, as text of 80 columns and, for the plan, as JSON.

use super::drill::Drill;
use super::options::Options;
use super::promises::{Judgement, Promise};
use super::record::{Answer, Probe, Seen};
use super::{Played, Stage};
use crate::columns::{count, lines_from};
use crate::show::paint::{self, paint};
use plimsoll_inspect::checks::State;
use plimsoll_inspect::span::rough;
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
        drills: options.drills().iter().map(|drill| planned(options, stage, *drill)).collect(),
    }
}

/// What each drill does, how it ends, and what must hold.
pub(super) fn plan(options: &Options, stage: &Stage<'_>) -> String {
    let mut text = String::new();
    let mut head = |name: &str, said: &str| text.push_str(&said_of(name, said));
    head("service", &format!("{}, asked {} times a second", stage.watched.service.name(), options.questions));
    if let Some(health) = &stage.watched.health {
        head("health", &health.name());
    }
    head("database", &stage.server.place);
    for sign in &stage.signs {
        head("careful", &format!("this looks like production: {sign}"));
    }
    for drill in &options.drills() {
        let drill = planned(options, stage, *drill);
        let _ = write!(text, "\n{}\n", paint(paint::BOLD, drill.drill));
        text.push_str(&said_of("does", &drill.does));
        text.push_str(&said_of("ends", &drill.ends));
        for (number, (_, promise)) in drill.must_hold.iter().enumerate() {
            text.push_str(&said_of(if number == 0 { "holds" } else { "" }, promise));
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

fn plain(held: Judgement) -> &'static str {
    match held {
        Judgement::Held => "held",
        Judgement::Broken => "BROKEN",
        Judgement::Unknown => "unknown",
    }
}

fn word(held: Judgement) -> String {
    let state = match held {
        Judgement::Held => State::Ok,
        Judgement::Broken => State::Crit,
        Judgement::Unknown => State::Skipped,
    };
    paint(paint::of(state), plain(held))
}

/// What was asked and answered before, in and after the fault, and how many sessions there were.
fn numbers(seen: &Seen) -> String {
    let mut text = String::new();
    for (name, probes) in parts(seen) {
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

/// What was asked before, in and after the fault.
pub(super) fn parts(seen: &Seen) -> [(&'static str, Vec<&Probe>); 3] {
    let of = |from, to| seen.probes.iter().filter(|probe| probe.at >= from && probe.at < to).collect();
    [
        ("before", of(Duration::ZERO, seen.began)),
        ("fault", of(seen.began, seen.ended)),
        ("after", of(seen.ended, Duration::MAX)),
    ]
}

/// `100 asked: 10 served, 90 refused; half within 3 ms, the slowest 1.2 s`.
pub(super) fn in_numbers(probes: &[&Probe]) -> String {
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
        rough(*half),
        rough(*slowest)
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

#[cfg(test)]
mod tests {
    use super::super::promises::Verdict;
    use super::super::record::Sample;
    use super::*;
    use crate::columns::is_the_screen;

    fn played(drill: &'static str, answer: impl Fn(u64) -> (Answer, u64), verdicts: Vec<Verdict>) -> Played {
        let probe = |at: u64| {
            let (answer, took) = answer(at);
            Probe { at: Duration::from_millis(at * 100), took: Duration::from_millis(took), answer }
        };
        let sample = |at: u64| Sample {
            at: Duration::from_secs(at),
            sessions: 8 + at / 4,
            waiting: u64::from(at == 6) * 4,
            ..Sample::default()
        };
        Played {
            drill,
            held: Some(super::super::promises::all_held(&verdicts)),
            could_not: None,
            done: "session 4711 holds ACCESS EXCLUSIVE on public.orders".to_owned(),
            verdicts,
            seen: Seen {
                probes: (0..200).map(probe).collect(),
                health: Vec::new(),
                samples: (0..20).map(sample).collect(),
                began: Duration::from_secs(3),
                ended: Duration::from_secs(13),
            },
        }
    }

    #[test]
    fn verdicts_come_with_their_numbers() {
        let verdict = |promise, held, said: &str, told: &str| Verdict {
            promise,
            said: said.to_owned(),
            held,
            told: told.to_owned(),
        };
        let bad = vec![
            verdict(
                Promise::Answers,
                Judgement::Broken,
                "every question is answered within 5 s",
                "100 of 200 had no answer within 5 s; the longest was waited for 6.0 s",
            ),
            verdict(Promise::Refusals, Judgement::Held, "what is not served is refused", "none was refused"),
            verdict(
                Promise::Leftovers,
                Judgement::Unknown,
                "no session is left",
                "3 sessions are hidden from this role",
            ),
        ];
        let waits =
            |at| if (30..130).contains(&at) { (Answer::None, 6_000) } else { (Answer::Served(200), 3) };
        let mut not_played = played("restart", |_| (Answer::Served(200), 1), Vec::new());
        not_played.held = None;
        not_played.could_not = Some("the restart command failed (exit status: 7)".to_owned());
        let good = vec![verdict(
            Promise::Answers,
            Judgement::Held,
            "every question is answered within 5 s",
            "200 asked",
        )];
        let refuses =
            |at| if (30..130).contains(&at) { (Answer::Refused(503), 1) } else { (Answer::Served(200), 3) };
        let text =
            verdicts(&[played("lock-pile-up", waits, bad), played("slow-query", refuses, good), not_played]);
        is_the_screen("chaos-verdicts.txt", &anstream::adapter::strip_str(&text).to_string());
    }
}
