//! The verdicts as a page of HTML: the promises of each drill, and what was seen as charts over time with the fault shaded.

use super::drill::Drill;
use super::promises::{Judgement, all_held};
use super::record::{Answer, Probe, Sample, Seen};
use super::screen::{in_numbers, parts};
use super::{Played, Stage};
use crate::page::{Cell, Chart, Column, Level, Page, Section, Series, Table, Unit};
use std::time::Duration;

/// The page of all drills.
pub(super) fn page(stage: &Stage<'_>, played: &[Played]) -> Page {
    let verdicts = || played.iter().flat_map(|drill| &drill.verdicts);
    let of = |held| verdicts().filter(|verdict| verdict.held == held).count();
    let could_not = played.iter().filter(|drill| drill.held.is_none()).count();
    let (level, word, sentence) = match (all_held(verdicts()), could_not) {
        (Judgement::Broken, _) => (
            Level::Trouble,
            "broken",
            format!("{} of {} promises were broken", of(Judgement::Broken), verdicts().count()),
        ),
        (Judgement::Held, 0) => {
            (Level::Well, "held", format!("All {} promises were held", of(Judgement::Held)))
        }
        _ => (Level::Unknown, "not known", "Not everything could be played or seen".to_owned()),
    };
    let mut page = Page::new("Drills of a service and its database")
        .subtitle(format!(
            "{}, asked {} times a second",
            stage.watched.service.name(),
            stage.options.questions
        ))
        .subtitle(format!("{}, {}", stage.server.place, jiff::Zoned::now().strftime("%Y-%m-%d %H:%M %Z")))
        .verdict(level, word, &sentence);
    for (drill, played) in stage.options.drills().iter().zip(played) {
        page = page.section(section(stage, *drill, played));
    }
    page
}

fn section(stage: &Stage<'_>, drill: Drill, played: &Played) -> Section {
    let mut section = Section::new(played.drill, played.drill).note(played.done.clone());
    if let Some(why) = &played.could_not {
        return section.missing(&format!("It could not be played: {why}"));
    }
    section = section.text(&format!("It did this: {}.", drill.does(stage.options)));
    let mut promises =
        Table::new([Column::text(""), Column::wide("what must hold"), Column::wide("what was seen")]);
    for verdict in &played.verdicts {
        let (level, word) = badge(verdict.held);
        promises.row_that_is(
            level,
            [Cell::badge(level, word), verdict.said.clone().into(), verdict.told.clone().into()],
        );
    }
    let mut numbers = Table::new([Column::text("when"), Column::wide("questions and answers")]);
    for (name, probes) in parts(&played.seen) {
        numbers.row([name.into(), in_numbers(&probes).into()]);
    }
    section = section.table(promises).table(numbers).chart(answers(&played.seen));
    if !played.seen.samples.is_empty() {
        section = section.chart(sessions(&played.seen));
    }
    section
}

/// The colour and the word of a verdict.
pub(super) fn badge(held: Judgement) -> (Level, &'static str) {
    match held {
        Judgement::Held => (Level::Well, "held"),
        Judgement::Broken => (Level::Trouble, "broken"),
        Judgement::Unknown => (Level::Unknown, "not known"),
    }
}

fn answers(seen: &Seen) -> Chart {
    let of = |probes: &[Probe], is: fn(&Answer) -> bool| -> Vec<(f64, Option<f64>)> {
        let millis = |probe: &Probe| is(&probe.answer).then_some(probe.took.as_secs_f64() * 1000.0);
        probes.iter().map(|probe| (probe.at.as_secs_f64(), millis(probe))).collect()
    };
    let mut chart = Chart::new("How long each answer took", Unit::Millis)
        .logarithmic()
        .series(Series::line("served", of(&seen.probes, Answer::is_served)))
        .series(Series::line("refused", of(&seen.probes, |answer| matches!(answer, Answer::Refused(_)))));
    let trouble = of(&seen.probes, |answer| !matches!(answer, Answer::Served(_) | Answer::Refused(_)));
    if trouble.iter().any(|(_, value)| value.is_some()) {
        chart = chart.series(Series::line("failed or without an answer", trouble).of_trouble());
    }
    chart = chart.band(seen.began, seen.ended.max(seen.began + Duration::from_millis(1)), "the fault");
    let is_unready = |probe: &&Probe| !probe.answer.is_served();
    let first = seen.health.iter().find(is_unready);
    if let Some(first) = first {
        chart = chart.mark(first.at, "health says not ready");
        let back = seen.health.iter().find(|probe| probe.at > first.at && probe.answer.is_served());
        if let Some(back) = back {
            chart = chart.mark(back.at, "health says ready again");
        }
    }
    chart
}

fn sessions(seen: &Seen) -> Chart {
    let of = |value: fn(&Sample) -> u64| {
        #[expect(clippy::cast_precision_loss, reason = "it is drawn, no more")]
        let point = move |sample: &Sample| (sample.at.as_secs_f64(), Some(value(sample) as f64));
        seen.samples.iter().map(point).collect::<Vec<_>>()
    };
    Chart::new("Sessions of the database, those of this command left out", Unit::Count)
        .series(Series::step("all", of(|sample| sample.sessions)))
        .series(Series::step("active", of(|sample| sample.active)))
        .series(Series::step("waiting for a lock", of(|sample| sample.waiting)).of_trouble())
        .band(seen.began, seen.ended.max(seen.began + Duration::from_millis(1)), "the fault")
}
