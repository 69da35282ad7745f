//! A plan as somebody reads it.

use crate::show::fields;
use plimsoll_inspect::checks::finding::Effect;
use plimsoll_inspect::profiles::{Planned, Step};
use std::fmt::Write;

/// A line of what is going on.
pub(super) fn line(text: &str) {
    crate::show::print(&format!("{text}\n"));
}

/// The whole plan.
pub(super) fn plan(all: &[Planned]) -> String {
    let mut text = String::new();
    let mut number = 0;
    for planned in all {
        match planned {
            Planned::Step(step) => {
                number += 1;
                text.push_str(&one(number, step));
            }
            Planned::Already { what, is, from, .. } => {
                let from = if from.is_empty() { String::new() } else { format!(" ({from})") };
                let _ = writeln!(text, "  =  {what}\n     so already: {is}{from}; left alone\n");
            }
            Planned::Missing { what, is, from, will, why, grant, sql } => {
                let _ = writeln!(
                    text,
                    "  !  {what}\n     now   {is} ({from})\n     then  {will}\n     may not: {why}"
                );
                if !grant.is_empty() {
                    let _ = writeln!(text, "     what would allow it:{}", statements(grant));
                }
                let _ = writeln!(text, "     for a role that may:{}\n", statements(sql));
            }
            Planned::Advice { what, is, text: advice } => {
                let advice = advice.replace('\n', "\n       ");
                let _ = writeln!(
                    text,
                    "  -  {what}\n     now   {is}\n     outside of what can be run here:\n       {advice}\n"
                );
            }
            _ => {}
        }
    }
    text
}

/// A line for each part of a plan: what becomes of it, what it is about, how that is now, how it will be, and the statements.
pub(super) fn plain(all: &[Planned]) -> String {
    let line = |planned: &Planned| match planned {
        Planned::Step(step) => {
            fields(["change", &step.what, &step.is, &step.will, &step.run.join("; "), &step.undo.join("; ")])
        }
        Planned::Already { what, is, .. } => fields(["so_already", what, is, is, "", ""]),
        Planned::Missing { what, is, will, sql, .. } => {
            fields(["not_allowed", what, is, will, &sql.join("; "), ""])
        }
        Planned::Advice { what, is, text } => fields(["outside_of_sql", what, is, text, "", ""]),
        _ => String::new(),
    };
    all.iter().map(line).collect()
}

fn one(number: usize, step: &Step) -> String {
    let mut text = format!("{number:>3}. {}\n", step.what);
    let _ = writeln!(
        text,
        "     now   {} ({})\n     then  {}{}",
        step.is,
        step.from,
        step.will,
        when(step.effect)
    );
    let _ = writeln!(text, "     why   {}", step.why);
    if let Some(note) = &step.note {
        let _ = writeln!(text, "     NOTE  {note}");
    }
    let _ = writeln!(text, "     run  {}", statements(&step.run));
    if step.undo.is_empty() {
        let _ = writeln!(text, "     undo  NOTHING BRINGS THIS BACK: it is always asked about\n");
    } else {
        let _ = writeln!(text, "     undo {}\n", statements(&step.undo));
    }
    text
}

fn statements(all: &[String]) -> String {
    all.iter().map(|statement| format!(" {statement};")).collect::<Vec<_>>().join("\n          ")
}

fn when(effect: Effect) -> &'static str {
    match effect {
        Effect::Now => "",
        Effect::NewSessions => ", in sessions that begin after it",
        Effect::Reload => ", when the server has read its files again, which is part of it",
        Effect::Restart => ", when the server has been restarted",
    }
}
