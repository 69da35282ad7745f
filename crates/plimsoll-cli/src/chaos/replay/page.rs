//! What was played as a page of HTML: both clients against each promise, and the time of every call.

use super::super::page::badge;
use super::screen::numbers;
use super::{Call, Outcome, Played};
use crate::chaos::promises::Judgement;
use crate::page::{Cell, Chart, Column, Page, Section, Series, Table, Unit};
use std::collections::BTreeSet;
use std::time::Duration;

pub(super) fn page(name: &str, outcome: &Outcome) -> Page {
    let (level, word) = badge(outcome.held());
    let sentence = match outcome.held() {
        Judgement::Held => "The guarded client held every promise",
        _ => "The guarded client broke a promise",
    };
    let mut promises =
        Table::new([Column::wide("what must hold"), Column::wide("guarded"), Column::wide("unguarded")]);
    for promise in &outcome.promises {
        let [guarded, unguarded] = [&promise.guarded, &promise.unguarded].map(|found| {
            let (level, word) = badge(found.held);
            Cell::of(crate::page::html! { (crate::page::badge(level, word)) " " (found.told) })
        });
        promises.row([promise.said.clone().into(), guarded, unguarded]);
    }
    let mut page = Page::new(format!("An outage in small: {name}"))
        .subtitle(outcome.story.clone())
        .verdict(level, word, sentence)
        .section(Section::new("promises", "What must hold").table(promises));
    for (id, played) in [("guarded", &outcome.guarded), ("unguarded", &outcome.unguarded)] {
        let section = Section::new(id, &format!("The {id} client")).note(played.client);
        let mut section = section.text(&numbers(played)).chart(answers(outcome, played));
        if !played.attempts.is_empty() {
            section = section.chart(attempts(outcome, played));
        }
        page = page.section(section);
    }
    page
}

/// Each kind of work has its own curve, where it was served; what was not is one.
fn answers(outcome: &Outcome, played: &Played) -> Chart {
    let curve = |is_in: &dyn Fn(&Call) -> Option<bool>| {
        let point = |call: &Call| {
            let value = is_in(call)?.then_some(call.took.as_secs_f64() * 1000.0);
            Some((call.at.as_secs_f64(), value))
        };
        played.calls.iter().filter_map(point).collect::<Vec<_>>()
    };
    let kinds: BTreeSet<&str> = played.calls.iter().map(|call| call.what).collect();
    let mut chart = Chart::new("How long each call took", Unit::Millis).logarithmic();
    for kind in kinds {
        let of_kind = curve(&|call| (call.what == kind).then(|| call.is_served()));
        chart = chart.series(Series::line(&format!("{kind}, served"), of_kind));
    }
    let not = curve(&|call| Some(!call.is_served()));
    faulty(outcome, chart.series(Series::line("not served", not).of_trouble()))
}

/// How often it tried to connect.
fn attempts(outcome: &Outcome, played: &Played) -> Chart {
    #[expect(clippy::cast_precision_loss, reason = "it is drawn, no more")]
    let points = played.attempts.iter().map(|(at, many)| (*at, Some(*many as f64)));
    let chart = Chart::new("Attempts to connect, in the second before", Unit::Count).logarithmic();
    faulty(outcome, chart.series(Series::line("attempts", points)))
}

fn faulty(outcome: &Outcome, chart: Chart) -> Chart {
    let at = |seconds: f64| Duration::try_from_secs_f64(seconds).unwrap_or_default();
    chart.band(at(outcome.began), at(outcome.ended), "the trouble")
}
