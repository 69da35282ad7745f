//! Asks for the estimates. What the server does not answer is told, with the reason, beside what it does answer.

use super::{Found, Options, Relation, State, measure};
use crate::ask::{is_there, read};
use crate::vacuum::is_called;
use anyhow::{Result, bail};
use plimsoll::DirectConnection;
use plimsoll_inspect::bloat::indexes::{self, INDEX_BLOAT, Index};
use plimsoll_inspect::bloat::tables::{TABLE_BLOAT, Table};
use plimsoll_inspect::bloat::{Estimate, Unknown};
use plimsoll_inspect::checks::run::{self, Asking, QUESTION_LIMIT};
use std::time::Duration;
use tokio::time::Instant;

pub(super) async fn gather(options: &Options) -> Result<Found> {
    gather_on(&options.target.connect("bloat").await?, options).await
}

/// The same, of a server that is connected to already.
pub(crate) async fn gather_on(connection: &DirectConnection, options: &Options) -> Result<Found> {
    let client = connection.client();
    let until = Instant::now() + QUESTION_LIMIT + Duration::from_secs(1);
    let subject = run::subject(client, &Asking::default(), until).await?;
    let mut found = Found {
        schema_version: 1,
        database: subject.database,
        warn_percent: options.warn,
        warn_mb: options.warn_mb,
        crit_percent: options.crit,
        crit_mb: options.crit_mb,
        relations: Vec::new(),
        unknown: Vec::new(),
        is_interrupted: false,
    };
    let mut cut = false;
    match read(client, TABLE_BLOAT, Table::read).await? {
        Ok(tables) => {
            let last = tables.last().map(|table| (table.considered, table.bytes()));
            cut |= found.not_listed("tables", tables.len(), last, options);
            found.relations.extend(tables.iter().map(of_table));
        }
        Err(why) => found.unknown.push(format!("the tables: {why}")),
    }
    match read(client, INDEX_BLOAT, Index::read).await? {
        Ok(indexes) => {
            let last = indexes.last().map(|index| (index.considered, index.bytes()));
            cut |= found.not_listed("indexes", indexes.len(), last, options);
            found.relations.extend(indexes.iter().map(of_index));
        }
        Err(why) => found.unknown.push(format!("the indexes: {why}")),
    }
    for name in &options.tables {
        if !found.relations.iter().any(|relation| is_called(&relation.table, name)) {
            if !is_there(client, name).await? {
                bail!("there is no table {name:?} in this database");
            }
            if cut {
                found.unknown.push(format!("table {name}: it is not among the two hundred largest"));
            }
        }
    }
    let is_meant = |relation: &Relation| match options.tables.is_empty() {
        true => options.system || !is_of_system(&relation.table),
        false => options.tables.iter().any(|name| is_called(&relation.table, name)),
    };
    found.relations.retain(is_meant);
    found.sort(options);
    if options.exact {
        measure::measure(connection, &mut found, options).await?;
        found.sort(options);
    }
    Ok(found)
}

fn is_of_system(table: &str) -> bool {
    ["pg_catalog.", "information_schema."].iter().any(|schema| table.starts_with(schema))
}

impl Found {
    /// Tells of those that were left out, if they are large enough to matter; and whether there are any.
    fn not_listed(&mut self, what: &str, listed: usize, last: Option<(u64, f64)>, options: &Options) -> bool {
        let Some((considered, smallest)) = last else { return false };
        let more = considered.saturating_sub(listed as u64);
        if more > 0 && smallest >= options.warn_mb * super::MB && options.tables.is_empty() {
            self.unknown.push(format!(
                "{more} more {what}, none of them larger than the {listed} that were looked at"
            ));
        }
        more > 0
    }

    /// The worst first; among equals those that waste most, then the largest.
    fn sort(&mut self, options: &Options) {
        for relation in &mut self.relations {
            relation.judge(options);
        }
        self.relations.sort_by(|a, b| {
            let wasted = |relation: &Relation| relation.wasted_bytes.unwrap_or_default();
            let by_waste = wasted(b).total_cmp(&wasted(a)).then(b.bytes.total_cmp(&a.bytes));
            b.state.cmp(&a.state).then(by_waste).then_with(|| a.name.cmp(&b.name))
        });
    }
}

fn of_table(table: &Table) -> Relation {
    let relation = Relation {
        kind: if table.owner.is_some() { "toast" } else { "table" },
        name: table.name.clone(),
        table: table.owner.clone().unwrap_or_else(|| table.name.clone()),
        state: State::Ok,
        bytes: table.bytes(),
        wasted_bytes: None,
        wasted_percent: None,
        is_least: false,
        dead_rows: None,
        method: table.method(),
        why_not: None,
        run: None,
        fill_factor: table.fill_factor,
    };
    known(relation, table.estimate(), table.method())
}

fn of_index(index: &Index) -> Relation {
    let relation = Relation {
        kind: "index",
        name: index.name.clone(),
        table: index.table.clone(),
        state: State::Ok,
        bytes: index.bytes(),
        wasted_bytes: None,
        wasted_percent: None,
        is_least: false,
        dead_rows: None,
        method: indexes::METHOD,
        why_not: None,
        run: None,
        fill_factor: index.fill_factor,
    };
    known(relation, index.estimate(), indexes::METHOD)
}

fn known(mut relation: Relation, estimate: Result<Estimate, Unknown>, method: &'static str) -> Relation {
    match estimate {
        Ok(estimate) => relation.know(estimate, method),
        Err(why) => {
            relation.run = match &why {
                Unknown::Dead(_) => Some(format!("VACUUM (ANALYZE) {}", relation.table)),
                // Autovacuum and ANALYZE leave TOAST tables out; only a vacuum of the table counts their chunks.
                why if why.is_helped_by_analyze() && relation.kind == "toast" => {
                    Some(format!("VACUUM {}", relation.table))
                }
                why if why.is_helped_by_analyze() => Some(format!("ANALYZE {}", relation.table)),
                _ => None,
            };
            relation.method = "unknown";
            relation.why_not = Some(why.to_string());
        }
    }
    relation
}
