//! Tables and indexes, as the commands `sizes`, `bloat`, `vacuum` and `indexes` know them.

use super::gather::options_of;
use crate::columns::{counted, short};
use crate::page::{Cell, Column, Level, Section, Table};
use crate::{bloat as waste, indexes as unneeded, sizes as measured, vacuum as upkeep};
use anyhow::Result;
use plimsoll::DirectConnection;
use plimsoll_inspect::indexes::Index;
use plimsoll_inspect::sizes::Size;
use plimsoll_inspect::span::rough;

/// How many rows a table has on the page.
const MOST: usize = 20;

/// The largest tables.
pub(super) async fn sizes(connection: &DirectConnection, section: Section) -> Result<Section> {
    let found = measured::measured(connection, &options_of(vec![format!("--limit={MOST}")])?).await?;
    let mut table = Table::new([
        Column::text("Table"),
        Column::number("MB"),
        Column::number("Data"),
        Column::number("Indexes"),
        Column::number("TOAST"),
        Column::number("Rows"),
        Column::wide("Besides"),
    ])
    .when_empty("This database has no tables.");
    for size in &found.sizes.tables {
        let mark = if size.is_estimated { "~" } else { "" };
        let megabytes = |mb: f64| Cell::measured(&format!("{mark}{mb:.2}"), mb);
        #[expect(clippy::cast_precision_loss, reason = "it is sorted by it, no more")]
        let rows = Cell::measured(&format!("~{}", short(size.rows)), size.rows as f64);
        table.row_that_is(
            if size.is_locked { Level::Warn } else { Level::Plain },
            [
                Cell::code(&size.name),
                megabytes(size.total_mb),
                megabytes(size.data_mb),
                megabytes(size.index_mb),
                megabytes(size.toast_mb),
                // Rows are known from the last vacuum or analyze only.
                if size.rows == 0 { Cell::unknown() } else { rows },
                besides(size).into(),
            ],
        );
    }
    let of = counted(found.sizes.tables_count, "table", "tables");
    let mut section = section.note(format!("the largest of {of}; megabytes of 1,048,576 bytes")).table(table);
    if found.sizes.is_estimated() {
        let why = if found.measuring_was_held_up {
            "measuring was held up by a lock"
        } else {
            "the table is locked, or it has more partitions than are measured"
        };
        section = section.missing(&format!("What has a ~ is as of the last vacuum or analyze: {why}."));
    }
    Ok(section)
}

fn besides(size: &Size) -> String {
    let parts = size.partitions.map(|parts| counted(parts, "partition", "partitions"));
    let locked = size.is_locked.then(|| "locked, so that every other session waits".to_owned());
    parts.into_iter().chain(locked).collect::<Vec<_>>().join("; ")
}

/// What a rewrite would give back.
pub(super) async fn bloat(connection: &DirectConnection, section: Section) -> Result<Section> {
    let found = waste::gather::gather_on(connection, &options_of(Vec::new())?).await?;
    Ok(waste::page::add(section, &found, MOST))
}

/// What autovacuum does.
pub(super) async fn vacuum(connection: &DirectConnection, section: Section) -> Result<Section> {
    let found = upkeep::gather::gather_on(connection, &options_of(Vec::new())?).await?;
    Ok(upkeep::page::add(section, &found, MOST))
}

/// The indexes that do nothing, or nothing that another does not do.
pub(super) async fn indexes(connection: &DirectConnection, section: Section) -> Result<Section> {
    let all = unneeded::listed(connection, &options_of(vec![format!("--limit={MOST}")])?).await?;
    let found = &all.found;
    let counted_for = found.counted_for.map_or("an unknown time".to_owned(), rough);
    let mut table = Table::new([
        Column::text("Index"),
        Column::text("Table"),
        Column::number("MB"),
        Column::number("Scans"),
        Column::wide("What is wrong with it, and what helps"),
    ])
    .when_empty("No index is invalid, covered by another one, or unused.");
    for index in &found.indexes {
        let level = if all.wants_attention(index) { Level::Warn } else { Level::Plain };
        let mut told = unneeded::wrong(index, &counted_for).join("; ");
        if let Some(run) = &index.run {
            told.push_str(&format!(": {run};"));
        }
        if let Some(advice) = &index.advice {
            told.push_str(&format!("; {advice}"));
        }
        table.row_that_is(
            level,
            [Cell::code(&index.name), Cell::code(&index.table), megabytes(index), scans(index), told.into()],
        );
    }
    let of = counted(found.indexes_count, "index", "indexes");
    let note = format!("{} of {of} stand out; scans counted for {counted_for}", short(found.standing_out));
    let mut section = section.note(note).table(table);
    if found.indexes.iter().any(|index| index.is_unused) && !all.unused_is_known {
        section =
            section.text("Scans have not been counted for long: that an index was not used yet says little.");
    }
    if found.standbys > 0 {
        let standbys = counted(found.standbys, "standby", "standbys");
        section = section.text(&format!(
            "Scans on {standbys} are counted there: ask each of them before an index is dropped."
        ));
    }
    Ok(section)
}

#[expect(clippy::cast_precision_loss, reason = "two digits of a megabyte")]
fn megabytes(index: &Index) -> Cell {
    let mark = if index.is_locked { "~" } else { "" };
    index.bytes.map_or(Cell::unknown(), |bytes| {
        Cell::measured(&format!("{mark}{:.2}", bytes as f64 / 1_048_576.0), bytes as f64)
    })
}

fn scans(index: &Index) -> Cell {
    // What is counted is counted for the indexes of the partitions.
    if index.is_partitioned { Cell::unknown() } else { index.scans.into() }
}
