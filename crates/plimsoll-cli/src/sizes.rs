//! `plimsoll sizes`: the largest tables, with their indexes and their TOAST.

use crate::ask::{Refused, ask};
use crate::columns::{columns, counted, lines, short};
use crate::connect::Target;
use crate::{Ended, show};
use anyhow::{Result, bail};
use clap::Args;
use plimsoll::DirectConnection;
use plimsoll_inspect::sizes::{self, Measure, Size, Sizes};
use serde::Serialize;
use std::fmt::Write;

/// The options of `sizes`.
#[derive(Clone, Debug, Default, Args)]
pub struct Options {
    #[command(flatten)]
    target: Target,

    /// How many tables
    #[arg(long, value_name = "NUMBER", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=i64::from(sizes::MOST)))]
    limit: u32,

    /// List each partition by itself, instead of adding them up for their table
    #[arg(long)]
    partitions: bool,

    /// Write the result as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
pub(crate) struct Found {
    schema_version: u32,
    /// A lock that was taken while the tables were measured ended that; all sizes are as of the last vacuum or analyze.
    pub(crate) measuring_was_held_up: bool,
    #[serde(flatten)]
    pub(crate) sizes: Sizes,
}

/// Measures the tables and lists them.
///
/// # Errors
/// The server cannot be reached, or does not answer.
pub async fn run(options: &Options) -> Result<Ended> {
    let connection = options.target.connect("sizes").await?;
    let found = measured(&connection, options).await?;
    if options.json {
        show::print_json(&found)?;
    } else {
        show::print(&text(&found));
    }
    Ok(if found.sizes.is_estimated() { Ended::Unknown } else { Ended::Well })
}

/// The sizes; as of the last vacuum where measuring is held up.
///
/// # Errors
/// The server does not answer.
pub(crate) async fn measured(connection: &DirectConnection, options: &Options) -> Result<Found> {
    let question = |measure| sizes::question(options.limit, measure, options.partitions);
    let mut answer = ask(connection, &question(Measure::Exact), None).await?;
    let measuring_was_held_up = matches!(answer, Err(Refused::Locked | Refused::TooLong(_)));
    if measuring_was_held_up {
        answer = ask(connection, &question(Measure::Estimated), None).await?;
    }
    let sizes = match answer {
        Ok(answer) => Sizes::read(&answer)?,
        Err(refused) => bail!("the sizes cannot be had: {refused}"),
    };
    Ok(Found { schema_version: 1, measuring_was_held_up, sizes })
}

fn text(found: &Found) -> String {
    let Sizes { tables, tables_count, .. } = &found.sizes;
    if tables.is_empty() {
        return "This database has no tables.\n".to_owned();
    }
    let of = counted(*tables_count, "table", "tables");
    let mut text = format!("The {} largest of {of}, in MB\n\n", tables.len());
    let rows: Vec<[String; 6]> = tables.iter().map(row).collect();
    text.push_str(&columns(["total", "data", "index", "TOAST", "rows", "table"], &rows));
    if tables.iter().any(|table| table.is_estimated) {
        text.push('\n');
        let why = if found.measuring_was_held_up {
            "measuring was held up"
        } else {
            "the table is locked, or it has more partitions than are measured"
        };
        text.push_str(&lines(
            &format!(
                "~ is as of the last vacuum or analyze, since {why}; a table that grew since then is larger."
            ),
            0,
        ));
    }
    let locked: Vec<&str> =
        tables.iter().filter(|table| table.is_locked).map(|table| table.name.as_str()).collect();
    if !locked.is_empty() {
        let _ = write!(
            text,
            "{}",
            lines(
                &format!(
                    "Locked, so that every other session waits: {}. plimsoll blocking tells by whom.",
                    locked.join(", ")
                ),
                0
            )
        );
    }
    text
}

fn row(table: &Size) -> [String; 6] {
    let mark = if table.is_estimated { "~" } else { "" };
    let size = |megabytes: f64| format!("{mark}{megabytes:.2}");
    let name = match table.partitions {
        Some(partitions) => format!("{} ({})", table.name, counted(partitions, "part", "parts")),
        None => table.name.clone(),
    };
    [
        size(table.total_mb),
        size(table.data_mb),
        size(table.index_mb),
        size(table.toast_mb),
        // Rows are known from the last vacuum or analyze only.
        if table.rows == 0 { "-".to_owned() } else { format!("~{}", short(table.rows)) },
        name,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::columns::is_the_screen;
    use serde_json::json;

    fn size(value: serde_json::Value) -> Size {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn the_screen_is_what_it_was() {
        let mut sizes = Sizes::default();
        sizes.tables_count = 10_214;
        let shared = json!({"is_estimated": false, "is_locked": false, "partitions": null});
        for (name, total, data, index, toast, rows, change) in [
            (
                "public.reading",
                120_400.5,
                90_000.0,
                30_400.5,
                0.0,
                812_345_678_u64,
                json!({"partitions": 36}),
            ),
            (
                "public.orders",
                2_048.25,
                1_024.0,
                1_000.25,
                24.0,
                1_200_000,
                json!({"is_estimated": true, "is_locked": true}),
            ),
            ("public.a_name_that_is_longer", 0.02, 0.01, 0.01, 0.0, 0, json!({})),
        ] {
            let mut value = json!({"name": name, "total_mb": total, "data_mb": data, "index_mb": index, "toast_mb": toast, "rows": rows});
            for more in [&shared, &change] {
                value.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            }
            sizes.tables.push(size(value));
        }
        is_the_screen("sizes.txt", &text(&Found { schema_version: 1, measuring_was_held_up: false, sizes }));
    }
}
