//! What was played as a page of HTML: both clients against each promise, and the time of every call.

use super::super::page::badge;
use super::screen::numbers;
use super::{Outcome, Played};
use crate::chaos::promises::Held;
use crate::page::{Cell, Chart, Column, Page, Section, Series, Table, Unit};
use std::time::Duration;

pub(super) fn page(name: &str, outcome: &Outcome) -> Page {
    let (level, word) = badge(outcome.held());
    let sentence = match outcome.held() {
        Held::Held => "The guarded client held every promise",
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
        page = page.section(section.text(&numbers(played)).chart(chart(outcome, played)));
    }
    page
}

fn chart(outcome: &Outcome, played: &Played) -> Chart {
    let calls = |is_served: bool| {
        let point = move |call: &super::Call| {
            let value = (call.is_served() == is_served).then_some(call.took.as_secs_f64() * 1000.0);
            (call.at.as_secs_f64(), value)
        };
        played.calls.iter().map(point).collect::<Vec<_>>()
    };
    let at = |seconds: f64| Duration::try_from_secs_f64(seconds).unwrap_or_default();
    Chart::new("How long each call took", Unit::Millis)
        .logarithmic()
        .series(Series::line("served", calls(true)))
        .series(Series::line("not served", calls(false)).of_trouble())
        .band(at(outcome.began), at(outcome.ended), "the trouble")
}
