//! A report for people, and for grep.
//!
//! For people the worst comes first, with everything that is needed to act on it; what is well is one line of ids, and what was
//! skipped is grouped by its reason, because one missing right skips many checks. SQL is never broken: it is there to be copied.

use crate::show::fields;
use crate::show::paint::{BOLD, CODE, DIM, of, paint};
use crate::show::wrap::{padded, wrapped};
use plimsoll_inspect::checks::finding::{Effect, Remedy};
use plimsoll_inspect::checks::{Checked, Finding, Report, State, Subject};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

/// Where the text of a finding begins.
const INDENT: usize = 9;
/// The width of the words before its parts.
const LABEL: usize = 9;

/// The report as a table of this width.
pub(super) fn table(report: &Report, is_compared: bool, took: Duration, width: usize) -> String {
    let mut text = head(report, width);
    for checked in &report.checks {
        for finding in &checked.findings {
            if matches!(finding.state, State::Crit | State::Warn | State::Info) {
                text.push('\n');
                text.push_str(&block(checked, finding, width));
            }
        }
    }
    text.push_str(&skipped(report, width));
    text.push_str(&well(report, width));
    if let Some(why) = &report.cut_short {
        let line = wrapped(&format!("not all was asked: {why}"), width, INDENT, INDENT);
        let _ = write!(text, "\n{} {line}\n", paint(of(State::Crit), &padded("partial", INDENT - 1)));
    }
    let _ = write!(text, "\n{}\n", summary(report, is_compared, took));
    text
}

/// What it is about.
fn head(report: &Report, width: usize) -> String {
    let Subject { database, version_text, role, login, is_standby, server_time, .. } = &report.subject;
    const COLUMN: usize = 17;
    let version = version_text.split_whitespace().next().unwrap_or_default();
    let mut who = format!("role {role}");
    if role != login {
        let _ = write!(who, ", asked as {login}");
    }
    let mut lines = vec![format!("database {database} on PostgreSQL {version}"), who];
    lines.extend(report.through.as_ref().map(|pooler| format!("through {pooler}")));
    if *is_standby {
        lines.push("a standby: what only its primary can answer is skipped".to_owned());
    }
    lines.push(format!("{server_time} UTC"));
    let mut text = paint(BOLD, "plimsoll doctor:") + " ";
    for (place, line) in lines.iter().enumerate() {
        let indent = " ".repeat(if place == 0 { 0 } else { COLUMN });
        let _ = writeln!(text, "{indent}{}", wrapped(line, width, COLUMN, COLUMN));
    }
    text
}

/// One finding with all that is needed to act on it.
fn block(checked: &Checked, finding: &Finding, width: usize) -> String {
    let mut text = format!(
        "{} {} {}\n",
        paint(of(finding.state), &padded(&finding.state.to_string(), INDENT - 1)),
        paint(BOLD, &checked.id),
        paint(BOLD, &finding.subject),
    );
    let mut part = |label: &str, content: &str| {
        if !content.is_empty() {
            let column = INDENT + LABEL;
            let content = wrapped(content, width, column, column);
            let label = paint(DIM, &padded(label, LABEL));
            let _ = writeln!(text, "{}{label}{content}", " ".repeat(INDENT));
        }
    };
    part("found", &finding.value);
    part("wanted", &finding.threshold);
    part("source", &finding.source);
    part("why", &checked.why);
    if let Some(remedy) = &finding.remedy {
        text.push_str(&remedied(remedy, width));
    }
    text
}

fn remedied(remedy: &Remedy, width: usize) -> String {
    let mut text = String::new();
    let column = INDENT + LABEL;
    let mut statements = |label: &str, statements: &[String]| {
        for (place, statement) in statements.iter().enumerate() {
            let label = paint(DIM, &padded(if place == 0 { label } else { "" }, LABEL));
            let statement =
                statement.trim_end_matches(';').replace('\n', &format!("\n{}", " ".repeat(column)));
            let _ = writeln!(text, "{}{label}{}", " ".repeat(INDENT), paint(CODE, &format!("{statement};")));
        }
    };
    match remedy {
        Remedy::Sql { run, undo, effect } => {
            statements("run", run);
            statements("undo", undo);
            let mut note = effect_in_words(*effect).to_owned();
            if undo.is_empty() {
                note.push_str("; nothing brings back how it was");
            }
            let label = paint(DIM, &padded("effect", LABEL));
            let _ = writeln!(text, "{}{label}{}", " ".repeat(INDENT), wrapped(&note, width, column, column));
        }
        Remedy::Advice { text: advice } => {
            let label = paint(DIM, &padded("do", LABEL));
            let _ = writeln!(text, "{}{label}{}", " ".repeat(INDENT), wrapped(advice, width, column, column));
        }
        _ => {}
    }
    text
}

pub(super) fn effect_in_words(effect: Effect) -> &'static str {
    match effect {
        Effect::Now => "at once",
        Effect::NewSessions => "in sessions that begin after it",
        Effect::Reload => "once the server has read its configuration again",
        Effect::Restart => "once the server was restarted",
    }
}

/// What was not looked at, by its reason: each check, with what it is about if that is not the whole server or the pooler, and what
/// would help.
fn skipped(report: &Report, width: usize) -> String {
    let mut text = String::new();
    for (reason, (whose, remedies)) in skipped_by_reason(report) {
        let whose: Vec<String> = whose.iter().map(|(checked, whom)| named(&checked.id, *whom)).collect();
        // Ids stand side by side, whatever has a name is divided by commas.
        let divider = if whose.iter().any(|whom| whom.contains(' ')) { ", " } else { " " };
        let line = wrapped(&format!("{}: {reason}", whose.join(divider)), width, INDENT, INDENT);
        let _ = write!(text, "\n{} {line}\n", paint(of(State::Skipped), &padded("skipped", INDENT - 1)));
        text.extend(remedies.into_iter().map(|remedy| remedied(remedy, width)));
    }
    text
}

/// The checks that were not made for a reason, each with what it is about, if that is not the whole server or the pooler; and what
/// would help.
pub(super) type Skipped<'a> = BTreeMap<&'a str, (Vec<(&'a Checked, Option<&'a str>)>, Vec<&'a Remedy>)>;

pub(super) fn skipped_by_reason(report: &Report) -> Skipped<'_> {
    let mut by_reason = Skipped::new();
    for (checked, finding) in of_state(report, State::Skipped) {
        let whom = Some(finding.subject.as_str()).filter(|subject| !matches!(*subject, "server" | "pooler"));
        let (whose, remedies) = by_reason.entry(&finding.value).or_default();
        if !whose.iter().any(|(known, of)| known.id == checked.id && *of == whom) {
            whose.push((checked, whom));
        }
        remedies
            .extend(finding.remedy.iter().filter(|remedy| !remedies.contains(remedy)).collect::<Vec<_>>());
    }
    by_reason
}

/// A check's id, and what it is about.
pub(super) fn named(id: &str, whom: Option<&str>) -> String {
    whom.map_or_else(|| id.to_owned(), |whom| format!("{id} {whom}"))
}

fn well(report: &Report, width: usize) -> String {
    let ids: Vec<&str> = report
        .checks
        .iter()
        .filter(|checked| checked.state() == State::Ok)
        .map(|checked| checked.id.as_str())
        .collect();
    if ids.is_empty() {
        return String::new();
    }
    let line = wrapped(&ids.join(" "), width, INDENT, INDENT);
    let mut text = format!("\n{} {line}\n", paint(of(State::Ok), &padded("ok", INDENT - 1)));
    // What was held against no number is well for another reason than the title says.
    for (checked, finding) in of_state(report, State::Ok) {
        if finding.threshold.is_empty() && finding.value != checked.title && checked.state() == State::Ok {
            let line = wrapped(&format!("{}: {}", checked.id, finding.value), width, INDENT, INDENT);
            let _ = writeln!(text, "{}{line}", " ".repeat(INDENT));
        }
    }
    text
}

/// The findings in this state, each with its check.
pub(super) fn of_state(report: &Report, state: State) -> impl Iterator<Item = (&Checked, &Finding)> {
    report.checks.iter().flat_map(move |checked| {
        let findings = checked.findings.iter().filter(move |finding| finding.state == state);
        findings.map(move |finding| (checked, finding))
    })
}

/// The counts of all findings, in one line.
fn summary(report: &Report, is_compared: bool, took: Duration) -> String {
    let counts: Vec<String> = [State::Crit, State::Warn, State::Info, State::Skipped, State::Ok]
        .into_iter()
        .map(|state| (state, report.count(state)))
        .filter(|(_, count)| *count > 0)
        .map(|(state, count)| paint(of(state), &format!("{count} {state}")))
        .collect();
    let counts = if counts.is_empty() { "nothing".to_owned() } else { counts.join(", ") };
    let compared = if is_compared { " new or worse than before" } else { "" };
    format!("{counts}{compared} ({:.1} s)", took.as_secs_f64())
}

/// A line for each finding: state, check, subject, what was found, where, what was wanted, what to run or do.
pub(super) fn plain(report: &Report) -> String {
    let mut text = String::new();
    for state in [State::Crit, State::Warn, State::Skipped, State::Info, State::Ok] {
        for (checked, finding) in of_state(report, state) {
            let remedy = match &finding.remedy {
                Some(Remedy::Sql { run, .. }) => run.join("; "),
                Some(Remedy::Advice { text }) => text.clone(),
                _ => String::new(),
            };
            let state = state.to_string();
            text.push_str(&fields([
                state.as_str(),
                &checked.id,
                &finding.subject,
                &finding.value,
                &finding.source,
                &finding.threshold,
                &remedy,
            ]));
        }
    }
    if let Some(why) = &report.cut_short {
        text.push_str(&fields(["partial", "", "", why, "", "", ""]));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One finding of each kind, from a run through a pooler on a standby that did not come to its end.
    const EVERY_KIND: &str = r#"{
      "schema_version": 1,
      "subject": {"version": 150018, "version_text": "15.18 (Debian 15.18-0)", "database": "orders", "login": "monitor",
        "role": "app", "role_exists": true, "is_standby": true, "monitors": false, "is_superuser": false, "pid": 1,
        "server_time": "2026-03-01 12:00:00", "started": "2026-03-01 11:00:00"},
      "through": "PgBouncer 1.24.1",
      "cut_short": "the time for all checks was over before it was answered",
      "checks": [
        {"id": "B01", "title": "t", "why": "the server stops taking writes when it runs out of transaction numbers", "findings": [
          {"state": "crit", "subject": "database orders", "value": "1,400,000,000 transactions old", "source": "pg_database",
           "threshold": "at most 1,300,000,000", "remedy": {"kind": "sql", "run": ["VACUUM (FREEZE) public.a", "VACUUM (FREEZE) public.b"],
           "undo": [], "effect": "now"}}]},
        {"id": "C08", "title": "t", "why": "callers wait for two minutes before they hear anything", "findings": [
          {"state": "warn", "subject": "pooler", "value": "query_wait_timeout is 120", "source": "SHOW CONFIG", "threshold": "10 s",
           "remedy": {"kind": "advice", "text": "Set query_wait_timeout = 10 in pgbouncer.ini and RELOAD; it is the limit that keeps a full pool from looking like a hang"}}]},
        {"id": "O03", "title": "t", "why": "w", "findings": [
          {"state": "info", "subject": "server", "value": "slow statements are not logged", "source": "", "threshold": ""}]},
        {"id": "R01", "title": "t", "why": "w", "findings": [
          {"state": "skipped", "subject": "server", "value": "this server is a standby: ask its primary", "source": "", "threshold": ""}]},
        {"id": "R02", "title": "t", "why": "w", "findings": [
          {"state": "skipped", "subject": "server", "value": "this server is a standby: ask its primary", "source": "", "threshold": ""}]},
        {"id": "B07", "title": "t", "why": "w", "findings": [
          {"state": "skipped", "subject": "table public.orders", "value": "12 GB in size, but it was never analyzed", "source": "",
           "threshold": "", "remedy": {"kind": "sql", "run": ["ANALYZE public.orders"], "undo": [], "effect": "now"}}]},
        {"id": "G01", "title": "t", "why": "w", "findings": [
          {"state": "ok", "subject": "server", "value": "t", "source": "", "threshold": ""}]},
        {"id": "B08", "title": "t", "why": "w", "findings": [
          {"state": "ok", "subject": "database orders", "value": "the largest B-tree has 18 MB, and none is looked at that has less than 500 MB",
           "source": "", "threshold": ""}]}
      ]
    }"#;

    #[test]
    fn every_kind_of_finding_is_shown_within_the_width() {
        let report: Report = serde_json::from_str(EVERY_KIND).unwrap();
        let screen = table(&report, false, Duration::from_millis(5_400), 72);
        let plain_text = anstream::adapter::strip_str(&screen).to_string();
        crate::columns::is_kept("doctor-every-kind.txt", &plain_text);
        assert!(plain_text.lines().all(|line| line.chars().count() <= 72), "{plain_text}");
        let lines = plain(&report);
        let states: Vec<&str> = lines.lines().filter_map(|line| line.split('\t').next()).collect();
        assert_eq!(states, ["crit", "warn", "skipped", "skipped", "skipped", "info", "ok", "ok", "partial"]);
        assert!(lines.lines().all(|line| line.matches('\t').count() == 6), "{lines}");
    }
}
