//! Every time limit that a request can meet, from the client in to the network, with its value.
//!
//! The values are asked of what keeps them: the settings, the options of this crate, and the proxy's file in the guides.

use super::{nginx, plan};
use crate::patience::GRACE;
use crate::{Options, ServeOptions, answers};
use plimsoll::Fault;
use plimsoll_inspect::layers::in_words;
use std::fmt::Write;
use std::time::Duration;

/// Who keeps a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keeper {
    Client,
    Proxy,
    Program,
    Server,
    Kernel,
}

impl Keeper {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Keeper::Client => "the client",
            Keeper::Proxy => "nginx",
            Keeper::Program => "this program",
            Keeper::Server => "PostgreSQL",
            Keeper::Kernel => "the kernel",
        }
    }
}

/// A limit.
#[derive(Clone, Debug)]
pub(super) struct Limit {
    pub(super) layer: &'static str,
    pub(super) name: &'static str,
    /// None: as long as the client likes.
    pub(super) after: Option<Duration>,
    pub(super) keeper: Keeper,
    /// What the client of the service gets.
    pub(super) told: String,
    /// It lies inside a request, so the request's deadline comes first where it is longer.
    pub(super) is_inside: bool,
}

/// The deadline of a request where nothing else is said.
pub(super) fn deadline() -> Duration {
    Options::default().deadline.unwrap()
}

fn outer(layer: &'static str, name: &'static str, after: Duration, keeper: Keeper, told: &str) -> Limit {
    Limit { layer, name, after: Some(after), keeper, told: told.to_owned(), is_inside: false }
}

fn inner(
    layer: &'static str,
    name: &'static str,
    after: impl Into<Option<Duration>>,
    keeper: Keeper,
    fault: Fault,
) -> Limit {
    let told = format!("{} {}", answers::of(fault).status.as_u16(), fault.code());
    Limit { layer, name, after: after.into(), keeper, told, is_inside: true }
}

/// From outside in.
pub(super) fn all() -> Vec<Limit> {
    let mut limits = around_a_request();
    limits.extend(inside_a_request());
    limits
}

fn around_a_request() -> Vec<Limit> {
    use Keeper::{Program, Proxy};
    let (serve, options) = (ServeOptions::default(), Options::default());
    let person = Limit {
        layer: "client",
        name: "a person, a browser, curl --max-time",
        after: None,
        keeper: Keeper::Client,
        told: "nothing; logged as 499".to_owned(),
        is_inside: false,
    };
    let request = inner("request", "Options::deadline", deadline(), Program, Fault::DeadlinePassed);
    vec![
        person,
        outer("proxy", "proxy_read_timeout", nginx::first("proxy_read_timeout"), Proxy, "504 of nginx"),
        outer("proxy", "proxy_send_timeout", nginx::first("proxy_send_timeout"), Proxy, "504 of nginx"),
        outer("server", "ServeOptions::unread", serve.unread, Program, "cut"),
        outer("server", "ServeOptions::body", serve.body, Program, "408"),
        outer("server", "ServeOptions::body_pause", serve.body_pause, Program, "408"),
        outer("server", "ServeOptions::head", serve.head, Program, "closed"),
        outer("server", "ServeOptions::idle", serve.idle, Program, "closed"),
        outer("stop", "ServeOptions::hard_stop", serve.hard_stop, Program, "cut, the pools too"),
        outer("stop", "ServeOptions::grace", serve.grace, Program, "cut"),
        Limit { is_inside: false, ..request },
        outer("request", "Options::body_within", options.body_within, Program, "408 PL-HTTP-03"),
    ]
}

fn inside_a_request() -> Vec<Limit> {
    use Keeper::{Kernel, Program, Server};
    let plan = plan();
    let keepalives = plan.keepalives().unwrap();
    let silence = keepalives.idle + keepalives.interval * keepalives.count;
    let idle = plan.idle_in_transaction_session_timeout();
    let watch = plan.client_connection_check_interval();
    let nobody = inner("TCP", "client_connection_check_interval", watch, Server, Fault::ConnectionLost);
    vec![
        inner("pool", "pool_timeout", plan.pool_timeout(), Program, Fault::PoolExhausted),
        inner("pool", "connect_timeout", plan.connect_timeout(), Program, Fault::ConnectTimeout),
        inner("pool", "breaker_after", plan.breaker_after(), Program, Fault::CircuitOpen),
        inner(
            "transaction",
            "transaction_timeout",
            plan.transaction_timeout(),
            Program,
            Fault::TransactionTimeout,
        ),
        inner("transaction", "idle_in_transaction_session_timeout", idle, Server, Fault::IdleSessionEnded),
        inner(
            "statement",
            "client_statement_timeout",
            plan.client_statement_timeout(),
            Program,
            Fault::StatementTimeout,
        ),
        inner("statement", "statement_timeout", plan.statement_timeout(), Server, Fault::StatementTimeout),
        inner("lock", "lock_timeout", plan.lock_timeout(), Server, Fault::LockTimeout),
        inner("TCP", "keepalives", silence, Kernel, Fault::ConnectionLost),
        inner("TCP", "tcp_user_timeout", plan.tcp_user_timeout(), Kernel, Fault::ConnectionLost),
        Limit { told: "nobody is left to tell".to_owned(), ..nobody },
    ]
}

/// The same as a table.
pub(super) fn table() -> String {
    let mut table =
        "| layer | limit | after | kept by | the client gets |\n|---|---|---|---|---|\n".to_owned();
    let mut before = "";
    for Limit { layer, name, after, keeper, told, .. } in all() {
        let name = match after {
            Some(_) => format!("`{name}`"),
            None => name.replace("curl --max-time", "`curl --max-time`"),
        };
        let after = after.map_or("as it likes".to_owned(), in_words);
        let shown = if layer == before { "" } else { layer };
        let _ = writeln!(table, "| {shown} | {name} | {after} | {} | {told} |", keeper.as_str());
        before = layer;
    }
    let _ = writeln!(
        table,
        "\nA statement is stopped {} before its request is over (`deadline_margin`), so that the answer is back in time. A \
         handler\nthat has not ended by itself is ended {} after the deadline.",
        in_words(plan().deadline_margin()),
        in_words(GRACE),
    );
    table
}

#[test]
fn each_layer_is_shorter_than_the_one_around_it() {
    let of = |name: &str| all().into_iter().find(|limit| limit.name == name).unwrap().after.unwrap();
    for pair in [
        ["proxy_read_timeout", "Options::deadline"],
        ["ServeOptions::body", "Options::body_within"],
        ["Options::deadline", "Options::body_within"],
        ["ServeOptions::hard_stop", "ServeOptions::grace"],
        ["ServeOptions::grace", "Options::deadline"],
        ["transaction_timeout", "client_statement_timeout"],
        ["transaction_timeout", "idle_in_transaction_session_timeout"],
        ["client_statement_timeout", "statement_timeout"],
        ["statement_timeout", "lock_timeout"],
        ["Options::deadline", "lock_timeout"],
        ["pool_timeout", "connect_timeout"],
        ["pool_timeout", "tcp_user_timeout"],
    ] {
        let [outer, inner] = pair.map(of);
        assert!(inner < outer, "{pair:?}: {outer:?} is not longer than {inner:?}");
    }
}
