//! A role that may not see everything is never told that something is well that a superuser sees is not: each finding of the
//! superuser's is there for it as well, or the check says that it was not looked at.

use super::{report, strict};
use crate::checks::scene::Scene;
use crate::session::session_at;
use plimsoll_embedded::Cluster;
use plimsoll_inspect::checks::{Checked, Finding, State};
use std::time::Duration;
use tokio_postgres::Client;

/// A database in which as much as possible is wrong.
const BAD: &[&str] = &[
    "CREATE ROLE app SUPERUSER LOGIN PASSWORD 'pw'",
    "CREATE ROLE migrator LOGIN PASSWORD 'pw'",
    "ALTER ROLE app SET synchronous_commit = off",
    "ALTER ROLE app SET lock_timeout = '1ms'",
    "CREATE TABLE parents (id int PRIMARY KEY)",
    "CREATE TABLE orders (id smallserial PRIMARY KEY, parent int REFERENCES parents, code int) WITH \
     (autovacuum_enabled = off)",
    "INSERT INTO parents SELECT generate_series(1, 10)",
    "INSERT INTO orders (parent, code) SELECT n % 10 + 1, n / 2 FROM generate_series(1, 20000) AS n",
    "CREATE INDEX by_code ON orders (code)",
    "UPDATE orders SET parent = 1",
    "SELECT setval('orders_id_seq', 32000)",
    "SELECT pg_create_physical_replication_slot('gone', true)",
    "ALTER SYSTEM SET max_connections = 77",
    "ALTER SYSTEM SET log_lock_waits = off",
    "SELECT pg_reload_conf()",
];

/// Sessions that stand in each other's way until they are dropped.
async fn pile_up(url: &str) -> Vec<Client> {
    let mut sessions = Vec::new();
    for (name, sql) in [
        ("idle", "BEGIN; UPDATE orders SET code = 1 WHERE id = 1"),
        ("advisory", "SELECT pg_advisory_lock(4711)"),
        ("waits", "SET lock_timeout = 0; UPDATE orders SET code = 2 WHERE id = 1"),
        ("slow", "SELECT pg_sleep(600)"),
    ] {
        let session = session_at(url, Some("app"), name).await;
        if matches!(name, "waits" | "slow") {
            tokio::spawn(async move { session.batch_execute(sql).await });
        } else {
            session.batch_execute(sql).await.unwrap();
            sessions.push(session);
        }
    }
    sessions
}

fn is_wrong(finding: &&Finding) -> bool {
    matches!(finding.state, State::Info | State::Warn | State::Crit)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_well_that_is_only_hidden() {
    let cluster = Cluster::builder().setting("max_prepared_transactions", "4").start().await.unwrap();
    cluster.create_database("shop").await.unwrap();
    for sql in BAD {
        cluster.execute("shop", sql).await.unwrap();
    }
    let url = cluster.url("shop");
    let scene = Scene::at(&url, "app").await;
    scene.owner.batch_execute("CREATE UNIQUE INDEX CONCURRENTLY once ON orders (code)").await.unwrap_err();
    // It would wait for this one.
    let left_over = "BEGIN; UPDATE orders SET code = 0 WHERE id = 7; PREPARE TRANSACTION 'left over'";
    scene.owner.batch_execute(left_over).await.unwrap();
    scene.owner.batch_execute("CREATE ROLE guest LOGIN PASSWORD 'pw'").await.unwrap();
    let _pile = pile_up(&url).await;
    scene.comes_to_find("O07", "setting max_connections", State::Warn).await;
    // A guest may connect and do no more.
    let guest = session_at(&url, Some("guest"), "guest").await;

    let asking = strict("app");
    let of_superuser = scene.all(&asking).await;
    let of_guest = report(&guest, &asking, Duration::from_secs(60)).await;
    let mut fired = Vec::new();
    for checked in
        of_superuser.checks.iter().filter(|checked| checked.findings.iter().any(|one| is_wrong(&one)))
    {
        let told = of_guest.checks.iter().find(|told| told.id == checked.id).unwrap();
        assert!(told.state() > State::Ok, "{}: {checked:#?}\n{told:#?}", checked.id);
        for finding in checked.findings.iter().filter(is_wrong) {
            assert!(is_told(told, finding), "{}: {finding:#?}\n{told:#?}", checked.id);
        }
        fired.push(checked.id.as_str());
    }
    fired.sort_unstable();
    println!("fired: {fired:?}");
    for id in ["G01", "I01", "I03", "I04", "R02", "R04", "R05", "O01", "O02", "O03", "O07"] {
        assert!(fired.contains(&id), "{id} is among what is wrong: {fired:?}");
    }
}

/// The same is said, or that not everything could be looked at.
fn is_told(told: &Checked, finding: &Finding) -> bool {
    let mut findings = told.findings.iter();
    findings.any(|one| one.state == State::Skipped || (one.subject == finding.subject && is_wrong(&one)))
}
