//! What the connection budget asks of the server, and how the answer is read.
//!
//! The sessions come from the server's own function and not from the view `pg_stat_activity`, which joins two catalogs: the
//! heartbeat waits behind this question, and must not wait for a lock. For the same reason the limits of the role and the
//! database, which are in catalogs, are given up after a moment if they are locked.
//!
//! Of the sessions of other roles a role is shown the name, the role and the database, and not what kind of backend they
//! are. So all of them that have a role and a database count; a few that count against no limit (parallel workers) are
//! among them, which errs to the safe side.

use super::Shares;
use crate::moment::Moment;
use crate::rules::share::mark::{self, HEARTBEAT, Mark, Token};
use crate::rules::share::{Instance, Pot, PotHistory};
use std::collections::HashMap;
use tokio_postgres::{SimpleQueryMessage, SimpleQueryRow};

/// The sessions that count against a limit, and which of them asks.
const SESSIONS: &str = "WITH session AS MATERIALIZED (SELECT datid, usesysid, application_name \
     FROM pg_catalog.pg_stat_get_activity(NULL) \
     WHERE datid IS NOT NULL AND usesysid IS NOT NULL AND (backend_type IS NULL OR backend_type = 'client backend')), \
     me AS MATERIALIZED (SELECT datid, usesysid FROM pg_catalog.pg_stat_get_activity(pg_catalog.pg_backend_pid()))";

/// The text of a name in SQL. Names with a mark have no quotes and no backslashes.
fn quoted(name: &str) -> String {
    format!("'{}'", name.replace('\'', "''"))
}

/// The question; with the name that the connection is to have from now on, if that changes.
pub(super) fn question(name: Option<&str>) -> String {
    let named = name
        .map(|name| format!(", pg_catalog.set_config('application_name', {}, false)", quoted(name)))
        .unwrap_or_default();
    format!(
        "SELECT pg_catalog.set_config('lock_timeout', '100ms', true){named}; \
         {SESSIONS} SELECT \
         pg_catalog.current_setting('max_connections')::int \
             - pg_catalog.current_setting('superuser_reserved_connections')::int \
             - coalesce(pg_catalog.current_setting('reserved_connections', true), '0')::int, \
         (SELECT pg_catalog.count(*) FROM session), \
         me.usesysid, (SELECT CASE WHEN rolsuper THEN -1 ELSE rolconnlimit END FROM pg_catalog.pg_roles WHERE oid = me.usesysid), \
         (SELECT pg_catalog.count(*) FROM session WHERE session.usesysid = me.usesysid), \
         me.datid, (SELECT CASE WHEN (SELECT rolsuper FROM pg_catalog.pg_roles WHERE oid = me.usesysid) THEN -1 \
             ELSE datconnlimit END FROM pg_catalog.pg_database WHERE oid = me.datid), \
         (SELECT pg_catalog.count(*) FROM session WHERE session.datid = me.datid) FROM me; \
         {SESSIONS} SELECT application_name, session.usesysid = me.usesysid, session.datid = me.datid \
         FROM session, me WHERE application_name LIKE '%{HEARTBEAT}'"
    )
}

/// The answer.
#[derive(Debug, PartialEq)]
pub(super) struct Reading {
    server: Pot,
    role: Option<(u32, Pot)>,
    database: Option<(u32, Pot)>,
}

/// A heartbeat's session.
struct Seen {
    mark: Mark,
    is_of_my_role: bool,
    is_of_my_database: bool,
}

/// Reads the answer; `None` if it is not of that form.
pub(super) fn read(answer: &[SimpleQueryMessage]) -> Option<Reading> {
    let rows = answer.iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    });
    let mut numbers: Option<Vec<i64>> = None;
    let mut seen = Vec::new();
    for row in rows {
        match row.len() {
            8 => numbers = (0..8).map(|column| row.try_get(column).ok()??.parse().ok()).collect(),
            3 => seen.extend(seen_in(row)),
            _ => {}
        }
    }
    let numbers = numbers?;
    let &[limit, sessions, role, role_limit, of_role, database, database_limit, of_database] =
        numbers.as_slice()
    else {
        return None;
    };
    let pot = |limit: i64, sessions: i64, belongs: fn(&Seen) -> bool| {
        Some(Pot {
            limit: usize::try_from(limit).ok()?,
            sessions: usize::try_from(sessions).ok()?,
            instances: instances(seen.iter().filter(|seen| belongs(seen))),
        })
    };
    let with_id = |id: i64, pot: Option<Pot>| Some((u32::try_from(id).ok()?, pot?));
    Some(Reading {
        server: pot(limit, sessions, |_| true)?,
        role: with_id(role, pot(role_limit, of_role, |seen| seen.is_of_my_role)),
        database: with_id(database, pot(database_limit, of_database, |seen| seen.is_of_my_database)),
    })
}

fn seen_in(row: &SimpleQueryRow) -> Option<Seen> {
    let is_true = |column| row.try_get(column).is_ok_and(|value: Option<&str>| value == Some("t"));
    let mark = mark::parse(row.try_get(0).ok()??)?;
    Some(Seen { mark, is_of_my_role: is_true(1), is_of_my_database: is_true(2) })
}

/// The pools with the same token are one instance.
fn instances<'a>(seen: impl Iterator<Item = &'a Seen>) -> Vec<Instance> {
    let mut instances: HashMap<Token, Instance> = HashMap::new();
    for Seen { mark: Mark { token, holds, most }, .. } in seen {
        let known =
            instances.entry(*token).or_insert(Instance { token: *token, pools: 0, holds: 0, most: 0 });
        known.pools += 1;
        known.holds += holds;
        known.most += most;
    }
    instances.into_values().collect()
}

/// The last readings of all three.
#[derive(Default)]
pub(super) struct History {
    server: PotHistory,
    role: PotHistory,
    database: PotHistory,
}

impl History {
    /// Adds a reading. An instance that does not show itself, in the mode `dark`, is added as `me`.
    pub(super) fn add(&mut self, mut reading: Reading, me: Instance, at: Moment) -> Option<Shares> {
        let role = reading.role.as_mut().map(|(_, pot)| pot);
        let database = reading.database.as_mut().map(|(_, pot)| pot);
        for pot in [Some(&mut reading.server), role, database].into_iter().flatten() {
            if pot.instances.iter().all(|instance| instance.token != me.token) {
                pot.instances.push(me);
            }
        }
        let Reading { server, role, database } = reading;
        let pots = [Some(&server), role.as_ref().map(|(_, pot)| pot), database.as_ref().map(|(_, pot)| pot)];
        let free = pots.into_iter().flatten().map(Pot::free).min().unwrap_or_default();
        let limited = |history: &mut PotHistory, pot: Option<(u32, Pot)>| {
            pot.and_then(|(id, pot)| Some((id, history.read(&pot, me.token)?)))
        };
        Some(Shares {
            at,
            server: self.server.read(&server, me.token)?,
            role: limited(&mut self.role, role),
            database: limited(&mut self.database, database),
            free,
        })
    }
}
