//! The options of `apply`.

use crate::connect::Target;
use crate::options::Consent;
use crate::show::Output;
use anyhow::{Result, ensure};
use clap::{ArgGroup, Args, ValueEnum};
use plimsoll_inspect::checks;
use std::path::PathBuf;

/// The schema that roles are made for, unless another is named.
const PUBLIC: &str = "public";

/// The options of `apply`.
#[derive(Clone, Debug, Args)]
#[command(
    group = ArgGroup::new("what").required(true).args(["profile", "check", "resume", "undo"]),
    after_help = "Examples:
  plimsoll apply --profile service --role app                  shows what would be done, and changes nothing
  plimsoll apply --profile service --role app --run            does it, and asks before each step
  plimsoll apply --profile service --create-roles --role app --yes
  plimsoll apply --check G01,O02 --role app --run              the SQL remedies of what these checks find now
  plimsoll apply --resume plimsoll-apply-shop-...jsonl --yes   goes on with a run that was killed
  plimsoll apply --undo plimsoll-apply-shop-...jsonl --yes     takes back what it did, last first

--run asks before each step; --yes does not, but for what has no inverse, which --yes-without-inverse lets pass."
)]
pub struct Options {
    #[command(flatten)]
    pub(super) target: Target,

    /// A named set of settings: `service` limits and watches what works on the database, `roles` makes roles for it
    #[arg(long, value_enum)]
    pub(super) profile: Option<Profile>,

    /// The SQL remedies of what these checks of `plimsoll doctor` find now
    #[arg(long, value_name = "IDS", value_delimiter = ',', value_parser = known_check)]
    pub(super) check: Vec<String>,

    /// Goes on with the run that this journal tells of
    #[arg(long, value_name = "FILE")]
    pub(super) resume: Option<PathBuf>,

    /// Takes back what this journal tells of, last first
    #[arg(long, value_name = "FILE")]
    pub(super) undo: Option<PathBuf>,

    /// The role that the application logs in as; with --through it is the one that this logs in as
    #[arg(long, value_name = "ROLE")]
    pub(super) role: Option<String>,

    /// Another value for a setting of the profile, or one more setting for the role in the database
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair, requires = "profile")]
    pub(super) set: Vec<(String, String)>,

    /// Makes the application's role, and roles for migrations and monitoring beside it, before the profile
    #[arg(long, requires = "profile")]
    pub(super) create_roles: bool,

    /// The schema that the roles work in
    #[arg(long, value_name = "SCHEMA", default_value = PUBLIC)]
    pub(super) schema: String,

    /// The application's own connection string, through its pooler if it has one: values are read back there
    #[arg(long, value_name = "URL")]
    pub(super) through: Option<String>,

    #[command(flatten)]
    pub(super) consent: Consent,

    /// With --yes: ask about what has no inverse neither
    #[arg(long, requires = "yes", help_heading = "Doing it")]
    pub(super) yes_without_inverse: bool,

    /// Where to write what was done; by default beside, under the name of the database and the time
    #[arg(long, value_name = "FILE", conflicts_with = "resume")]
    pub(super) journal: Option<PathBuf>,

    #[command(flatten)]
    pub(super) output: Output,
}

/// A named set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Profile {
    /// Limits for sessions, a log of what takes long or waits, statistics of statements
    Service,
    /// Roles for the application, for migrations and for monitoring, with the least that each needs
    Roles,
}

impl Options {
    /// Refuses what would be passed over: an option that says nothing of what was asked for.
    ///
    /// # Errors
    /// There is one.
    pub(super) fn fit(&self) -> Result<()> {
        let makes_roles = self.create_roles || self.profile == Some(Profile::Roles);
        ensure!(
            self.set.is_empty() || self.profile == Some(Profile::Service),
            "--set changes a setting of --profile service, which was not asked for"
        );
        ensure!(
            !self.create_roles || self.profile.is_some(),
            "--create-roles makes roles before a profile, and none was asked for"
        );
        ensure!(
            self.schema == PUBLIC || makes_roles,
            "--schema is the one that roles are made for: --profile roles or --create-roles makes them"
        );
        Ok(())
    }

    /// Something is to be changed, and not only to be shown.
    pub(super) fn changes(&self) -> bool {
        self.consent.does()
    }
}

fn known_check(id: &str) -> Result<String, String> {
    let id = id.trim().to_ascii_uppercase();
    if checks::all().any(|check| check.id == id) {
        return Ok(id);
    }
    let known: Vec<&str> = checks::all().map(|check| check.id).collect();
    Err(format!("there is no check {id}; there are {}", known.join(", ")))
}

/// `name=value`, where the name is one of a setting.
fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("it has to be NAME=VALUE")?;
    let (name, value) = (name.trim().to_ascii_lowercase(), value.trim());
    let is_name = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '.'));
    if !is_name {
        return Err(format!("{name:?} is not the name of a setting"));
    }
    Ok((name, value.to_owned()))
}
