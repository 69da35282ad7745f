//! Which limit has to lie inside which, and why.

use super::limit::Limit;
use serde::Serialize;

/// One limit has to be shorter than another.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) inner: &'static str,
    pub(super) outer: &'static str,
    why: &'static str,
    /// It does not hold where a request's deadline stops the statements inside it, as Plimsoll does.
    unless_deadlines_travel: bool,
}

const fn rule(inner: &'static str, outer: &'static str, why: &'static str) -> Rule {
    Rule { inner, outer, why, unless_deadlines_travel: false }
}

const fn without_travel(inner: &'static str, outer: &'static str, why: &'static str) -> Rule {
    Rule { inner, outer, why, unless_deadlines_travel: true }
}

/// From the outside in.
pub(super) const RULES: &[Rule] = &[
    rule("proxy_read_timeout", "client", "the client hangs up first, and the proxy's answer reaches nobody"),
    rule("request", "client", "the client hangs up first, and the service works for nobody"),
    rule(
        "request",
        "proxy_read_timeout",
        "the proxy answers 504 first: the service's own answer, with its reason, is lost",
    ),
    without_travel(
        "statement_timeout",
        "request",
        "the request is over while its statement goes on for nobody",
    ),
    without_travel(
        "statement_timeout",
        "proxy_read_timeout",
        "the proxy gives up while the statement goes on for nobody",
    ),
    without_travel(
        "pool_timeout",
        "request",
        "the request is over before its caller hears that there is no connection",
    ),
    rule(
        "pool_timeout",
        "proxy_read_timeout",
        "the proxy gives up before the service says that there is no connection",
    ),
    rule(
        "query_wait_timeout",
        "request",
        "a full PgBouncer holds the request until it is over, and nobody says why",
    ),
    rule(
        "query_wait_timeout",
        "proxy_read_timeout",
        "a full PgBouncer holds the request until the proxy gives up",
    ),
    rule("query_wait_timeout", "statement_timeout", "waiting for a place costs more than any statement may"),
    rule(
        "connect_timeout",
        "pool_timeout",
        "a caller leaves before the one connect that it waits for can fail",
    ),
    rule(
        "server_connect_timeout",
        "query_wait_timeout",
        "clients of PgBouncer are sent away before its connect can fail",
    ),
    rule(
        "tcp_user_timeout",
        "pool_timeout",
        "a dead connection lives longer than a caller waits, and is lent again",
    ),
    rule(
        "idle_in_transaction_session_timeout",
        "transaction_timeout",
        "PostgreSQL ignores the longer of the two",
    ),
    rule(
        "idle_transaction_timeout",
        "transaction_timeout",
        "PostgreSQL ends the transaction before PgBouncer does",
    ),
    rule(
        "client_statement_timeout",
        "transaction_timeout",
        "the transaction is ended first, and a slow statement is told as a slow transaction",
    ),
    rule(
        "statement_timeout",
        "transaction_timeout",
        "the transaction's limit ends the session; a slow statement alone need not",
    ),
    rule(
        "statement_timeout",
        "client_statement_timeout",
        "the client gives up first, and the server's reason is lost",
    ),
    rule(
        "statement_timeout",
        "query_timeout",
        "PgBouncer drops the client, while PostgreSQL would have ended the statement",
    ),
    rule(
        "statement_timeout",
        "client_query_timeout",
        "the driver gives up first, and the server's reason is lost",
    ),
    rule(
        "lock_timeout",
        "statement_timeout",
        "the lock's limit never acts, and a lock is told as a slow statement",
    ),
    rule("lock_timeout", "request", "the request is over before it hears that a row is locked"),
    rule("deadlock_timeout", "lock_timeout", "a deadlock is never found: the lock's limit comes first"),
    rule(
        "client_connection_check_interval",
        "statement_timeout",
        "a client that is gone is not noticed before the statement ends by itself",
    ),
    rule("pool_idle", "idle_session_timeout", "PostgreSQL ends connections that the pool keeps for later"),
    rule("pool_idle", "client_idle_timeout", "PgBouncer ends connections that the pool keeps for later"),
];

/// A limit that is not shorter than the one around it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Inversion {
    /// The one that ought to be shorter.
    pub inner: Limit,
    /// The one around it.
    pub outer: Limit,
    /// What comes of it.
    pub why: &'static str,
}

/// The rules that count for these limits.
pub(super) fn rules(deadlines_travel: bool) -> impl Iterator<Item = &'static Rule> {
    RULES.iter().filter(move |rule| !(deadlines_travel && rule.unless_deadlines_travel))
}

/// Where the order is broken. A limit that is off breaks none: [`missing`] tells of it. `deadlines_travel` says that the end of
/// a request stops the statements inside it.
#[must_use]
pub fn inversions(limits: &[Limit], deadlines_travel: bool) -> Vec<Inversion> {
    let all =
        |name: &'static str| limits.iter().filter(move |limit| limit.name == name && limit.after.is_some());
    let mut found = Vec::new();
    for rule in rules(deadlines_travel) {
        for inner in all(rule.inner) {
            for outer in all(rule.outer).filter(|outer| inner.after >= outer.after) {
                found.push(Inversion { inner: inner.clone(), outer: outer.clone(), why: rule.why });
            }
        }
    }
    found
}

/// A limit that is off where one is needed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Missing {
    /// Which one.
    pub limit: Limit,
    /// What goes on without it.
    pub why: &'static str,
}

const NEEDED: [(&str, &str); 5] = [
    ("statement_timeout", "a statement may run for ever, for whoever waits and for nobody"),
    (
        "lock_timeout",
        "a statement waits for a lock for as long as a statement may run, and those behind it wait too",
    ),
    (
        "idle_in_transaction_session_timeout",
        "a program that stands still in a transaction keeps its locks and its place",
    ),
    ("client_connection_check_interval", "a statement whose client is gone goes on to its end"),
    ("query_wait_timeout", "a client of a full PgBouncer waits for ever"),
];

/// The limits that are off where one is needed.
#[must_use]
pub fn missing(limits: &[Limit]) -> Vec<Missing> {
    let found = NEEDED.iter().flat_map(|(name, why)| {
        let off = limits.iter().filter(move |limit| limit.name == *name && limit.after.is_none());
        off.map(|limit| Missing { limit: limit.clone(), why })
    });
    found.collect()
}
