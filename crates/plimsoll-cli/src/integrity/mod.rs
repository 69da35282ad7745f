//! `plimsoll integrity`: what the tables promise of their rows, what was never validated, which foreign keys seem to be missing, and,
//! with `--count`, how many rows break a promise.
//!
//! | file | what it holds |
//! |---|---|
//! | [`screen`] | the promises as text |

mod screen;

use crate::Ended;
use crate::ask::{Refused, ask, is_there};
use crate::connect::Target;
use crate::options::TableName;
use crate::options::time::time;
use crate::show::{Output, rows};
use anyhow::{Result, bail};
use clap::Args;
use plimsoll::DirectConnection;
use plimsoll_inspect::integrity::missing_keys::{self, MissingKey};
use plimsoll_inspect::integrity::{Broken, Kind, MOST_RULES, RULES, Rule, rules_of};
use serde::Serialize;
use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::time::Duration;
use tokio::time::Instant;
use tokio_postgres::SimpleQueryMessage;

/// The options of `integrity`.
#[derive(Clone, Debug, Default, Args)]
pub struct Options {
    #[command(flatten)]
    target: Target,

    /// Only this table, as SQL has it: orders, public.orders, 'public."Order Lines"'; may be given more than once
    #[arg(long = "table", value_name = "TABLE")]
    tables: Vec<TableName>,

    /// Count the rows that break each promise: this reads the tables whole, so ask outside busy hours
    #[arg(long)]
    count: bool,

    /// How long counting for one promise may take
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = time)]
    each: Duration,

    /// End after so long, with what is known by then; it is counting that takes long
    #[arg(long, value_name = "TIME", default_value = "15min", value_parser = time)]
    within: Duration,

    /// List every promise, and not only foreign keys
    #[arg(long)]
    all: bool,

    #[command(flatten)]
    output: Output,
}

/// What was found.
#[derive(Debug, Serialize)]
struct Found {
    schema_version: u32,
    database: String,
    /// How many of each kind.
    kinds: BTreeMap<Kind, u64>,
    promises: Vec<Promise>,
    /// There are more than can be listed.
    has_more: bool,
    /// Whether rows were counted.
    counted: bool,
    /// Columns that look like foreign keys and are none.
    missing_keys: Vec<MissingKey>,
    has_more_missing_keys: bool,
}

#[derive(Debug, Serialize)]
struct Promise {
    #[serde(flatten)]
    rule: Rule,
    /// What shows the rows that break it, or that may.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    find: Vec<String>,
    /// What makes the server look at the rows that were there before. It fails as long as rows break the promise.
    #[serde(skip_serializing_if = "Option::is_none")]
    validate: Option<String>,
    /// What is counted: rows, or keys that are there more than once.
    counted: &'static str,
    /// How many break it.
    #[serde(skip_serializing_if = "Option::is_none")]
    broken: Option<Broken>,
    /// Why that is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    not_counted: Option<String>,
}

impl Promise {
    fn of(rule: Rule, broken: Option<Broken>, not_counted: Option<String>) -> Self {
        let is_broken = broken.is_some_and(|broken| broken.rows > 0);
        let is_in_doubt = !rule.is_validated && broken.is_none();
        let find = if is_broken || is_in_doubt { rule.find() } else { Vec::new() };
        Promise { find, validate: rule.validate(), counted: rule.kind.counted(), rule, broken, not_counted }
    }

    fn is_broken(&self) -> bool {
        self.broken.is_some_and(|broken| broken.rows > 0)
    }
}

impl Found {
    fn ended(&self) -> Ended {
        let any = |is: fn(&Promise) -> bool| self.promises.iter().any(is);
        if any(Promise::is_broken) {
            Ended::Badly
        } else if any(|it| !it.rule.is_validated) {
            Ended::Warned
        } else if any(|it| it.not_counted.is_some()) || self.has_more {
            Ended::Unknown
        } else {
            Ended::Well
        }
    }
}

/// Asks for the promises, counts if that is wanted, and lists them.
///
/// # Errors
/// The server cannot be reached, or does not answer; there is no such table.
pub async fn run(options: &Options) -> Result<Ended> {
    let connection = options.target.connect("integrity").await?;
    let (rules, has_more) = rules(&connection, &options.tables).await?;
    let (mut missing_keys, has_more_missing_keys) =
        MissingKey::read(&answer(&connection, &missing_keys::question()).await?)?;
    if !options.tables.is_empty() {
        missing_keys.retain(|key| options.tables.iter().any(|table| table.means(&key.table)));
    }
    for table in &options.tables {
        let is_known = rules.iter().any(|rule| table.means(&rule.table))
            || missing_keys.iter().any(|key| table.means(&key.table))
            || is_there(connection.client(), table).await?;
        if !is_known {
            bail!("there is no table {table} in this database");
        }
    }
    let mut kinds = BTreeMap::new();
    for rule in &rules {
        *kinds.entry(rule.kind).or_default() += 1;
    }
    let until = Instant::now() + options.within;
    let mut promises: Vec<Promise> = Vec::new();
    let mut shows = Instant::now() + Duration::from_secs(1);
    let all = rules.len();
    for rule in rules {
        if options.count && std::io::stderr().is_terminal() && Instant::now() >= shows {
            anstream::eprint!("\r{} of {all} promises", promises.len());
            shows = Instant::now() + Duration::from_millis(250);
        }
        let counted = if options.count {
            count(&connection, &rule, options.each.min(until - Instant::now().min(until))).await?
        } else {
            (None, None)
        };
        let (broken, not_counted) = counted;
        promises.push(Promise::of(rule, broken, not_counted));
    }
    if options.count && std::io::stderr().is_terminal() {
        anstream::eprint!("\r                                        \r");
    }
    let database = name_of_database(&connection).await?;
    let counted = options.count;
    let found = Found {
        schema_version: 1,
        database,
        kinds,
        promises,
        has_more,
        counted,
        missing_keys,
        has_more_missing_keys,
    };
    options.output.print(&found, |_| screen::text(&found, options.all), || plain(&found))?;
    Ok(found.ended())
}

/// What these tables promise, or all of them; and whether there is more than can be listed.
async fn rules(connection: &DirectConnection, tables: &[TableName]) -> Result<(Vec<Rule>, bool)> {
    if tables.is_empty() {
        let rules = Rule::read(&answer(connection, RULES).await?)?;
        let has_more = rules.len() >= MOST_RULES;
        return Ok((rules, has_more));
    }
    let (mut all, mut has_more) = (Vec::new(), false);
    for table in tables {
        let rules = Rule::read(&answer(connection, &rules_of(table.schema(), table.name())).await?)?;
        has_more |= rules.len() >= MOST_RULES;
        // A table may be named twice, with its schema and without.
        all.extend(rules.into_iter().filter(|rule| !all.contains(rule)).collect::<Vec<Rule>>());
    }
    Ok((all, has_more))
}

fn plain(found: &Found) -> String {
    let promises = &["kind", "table", "name", "is_validated", "broken/rows", "not_counted", "definition"];
    let missing = &["table", "column", "refers_to", "is_indexed"];
    rows(found, &[("/promises", promises), ("/missing_keys", missing)])
}

type Counted = (Option<Broken>, Option<String>);

async fn count(connection: &DirectConnection, rule: &Rule, limit: Duration) -> Result<Counted> {
    if limit.is_zero() {
        return Ok((None, Some("the time for all was over".to_owned())));
    }
    if rule.is_locked {
        return Ok((None, Some(Refused::Locked.to_string())));
    }
    Ok(match ask(connection, &rule.question(limit), Some(limit)).await? {
        Ok(answer) => (Some(Broken::read(&answer)?), None),
        Err(refused) => (None, Some(refused.to_string())),
    })
}

async fn name_of_database(connection: &DirectConnection) -> Result<String> {
    let answer = answer(connection, "SELECT pg_catalog.current_database() AS name").await?;
    let name = answer.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get("name"),
        _ => None,
    });
    Ok(name.unwrap_or_default().to_owned())
}

async fn answer(connection: &DirectConnection, question: &str) -> Result<Vec<SimpleQueryMessage>> {
    match ask(connection, question, None).await? {
        Ok(answer) => Ok(answer),
        Err(Refused::Locked) => {
            bail!("the promises cannot be listed: a session has just locked a table, or a catalog; ask again")
        }
        Err(refused) => bail!("the promises cannot be listed: {refused}"),
    }
}
