//! All checks with the numbers that they judge by.

use crate::Ended;
use crate::show::paint::{BOLD, DIM, paint};
use crate::show::wrap::wrapped;
use crate::show::{Output, fields};
use anyhow::Result;
use plimsoll_inspect::checks::report::SCHEMA_VERSION;
use plimsoll_inspect::checks::{Check, Place, Threshold, Thresholds};
use serde::Serialize;
use std::fmt::Write;

const INDENT: usize = 4;

/// The list, as programs read it.
#[derive(Debug, Serialize)]
struct List {
    schema_version: u32,
    checks: Vec<Listed>,
}

#[derive(Debug, Serialize)]
struct Listed {
    id: &'static str,
    title: &'static str,
    why: &'static str,
    asks: &'static str,
    since_version: u32,
    needs_monitor: bool,
    needs_primary: bool,
    thresholds: Vec<ListedThreshold>,
}

#[derive(Debug, Serialize)]
struct ListedThreshold {
    name: &'static str,
    value: f64,
    default: f64,
    unit: &'static str,
    meaning: &'static str,
}

/// Prints the list.
///
/// # Errors
/// It cannot be written as JSON.
pub(super) fn print(output: &Output, checks: &[&'static Check], thresholds: &Thresholds) -> Result<Ended> {
    let list = List {
        schema_version: SCHEMA_VERSION,
        checks: checks.iter().map(|check| listed(check, thresholds)).collect(),
    };
    output.print(&list, |width| table(&list, width), || plain(&list))?;
    Ok(Ended::Well)
}

fn listed(check: &Check, thresholds: &Thresholds) -> Listed {
    let threshold = |threshold: &Threshold| ListedThreshold {
        name: threshold.name,
        value: thresholds.get(threshold),
        default: threshold.default,
        unit: threshold.unit,
        meaning: threshold.meaning,
    };
    Listed {
        id: check.id,
        title: check.title,
        why: check.why,
        asks: match check.place {
            Place::Server => "server",
            Place::Pooler => "pooler",
        },
        since_version: check.since,
        needs_monitor: check.needs_monitor,
        needs_primary: check.needs_primary,
        thresholds: check.thresholds.iter().map(threshold).collect(),
    }
}

fn table(list: &List, width: usize) -> String {
    let mut text = String::new();
    for check in &list.checks {
        let head = paint(BOLD, check.id);
        let _ = writeln!(text, "{head} {}", wrapped(check.title, width, INDENT, INDENT));
        for threshold in &check.thresholds {
            let ListedThreshold { name, value, unit, meaning, .. } = threshold;
            let line = wrapped(&format!("{name}={value} {unit}: {meaning}"), width, INDENT, INDENT + 2);
            let _ = writeln!(text, "{}{}", " ".repeat(INDENT), paint(DIM, &line));
        }
    }
    text
}

/// A line for each threshold, and one for a check that has none.
fn plain(list: &List) -> String {
    let mut text = String::new();
    for check in &list.checks {
        if check.thresholds.is_empty() {
            text.push_str(&fields([check.id, check.title, "", "", "", ""]));
        }
        for ListedThreshold { name, value, unit, meaning, .. } in &check.thresholds {
            text.push_str(&fields([check.id, check.title, name, &value.to_string(), unit, meaning]));
        }
    }
    text
}
