//! A08: no advisory lock of a session is taken through a pooler that hands connections on after each transaction.

use super::sessions::terminate;
use crate::answer::Unreadable;
use crate::checks::check::{Answers, Check};
use crate::checks::finding::{Finding, State, worst_first};
use std::collections::{BTreeMap, BTreeSet};

pub(super) const A08: Check = Check {
    id: "A08",
    title: "No session holds an advisory lock behind a transaction pooler",
    why: "the lock stays with the pooler's connection when its client is gone: no other client gets it, and none can release it",
    ask: &[include_str!("advisory_locks.sql")],
    ask_pooler: &["SHOW POOLS", "SHOW SERVERS"],
    needs_monitor: true,
    read: |answers, _, _| {
        let pooled = Pooled::read(answers)?;
        let mut found = Vec::new();
        for row in answers.rows().filter(|row| row.has("advisory_pid")) {
            let pid: i32 = row.number("advisory_pid")?.unwrap_or_default();
            let held: u64 = row.number("held")?.unwrap_or_default();
            let (user, application) = (row.text("user_name")?, row.text("application_name")?);
            let value = format!(
                "pid {pid} (user {}, application_name {:?}) holds {held} advisory locks outside of any transaction, one with key {}",
                user.unwrap_or_default(),
                application.unwrap_or_default(),
                row.text("key")?.unwrap_or_default()
            );
            let finding = match &pooled {
                Some(pooled) if pooled.by_transaction.contains(&pid) => {
                    let since = row.text("backend_start")?.unwrap_or_default();
                    Finding::new(State::Warn, format!("session {pid}"), value).remedy(terminate(pid, since))
                }
                Some(_) => continue,
                None => Finding::skipped(
                    format!("session {pid}"),
                    format!(
                        "{value}: right on a connection of its own, wrong behind a transaction pooler; name the pooler's console to tell"
                    ),
                ),
            };
            found.push(
                finding
                    .source("pg_locks, SHOW SERVERS")
                    .threshold("none; behind a transaction pooler use pg_advisory_xact_lock"),
            );
        }
        Ok(worst_first(found))
    },
    ..Check::USUAL
};

/// Which of the server's sessions belong to a pooler that hands them on after each transaction or statement.
struct Pooled {
    by_transaction: BTreeSet<i32>,
}

impl Pooled {
    /// `None` if no pooler was asked.
    fn read(answers: &Answers<'_>) -> Result<Option<Self>, Unreadable> {
        let mut modes: BTreeMap<(String, String), bool> = BTreeMap::new();
        for row in answers.rows().filter(|row| row.has("pool_mode") && row.has("cl_active")) {
            let text = |column| row.text(column).map(|text| text.unwrap_or_default().to_owned());
            modes.insert((text("database")?, text("user")?), text("pool_mode")? != "session");
        }
        let mut by_transaction = BTreeSet::new();
        for row in answers.rows().filter(|row| row.has("remote_pid")) {
            let text = |column| row.text(column).map(|text| text.unwrap_or_default().to_owned());
            if modes.get(&(text("database")?, text("user")?)) == Some(&true) {
                by_transaction.extend(row.number::<i32>("remote_pid")?);
            }
        }
        // The console has a pool of its own, so a pooler that was asked always says at least one.
        Ok((!modes.is_empty()).then_some(Pooled { by_transaction }))
    }
}
