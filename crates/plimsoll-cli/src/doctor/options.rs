//! What can be asked of `plimsoll doctor`.

use crate::connect::Target;
use crate::options::time::between;
use crate::show::Output;
use clap::Args;
use std::path::PathBuf;
use std::time::Duration;

/// The options of `doctor`.
#[derive(Clone, Debug, Default, Args)]
pub struct Options {
    #[command(flatten)]
    pub(super) target: Target,

    /// The role that the application logs in as; the one that connects unless told otherwise
    #[arg(long, value_name = "ROLE", default_value = "", hide_default_value = true)]
    pub(super) role: String,

    /// Only these checks: ids or patterns like G01 or C*, separated by commas
    #[arg(long, value_name = "CHECKS", value_delimiter = ',')]
    pub(super) only: Vec<String>,

    /// Not these checks; stronger than --only
    #[arg(long, value_name = "CHECKS", value_delimiter = ',')]
    pub(super) skip: Vec<String>,

    /// Judge by another number: `used_connections_warn=70`; --list shows all of them
    #[arg(long, value_name = "NAME=VALUE")]
    pub(super) threshold: Vec<String>,

    /// Show only what is new or worse than in this file, which an earlier run wrote with --json
    #[arg(long, value_name = "FILE")]
    pub(super) since: Option<PathBuf>,

    /// Ask nothing; list the checks with what they judge by
    #[arg(long)]
    pub(super) list: bool,

    /// The PgBouncer in between, by the URL of its console; found by itself where the connection goes through one
    #[arg(long, value_name = "URL")]
    pub(super) pooler: Option<String>,

    /// End after so long, with what is known by then
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = between(SHORTEST, LONGEST))]
    pub(super) within: Duration,

    /// Exit with 3 if any check was skipped and nothing worse was found
    #[arg(long)]
    pub(super) strict: bool,

    #[command(flatten)]
    pub(super) output: Output,
}

/// The bounds of what everything may take.
const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(3_600);

/// What `--help` says below the options.
pub(crate) const HELP: &str = "\
Examples:
  plimsoll doctor                                    the server that psql would connect to
  plimsoll doctor --role app                         what the application's role is given
  plimsoll doctor postgres://monitor@db1/orders      one database, by URL
  plimsoll doctor --json > today.json                for programs, and for --since
  plimsoll doctor --since yesterday.json             only what is new or worse
  plimsoll doctor --only 'G*,C01' --skip G13         some of the checks
  plimsoll doctor --threshold used_connections_warn=70
  plimsoll doctor --format plain | grep ^crit        a line for each finding

Exit status, as Nagios and its kin read it:
  0  nothing wants attention. What was skipped is counted in the summary and changes nothing: a check that this version, this
     role or this place cannot answer is skipped in every run, and an alarm that never goes out is not looked at
  1  something will make trouble (warn)
  2  something makes trouble, or will at the next fault (crit)
  3  it could not be found out: no connection, a wrong option, all checks skipped; the time was over before the end and
     nothing worse was found by then; --pooler named a console that did not answer; with --strict, any skipped check

What was found before the time was over is worth more than that it was not all: 1 and 2 come before 3.
";
