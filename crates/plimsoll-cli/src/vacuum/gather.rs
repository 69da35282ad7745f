//! Asks the server. What it does not answer is told, with the reason, beside what it does answer.

use super::{Found, Held, Options};
use crate::ask::read;
use anyhow::{Result, bail};
use plimsoll::DirectConnection;
use plimsoll_inspect::autovacuum::{AUTOVACUUM, Candidate};
use plimsoll_inspect::checks::run::{self, Asking, QUESTION_LIMIT};
use plimsoll_inspect::upkeep::{Holder, PROGRESS, Work, XMIN_HORIZON};
use std::time::Duration;
use tokio::time::Instant;

pub(super) async fn gather(options: &Options) -> Result<Found> {
    gather_on(&options.target.connect("vacuum").await?, options).await
}

/// The same, of a server that is connected to already.
pub(crate) async fn gather_on(connection: &DirectConnection, options: &Options) -> Result<Found> {
    let client = connection.client();
    let until = Instant::now() + QUESTION_LIMIT + Duration::from_secs(1);
    let subject = run::subject(client, &Asking::default(), until).await?;
    if subject.is_standby {
        bail!("this server is a standby, which vacuums nothing and counts nothing: ask its primary");
    }
    let mut found = Found {
        schema_version: 1,
        version: subject.version_text.clone(),
        database: subject.database.clone(),
        is_off: None,
        tables: Vec::new(),
        advice: Vec::new(),
        analyze: Vec::new(),
        holders: Vec::new(),
        held_warn: options.held,
        under_way: Vec::new(),
        unknown: Vec::new(),
    };
    match read(client, PROGRESS, Work::read).await? {
        Ok(under_way) => found.under_way = under_way,
        Err(why) => found.unknown.push(format!("the vacuums under way: {why}")),
    }
    match read(client, AUTOVACUUM, Candidate::read).await? {
        Ok(candidates) => {
            let (listed, considered) =
                (candidates.len() as u64, candidates.first().map_or(0, |table| table.considered));
            found.add(&candidates, options);
            if considered > listed {
                found.unknown.push(format!(
                    "the {} tables that are farther from their turn than these {listed}",
                    considered - listed
                ));
            }
            for name in &options.tables {
                if !candidates.iter().any(|table| super::is_called(table.table(), name)) {
                    found.unknown.extend(not_among(client, name, considered > listed).await?);
                }
            }
        }
        Err(why) => found.unknown.push(format!("the tables: {why}")),
    }
    match read(client, XMIN_HORIZON, Holder::read).await? {
        Ok(holders) => {
            found.holders =
                holders.into_iter().map(|holder| Held { remedy: holder.remedy(), holder }).collect();
        }
        Err(why) => found.unknown.push(format!("what holds dead rows back: {why}")),
    }
    if !subject.monitors {
        found.unknown.push(format!(
            "the transactions of other roles, which may hold dead rows back, and what other roles vacuum: role {0} does not see \
             them (GRANT pg_monitor TO {0})",
            subject.login
        ));
    }
    Ok(found)
}

/// Why a table is not among those that were told.
async fn not_among(client: &tokio_postgres::Client, name: &str, is_cut: bool) -> Result<Option<String>> {
    if !crate::ask::is_there(client, name).await? {
        bail!("there is no table {name:?} in this database");
    }
    Ok(is_cut.then(|| format!("table {name}: it is not among the tables that are nearest to their turn")))
}
