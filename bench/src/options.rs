//! What was asked for on the command line.

use crate::race::{Better, Race};
use anyhow::{Result, anyhow, bail};
use std::path::PathBuf;

pub const USAGE: &str = "\
usage: bench [acquire|query|transaction|cancel|overhead|overload|outage|http|ingest]... [--json] [--baseline FILE] [--rounds N]
             [--detail FILE] [--only NAMES] [--quick]

  without a name all run but http, which needs the program wrk, and ingest, which is about the service fleet
  --json           one JSON object a row on the standard output; everything else goes to the standard error
  --baseline FILE  fail when a ratio is more than 10 % worse than in FILE, the output of an earlier --json
  --rounds N       rounds in each case instead of 15 (overhead: 30; overload, outage and http: 3, since theirs are long);
                   query, overhead and http have that many with each of five sets of connections or processes
  --detail FILE    every further figure, as JSON lines
  --only NAMES     nobody else takes part (plimsoll, deadpool, bb8, sqlx, driver .., by commas): for a profiler or a closer look
  --quick          fewer rounds, each of them shorter: tells whether it works, not how fast it is";

/// The fewest rounds of which a median is worth printing.
const ROUNDS: usize = 15;
/// Where a percent or two is the question.
const MANY_ROUNDS: usize = 30;
const QUICK_ROUNDS: usize = 5;
const DRAWS: usize = 5;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bench {
    Acquire,
    Query,
    Transaction,
    Cancel,
    Overhead,
    Overload,
    Outage,
    Http,
    Ingest,
}

impl Bench {
    /// What runs unless something is named. The one that freezes the server comes last: what it leaves behind meets nobody.
    const ALL: [Bench; 7] = [
        Bench::Acquire,
        Bench::Query,
        Bench::Transaction,
        Bench::Cancel,
        Bench::Overhead,
        Bench::Overload,
        Bench::Outage,
    ];
}

#[derive(Debug, Default)]
pub struct Options {
    pub benches: Vec<Bench>,
    pub json: bool,
    pub quick: bool,
    pub baseline: Option<PathBuf>,
    pub detail: Option<PathBuf>,
    pub only: Option<String>,
    rounds: Option<usize>,
}

impl Options {
    /// Reads the arguments; `None` when help was asked for.
    pub fn from_args(args: impl Iterator<Item = String>) -> Result<Option<Self>> {
        let mut options = Options::default();
        let mut args = args;
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or_else(|| anyhow!("{arg} needs a value\n\n{USAGE}"));
            match arg.as_str() {
                "acquire" => options.benches.push(Bench::Acquire),
                "query" => options.benches.push(Bench::Query),
                "transaction" => options.benches.push(Bench::Transaction),
                "cancel" => options.benches.push(Bench::Cancel),
                "overhead" => options.benches.push(Bench::Overhead),
                "overload" => options.benches.push(Bench::Overload),
                "outage" => options.benches.push(Bench::Outage),
                "http" => options.benches.push(Bench::Http),
                "ingest" => options.benches.push(Bench::Ingest),
                "--json" => options.json = true,
                "--quick" => options.quick = true,
                "--baseline" => options.baseline = Some(value()?.into()),
                "--detail" => options.detail = Some(value()?.into()),
                "--only" => options.only = Some(value()?),
                "--rounds" => {
                    let text = value()?;
                    let rounds = text.parse().ok().filter(|rounds| *rounds > 0);
                    options.rounds =
                        Some(rounds.ok_or_else(|| anyhow!("--rounds takes a number above 0, not {text:?}"))?);
                }
                "-h" | "--help" => return Ok(None),
                _ => bail!("{arg:?} is not known\n\n{USAGE}"),
            }
        }
        if options.benches.is_empty() {
            options.benches = Bench::ALL.to_vec();
        }
        Ok(Some(options))
    }

    /// A race with the usual number of rounds.
    pub fn race<T>(&self, better: Better) -> Race<'_, T> {
        Race::new(better, self.rounds(ROUNDS), self.only.as_deref())
    }

    /// The same for a case in which the difference is small.
    pub fn long_race<T>(&self, better: Better) -> Race<'_, T> {
        Race::new(better, self.rounds(MANY_ROUNDS), self.only.as_deref())
    }

    /// The same for a case in which one round takes many seconds.
    pub fn short_race<T>(&self, better: Better) -> Race<'_, T> {
        Race::new(better, self.few_rounds(), self.only.as_deref())
    }

    /// How many times everybody gets new connections, where a few percent are the question.
    pub fn draws(&self) -> usize {
        if self.quick { 1 } else { DRAWS }
    }

    fn rounds(&self, full: usize) -> usize {
        self.rounds.unwrap_or(if self.quick { QUICK_ROUNDS } else { full })
    }

    /// How many rounds there are where one takes many seconds.
    pub fn few_rounds(&self) -> usize {
        self.rounds.unwrap_or(if self.quick { 1 } else { 3 })
    }

    /// A number of repetitions, fewer when in a hurry.
    pub fn times(&self, full: usize) -> usize {
        if self.quick { (full / 5).max(1) } else { full }
    }
}
