//! What the HTTP stack costs, on a handler that does nothing; and how soon abandoned requests are off the database.
//!
//! Each entrant is a process of its own, since subscribers and their caches belong to a process. `wrk` asks one after the
//! other, over 64 connections that are kept, in rounds; the ratio is to bare axum in the same round. wrk runs on the same
//! processors, so what it takes of them dilutes the ratio; what a request costs the server in time of the processor stands
//! beside it.
//!
//! | entrant | |
//! |---|---|
//! | `axum` | `axum::serve` and a router |
//! | `serve` | the router behind `plimsoll_http::serve`, without layers |
//! | `plimsoll` | with the layers; no span is recorded, and the access log is a function that does nothing |
//! | `log` | the same with the access log written to a file by `AccessWriter` |
//! | `spans` | the same with spans recorded by a subscriber that writes JSON to /dev/null |
//! | `tracing` | spans, and the access log by way of `tracing` to /dev/null, as it is unless a service says otherwise |

mod abandoned;
mod server;
mod wrk;

use crate::options::Options;
use crate::peers::{self, Place};
use crate::race::{Better, Laps, OURS};
use crate::report::Report;
use anyhow::Result;
pub use server::run as serve;
use server::{Kind, Server};
use std::path::Path;
use wrk::Lap;

const ABOUT: &str = "a handler that does nothing, wrk, 64 connections kept; each entrant a process";
const AXUM: &str = "axum";
const SERVE: &str = "serve";
const LOG: &str = "log";
const SPANS: &str = "spans";
const TRACING: &str = "tracing";

pub async fn run(options: &Options) -> Result<Report> {
    wrk::is_installed().await?;
    let cluster = peers::server().await?;
    let place = Place::direct(&cluster);
    let mut report = Report::new("http", ABOUT);
    let files = tempfile::tempdir()?;
    let mut laps = draw(options, &place, files.path()).await?;
    for _ in 1..options.draws() {
        laps.join(draw(options, &place, files.path()).await?);
    }
    tell(&mut report, &laps);
    abandoned::measure(&mut report, options, &place).await?;
    Ok(report)
}

/// A race between new processes.
async fn draw(options: &Options, place: &Place, files: &Path) -> Result<Laps<Lap>> {
    let start = |kind| Server::start(kind, place, files);
    let axum = start(Kind::Axum).await?;
    let serve = start(Kind::Serve).await?;
    let ours = start(Kind::Layers).await?;
    let log = start(Kind::Log).await?;
    let spans = start(Kind::Spans).await?;
    let tracing = start(Kind::Tracing).await?;
    options
        .short_race(Better::More)
        .with(AXUM, || wrk::lap(&axum))
        .with(SERVE, || wrk::lap(&serve))
        .with(OURS, || wrk::lap(&ours))
        .with(LOG, || wrk::lap(&log))
        .with(SPANS, || wrk::lap(&spans))
        .with(TRACING, || wrk::lap(&tracing))
        .laps()
        .await
}

fn tell(report: &mut Report, laps: &Laps<Lap>) {
    let (rates, cpu) =
        (laps.figures(Better::More, |lap| lap.rate), laps.figures(Better::Less, |lap| lap.cpu));
    report.line(format!(
        "{:<12}{:>12}{:>12}{:>10}{:>18}",
        "entrant", "requests/s", "of axum's", "spread", "server CPU, us"
    ));
    for (name, _) in laps.each() {
        let (Some(rate), Some(cpu)) = (rates.median(name), cpu.median(name)) else { continue };
        let paired = rates.between(name, AXUM);
        let (ratio, spread) = paired.map_or((f64::NAN, f64::NAN), |paired| (paired.ratio, paired.spread));
        report.line(format!("{name:<12}{rate:>12.0}{ratio:>12.3}{:>8.0} %{cpu:>18.2}", spread * 100.0));
    }
    let bounds = [(OURS, "no span, no log", 0.90), (LOG, "with the access log", 0.78)];
    for (name, case, bound) in bounds {
        if let Some(paired) = rates.between(name, AXUM) {
            report.at_least(case, "requests/s over bare axum's", paired.ratio, bound);
        }
    }
}
