//! The limits that every session carries, how they are set, and how they are read back.
//!
//! A stock PostgreSQL has no limit at all: a statement, a lock wait, an open transaction may last for ever. On a direct
//! connection the limits are sent with start-up, because what start-up sets is the session's own default: `RESET ALL` goes
//! back to it, so no reset loses it. Poolers drop such options, some silently; so a limit counts only once it was read
//! back.

use super::stated::takes_snapshots_anew;
use crate::settings::Plan;
use std::fmt::Write;
use std::time::Duration;

/// `transaction_timeout` exists from this version on; an older server refuses the connection that asks for it.
pub(crate) const HAS_TRANSACTION_TIMEOUT: u32 = 170_000;

/// One limit: its parameter and its value in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Guardrail {
    pub name: &'static str,
    pub millis: u64,
}

fn millis(limit: Duration) -> u64 {
    u64::try_from(limit.as_millis()).unwrap_or(u64::MAX).max(1)
}

/// The limits that the plan wants on a server of this version (unknown: zero).
pub(crate) fn wanted(plan: &Plan, version: u32) -> Vec<Guardrail> {
    let transaction = plan.transaction_timeout().filter(|_| version >= HAS_TRANSACTION_TIMEOUT);
    [
        ("statement_timeout", plan.statement_timeout()),
        ("lock_timeout", plan.lock_timeout()),
        ("idle_in_transaction_session_timeout", plan.idle_in_transaction_session_timeout()),
        ("client_connection_check_interval", plan.client_connection_check_interval()),
        ("transaction_timeout", transaction),
    ]
    .into_iter()
    .filter_map(|(name, limit)| limit.map(|limit| Guardrail { name, millis: millis(limit) }))
    .collect()
}

/// The start-up options of a direct connection: those of the settings, then the limits, then the server's own check for a
/// client that has vanished.
pub(crate) fn startup_options(plan: &Plan, version: u32) -> String {
    let mut options = plan.options().to_owned();
    let mut add = |name: &str, value: u64| {
        let space = if options.is_empty() { "" } else { " " };
        let _ = write!(options, "{space}-c {name}={value}");
    };
    for Guardrail { name, millis } in wanted(plan, version) {
        add(name, millis);
    }
    if let Some(keepalives) = plan.keepalives() {
        add("tcp_keepalives_idle", keepalives.idle.as_secs().max(1));
        add("tcp_keepalives_interval", keepalives.interval.as_secs().max(1));
        add("tcp_keepalives_count", u64::from(keepalives.count));
    }
    if let Some(limit) = plan.tcp_user_timeout() {
        add("tcp_user_timeout", millis(limit));
    }
    options
}

/// Statements that set the limits for the whole session.
pub(crate) fn session_sets(guardrails: &[Guardrail]) -> String {
    sets("SET", guardrails)
}

/// Statements that set the limits for the open transaction.
pub(crate) fn local_sets(guardrails: &[Guardrail]) -> String {
    sets("SET LOCAL", guardrails)
}

fn sets(verb: &str, guardrails: &[Guardrail]) -> String {
    guardrails.iter().fold(String::new(), |mut sql, Guardrail { name, millis }| {
        let space = if sql.is_empty() { "" } else { " " };
        let _ = write!(sql, "{space}{verb} {name} = {millis};");
        sql
    })
}

/// The question that a fresh connection is asked: its limits, its version, its backend, its role and its isolation, one
/// row.
///
/// It is sent as a simple query, so that no statement gets a name: behind a pooler a name could reach any server
/// connection.
pub(crate) const READ_BACK: &str = "SELECT \
    (SELECT pg_catalog.string_agg(pg_catalog.concat(name, '=', setting), ',') FROM pg_catalog.pg_settings \
     WHERE name OPERATOR(pg_catalog.=) ANY (ARRAY['statement_timeout', 'lock_timeout', \
      'idle_in_transaction_session_timeout', 'client_connection_check_interval', 'transaction_timeout', \
      'idle_session_timeout', 'server_version_num'])), \
    pg_catalog.pg_backend_pid(), \
    pg_catalog.current_setting('transaction_read_only'), \
    pg_catalog.current_setting('default_transaction_isolation')";

/// What a fresh connection answered.
#[derive(Clone, Debug, Default)]
pub(crate) struct Readback {
    settings: Vec<(String, u64)>,
    pub version: u32,
    pub backend: i32,
    pub read_only: bool,
    /// Each statement of a transaction takes its own snapshot, unless the transaction asks for another isolation.
    pub read_committed: bool,
}

impl Readback {
    /// Reads the row of [`READ_BACK`].
    pub(crate) fn read(settings: &str, backend: &str, read_only: &str, isolation: &str) -> Option<Self> {
        let settings: Vec<_> = settings
            .split(',')
            .filter_map(|pair| pair.split_once('='))
            .filter_map(|(name, value)| Some((name.to_owned(), value.parse().ok()?)))
            .collect();
        let version =
            settings.iter().find(|(name, _)| name == "server_version_num").map(|(_, value)| *value)?;
        Some(Readback {
            version: u32::try_from(version).ok()?,
            settings,
            backend: backend.parse().ok()?,
            read_only: read_only == "on",
            read_committed: takes_snapshots_anew(isolation),
        })
    }

    /// The effective value of a parameter, in its base unit.
    pub(crate) fn effective(&self, name: &str) -> Option<u64> {
        self.settings.iter().find(|(known, _)| known == name).map(|(_, value)| *value)
    }

    /// The limits that are not in force as wanted, as text: name, found, wanted.
    pub(crate) fn missing(&self, wanted: &[Guardrail]) -> Vec<String> {
        wanted
            .iter()
            .filter(|guardrail| self.effective(guardrail.name) != Some(guardrail.millis))
            .map(|Guardrail { name, millis }| match self.effective(name) {
                Some(0) => format!("{name} is off instead of {millis} ms"),
                Some(found) => format!("{name} is {found} ms instead of {millis} ms"),
                None => format!("{name} is unknown to the server"),
            })
            .collect()
    }
}
