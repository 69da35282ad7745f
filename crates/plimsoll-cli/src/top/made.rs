//! Made-up sessions, for the tests of what is shown.

use super::look::Look;
use plimsoll_inspect::numbers::Numbers;
use plimsoll_inspect::sessions::{Session, Sessions};
use std::time::Duration;

pub(super) fn session(pid: i32) -> Session {
    Session {
        pid,
        backend_start: format!("2026-03-01 09:00:00.{pid}"),
        query_start: "2026-03-01 09:59:00".to_owned(),
        is_here: true,
        database: Some("shop".to_owned()),
        user: Some("app".to_owned()),
        client: Some("10.0.0.3".to_owned()),
        kind: Some("client backend".to_owned()),
        state: Some("active".to_owned()),
        ..Session::default()
    }
}

fn working(pid: i32, name: &str, wait: Option<&str>, seconds: u64, query: &str) -> Session {
    let span = Some(Duration::from_secs(seconds));
    Session {
        application_name: name.to_owned(),
        wait: wait.map(str::to_owned),
        state_for: span,
        transaction_for: span,
        statement_for: span,
        query: Some(query.to_owned()),
        ..session(pid)
    }
}

/// A transaction of a service on Plimsoll that stands still, two that wait for it, and one that waits behind the first of them.
pub(super) fn pile() -> Sessions {
    let mut root = working(
        4711,
        "orders@web-3:4711 #3fa9c0d2 nightly report",
        Some("Client/ClientRead"),
        185,
        "UPDATE orders SET state = 'paid' WHERE id = 17",
    );
    root.state = Some("idle in transaction".to_owned());
    root.user = Some("batch".to_owned());
    root.has_written = true;
    root.relations = 3;
    root.written = Some("orders, orders_pkey".to_owned());
    let mut first = working(
        4713,
        "checkout@web-1:88 #77aa01bc pay",
        Some("Lock/transactionid"),
        170,
        "UPDATE orders SET state = 'sent' WHERE id = 17",
    );
    first.blockers = vec![4711];
    let mut second = working(
        4712,
        "checkout@web-2:91 # sweep",
        Some("Lock/transactionid"),
        95,
        "DELETE FROM orders\n  WHERE id = 17",
    );
    second.blockers = vec![4711, 4713];
    let mut third = working(4714, "psql", Some("Lock/relation"), 8, "ALTER TABLE orders ADD note text");
    third.blockers = vec![4713];
    let mut vacuum = working(4720, "", None, 61, "autovacuum: VACUUM public.items");
    (vacuum.kind, vacuum.user, vacuum.client) = (Some("autovacuum worker".to_owned()), None, None);
    vacuum.user = Some("postgres".to_owned());
    let mut idle = working(4730, "orders@web-3:4711", Some("Client/ClientRead"), 40, "COMMIT");
    (idle.state, idle.transaction_for) = (Some("idle".to_owned()), None);
    idle.user = Some("batch".to_owned());
    Sessions { sessions: vec![root, first, second, vacuum, third, idle], sees_all: true }
}

pub(super) fn look() -> Look {
    let numbers = Numbers {
        database: "shop".to_owned(),
        server_version: "15.14".to_owned(),
        connections_used: 7,
        connections_usable: 97,
        transactions: 1000,
        clock_seconds: 100.0,
        sees_all: true,
        ..Numbers::default()
    };
    Look { sessions: pile(), numbers }
}
