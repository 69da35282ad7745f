//! What was asked for on the command line, and what that comes to.
//!
//! Everything that can be wrong is found here, before anything is started: a script that is refused after its server
//! came up would cost a second and leave a doubt.

use crate::options::time::between;
use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use plimsoll_faults::Script;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The demo's options.
#[derive(Clone, Debug, Default, Args)]
pub struct Options {
    /// Break things by this script instead of by keys: a step a line, such as `5s freeze` or `20s delay 50ms +-20ms`
    #[arg(long, value_name = "FILE")]
    pub script: Option<PathBuf>,

    /// No screen and no keys: the script that is built in, progress on the standard error, the table on the standard
    /// output. So it is with --script, too, and where the standard output is no terminal
    #[arg(long)]
    pub unattended: bool,

    /// Print the table at the end as Markdown
    #[arg(long)]
    pub markdown: bool,

    /// How long the load lasts; from 5s to 1h [default: 60s, or 5s more than the script]
    #[arg(long = "for", value_name = "TIME", value_parser = between(LEAST, MOST))]
    pub span: Option<Duration>,

    /// Requests a second on each lane, 1 to 2000
    #[arg(long = "lane-rate", value_name = "NUMBER", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=2000))]
    pub rate: u32,

    /// Connections in each pool, 1 to 100
    #[arg(long, value_name = "NUMBER", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=100))]
    pub pool: u16,
}

const MAX_SECONDS: u64 = 3600;
const SECONDS: u64 = 60;
const LEAST: Duration = Duration::from_secs(5);
const MOST: Duration = Duration::from_secs(MAX_SECONDS);
/// What a script leaves broken gets this long to be seen broken.
const AFTERWARDS: u64 = 5;

/// What happens in sixty seconds when nobody is there to press a key.
const BUILT_IN: &str = "
    5s freeze
    13s thaw
    19s delay 50ms +-20ms
    26s heal
    31s cut
    35s once on-message to-server Q COMMIT answer-dropped
    36s once on-message to-server Q COMMIT answer-dropped
    37s once on-message to-server Q COMMIT answer-dropped
    42s kill
    47s blackhole
    49s heal
";

/// When in these sixty seconds five times as many requests come as can be served.
const RUSH: [f64; 2] = [51.0, 57.0];

/// What will be done.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// Somebody looks on and presses keys.
    pub(super) is_watched: bool,
    /// What breaks when; empty if somebody watches.
    pub(super) script: Script,
    /// When more comes than can be served, and when no longer; only with the script that is built in.
    pub(super) rush: Option<[Duration; 2]>,
    /// For how long requests are made.
    pub(super) span: Duration,
    /// Requests a second on each lane.
    pub(super) rate: u32,
    /// Connections in each pool.
    pub(super) pool: usize,
    /// How the table is printed.
    pub(super) markdown: bool,
}

impl Options {
    /// Reads the script and checks that it fits.
    pub(super) fn plan(&self) -> Result<Plan> {
        let is_watched = self.script.is_none() && !self.unattended && std::io::stdout().is_terminal();
        let (script, seconds) = match &self.script {
            _ if is_watched => (Script::new(), self.seconds().unwrap_or(SECONDS)),
            None => {
                let seconds = self.seconds().unwrap_or(SECONDS);
                (built_in(seconds)?, seconds)
            }
            Some(file) => {
                let script = read(file)?;
                let seconds = self.fitting(file, &script)?;
                (script, seconds)
            }
        };
        let is_built_in = self.script.is_none() && !is_watched;
        let part = seconds as f64 / SECONDS as f64;
        Ok(Plan {
            is_watched,
            script,
            rush: is_built_in.then(|| RUSH.map(|second| Duration::from_secs_f64(second * part))),
            span: Duration::from_secs(seconds),
            rate: self.rate,
            pool: self.pool.into(),
            markdown: self.markdown,
        })
    }

    /// The time that was said, in whole seconds.
    fn seconds(&self) -> Option<u64> {
        self.span.map(|span| span.as_secs())
    }

    /// Long enough for every step.
    fn fitting(&self, file: &Path, script: &Script) -> Result<u64> {
        let last = script.span().as_secs_f64().ceil() as u64;
        let seconds = self.seconds().unwrap_or(last.saturating_add(AFTERWARDS).max(AFTERWARDS));
        let file = file.display();
        ensure!(
            seconds <= MAX_SECONDS,
            "the last step of {file} comes after {last} s, and the demo lasts {MAX_SECONDS} s at most; shorten the script"
        );
        if script.span() >= Duration::from_secs(seconds) {
            bail!(
                "the last step of {file} comes after {last} s and the load ends after {seconds} s; say --for {}s \
                 or shorten the script",
                last.saturating_add(AFTERWARDS)
            );
        }
        Ok(seconds)
    }
}

fn read(file: &Path) -> Result<Script> {
    let text = std::fs::read_to_string(file);
    let text = text.with_context(|| format!("the script {} cannot be read", file.display()))?;
    let script: Script = text.parse().with_context(|| format!("the script {}", file.display()))?;
    ensure!(!script.steps().is_empty(), "the script {} has no step; `2s freeze` is one", file.display());
    Ok(script)
}

/// The same steps, at the same parts of the time.
fn built_in(seconds: u64) -> Result<Script> {
    let script: Script = BUILT_IN.parse().context("the script that is built in")?;
    let part = seconds as f64 / SECONDS as f64;
    let steps = script.steps().iter().cloned().map(|mut step| {
        step.at = step.at.mul_f64(part);
        step
    });
    Ok(steps.collect())
}
