//! Plays every fault through every lane, and prints or writes what came of it: `make ledger`.
//!
//! It fails when a row of Plimsoll's is not all zero, when less than 95 % of what it did not know could be settled, or
//! when its calls did not go well again afterwards.

mod options;

use anyhow::{Context, Result};
use ledger::page::{Run, markdown};
use ledger::{Figures, Lane, Play, Played, There};
use options::Options;
use std::collections::BTreeMap;
use std::process::ExitCode;

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("ledger: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn run() -> Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let Some((_, rest)) = arguments.split_first().filter(|(first, _)| *first == "child") {
        runtime.block_on(ledger::live_until_killed(rest))?;
        return Ok(ExitCode::SUCCESS);
    }
    let Some(options) = Options::from_args(arguments.into_iter())? else {
        println!("{}", options::USAGE);
        return Ok(ExitCode::SUCCESS);
    };
    runtime.block_on(play(&options))
}

async fn play(options: &Options) -> Result<ExitCode> {
    let program = std::env::current_exe().context("this program's own path")?;
    let there = There::among(&options.ways).await?;
    for (way, why) in &there.missing {
        eprintln!("NOT RUN: {}: {why}", way.name());
    }
    let run = Run {
        seeds: (options.seed, options.seeds),
        span: options.span,
        there,
        command: format!(
            "cargo run --release -p ledger --features peers -- --seeds {} --seed {} --seconds {} --write docs/ledger.md",
            options.seeds,
            options.seed,
            options.span.as_secs_f64()
        ),
    };
    let mut figures = Figures::default();
    for way in &run.there.ways {
        for fault in options.faults.iter().filter(|fault| fault.goes(*way)) {
            let play = Play {
                fault: *fault,
                way: *way,
                lanes: options.lanes.clone(),
                span: options.span,
                program: Some(program.clone()),
            };
            for seed in options.seed..options.seed + options.seeds {
                let played = play.once(seed).await?;
                eprintln!("{} {} seed {seed}", way.name(), fault.id());
                tell(&played);
                figures.add(*way, *fault, &played);
            }
            // After each fault, so that a run that is interrupted has told what it knows.
            if let Some(file) = &options.write {
                let page = markdown(&figures, &run);
                std::fs::write(file, page).with_context(|| format!("{}", file.display()))?;
            }
        }
    }
    if options.write.is_none() {
        println!("{}", markdown(&figures, &run));
    }
    // Where everything has to be shown, what could not be had is a failure.
    let is_whole = run.there.missing.is_empty() || std::env::var_os("CI").is_none_or(|said| said != "true");
    Ok(if figures.ours_are_true() && is_whole { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A line for each lane, on the standard error.
fn tell(played: &BTreeMap<Lane, Played>) {
    for (lane, played) in played {
        let count = played.total();
        let p99 = played.times.within(0.99).unwrap_or_default();
        eprintln!(
            "  {:<18} {:>6} ids, {:>6} acknowledged, {:>4} lost, {:>4} phantoms, {:>4} doubled, {:>5} unknown, {:>5} settled, {} untold, p99 {p99:.0?}, max {:.0?}{}{}",
            lane.name(),
            count.attempts,
            count.acknowledged,
            count.lost,
            count.phantoms,
            count.doubled,
            count.unknown,
            count.settled,
            count.untold,
            played.times.longest(),
            if played.has_mended { "" } else { ", NOT MENDED" },
            if lane.is_ours() { lies(played) } else { String::new() },
        );
    }
}

/// Which ids, for whoever looks for the cause.
fn lies(played: &Played) -> String {
    let lies: Vec<_> = played.lies.iter().map(|(op, id)| format!("{op:?} {id}")).collect();
    if lies.is_empty() { String::new() } else { format!("\n    {}", lies.join(", ")) }
}
