//! The sizes and what is concluded from them, as people, the shell and Prometheus read them.

use super::found::Found;
use super::knee::Knee;
use crate::columns::{columns, counted, lines};
use crate::load::baseline::ms;
use crate::load::openmetrics::Metrics;
use crate::show::{fields, paint, without_control};
use std::fmt::Write;

/// So many times the allowed distance from the best, the spread makes the choice a rough one.
const ROUGH: f64 = 3.0;

/// Calls of a size below which its percentiles mean little.
const FEW: u64 = 100;

/// The table and the recommendation.
pub(super) fn table(found: &Found) -> String {
    let mut text = lines(&head(found), 0);
    if found.is_partial {
        text.push_str(&paint::paint(paint::BOLD, "Interrupted: this is what there was until then."));
        text.push('\n');
    }
    text.push('\n');
    text.push_str(&steps(found));
    if let Some((size, why)) = &found.refused {
        let told = format!("{size} connections and more could not be tried: {}", without_control(why));
        text.push_str(&lines(&told, 0));
    }
    text.push('\n');
    for paragraph in conclusions(found) {
        text.push_str(&lines(&paragraph, 0));
    }
    text
}

/// How it was measured.
pub(super) fn head(found: &Found) -> String {
    format!(
        "Each call runs: {}. {} without a pause; {} of {} s for each size.",
        without_control(&found.work),
        counted(found.callers.into(), "caller calls", "callers call"),
        counted(found.rounds.into(), "round", "rounds"),
        found.seconds
    )
}

fn steps(found: &Found) -> String {
    let chosen = found.knee.map(|knee| knee.size);
    let rows: Vec<[String; 8]> = found
        .steps
        .iter()
        .map(|step| {
            let throughput = step.throughput;
            [
                step.size.to_string(),
                format!("{:.1}", throughput.middle),
                format!("{:.0}%", throughput.share() * 100.0),
                ms(step.times_ms.p99),
                ms(step.waits_ms.mean),
                ms(step.works_ms.mean),
                step.not_well.to_string(),
                if chosen == Some(step.size) { "<- recommended".to_owned() } else { String::new() },
            ]
        })
        .collect();
    columns(["size", "calls/s", "spread", "p99", "mean wait", "mean work", "not well", ""], &rows)
}

/// What follows from the figures, a paragraph each.
pub(super) fn conclusions(found: &Found) -> Vec<String> {
    let Some(knee) = &found.knee else { return vec!["No call was answered, so nothing follows.".to_owned()] };
    let mut all = vec![recommendation(found, knee), beyond(found, knee)];
    all.extend(by_littles_law(found, knee));
    all.extend(shares(found));
    if let Some(through) = &found.through {
        all.push(format!(
            "This goes through a pooler ({through} mode): its own number of server connections bounds the throughput, and is what \
             to change if the server can do more."
        ));
    }
    let widest = found.steps.iter().map(|step| step.throughput.share() * 100.0).fold(0.0, f64::max);
    if widest > found.within_percent.max(1.0) * ROUGH {
        all.push(format!(
            "The rounds of one size lay up to {widest:.0} % apart, so the choice between sizes that lie close together is chance. A quiet \
             machine, a longer --for or more --rounds make it firmer."
        ));
    }
    if found.steps.iter().any(|step| step.answered < FEW) {
        all.push(format!("Some sizes had fewer than {FEW} calls: a longer --for makes the figures firmer."));
    }
    all
}

fn recommendation(found: &Found, knee: &Knee) -> String {
    let best = &knee.best;
    let mut text = format!(
        "Recommended: {} to this database in all. ",
        counted(knee.size.into(), "connection", "connections")
    );
    if best.size == knee.size {
        let _ = write!(
            text,
            "It carries the most, {:.1} calls a second, and no smaller pool comes within {} % of that.",
            knee.throughput, found.within_percent
        );
    } else {
        let _ = write!(
            text,
            "It carries {:.1} calls a second, within {} % of the best ({:.1} with {}); no smaller pool does.",
            knee.throughput, found.within_percent, best.throughput, best.size
        );
    }
    text
}

fn beyond(found: &Found, knee: &Knee) -> String {
    if knee.is_at_the_end {
        return format!(
            "It is the largest that was tried, and the throughput still grew: the true number may be larger (--most, now up to {}).",
            knee.size
        );
    }
    if knee.lost_beyond > found.within_percent / 100.0 {
        return format!(
            "More connections do harm: the largest pool carried {:.0} % less than the best.",
            knee.lost_beyond * 100.0
        );
    }
    "More connections bring nothing: callers wait in the server instead of in the pool, where a wait has a limit and a name.".to_owned()
}

fn by_littles_law(found: &Found, knee: &Knee) -> Vec<String> {
    let Some(little) = &found.little else { return Vec::new() };
    let Some(tried) = &found.tried else {
        return vec![format!(
            "Little's law: at {:.1} calls a second, each {} on its connection, {:.1} are busy on average. --rate tells how many your own \
             load needs.",
            little.rate,
            ms(little.service_ms),
            little.busy
        )];
    };
    let mut all = vec![format!(
        "Little's law: {} calls a second, each {} on its connection, keep {:.1} busy on average; with at least {} none of the callers \
         waits for long. Tried on a pool of {}: {:.1} a second answered well, p99 {}, mean wait {}, {:.2} % not well.",
        little.rate,
        ms(little.service_ms),
        little.busy,
        little.at_least,
        tried.size,
        tried.throughput.middle,
        ms(tried.times_ms.p99),
        ms(tried.waits_ms.mean),
        tried.not_well
    )];
    if little.busy > f64::from(knee.size) || little.rate > knee.best.throughput {
        all.push(format!(
            "That rate is more than the server carries ({:.1} a second at best): no pool size helps. Make the statement cheaper, or the \
             server larger.",
            knee.best.throughput
        ));
    } else if little.at_least < knee.size {
        all.push(format!(
            "For that rate {} would do; what is above it is for bursts.",
            counted(little.at_least.into(), "connection", "connections")
        ));
    }
    all
}

fn shares(found: &Found) -> Vec<String> {
    let (Some(of_each), Some(left), Some(recommended)) = (found.of_each, found.left, found.recommended)
    else {
        return Vec::new();
    };
    let room = &found.room;
    let all = u64::from(found.instances) * (u64::from(of_each) + 1);
    let mut text = format!(
        "With {}: pool_max = {of_each} in each. With a connection for each heartbeat that is {all} of the {} that an application may \
         have here (max_connections {}, {} reserved{}).",
        counted(found.instances.into(), "instance", "instances"),
        room.usable(),
        room.most,
        room.reserved,
        limits(found)
    );
    if left < 0 {
        let _ = write!(
            text,
            " They are {} too many: run fewer instances, or put a pooler before the server.",
            -left
        );
    } else {
        let _ = write!(text, " It leaves {left} for everything else; {} are in use now.", room.used);
    }
    let mut paragraphs = vec![text];
    if found.instances > recommended {
        paragraphs.push(format!(
            "So many instances have more connections than the {recommended} that are worth having, even with one each: a pooler before the \
             server keeps what reaches it at {recommended}."
        ));
    }
    paragraphs
}

fn limits(found: &Found) -> String {
    let limit = |what: &str, limit: Option<u64>| {
        limit.map_or(String::new(), |limit| format!(", {what} at most {limit}"))
    };
    format!(
        "{}{}",
        limit("this role", found.room.role_limit),
        limit("this database", found.room.database_limit)
    )
}

/// A line for each size, and one for what is recommended.
pub(super) fn plain(found: &Found) -> String {
    let mut text = String::new();
    for step in &found.steps {
        let numbers = [step.throughput.middle, step.times_ms.p99, step.waits_ms.mean, step.works_ms.mean];
        let [throughput, p99, wait, work] = numbers.map(|number| format!("{number:.3}"));
        text.push_str(&fields(["size", &step.size.to_string(), &throughput, &p99, &wait, &work]));
    }
    let number = |number: Option<u32>| number.map_or("-".to_owned(), |number| number.to_string());
    text.push_str(&fields(["recommended", &number(found.recommended)]));
    text.push_str(&fields(["of each instance", &number(found.of_each)]));
    text
}

/// The same for Prometheus.
pub(super) fn metrics(found: &Found) -> Metrics {
    let mut metrics = Metrics::default();
    let names: Vec<String> = found.steps.iter().map(|step| step.size.to_string()).collect();
    let each = |of: fn(&super::found::Step) -> f64| {
        found.steps.iter().zip(&names).map(move |(step, name)| (vec![("size", name.as_str())], of(step)))
    };
    metrics.family(
        "plimsoll_load_pool_throughput",
        "Calls a second by the size of the pool.",
        each(|step| step.throughput.middle),
    );
    metrics.family(
        "plimsoll_load_pool_p99_seconds",
        "99th percentile of a call's time by the size of the pool.",
        each(|step| step.times_ms.p99 / 1_000.0),
    );
    let one = |value: Option<u32>| value.map(|value| (Vec::new(), f64::from(value)));
    metrics.family(
        "plimsoll_load_pool_recommended",
        "Connections that are recommended in all.",
        one(found.recommended),
    );
    metrics.family(
        "plimsoll_load_pool_of_each",
        "Connections that are recommended for each instance.",
        one(found.of_each),
    );
    metrics
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::columns::{is_kept, is_the_screen};
    use crate::load::pool_size::found::{Step, Tried};
    use crate::load::pool_size::knee::little;
    use crate::load::pool_size::page;
    use crate::load::spread::Spread;
    use crate::load::tally::Percentiles;
    use plimsoll_inspect::room::Room;

    fn found() -> Found {
        let sizes = [(1, 95.0), (2, 190.0), (3, 283.0), (4, 372.0), (6, 374.0), (8, 371.0), (12, 369.0)];
        let of = |mean, p99| Percentiles { mean, p99, ..Percentiles::default() };
        let step = |(size, throughput): (u32, f64)| Step {
            size,
            throughput: Spread { middle: throughput, least: throughput * 0.99, most: throughput * 1.01 },
            times_ms: of(12_000.0 / throughput, 14_000.0 / throughput),
            waits_ms: of((12.0 - f64::from(size)) / throughput * 1_000.0, 0.0),
            works_ms: of(f64::from(size) / throughput * 1_000.0, 0.0),
            answered: 2_000,
            not_well: 0,
        };
        let mut found = Found {
            schema_version: 1,
            work: "SELECT * FROM orders WHERE state = 'open'".to_owned(),
            is_partial: false,
            callers: 12,
            rounds: 3,
            seconds: 2.0,
            within_percent: 5.0,
            steps: sizes.map(step).to_vec(),
            refused: None,
            knee: None,
            little: None,
            tried: None,
            recommended: None,
            instances: 1,
            of_each: None,
            room: Room { most: 100, reserved: 3, used: 12, ..Room::default() },
            left: None,
            through: None,
        };
        found.conclude();
        found
    }

    #[test]
    fn the_screens_are_what_they_were() {
        let plainly = found();
        is_the_screen("load-pool-size.txt", &table(&plainly));
        is_the_screen("load-pool-size-plain.txt", &plain(&plainly));
        is_kept("load-pool-size.openmetrics", &metrics(&plainly).to_string());
        let mut many = Found { instances: 60, through: Some("transaction".to_owned()), ..found() };
        many.room.role_limit = Some(50);
        many.steps[2].throughput.most *= 1.4;
        many.refused = Some((16, "too many connections for role \"app\" (53300)".to_owned()));
        many.conclude();
        let times_ms = Percentiles { p99: 3_400.0, ..Percentiles::default() };
        let throughput = Spread { middle: 371.0, least: 370.0, most: 372.0 };
        many.tried = Some(Tried { size: 4, throughput, times_ms, waits_ms: times_ms, not_well: 25.0 });
        many.little = Some(little(500.0, 10.8));
        is_the_screen("load-pool-size-too-many.txt", &table(&many));
        let html = page::of(&many).html();
        assert!(
            html.contains("recommended") && html.contains("Little&#39;s law")
                || html.contains("Little's law"),
            "{html}"
        );
    }

    #[test]
    fn what_was_not_measured_recommends_nothing() {
        let mut none = Found { steps: Vec::new(), ..found() };
        (none.knee, none.recommended, none.little) = (None, None, None);
        none.conclude();
        assert_eq!((none.knee, none.recommended), (None, None));
        assert!(
            table(&none).contains("No call was answered") && plain(&none).starts_with("recommended\t-\n")
        );
    }
}
