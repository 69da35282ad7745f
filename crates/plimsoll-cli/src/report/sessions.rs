//! What the sessions do at this moment, and who waits for whom.

use super::Options;
use crate::columns::counted;
use crate::page::{Cell, Column, Level, Section, Table, html};
use crate::sessions::look;
use crate::top::rows::{Branch, Sort, counts, rows, tree, waits, waits_now};
use anyhow::Result;
use plimsoll::DirectConnection;
use plimsoll_inspect::sessions::victim::loss;
use plimsoll_inspect::sessions::{Session, Sessions};
use plimsoll_inspect::span::rough;
use std::time::Duration;

/// How many rows a table has on the page.
const MOST: usize = 50;

pub(super) async fn section(
    connection: &DirectConnection,
    options: &Options,
    section: Section,
) -> Result<Section> {
    let all = look(connection).await?;
    Ok(shown(&all, options, section))
}

fn shown(all: &Sessions, options: &Options, section: Section) -> Section {
    let counts = counts(all);
    let told = format!(
        "{} active, {} idle in a transaction, {} idle{}",
        counts.active,
        counts.in_transaction,
        counts.idle,
        if counts.hidden > 0 { format!(", {} hidden", counts.hidden) } else { String::new() }
    );
    let mut section = section.note(told);
    if !all.sees_all {
        section = section
            .missing("Sessions of other roles are hidden from this one: GRANT pg_read_all_stats shows them.");
    }
    let waiting: Vec<String> = waits(all).iter().map(|it| format!("{} {}", it.sessions, it.event)).collect();
    if !waiting.is_empty() {
        section = section.text(&format!("What active sessions wait for: {}.", waiting.join(", ")));
    }
    let tree = tree(all);
    if tree.is_empty() {
        section = section.text(match all.sees_all {
            true => "No session waits for another one.",
            false => "No session that can be seen waits for another one.",
        });
    } else {
        let waiters = tree.iter().filter(|branch| branch.depth > 0).count() as u64;
        let told = format!("{} for another one", counted(waiters, "session waits", "sessions wait"));
        section = section
            .subheading("Who waits for whom")
            .verdict(Level::Warn, "blocked", &told)
            .table(blocking(&tree));
    }
    section.subheading("What goes on").table(active(all, options))
}

fn blocking(tree: &[Branch<'_>]) -> Table {
    let mut table = Table::new([
        Column::text("Session"),
        Column::text("Role"),
        Column::text("Application"),
        Column::text("State"),
        Column::number("For"),
        Column::wide("What would be lost if it were ended"),
    ]);
    for branch in tree.iter().take(MOST) {
        let indent = "└ ".repeat(branch.depth.min(8));
        let pid = if branch.pid == 0 { "a prepared transaction".to_owned() } else { branch.pid.to_string() };
        let blocks = match branch.waiters {
            0 => String::new(),
            waiters => format!(" blocks {waiters}"),
        };
        let level = if branch.depth == 0 { Level::Warn } else { Level::Plain };
        let name = Cell::of(html! { (indent) (pid) (blocks) });
        let cells = match branch.session {
            Some(session) => [
                name,
                session.user.as_deref().unwrap_or("?").into(),
                session.application_name.as_str().into(),
                state(session).into(),
                age(session),
                loss(session, true).into(),
            ],
            None => [name, "".into(), "".into(), "".into(), Cell::unknown(), "".into()],
        };
        table.row_that_is(level, cells);
    }
    table
}

fn active(all: &Sessions, options: &Options) -> Table {
    let mut table = Table::new([
        Column::number("Session"),
        Column::text("Role and database"),
        Column::text("Application"),
        Column::text("State"),
        Column::number("For"),
        Column::wide("Statement"),
    ])
    .when_empty("Every session is idle.");
    for session in rows(all, Sort::Age, "", true).into_iter().take(MOST) {
        let who =
            [session.user.as_deref().unwrap_or("?"), session.database.as_deref().unwrap_or("-")].join("@");
        let query = session.query.as_deref().filter(|query| !query.is_empty());
        table.row([
            Cell::measured(&session.pid.to_string(), f64::from(session.pid)),
            who.into(),
            session.application_name.as_str().into(),
            state(session).into(),
            age(session),
            query.map_or(Cell::unknown(), |query| Cell::code(&options.shown(query))),
        ]);
    }
    table
}

fn state(session: &Session) -> String {
    let state = session.state.as_deref().or(session.kind.as_deref()).unwrap_or("hidden");
    match waits_now(session) {
        Some(wait) => format!("{state}, {wait}"),
        None => state.to_owned(),
    }
}

fn age(session: &Session) -> Cell {
    let age: Option<Duration> = session.age().or(session.state_for);
    age.map_or(Cell::unknown(), |age| Cell::measured(&rough(age), age.as_secs_f64()))
}
