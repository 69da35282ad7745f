//! Plimsoll beside its peers, in one run, on one server.
//!
//! ```text
//! cargo run --release -p bench -- [acquire|query|transaction|cancel|overhead|overload|outage|http|ingest]
//!                                 [--json] [--baseline FILE] [--rounds N] [--detail FILE] [--only NAMES] [--quick]
//! ```
//! Without a name all run but `http`, which needs the program wrk, and `ingest`, which is about the service `fleet`. Two others are
//! another thing: `bench ab`, two builds beside each other ([`ab`]), and `bench list`, a load on a list of devices
//! ([`service::list`]).
//!
//! # Why the ratio and not the figure
//!
//! The same program on the same machine is twice as fast at another hour: other work, other clock rate, other page
//! layout. A figure alone therefore says little, and two figures from two runs say nothing at all. What repeats is the
//! ratio of two figures that were taken within the same second. So everybody takes part in every *round*, one after
//! another on the same server and the same runtime; the order changes from round to round such that nobody has a better
//! place or always finds the caches that the same predecessor left; and ours is divided by each peer's of the same
//! round. Only then is the median taken, of at least 15 such quotients (of three, where a round takes many seconds and the
//! figures differ by a factor and not by percents: `overload`, `outage`). The medians of the figures are printed too, but
//! they are not what the ratio was computed from.
//!
//! How fast the same pool is also depends on its connections: how they and their backends come to lie in memory and on
//! the processors makes a tenth of difference from one set to the next, and lasts as long as they do. Where a few
//! percent are the question (`query`, `overhead`) there are therefore five *draws*, each with new pools for everybody,
//! short rounds, and before each a short crowd that does not count.
//!
//! A ratio above 1 always means that Plimsoll is better: ours over theirs where more is better, theirs over ours
//! where less is. The *best peer* is the one against whom that median is lowest. `spread` is the distance between the
//! quartiles of the quotients over their median; where it is large, the machine was not quiet.
//!
//! # What is compared
//!
//! | bench | what is done | how peers do it |
//! |---|---|---|
//! | `acquire` | lend and give back, connections that cost nothing | deadpool with its three time limits, bb8 without its check |
//! | `query` | acquire and one prepared statement, 64 tasks on 16 connections | each the fastest way that it has |
//! | `transaction` | a connection for each transaction, 8 tasks | separate messages, since none of them has anything else |
//! | `cancel` | drop a long statement, then ask for the next connection | nothing: they wait for the statement to end |
//! | `overhead` | one prepared statement, a connection for each task | the bare driver in a column of its own: what is left to gain |
//! | `overload` | five times the capacity for a minute; a pile-up behind a lock | a time limit around the call |
//! | `outage` | 200 calls a second while the server stands still, and after | a time limit around the call |
//! | `http` | a request whose handler does nothing; 200 requests that are abandoned | bare axum is the only peer |
//! | `ingest` | readings of 256 clients, acknowledged after commit | a commit for each message; a loop of the bare driver |
//!
//! Ours runs as it comes: deadline, lease record, call site, wire tap, verified limits. Each file says exactly what one
//! operation is, and where a peer was given more than its default.
//!
//! # A target that is missed
//!
//! is printed as missed; it does not fail the run, because the machine may be at fault. What fails a run is
//! `--baseline`: a ratio more than 10 % below the one in that file, which holds the output of an earlier `--json`.

#![allow(missing_docs, unreachable_pub)]

mod ab;
mod acquire;
mod baseline;
mod budget;
mod caller;
mod cancel;
mod crowd;
mod http;
mod noop;
mod options;
mod outage;
mod overhead;
mod overload;
mod peers;
mod pgbench;
mod query;
mod race;
mod report;
mod service;
mod transaction;

use anyhow::Result;
use options::{Bench, Options};
use report::Report;
use std::process::ExitCode;

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn run() -> Result<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let Some((_, rest)) = arguments.split_first().filter(|(first, _)| *first == "ab") {
        let comparison = ab::Comparison::from_args(rest)?;
        return runtime()?.block_on(comparison.run());
    }
    if let Some((_, rest)) = arguments.split_first().filter(|(first, _)| *first == "list") {
        return runtime()?.block_on(service::list::run(rest));
    }
    if let Some((_, rest)) = arguments.split_first().filter(|(first, _)| *first == "http-server") {
        return runtime()?.block_on(http::serve(rest)).map(|()| ExitCode::SUCCESS);
    }
    let Some(options) = Options::from_args(arguments.into_iter())? else {
        println!("{}", options::USAGE);
        return Ok(ExitCode::SUCCESS);
    };
    // Read first: a file that cannot be read is better known before an hour of measuring than after it.
    let baseline = options.baseline.as_deref().map(baseline::read).transpose()?;
    let reports = runtime()?.block_on(measure(&options))?;
    let rows: Vec<_> = reports.iter().flat_map(Report::rows).collect();
    if let Some(path) = &options.detail {
        report::write_detail(path, &reports)?;
    }
    let Some(baseline) = baseline else { return Ok(ExitCode::SUCCESS) };
    let worse = baseline::compare(&baseline, &rows);
    for sentence in &worse {
        eprintln!("bench: {sentence}");
    }
    Ok(if worse.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().enable_all().build()?)
}

async fn measure(options: &Options) -> Result<Vec<Report>> {
    let mut reports = Vec::new();
    for bench in &options.benches {
        let report = match bench {
            Bench::Acquire => acquire::run(options).await?,
            Bench::Query => query::run(options).await?,
            Bench::Transaction => transaction::run(options).await?,
            Bench::Cancel => cancel::run(options).await?,
            Bench::Overhead => overhead::run(options).await?,
            Bench::Overload => overload::run(options).await?,
            Bench::Outage => outage::run(options).await?,
            Bench::Http => http::run(options).await?,
            Bench::Ingest => service::ingest::run(options).await?,
        };
        report.print(options.json)?;
        reports.push(report);
    }
    Ok(reports)
}
