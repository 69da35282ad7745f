//! B03: autovacuum is on, for the server and for each table.

use crate::answer::{Row, Unreadable};
use crate::checks::check::Check;
use crate::checks::finding::{Effect, Finding, Remedy, State, worst_first};

pub(super) const B03: Check = Check {
    id: "B03",
    title: "Autovacuum is on",
    why: "without it dead rows stay, plans are made from old statistics, and transaction numbers run out",
    ask: &[include_str!("autovacuum_off.sql")],
    read: |answers, _, _| {
        let mut found = Vec::new();
        for row in answers.rows().filter(|row| row.has("switch")) {
            match (row.text("switch")?, row.text("table_name")?) {
                (Some(switch), _) if row.text("said")? == Some("off") => found.push(of_server(row, switch)?),
                (None, Some(table)) => found.push(of_table(row, table)?),
                _ => {}
            }
        }
        Ok(worst_first(found))
    },
    ..Check::USUAL
};

fn of_server(row: Row<'_>, switch: &str) -> Result<Finding, Unreadable> {
    let what = match switch {
        "autovacuum" => "it still runs against the end of transaction numbers, and for nothing else",
        _ => "nothing is counted, so autovacuum does not know when a table's turn is",
    };
    let (source, file) = (row.text("source")?.unwrap_or_default(), row.text("sourcefile")?);
    let remedy = match (source, file) {
        ("command line" | "environment variable", _) => Remedy::advice(format!(
            "take {switch} = off out of the server's {source}; it is stronger than every file"
        )),
        (_, file) => {
            // What ALTER SYSTEM wrote is brought back; a line of another file counts again when the new one is gone.
            let was_altered = file.is_some_and(|file| file.ends_with("postgresql.auto.conf"));
            let undo = match was_altered {
                true => format!("ALTER SYSTEM SET {switch} = off"),
                false => format!("ALTER SYSTEM RESET {switch}"),
            };
            let reload = "SELECT pg_catalog.pg_reload_conf()".to_owned();
            Remedy::Sql {
                run: vec![format!("ALTER SYSTEM SET {switch} = on"), reload.clone()],
                undo: vec![undo, reload],
                effect: Effect::Reload,
            }
        }
    };
    Ok(Finding::new(State::Crit, "server", format!("{switch} is off: {what}"))
        .source(source)
        .threshold("on")
        .remedy(remedy))
}

fn of_table(row: Row<'_>, table: &str) -> Result<Finding, Unreadable> {
    let said = row.text("said")?.unwrap_or_default();
    let (option, of_what) = match row.flag("is_toast")? {
        true => ("toast.autovacuum_enabled", format!("TOAST of table {table}")),
        false => ("autovacuum_enabled", format!("table {table}")),
    };
    let live: u64 = row.number("live")?.unwrap_or_default();
    Ok(Finding::new(State::Warn, of_what, format!("{option} is {said}; it has about {live} rows"))
        .source("pg_class.reloptions")
        .threshold("on")
        .remedy(Remedy::now(
            format!("ALTER TABLE {table} RESET ({option})"),
            format!("ALTER TABLE {table} SET ({option} = {said})"),
        )))
}
