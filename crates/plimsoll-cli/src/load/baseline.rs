//! A run held against an earlier one.
//!
//! Two runs of the same load never give the same figures. So a figure is worse only if it is worse beyond the spread of both runs:
//! the middle round of this run lies outside of all rounds of the earlier one, the middle round of that one outside of all rounds of
//! this one, and the middles are further apart than `--tolerance`.

use super::figures::{FORM, Load, Report};
use super::spread::Spread;
use anyhow::{Context, Result, bail, ensure};
use plimsoll_inspect::span::rough;
use serde::Serialize;
use std::path::Path;
use std::time::Duration;

/// How a figure compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Change {
    Worse,
    /// Within the spread.
    Same,
    Better,
}

/// One figure, then and now.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Compared {
    pub(super) figure: &'static str,
    pub(super) change: Change,
    pub(super) now: Spread,
    pub(super) then: Spread,
}

/// What the earlier run says of this one.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(super) struct Against {
    pub(super) file: String,
    pub(super) compared: Vec<Compared>,
}

/// Which way a figure is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Better {
    More,
    Less,
}

/// `tolerance` is a share.
fn change(now: &Spread, then: &Spread, better: Better, tolerance: f64) -> Change {
    let (above, below) = match better {
        Better::More => (Change::Better, Change::Worse),
        Better::Less => (Change::Worse, Change::Better),
    };
    if now.middle > then.most && then.middle < now.least && now.middle > then.middle * (1.0 + tolerance) {
        above
    } else if now.middle < then.least
        && then.middle > now.most
        && now.middle < then.middle / (1.0 + tolerance)
    {
        below
    } else {
        Change::Same
    }
}

impl Against {
    /// Holds a run against an earlier one of the same load.
    pub(super) fn compare(now: &Report, then: &Report, file: &str, tolerance: f64) -> Self {
        let (new, old) = (&now.spread, &then.spread);
        let of = |figure, now: &Spread, then: &Spread, better| Compared {
            figure,
            change: change(now, then, better, tolerance),
            now: *now,
            then: *then,
        };
        Against {
            file: file.to_owned(),
            compared: vec![
                of("throughput", &new.throughput, &old.throughput, Better::More),
                of("p50", &new.p50_ms, &old.p50_ms, Better::Less),
                of("p99", &new.p99_ms, &old.p99_ms, Better::Less),
            ],
        }
    }

    /// A line for each of throughput and p99 that is worse: these make a run fail. p50 is shown beside them and decides nothing.
    pub(super) fn regressions(&self) -> Vec<String> {
        let decides =
            |it: &&Compared| it.change == Change::Worse && matches!(it.figure, "throughput" | "p99");
        self.compared
            .iter()
            .filter(decides)
            .map(|it| format!("{} is worse: {}", it.figure, it.in_words()))
            .collect()
    }
}

impl Compared {
    /// `45.0 ms (44.0 ms .. 47.0 ms), it was 12.0 ms (11.0 ms .. 13.0 ms)`.
    pub(super) fn in_words(&self) -> String {
        let words = |spread: &Spread| {
            let [middle, least, most] =
                [spread.middle, spread.least, spread.most].map(|value| self.value(value));
            format!("{middle} ({least} .. {most})")
        };
        format!("{}, it was {}", words(&self.now), words(&self.then))
    }

    fn value(&self, value: f64) -> String {
        if self.figure == "throughput" { format!("{value:.1}/s") } else { ms(value) }
    }
}

/// A time that is kept in milliseconds, with three digits: figures of two runs are read beside each other.
pub(super) fn ms(value: f64) -> String {
    match value {
        short if short < 9.995 => format!("{short:.2} ms"),
        short if short < 99.95 => format!("{short:.1} ms"),
        short if short < 999.5 => format!("{short:.0} ms"),
        middle if middle < 9_995.0 => format!("{:.2} s", middle / 1_000.0),
        middle if middle < 120_000.0 => format!("{:.1} s", middle / 1_000.0),
        long => rough(Duration::try_from_secs_f64(long / 1_000.0).unwrap_or_default()),
    }
}

/// Reads an earlier run, and makes sure that it is one of this load.
///
/// # Errors
/// It cannot be read, is no report of a load, or one of another load.
pub(super) fn read(path: &Path, load: &Load) -> Result<Report> {
    let name = path.display();
    let text =
        std::fs::read_to_string(path).with_context(|| format!("the baseline {name} cannot be read"))?;
    let then: Report = serde_json::from_str(&text)
        .with_context(|| format!("{name} is no report of a load (--save writes one)"))?;
    ensure!(
        then.schema_version == FORM,
        "the baseline {name} has form {}, and this program knows form {FORM}",
        then.schema_version
    );
    ensure!(!then.is_partial, "the baseline {name} is of a run that was interrupted");
    if let Some(difference) = difference(&then.load, load) {
        bail!("the baseline {name} is of another load: {difference}");
    }
    Ok(then)
}

/// What keeps two loads from being compared. The length and the number of rounds, and the seed, do not.
fn difference(then: &Load, now: &Load) -> Option<String> {
    let told = |what: &str, then: String, now: String| {
        (then != now).then(|| format!("{what} {then} there, {now} here"))
    };
    let targets = |load: &Load| {
        let all: Vec<String> = load.targets.iter().map(|it| format!("{} x {}", it.weight, it.name)).collect();
        all.join(", ")
    };
    told("kind", format!("{:?}", then.kind), format!("{:?}", now.kind))
        .or_else(|| told("targets", targets(then), targets(now)))
        .or_else(|| told("calls a second", then.rate.to_string(), now.rate.to_string()))
        .or_else(|| told("arrivals", format!("{:?}", then.arrivals), format!("{:?}", now.arrivals)))
        .or_else(|| told("calls in flight", then.in_flight.to_string(), now.in_flight.to_string()))
        .or_else(|| told("time limit in ms", then.timeout_ms.to_string(), now.timeout_ms.to_string()))
        .or_else(|| {
            let text = |count: Option<u32>| count.map_or("none".to_owned(), |count| count.to_string());
            told("connections", text(then.connections), text(now.connections))
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::example;
    use proptest::prelude::*;

    fn spread(middle: f64, least: f64, most: f64) -> Spread {
        Spread { middle, least, most }
    }

    #[test]
    fn times_have_three_digits() {
        let told = [0.0, 0.034, 9.99, 9.996, 12.34, 99.96, 512.3, 999.7, 9_996.0, 119_000.0, 7.2e6].map(ms);
        let expected = [
            "0.00 ms", "0.03 ms", "9.99 ms", "10.0 ms", "12.3 ms", "100 ms", "512 ms", "1.00 s", "10.0 s",
            "119.0 s", "2 h",
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn worse_is_what_lies_beyond_the_spread_of_both_runs() {
        let then = spread(10.0, 9.0, 12.0);
        let cases = [
            (spread(20.0, 18.0, 22.0), Change::Worse),
            (spread(11.0, 10.5, 13.0), Change::Same),
            // One round of the earlier run was as slow as this one.
            (spread(11.9, 11.5, 12.5), Change::Same),
            // This run's own rounds lie so far apart that the earlier middle is among them.
            (spread(20.0, 9.5, 30.0), Change::Same),
            (spread(5.0, 4.0, 6.0), Change::Better),
        ];
        for (now, expected) in cases {
            assert_eq!(change(&now, &then, Better::Less, 0.05), expected, "{now:?}");
        }
        let (one, other) = (spread(10.0, 10.0, 10.0), spread(10.4, 10.4, 10.4));
        assert_eq!(change(&other, &one, Better::Less, 0.05), Change::Same, "within the tolerance");
        assert_eq!(change(&other, &one, Better::Less, 0.03), Change::Worse);
        assert_eq!(change(&other, &one, Better::More, 0.03), Change::Better);
    }

    proptest! {
        #[test]
        fn no_run_is_worse_than_itself_and_of_two_at_most_one_is(
            a in prop::collection::vec(0.1_f64..100.0, 1..7), b in prop::collection::vec(0.1_f64..100.0, 1..7)
        ) {
            let (a, b) = (Spread::of(a), Spread::of(b));
            prop_assert_eq!(change(&a, &a, Better::Less, 0.0), Change::Same);
            let both = [change(&a, &b, Better::Less, 0.05), change(&b, &a, Better::Less, 0.05)];
            prop_assert!(matches!(both, [Change::Same, Change::Same] | [Change::Worse, Change::Better] | [Change::Better, Change::Worse]));
        }
    }

    #[test]
    fn only_runs_of_the_same_load_are_compared() {
        let report = example::http();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("baseline.json");
        std::fs::write(&file, serde_json::to_string(&report).unwrap()).unwrap();
        assert_eq!(read(&file, &report.load).unwrap(), report);
        let longer = Load { seconds: 60.0, seed: 9, ..report.load.clone() };
        assert!(read(&file, &longer).is_ok());
        let faster = Load { rate: 7.0, ..report.load.clone() };
        let told = read(&file, &faster).unwrap_err().to_string();
        assert!(told.ends_with("is of another load: calls a second 200 there, 7 here"), "{told}");
        std::fs::write(&file, "{}").unwrap();
        assert!(read(&file, &report.load).unwrap_err().to_string().contains("is no report of a load"));
        assert!(read(&folder.path().join("none"), &report.load).is_err());
    }

    #[test]
    fn what_is_worse_is_told_with_both_figures() {
        let then = example::http();
        let mut now = then.clone();
        assert_eq!(Against::compare(&now, &then, "b.json", 0.05).regressions(), Vec::<String>::new());
        now.spread.p99_ms = spread(45.0, 44.0, 47.0);
        now.spread.throughput = spread(150.0, 140.0, 155.0);
        now.spread.p50_ms = spread(30.0, 30.0, 30.0);
        assert_eq!(
            Against::compare(&now, &then, "b.json", 0.05).regressions(),
            [
                "throughput is worse: 150.0/s (140.0/s .. 155.0/s), it was 199.8/s (199.5/s .. 200.0/s)",
                "p99 is worse: 45.0 ms (44.0 ms .. 47.0 ms), it was 12.0 ms (11.0 ms .. 13.0 ms)"
            ]
        );
    }
}
