//! What was asked for on the command line.

use anyhow::{Context, Result, anyhow, bail};
use ledger::{Fault, Lane, Way};
use std::path::PathBuf;
use std::time::Duration;

pub(crate) const USAGE: &str = "\
usage: ledger [--seeds N] [--seed N] [--seconds S] [--way WAY].. [--fault NAME].. [--ours] [--write FILE]

  --seeds N      how often each fault is played (5)
  --seed N       from which seed on (1)
  --seconds S    how long each trouble lasts (3)
  --way WAY      only through this: direct, pgbouncer-1.18 or pgbouncer-1.24, given as often as wanted (all)
  --fault NAME   only this, given as often as wanted (all)
  --ours         without the peers
  --write FILE   where the page is written; otherwise it is printed";

#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) seeds: u64,
    pub(crate) seed: u64,
    pub(crate) span: Duration,
    pub(crate) ways: Vec<Way>,
    pub(crate) faults: Vec<Fault>,
    pub(crate) lanes: Vec<Lane>,
    pub(crate) write: Option<PathBuf>,
}

impl Options {
    /// Reads the arguments; `None` when help was asked for.
    pub(crate) fn from_args(mut args: impl Iterator<Item = String>) -> Result<Option<Self>> {
        let mut options = Options {
            seeds: 5,
            seed: 1,
            span: Duration::from_secs(3),
            ways: Vec::new(),
            faults: Vec::new(),
            lanes: Lane::ALL.to_vec(),
            write: None,
        };
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or_else(|| anyhow!("{arg} needs a value\n\n{USAGE}"));
            match arg.as_str() {
                "--seeds" => options.seeds = number(&value()?)?,
                "--seed" => options.seed = number(&value()?)?,
                "--seconds" => {
                    let seconds: f64 = value()?.parse().context("--seconds takes a number")?;
                    options.span = Duration::try_from_secs_f64(seconds).context("--seconds")?;
                }
                "--way" => options.ways.push(way(&value()?)?),
                "--fault" => options.faults.push(fault(&value()?)?),
                "--ours" => options.lanes.retain(|lane| lane.is_ours()),
                "--write" => options.write = Some(value()?.into()),
                "-h" | "--help" => return Ok(None),
                _ => bail!("{arg:?} is not known\n\n{USAGE}"),
            }
        }
        if options.ways.is_empty() {
            options.ways = Way::ALL.to_vec();
        }
        if options.faults.is_empty() {
            options.faults = Fault::ALL.to_vec();
        }
        Ok(Some(options))
    }
}

fn number(text: &str) -> Result<u64> {
    text.parse().with_context(|| format!("{text:?} is not a number"))
}

fn way(name: &str) -> Result<Way> {
    let found = Way::ALL.iter().find(|way| way.name() == name);
    found.copied().with_context(|| format!("{name:?} is no way\n\n{USAGE}"))
}

fn fault(name: &str) -> Result<Fault> {
    let found = Fault::ALL.iter().find(|fault| fault.id() == name);
    let names: Vec<_> = Fault::ALL.iter().map(|fault| fault.id()).collect();
    found.copied().with_context(|| format!("{name:?} is no fault; there are {}", names.join(", ")))
}
