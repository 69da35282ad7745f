//! The report of `doctor` as a part of a page of HTML: the worst first, each finding with everything that is needed to act on it.

use super::screen::{effect_in_words, named, of_state, skipped_by_reason};
use super::verdict::has_looked;
use crate::page::{Cell, Column, Level, Markup, Page, Section, Table, badge, html};
use plimsoll_inspect::checks::finding::Remedy;
use plimsoll_inspect::checks::{Checked, Finding, Report, State};

/// How many things are told at the top.
const WORST: usize = 3;

/// The counts at the top of the page, and the worst of all: a sentence each, of different checks.
pub(crate) fn summary(page: Page, report: &Report) -> Page {
    let states = [State::Crit, State::Warn, State::Info, State::Skipped, State::Ok];
    let counts = states.map(|state| {
        let count = report.count(state);
        let level = if count == 0 { Level::Plain } else { Level::from(state) };
        (state.to_string(), count.to_string(), level)
    });
    let counts = counts.iter().map(|(word, count, level)| (word.as_str(), count.clone(), *level));
    page.figures(counts).at_the_top(worst(report))
}

fn worst(report: &Report) -> Markup {
    let mut bad: Vec<(&Checked, &Finding)> = Vec::new();
    for one in [State::Crit, State::Warn].into_iter().flat_map(|state| of_state(report, state)) {
        if !bad.iter().any(|(checked, _)| checked.id == one.0.id) {
            bad.push(one);
        }
    }
    html! {
        @if report.state() < State::Warn {
            p.verdict {
                @if is_known(report) { (badge(Level::Well, "ok")) " Nothing that was looked at wants attention." }
                @else { (badge(Level::Unknown, "not known")) " Nothing was found, and not all was looked at." }
            }
        } @else {
            ol.worst {
                @for (checked, finding) in bad.into_iter().take(WORST) {
                    li {
                        (badge(finding.state.into(), &finding.state.to_string())) " "
                        a href={ "#" (checked.id) } { (finding.subject) } ": " (finding.value) "; " (checked.why) "."
                    }
                }
            }
        }
    }
}

/// Whether it was looked at to the end, so that to find nothing means something.
fn is_known(report: &Report) -> bool {
    report.cut_short.is_none() && has_looked(report)
}

/// All findings.
pub(crate) fn section(report: &Report) -> Section {
    let mut section = Section::new("findings", "What is wrong, and what puts it right").note(format!(
        "{} checks on role {}",
        report.checks.len(),
        report.subject.role
    ));
    if let Some(why) = &report.cut_short {
        section = section.missing(&format!("Not all was asked: {why}."));
    }
    let mut told: Vec<&str> = Vec::new();
    for state in [State::Crit, State::Warn, State::Info] {
        for (checked, finding) in of_state(report, state) {
            // The first finding of a check has the check's name in the address.
            let is_first = !told.contains(&checked.id.as_str());
            told.push(&checked.id);
            section = section.part(block(checked, finding, is_first));
        }
    }
    if told.is_empty() && is_known(report) {
        section = section.text("Nothing was found that wants attention.");
    }
    well(skipped(section, report), report)
}

fn block(checked: &Checked, finding: &Finding, is_first: bool) -> Markup {
    let facts = [
        ("found", &finding.value),
        ("wanted", &finding.threshold),
        ("source", &finding.source),
        ("why", &checked.why),
    ];
    html! {
        article.finding id=[is_first.then_some(&checked.id)] data-level=(Level::from(finding.state).as_str()) {
            h3 { (badge(finding.state.into(), &finding.state.to_string())) " " (checked.id) " " (finding.subject) }
            dl.facts {
                @for (label, fact) in facts {
                    @if !fact.is_empty() { dt { (label) } dd { (fact) } }
                }
                @if let Some(remedy) = &finding.remedy { (remedied(remedy)) }
            }
        }
    }
}

fn remedied(remedy: &Remedy) -> Markup {
    let sql = |statements: &[String]| {
        let whole = |statement: &String| format!("{};", statement.trim_end_matches(';'));
        let lines: Vec<String> = statements.iter().map(whole).collect();
        html! { pre { code { (lines.join("\n")) } } }
    };
    html! {
        @match remedy {
            Remedy::Sql { run, undo, effect } => {
                dt { "run" } dd { (sql(run)) }
                @if !undo.is_empty() { dt { "undo" } dd { (sql(undo)) } }
                dt { "effect" }
                dd { (effect_in_words(*effect)) @if undo.is_empty() { "; nothing brings back how it was" } }
            }
            Remedy::Advice { text } => { dt { "do" } dd { (text) } }
            _ => {}
        }
    }
}

/// What was not looked at, by its reason: it is never well.
fn skipped(section: Section, report: &Report) -> Section {
    let mut table = Table::new([Column::wide("Not looked at, because"), Column::wide("Checks")]);
    for (reason, (checks, _)) in skipped_by_reason(report) {
        let titles =
            checks.iter().map(|(checked, whom)| format!("{} {}", named(&checked.id, *whom), checked.title));
        let titles: Vec<String> = titles.collect();
        table.row([reason.into(), titles.join("; ").into()]);
    }
    if report.count(State::Skipped) == 0 { section } else { section.subheading("Skipped").table(table) }
}

fn well(section: Section, report: &Report) -> Section {
    let mut table = Table::new([Column::text("Check"), Column::wide("As it ought to be")]);
    let well: Vec<&Checked> = report.checks.iter().filter(|it| it.state() == State::Ok).collect();
    for checked in &well {
        table.row([Cell::badge(Level::Well, &checked.id), checked.title.as_str().into()]);
    }
    if well.is_empty() { section } else { section.subheading("Well").table(table) }
}
