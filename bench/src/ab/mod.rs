//! An earlier commit and the one that lies here, held against each other: `make bench-ab BASE=<commit>`.
//!
//! Two runs of a bench are two different machines, so two figures of two runs say nothing. Here the two programs take
//! turns on one server: old, new, then new, old, and so on, each a process of its own that measures what a call costs it
//! (the program `probe`, built twice of one source, with either library). The processor's time is compared and not
//! the clock's, since what else runs on the machine takes the clock from both in unequal parts, and the processor's time
//! from neither. Each turn makes new connections: how those come to lie in memory makes a difference of percents that
//! lasts as long as they do, and must not be taken for a difference of the programs.
//!
//! Of each pair new is divided by old, and the median of these quotients is the difference. Beside it stands their
//! *spread*, the distance between their quartiles. A difference within the spread is none ([`pairs`]).
//!
//! After the pairs the program that lies here runs its own `query` and `overhead` for the bounds that hold whatever came
//! before ([`bounds`]).

mod bounds;
mod pairs;

use crate::options::Options;
use crate::peers;
use crate::transaction;
use anyhow::{Context, Result, bail, ensure};
use pairs::{Pairs, Sample};
use plimsoll_embedded::Cluster;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

pub const USAGE: &str = "\
usage: bench ab OLD NEW [PAIRS]

  OLD, NEW   two builds of the program `probe`
  PAIRS      how many times each has its turn, 15 unless said";

/// The fewest pairs of which quartiles say anything.
const FEWEST: usize = 5;
const PAIRS: usize = 15;
/// The load of a machine that has nothing else to do.
const QUIET: f64 = 0.5;

/// What is compared.
pub struct Comparison {
    old: PathBuf,
    new: PathBuf,
    pairs: usize,
}

impl Comparison {
    /// Reads the arguments behind `ab`.
    pub fn from_args(args: &[String]) -> Result<Self> {
        let (old, new, pairs) = match args {
            [old, new] => (old, new, PAIRS),
            [old, new, pairs] => {
                let pairs = pairs.parse().ok().filter(|pairs| *pairs >= FEWEST);
                let pairs =
                    pairs.with_context(|| format!("PAIRS is a number from {FEWEST} on\n\n{USAGE}"))?;
                (old, new, pairs)
            }
            _ => bail!("{USAGE}"),
        };
        let (old, new) = (PathBuf::from(old), PathBuf::from(new));
        for program in [&old, &new] {
            ensure!(program.is_file(), "{} is no program; `make bench-ab` builds it", program.display());
        }
        Ok(Comparison { old, new, pairs })
    }

    /// Measures and prints; fails if a call has become dearer by more than the spread, or a bound is broken.
    pub async fn run(&self) -> Result<ExitCode> {
        warn_of_noise();
        let server = peers::server().await?;
        server.execute("postgres", transaction::MAKE).await?;
        let mut pairs = Pairs::default();
        for number in 0..self.pairs {
            eprintln!("pair {} of {} ..", number + 1, self.pairs);
            let (old, new) = if number % 2 == 0 {
                let old = turn(&self.old, &server).await?;
                (old, turn(&self.new, &server).await?)
            } else {
                let new = turn(&self.new, &server).await?;
                (turn(&self.old, &server).await?, new)
            };
            pairs.add(&old, &new)?;
        }
        drop(server);
        println!("{}", pairs.table());
        let rounds = ["--rounds".to_owned(), self.pairs.to_string()];
        let options = Options::from_args(rounds.into_iter())?.unwrap_or_default();
        let bounds = bounds::of(&options).await?;
        println!("{}", bounds.table());
        let is_well = pairs.is_within() && bounds.are_kept();
        println!("bench-ab: {}", if is_well { "passed" } else { "FAILED" });
        Ok(if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

/// What else runs on the machine takes from both; but where it is much, neither figures nor ratios mean anything.
fn warn_of_noise() {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().and_then(|minute| minute.parse::<f64>().ok());
    if let Some(load) = load.filter(|load| *load > QUIET) {
        eprintln!("bench-ab: this machine has a load of {load}; nothing else should run on it meanwhile");
    }
}

/// One run of one of the two.
async fn turn(program: &Path, server: &Cluster) -> Result<Vec<Sample>> {
    let output = tokio::process::Command::new(program)
        .args([&server.port().to_string(), server.superuser(), server.password()])
        .kill_on_drop(true)
        .output()
        .await
        .with_context(|| format!("{} could not be run", program.display()))?;
    ensure!(
        output.status.success(),
        "{} ended with {}: {}",
        program.display(),
        output.status,
        String::from_utf8_lossy(&output.stderr).trim()
    );
    let text = String::from_utf8(output.stdout)?;
    text.lines()
        .map(|line| {
            serde_json::from_str(line).with_context(|| format!("{} printed {line:?}", program.display()))
        })
        .collect()
}
