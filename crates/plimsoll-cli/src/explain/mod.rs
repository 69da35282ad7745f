//! `plimsoll explain`: what a code, a check or a SQLSTATE means, and what to do about it.
//!
//! The codes come from the table of faults, from which docs/errors.md is made too, and the checks from the list that `doctor` asks;
//! here is only what leads from them to the playbooks.

mod playbook;

use crate::Ended;
use crate::closest::meant;
use crate::show::paint::{BOLD, DIM, paint};
use crate::show::wrap::{padded, wrapped};
use crate::show::{Output, fields};
use anyhow::{Result, bail};
use clap::Args;
use plimsoll::{Again, Fault};
use plimsoll_inspect::checks::{Check, all};
use serde::Serialize;
use std::fmt::Write;

const SCHEMA_VERSION: u32 = 1;

/// The options of `explain`.
#[derive(Clone, Debug, Default, Args)]
pub struct Options {
    /// A code (PL-CON-01), a check of doctor (G01) or a SQLSTATE (57014); without it all are listed
    #[arg(value_name = "CODE")]
    code: Option<String>,

    #[command(flatten)]
    output: Output,
}

/// What `--help` says below the options.
pub(crate) const HELP: &str = "\
Examples:
  plimsoll explain PL-ACQ-01      a code, as errors and logs of services on Plimsoll have it
  plimsoll explain G01            a check of plimsoll doctor
  plimsoll explain 57014          a SQLSTATE, as any PostgreSQL tells it
  plimsoll explain                all codes and checks

Pages of docs/ are part of the package, under /usr/share/doc/plimsoll/.
";

/// What is said of one of them.
#[derive(Debug, Serialize)]
struct Explained {
    schema_version: u32,
    id: String,
    meaning: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<&'static str>,
    /// What else is to be known, a sentence each.
    more: Vec<String>,
    /// Where there is more to read.
    pages: Vec<String>,
}

/// One line of the list.
#[derive(Debug, Serialize)]
struct Known {
    id: &'static str,
    meaning: String,
}

/// Explains, or lists what can be explained.
///
/// # Errors
/// There is no such code.
pub fn run(options: &Options) -> Result<Ended> {
    match &options.code {
        Some(code) => {
            let explained = explained(code.trim())?;
            options.output.print(&explained, |width| table(&explained, width), || plain(&explained))?;
        }
        None => {
            let known: Vec<Known> = known();
            let list = |width| {
                let line = |known: &Known| {
                    format!(
                        "{}  {}\n",
                        paint(BOLD, &padded(known.id, 9)),
                        wrapped(&known.meaning, width, 11, 11)
                    )
                };
                known.iter().map(line).collect::<String>()
            };
            let plain = || known.iter().map(|known| fields([known.id, &known.meaning])).collect::<String>();
            options.output.print(&known, list, plain)?;
        }
    }
    Ok(Ended::Well)
}

/// Everything that can be explained by its own name.
fn known() -> Vec<Known> {
    let mut faults: Vec<Known> = Fault::ALL
        .iter()
        .map(|fault| Known { id: fault.code(), meaning: in_words(fault.meaning()) })
        .collect();
    faults.sort_by_key(|known| known.id);
    faults.extend(all().map(|check| Known { id: check.id, meaning: check.title.to_owned() }));
    faults
}

/// The text of a docstring, on one line.
fn in_words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn explained(code: &str) -> Result<Explained> {
    if let Some(fault) = Fault::ALL.into_iter().find(|fault| fault.code().eq_ignore_ascii_case(code)) {
        return Ok(of_fault(fault, fault.code().to_owned()));
    }
    if let Some(check) = all().find(|check| check.id.eq_ignore_ascii_case(code)) {
        return Ok(of_check(check));
    }
    let is_sqlstate = code.len() == 5
        && code.bytes().all(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase())
        && code.bytes().any(|byte| byte.is_ascii_digit());
    if is_sqlstate {
        return Ok(of_sqlstate(code));
    }
    let known = known();
    bail!(
        "{code:?} is no code, no check and no SQLSTATE{}; `plimsoll explain` lists all",
        meant(code, known.iter().map(|known| known.id))
    )
}

fn of_fault(fault: Fault, id: String) -> Explained {
    let advice = fault.advice();
    let mut more = Vec::new();
    more.push(match fault.again() {
        Again::IfRolledBack => "The same work may succeed if it is run again, if it was undone.".to_owned(),
        _ => "The same work fails again, or might be done twice.".to_owned(),
    });
    if fault.is_connectivity() {
        more.push("The server could not be reached; the circuit breaker counts it.".to_owned());
    }
    if fault.evicts() {
        more.push("The connection on which it occurred is discarded.".to_owned());
    }
    let page = format!("docs/errors.md#{}", advice.code.to_ascii_lowercase());
    Explained {
        schema_version: SCHEMA_VERSION,
        id,
        meaning: in_words(fault.meaning()),
        cause: Some(advice.cause),
        remedy: Some(advice.remedy),
        more,
        pages: std::iter::once(page).chain(playbook::of(fault).map(str::to_owned)).collect(),
    }
}

fn of_sqlstate(code: &str) -> Explained {
    let fault = Fault::of_sqlstate(code);
    let mut explained = of_fault(fault, code.to_owned());
    let by_this = Fault::of_sqlstate_in_session(code);
    // The case without a routine is the general one.
    if let Some(case) = fault.cases().find(|case| case.sqlstate == code && case.routine.is_none()) {
        explained.cause = Some(case.cause);
        explained.remedy = Some(case.remedy);
    }
    explained.more.extend(
        fault
            .cases()
            .filter(|case| case.sqlstate == code)
            .filter_map(|case| Some((case.routine?, case)))
            .map(|(routine, case)| format!("Raised by {routine}: {}; {}.", case.cause, case.remedy)),
    );
    explained.more.insert(0, format!("Services on Plimsoll tell it as {}.", fault.code()));
    if by_this != fault {
        let more =
            format!("In a session that goes on it is {} ({}).", by_this.code(), in_words(by_this.meaning()));
        explained.more.insert(1, more);
    }
    if code == "57014" {
        let usual = "Most often it is the server's own statement_timeout (\"canceling statement due to statement timeout\"); \
                     \"due to user request\" is a cancel by a client or an operator. `plimsoll timeouts` shows which limit is set where.";
        explained.more.insert(0, usual.to_owned());
    }
    explained.pages.push("https://www.postgresql.org/docs/current/errcodes-appendix.html".to_owned());
    explained
}

fn of_check(check: &Check) -> Explained {
    let mut more: Vec<String> = Vec::new();
    for threshold in check.thresholds {
        let name = threshold.name;
        let (default, unit, meaning) = (threshold.default, threshold.unit, threshold.meaning);
        more.push(in_words(&format!("--threshold {name}={default} {unit}: {meaning}.")));
    }
    if check.since > 14 {
        more.push(format!("It needs PostgreSQL {} or later.", check.since));
    }
    if check.needs_monitor {
        more.push("It needs a role with pg_monitor.".to_owned());
    }
    if check.needs_primary {
        more.push("Only a primary can answer it.".to_owned());
    }
    more.push(format!(
        "`plimsoll doctor --only {}` makes this check alone, with the exact remedy.",
        check.id
    ));
    Explained {
        schema_version: SCHEMA_VERSION,
        id: check.id.to_owned(),
        meaning: check.title.to_owned(),
        cause: Some(check.why),
        remedy: None,
        more,
        pages: playbook::of_check(check.id).map(str::to_owned).into_iter().collect(),
    }
}

fn table(explained: &Explained, width: usize) -> String {
    const LABEL: usize = 8;
    let id = &explained.id;
    let mut text =
        format!("{} {}\n", paint(BOLD, id), wrapped(&explained.meaning, width, id.len() + 1, LABEL));
    let mut part = |label: &str, content: &str| {
        let content = wrapped(content, width, LABEL, LABEL);
        let _ = writeln!(text, "{}{content}", paint(DIM, &padded(label, LABEL)));
    };
    match explained.remedy {
        Some(remedy) => {
            part("cause", explained.cause.unwrap_or_default());
            part("do", remedy);
        }
        None => part("why", explained.cause.unwrap_or_default()),
    }
    for (place, more) in explained.more.iter().enumerate() {
        part(if place == 0 { "more" } else { "" }, more);
    }
    for (place, page) in explained.pages.iter().enumerate() {
        part(if place == 0 { "read" } else { "" }, page);
    }
    text
}

fn plain(explained: &Explained) -> String {
    let Explained { id, meaning, cause, remedy, more, pages, .. } = explained;
    let (more, pages) = (more.join(" "), pages.join(" "));
    fields([id.as_str(), meaning, cause.unwrap_or_default(), remedy.unwrap_or_default(), &more, &pages])
}
