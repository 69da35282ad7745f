//! `plimsoll indexes`: the indexes that do nothing, or nothing that another does not do; or all of a table.

use crate::Ended;
use crate::ask::{ask, is_there};
use crate::columns::{columns, counted, lines, lines_from, short};
use crate::connect::Target;
use crate::options::TableName;
use crate::options::time::time;
use crate::show::{Output, folded_sql, rows};
use anyhow::{Result, bail};
use clap::Args;
use plimsoll::DirectConnection;
use plimsoll_inspect::indexes::{self, Index, Indexes};
use plimsoll_inspect::span::rough;
use serde::Serialize;
use std::fmt::Write;
use std::time::Duration;

/// The options of `indexes`.
#[derive(Clone, Debug, Default, Args)]
pub struct Options {
    #[command(flatten)]
    target: Target,

    /// Only this table, as SQL has it: orders, public.orders, 'public."Order Lines"'; may be given more than once. Of a table that is
    /// named all indexes are shown
    #[arg(long = "table", value_name = "TABLE")]
    tables: Vec<TableName>,

    /// How many are shown at most
    #[arg(long, value_name = "NUMBER", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=i64::from(indexes::MOST)))]
    limit: u32,

    /// That an index was never used means something once scans have been counted for so long
    #[arg(long, value_name = "TIME", default_value = "720h", value_parser = time)]
    unused_after: Duration,

    #[command(flatten)]
    output: Output,
}

#[derive(Debug, Serialize)]
pub(crate) struct Found {
    schema_version: u32,
    /// The tables that were asked for.
    asked: Vec<String>,
    /// Scans have been counted for long enough to say that an index is unused.
    pub(crate) unused_is_known: bool,
    #[serde(flatten)]
    pub(crate) found: Indexes,
}

impl Found {
    pub(crate) fn wants_attention(&self, index: &Index) -> bool {
        index.is_invalid || index.covered_by.is_some() || index.is_unused && self.unused_is_known
    }
}

/// Asks for the indexes and lists them.
///
/// # Errors
/// The server cannot be reached, or does not answer; there is no such table.
pub async fn run(options: &Options) -> Result<Ended> {
    let connection = options.target.connect("indexes").await?;
    let found = listed(&connection, options).await?;
    let members = &["name", "table", "bytes", "scans", "is_invalid", "is_unused", "covered_by", "run"];
    let plain = || rows(&found, &[("/indexes", members)]);
    options.output.print(&found, |_| text(&found, options.unused_after), plain)?;
    let attention = found.found.indexes.iter().any(|index| found.wants_attention(index));
    Ok(if attention { Ended::Warned } else { Ended::Well })
}

/// The indexes that stand out, or those of some tables.
///
/// # Errors
/// The server does not answer; there is no such table.
pub(crate) async fn listed(connection: &DirectConnection, options: &Options) -> Result<Found> {
    let named: Vec<(Option<&str>, &str)> =
        options.tables.iter().map(|table| (table.schema(), table.name())).collect();
    let question = indexes::question(&named, options.limit);
    let mut found = match ask(connection, &question, None).await? {
        Ok(answer) => Indexes::read(&answer)?,
        Err(refused) => bail!("the indexes cannot be listed: {refused}"),
    };
    for table in &options.tables {
        if !is_there(connection.client(), table).await? {
            bail!("there is no table {table} in this database");
        }
    }
    let unused_is_known = found.unused_is_known(options.unused_after);
    found.advise(options.unused_after);
    let asked = options.tables.iter().map(ToString::to_string).collect();
    Ok(Found { schema_version: 1, asked, unused_is_known, found })
}

fn text(all: &Found, unused_after: Duration) -> String {
    let found = &all.found;
    let counted_for = found.counted_for.map_or("an unknown time".to_owned(), rough);
    let of = format!(
        "{} on {}",
        counted(found.indexes_count, "index", "indexes"),
        counted(found.tables_count, "table", "tables"),
    );
    let mut text = match all.asked.as_slice() {
        [table] => lines(&format!("Table {table}: {of}; scans counted for {counted_for}"), 0),
        [_, ..] => {
            lines(&format!("Tables {}: {of}; scans counted for {counted_for}", all.asked.join(", ")), 0)
        }
        [] if found.indexes.is_empty() => {
            return lines(
                &format!(
                    "No index is invalid, covered by another one, or unused ({of}; scans counted for {counted_for})."
                ),
                0,
            );
        }
        [] => lines(
            &format!("{} of {of} stand out; scans counted for {counted_for}", short(found.standing_out)),
            0,
        ),
    };
    if found.indexes.is_empty() {
        return text;
    }
    text.push('\n');
    let rows: Vec<[String; 3]> = found.indexes.iter().map(row).collect();
    for (number, line) in columns(["MB", "scans", "index"], &rows).lines().enumerate() {
        let _ = writeln!(text, "{line}");
        if let Some(index) = number.checked_sub(1).and_then(|number| found.indexes.get(number)) {
            text.push_str(&details(index, all, &counted_for));
        }
    }
    let hidden = found.standing_out.saturating_sub(found.indexes.len() as u64);
    if all.asked.is_empty() && hidden > 0 {
        let _ = writeln!(text, "and {} more (--limit)", short(hidden));
    }
    text.push_str(&cautions(all, unused_after));
    text
}

/// What has to be known before anything is dropped.
fn cautions(all: &Found, unused_after: Duration) -> String {
    let found = &all.found;
    let mut text = String::new();
    if !found.indexes.iter().any(Index::stands_out) {
        return text;
    }
    let has_unused = found.indexes.iter().any(|index| index.is_unused);
    if has_unused && !all.unused_is_known {
        let wait = format!(
            "Scans have been counted for less than {}: that an index was not used yet says little.",
            rough(unused_after)
        );
        let _ = write!(text, "\n{}", lines(&wait, 0));
    }
    if has_unused && found.standbys > 0 {
        let standbys = counted(found.standbys, "standby", "standbys");
        let ask =
            format!("Scans on {standbys} are counted there: ask each of them before an index is dropped.");
        let _ = write!(text, "\n{}", lines(&ask, 0));
    }
    text
}

fn row(index: &Index) -> [String; 3] {
    #[expect(clippy::cast_precision_loss, reason = "two digits of a megabyte")]
    let megabytes = |bytes: u64| format!("{:.2}", bytes as f64 / 1_048_576.0);
    let mark = if index.is_locked { "~" } else { "" };
    [
        index.bytes.map_or("-".to_owned(), |bytes| format!("{mark}{}", megabytes(bytes))),
        // What is counted is counted for the indexes of the partitions.
        if index.is_partitioned { "-".to_owned() } else { short(index.scans) },
        index.name.clone(),
    ]
}

/// What it is, what is wrong with it, and how it is dropped.
fn details(index: &Index, all: &Found, counted_for: &str) -> String {
    let mut told = Vec::new();
    if all.asked.len() != 1 {
        told.push(format!("on {}", index.table));
    }
    match (&index.constraint, index.is_unique) {
        (Some(_), _) if index.is_primary => told.push("primary key".to_owned()),
        (Some(constraint), _) => told.push(format!("of constraint {constraint}")),
        (None, true) => told.push("unique".to_owned()),
        (None, false) => {}
    }
    if let Some((_, form)) = index.definition.as_deref().and_then(|text| text.split_once(" USING ")) {
        told.push(form.to_owned());
    }
    if index.is_locked {
        told.push("locked by a session, so that it was not measured".to_owned());
    }
    let mut text = lines_from(6, &told.join(", "), 8);
    for one in wrong(index, counted_for) {
        text.push_str(&lines_from(6, &one, 8));
    }
    if let Some(run) = &index.run {
        let _ = writeln!(text, "      {};", folded_sql(run, 6, 8));
    }
    for (number, undo) in index.undo.iter().enumerate() {
        let label = if number == 0 { "back: " } else { "      " };
        let _ = writeln!(text, "      {label}{}", folded_sql(&format!("{undo};"), 12, 8));
    }
    if let Some(advice) = &index.advice {
        text.push_str(&lines_from(6, advice, 8));
    }
    text
}

/// What is wrong with an index, a sentence each.
pub(crate) fn wrong(index: &Index, counted_for: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    if index.is_worked_on {
        wrong.push("a session builds or drops it".to_owned());
    }
    if index.is_invalid {
        wrong.push("not valid: no query uses it, and it may cost every write".to_owned());
    }
    if index.may_be_under_way {
        let what =
            "not valid, and an index of its table is built: which one, shows only to a role with pg_monitor";
        wrong.push(what.to_owned());
    }
    if index.is_left_over && index.is_invalid {
        wrong.push("a rebuild left it behind".to_owned());
    }
    match &index.covered_by {
        Some(other) if index.is_same => wrong.push(format!("the same as {other}")),
        Some(other) => wrong.push(format!("covered: {other} begins with the same columns")),
        None => {}
    }
    if index.is_unused {
        wrong.push(format!("not used in {counted_for}"));
    } else if index.scans == 0 && index.serves_foreign_key && index.covered_by.is_none() {
        wrong.push("no scan yet, and deletes in the table that its foreign key refers to need it".to_owned());
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::columns::is_the_screen;
    use serde_json::json;

    #[test]
    fn the_screen_is_what_it_was() {
        let index = |value| serde_json::from_value::<Index>(value).unwrap();
        let mut found = Indexes::default();
        found.indexes = vec![
            index(json!({
                "name": "public.orders_state_idx_ccnew", "table": "public.orders", "bytes": 734_003_200, "is_invalid": true,
                "is_left_over": true, "run": "DROP INDEX CONCURRENTLY public.orders_state_idx_ccnew",
                "definition": "CREATE INDEX orders_state_idx_ccnew ON public.orders USING btree (state, created_at DESC) WHERE (state <> 'done'::text)",
            })),
            index(json!({
                "name": "public.orders_email_key", "table": "public.orders", "bytes": 8_192, "is_invalid": true, "is_unique": true,
                "definition": "CREATE UNIQUE INDEX orders_email_key ON public.orders USING btree (email)",
                "advice": "it is unique, and rows with equal keys make a rebuild fail; this finds them: SELECT email, pg_catalog.count(*) FROM public.orders",
            })),
            index(json!({
                "name": "public.orders_customer_id_idx", "table": "public.orders", "bytes": 52_428_800, "scans": 12_345_678,
                "definition": "CREATE INDEX orders_customer_id_idx ON public.orders USING btree (customer_id)",
                "covered_by": "public.orders_customer_id_created_at_idx", "run": "DROP INDEX CONCURRENTLY public.orders_customer_id_idx",
                "undo": ["CREATE INDEX CONCURRENTLY orders_customer_id_idx ON public.orders USING btree (customer_id)",
                         "ALTER INDEX public.orders_customer_id_idx SET TABLESPACE \"slow\""],
            })),
            index(json!({
                "name": "public.readings_key", "table": "public.readings", "is_partitioned": true, "is_unique": true, "covered_by": "public.readings_pkey",
                "definition": "CREATE UNIQUE INDEX readings_key ON ONLY public.readings USING btree (id)", "is_same": true,
                "advice": "DROP INDEX public.readings_key in a quiet moment",
            })),
            index(json!({
                "name": "public.orders_note_idx", "table": "public.orders", "bytes": 8_192, "is_unused": true, "is_locked": true,
                "advice": "skipped: scans have not been counted for long enough",
            })),
        ];
        (found.indexes_count, found.tables_count, found.standing_out, found.standbys) = (812, 120, 9, 2);
        found.counted_for = Some(Duration::from_secs(1_000));
        let all = Found { schema_version: 1, asked: Vec::new(), unused_is_known: false, found };
        is_the_screen("indexes.txt", &text(&all, Duration::from_secs(2_592_000)));
    }
}
