//! A report for tests: the same each time.

use super::figures::{Kind, Load, Report, Share};
use super::schedule::Arrivals;
use super::spread::Spread;
use super::tally::{End, Ended, Parts, Tally};
use std::time::Duration;

const ROUNDS: usize = 5;

fn load(kind: Kind, names: &[&str]) -> Load {
    Load {
        kind,
        targets: names.iter().map(|name| Share { name: (*name).to_owned(), weight: 1 }).collect(),
        rate: 200.0,
        arrivals: Arrivals::Constant,
        seed: 1,
        seconds: 10.0,
        in_flight: 1_000,
        timeout_ms: 5_000,
        connections: None,
    }
}

fn call(target: usize, end: End, ms: f64) -> Ended {
    let since_due = Duration::from_secs_f64(ms / 1_000.0);
    Ended { target, end, since_due, late: Duration::from_micros(80), parts: None, is_in_round: true, at: 0.5 }
}

/// A service that does well, but for a few calls.
pub(super) fn http() -> Report {
    let mut tallies = Vec::new();
    for round in 0..ROUNDS {
        let mut tally = Tally::new(2).unwrap();
        for number in 0..1_995 {
            tally.due(number % 2, true);
            tally.ended(&call(
                number % 2,
                End::Answered,
                1.0 + (number % 200) as f64 / 20.0 + round as f64 / 10.0,
            ));
        }
        for says_when in [true, true, false] {
            tally.due(0, true);
            tally.ended(&call(0, End::Refused { by: "status 503".into(), says_when }, 1.0));
        }
        for (end, ms) in [(End::Failed("status 500".into()), 1.0), (End::TimedOut, 5_000.0)] {
            tally.due(1, true);
            tally.ended(&call(1, end, ms));
        }
        tallies.push(tally);
    }
    let load = load(Kind::Http, &["GET /devices?tag=t1&limit=50", "POST /orders"]);
    let mut report = Report::of(load, &tallies, &[Duration::from_secs(10); ROUNDS], false).unwrap();
    report.spread.p99_ms = Spread { middle: 12.0, least: 11.0, most: 13.0 };
    report.spread.throughput = Spread { middle: 199.8, least: 199.5, most: 200.0 };
    report
}

/// A database that is too slow for what is wanted of it, and a run that was interrupted.
pub(super) fn sql() -> Report {
    let mut tallies = Vec::new();
    for round in 0..2_u64 {
        let mut tally = Tally::new(1).unwrap();
        for number in 0..1_000_u64 {
            tally.due(0, number % 10 > 0);
            if number % 10 == 0 {
                continue;
            }
            let parts =
                Parts { waited: Duration::from_millis(number + round), worked: Duration::from_millis(12) };
            let of = call(0, End::Answered, (number + 12 + round) as f64);
            tally.ended(&Ended { parts: Some(parts), late: Duration::from_millis(120 + number % 10), ..of });
        }
        tally.close();
        tallies.push(tally);
    }
    let named = load(Kind::Sql, &["SELECT count(*) FROM orders WHERE state = 'open'"]);
    let load = Load { connections: Some(4), arrivals: Arrivals::Poisson, ..named };
    Report::of(load, &tallies, &[Duration::from_secs(10), Duration::from_secs(5)], true).unwrap()
}
