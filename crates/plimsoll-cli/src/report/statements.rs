//! The statements that take the server's time, as `pg_stat_statements` counts them.

use super::Options;
use crate::page::{Cell, Column, Level, Section, Table};
use anyhow::{Error, Result};
use plimsoll::DirectConnection;
use plimsoll_inspect::span::rough;
use plimsoll_inspect::statements::{COLLECTED, Collecting, Order, Statement, TopStatements};
use std::time::Duration;

/// How many of each kind.
const MOST: u32 = 10;

pub(super) async fn section(
    connection: &DirectConnection,
    options: &Options,
    section: Section,
) -> Result<Section> {
    let client = connection.client();
    let collecting = crate::ask::read(client, COLLECTED, Collecting::read).await?.map_err(Error::msg)?;
    if let Some(gap) = collecting.remedy() {
        return Ok(section.missing(&format!("Nothing is collected: {gap}.")));
    }
    let mut section = section;
    for (order, heading) in [
        (Order::Total, "By the time of all calls: what the server is busy with"),
        (Order::Mean, "By the mean time of a call: what callers wait for"),
        (Order::Io, "By what they read and wrote"),
    ] {
        let question = collecting.top_of(order, MOST, order.least_calls())?;
        let top = crate::ask::read(client, &question, TopStatements::read).await?.map_err(Error::msg)?;
        if order == Order::Total {
            section = beside(section, &top);
        }
        section = section.subheading(heading).table(table(&top, options));
    }
    Ok(section)
}

/// What is known of all of them.
fn beside(section: Section, top: &TopStatements) -> Section {
    let mut section = match top.collected_for {
        Some(time) => section.note(format!("over {} since the counters began", rough(time))),
        None => section,
    };
    if top.forgotten > 0 {
        let told = "Statements were forgotten for want of room, and are in no list: pg_stat_statements.max is too low, or texts \
                    vary that should not.";
        section = section.verdict(Level::Warn, "forgotten", told);
    }
    if !top.sees_all {
        section = section.missing(
            "The texts of other roles' statements are hidden: GRANT pg_read_all_stats to this role.",
        );
    }
    section
}

fn table(top: &TopStatements, options: &Options) -> Table {
    let mut table = Table::new([
        Column::wide("Statement"),
        Column::text("Role"),
        Column::number("%"),
        Column::number("Total"),
        Column::number("Calls"),
        Column::number("Mean"),
        Column::number("Longest"),
        Column::number("Rows"),
        Column::number("I/O, MB"),
    ])
    .when_empty("No statement was called often enough yet.");
    for statement in &top.statements {
        table.row(row(statement, options));
    }
    table
}

fn row(statement: &Statement, options: &Options) -> [Cell; 9] {
    let time = |time: Duration| Cell::measured(&rough(time), time.as_secs_f64());
    let text = match &statement.query {
        Some(query) => Cell::code(&options.shown(query)),
        None => "hidden, or it may hold a password".into(),
    };
    #[expect(clippy::cast_precision_loss, reason = "a digit of a megabyte")]
    let io = (statement.read_bytes + statement.written_bytes) as f64 / 1_048_576.0;
    [
        text,
        statement.user.as_str().into(),
        Cell::measured(&format!("{:.1}", statement.share * 100.0), statement.share),
        time(statement.total),
        statement.calls.into(),
        time(statement.mean),
        time(statement.longest),
        statement.rows.into(),
        Cell::measured(&format!("{io:.1}"), io),
    ]
}
