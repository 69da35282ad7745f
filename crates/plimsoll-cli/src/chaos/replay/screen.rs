//! What was played, and the verdicts of both clients beside each other.

use super::super::promises::Judgement;
use super::{Found, Outcome, Played};
use crate::columns::{lines, lines_from};
use crate::show::paint::{self, paint};
use plimsoll_inspect::checks::State;
use plimsoll_inspect::span::rough;
use std::collections::BTreeMap;
use std::fmt::Write;

/// Where what is told of a client begins.
const INDENT: usize = 21;

pub(super) fn text(name: &str, outcome: &Outcome) -> String {
    let mut text = format!("{}\n", paint(paint::BOLD, name));
    text.push_str(&lines_from(2, &outcome.story, 2));
    for (name, played) in [("guarded", &outcome.guarded), ("unguarded", &outcome.unguarded)] {
        let _ = write!(text, "\n  {}", paint(paint::BOLD, name));
        let head = format!("  {name}: ").len();
        let said = lines_from(head, &format!("{}; {}", played.client, numbers(played)), 4);
        let _ = write!(text, ": {}", said.get(head..).unwrap_or_default());
    }
    for promise in &outcome.promises {
        let _ = write!(text, "\n  {}", lines(&promise.said, 2));
        for (name, found) in [("guarded", &promise.guarded), ("unguarded", &promise.unguarded)] {
            let _ = write!(text, "    {name:<10}");
            text.push_str(&verdict(found));
        }
    }
    let end = match (outcome.held(), outcome.promises.iter().all(|it| it.unguarded.held == Judgement::Held)) {
        (Judgement::Held, false) => "The guarded client held every promise.",
        (Judgement::Held, true) => {
            "Both clients held every promise: on this machine the outage was too small to show a difference."
        }
        _ => "The guarded client BROKE a promise.",
    };
    let _ = write!(text, "\n  {}", lines(end, 2));
    text
}

fn verdict(found: &Found) -> String {
    let (word, state) = match found.held {
        Judgement::Held => ("held", State::Ok),
        Judgement::Broken => ("BROKEN", State::Crit),
        Judgement::Unknown => ("unknown", State::Skipped),
    };
    let body = lines_from(INDENT, &found.told, INDENT);
    let blanks = " ".repeat(7_usize.saturating_sub(word.len()));
    format!("{}{blanks}{}", paint(paint::of(state), word), body.get(INDENT..).unwrap_or_default())
}

pub(super) fn numbers(played: &Played) -> String {
    let served = played.calls.iter().filter(|call| call.is_served()).count();
    let slowest = played.calls.iter().map(|call| call.took).max().unwrap_or_default();
    let mut told = format!(
        "{} calls, the slowest {}; {served} served, {} not",
        played.calls.len(),
        rough(slowest),
        played.calls.len() - served
    );
    let mut whys: BTreeMap<&str, usize> = BTreeMap::new();
    for call in played.calls.iter().filter(|call| !call.is_served()) {
        *whys.entry(call.why()).or_default() += 1;
    }
    if !whys.is_empty() {
        let whys: Vec<String> = whys.iter().map(|(why, many)| format!("{many} {why}")).collect();
        let _ = write!(told, " ({})", whys.join(", "));
    }
    for note in &played.notes {
        let _ = write!(told, "; {note}");
    }
    told
}

#[cfg(test)]
mod tests {
    use super::super::{Call, Judged, found};
    use super::*;
    use crate::columns::is_the_screen;
    use std::time::Duration;

    #[test]
    fn both_clients_stand_beside_each_other() {
        let played = |client, took: u64, error: Option<&str>| Played {
            client,
            notes: vec!["213 attempts to connect in all".to_owned()],
            attempts: Vec::new(),
            calls: (0..100)
                .map(|at| Call {
                    what: "write",
                    at: Duration::from_millis(at * 50),
                    took: Duration::from_millis(if at == 50 { took } else { 3 }),
                    error: error.filter(|_| at > 40 && at < 60).map(str::to_owned),
                })
                .collect(),
        };
        let outcome = Outcome {
            story: "An index is built on a table that is written all the time, without CONCURRENTLY."
                .to_owned(),
            began: 2.0,
            ended: 3.0,
            guarded: played("a pool of Plimsoll", 2_000, Some("PL-STM-02")),
            unguarded: played("a plain pool, without limits", 6_900, None),
            promises: vec![Judged {
                said: "every call is answered within 3.0 s".to_owned(),
                guarded: found(true, "100 calls, the slowest 2.0 s".to_owned()),
                unguarded: found(false, "1 of 100 had none; the longest waited 6.9 s".to_owned()),
            }],
        };
        let screen = text("index-without-concurrently", &outcome);
        is_the_screen("chaos-replay.txt", &anstream::adapter::strip_str(&screen).to_string());
    }
}
