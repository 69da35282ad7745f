//! Against a server in trouble the checks use one connection, come back by their deadline with what could be found out, give the
//! reason for the rest, and leave nothing running.

use super::report;
use crate::frozen::Frozen;
use crate::session::session_at;
use plimsoll_embedded::Cluster;
use plimsoll_inspect::checks::run::{self, Asking, NotAsked};
use plimsoll_inspect::checks::{Checked, Report, State, all, examine};
use std::time::Duration;
use tokio::time::Instant;
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

/// How much later than its deadline something may come on a machine that is busy with other things.
const SLACK: Duration = Duration::from_secs(2);

/// The sessions of the one that asks, and of these how many are at rest.
const SESSIONS: &str = "SELECT count(*), count(*) FILTER (WHERE state = 'idle') FROM pg_stat_activity WHERE \
 application_name = 'asker'";

async fn server() -> Cluster {
    let cluster = Cluster::builder().setting("max_connections", "10").start().await.unwrap();
    cluster.execute("postgres", "CREATE ROLE guest LOGIN PASSWORD 'pw'").await.unwrap();
    cluster
}

async fn asker(cluster: &Cluster, user: Option<&str>) -> Client {
    session_at(&cluster.url("postgres"), user, "asker").await
}

/// Waits until the one that asks has so many sessions, all at rest.
async fn until_sessions(witness: &Client, wanted: i64) {
    let end = Instant::now() + Duration::from_secs(20);
    loop {
        let row = witness.query_one(SESSIONS, &[]).await.unwrap();
        let (sessions, idle) = (row.get::<_, i64>(0), row.get::<_, i64>(1));
        assert!(sessions <= 1, "one connection is enough");
        if (sessions, idle) == (wanted, wanted) {
            return;
        }
        assert!(Instant::now() < end, "nothing is left running: {sessions} sessions, {idle} at rest");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn reasons(checks: &[Checked]) -> Vec<&str> {
    let findings = checks.iter().flat_map(|checked| &checked.findings);
    findings.filter(|finding| finding.state == State::Skipped).map(|finding| finding.value.as_str()).collect()
}

fn says(report: &Report, reason: &str) -> bool {
    reasons(&report.checks).iter().any(|said| said.contains(reason))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_locked_catalog_holds_up_each_question_for_a_moment_only() {
    let cluster = server().await;
    for catalogs in ["pg_class", "pg_authid", "pg_class, pg_authid, pg_index, pg_constraint"] {
        for user in [None, Some("guest")] {
            // New to the server: it has seen no catalog yet that it could remember.
            let asker = asker(&cluster, user).await;
            let locker = session_at(&cluster.url("postgres"), None, "locker").await;
            let lock = format!("BEGIN; LOCK {catalogs} IN ACCESS EXCLUSIVE MODE");
            locker.batch_execute(&lock).await.unwrap();
            let asking = Asking { role: "app", ..Asking::default() };

            // Time for all of them.
            let (began, within) = (Instant::now(), Duration::from_secs(30));
            let found = report(&asker, &asking, within).await;
            assert!(began.elapsed() < within, "{:?}", began.elapsed());
            assert!(says(&found, "for a lock that another session holds"), "{catalogs}: {found:#?}");
            assert_eq!(found.subject.role, "app");
            assert_eq!(found.subject.login, user.unwrap_or("postgres"), "{catalogs}");
            assert_eq!(found.subject.monitors, user.is_none(), "{catalogs}");
            until_sessions(&locker, 1).await;

            // Less than one question waits: what came is told, and that there was no time for the rest.
            let (began, within) = (Instant::now(), run::LOCK_LIMIT / 2);
            let checks = examine(all(), &asker, None, &found.subject, &asking, began + within, |_| ());
            let checks = checks.await;
            assert!(began.elapsed() < within + SLACK, "{:?}", began.elapsed());
            assert_eq!(checks.len(), all().count());
            assert!(reasons(&checks).iter().any(|why| why.contains("the time for all checks was over")));
            until_sessions(&locker, 1).await;
            locker.batch_execute("ROLLBACK").await.unwrap();

            // In the same session all is as ever once the lock is gone.
            let found = report(&asker, &asking, Duration::from_secs(30)).await;
            assert!(!says(&found, "that another session holds"), "{found:#?}");
            assert!(!says(&found, "the time for all checks"), "{found:#?}");
            drop(asker);
            until_sessions(&locker, 0).await;
        }
    }
}

/// A migration holds one table. What can be known without waiting for it is told, of it and of all others.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_that_is_locked_holds_up_no_question() {
    let cluster = server().await;
    let locker = session_at(&cluster.url("postgres"), None, "locker").await;
    locker
        .batch_execute(
            "CREATE TABLE parents (id int PRIMARY KEY); \
             CREATE TABLE busy (id serial PRIMARY KEY, parent int REFERENCES parents, note text, CHECK (id > 0)); \
             INSERT INTO parents VALUES (1); INSERT INTO busy (parent, note) SELECT 1, n::text FROM generate_series(1, 20000) AS n; \
             CREATE INDEX partly ON busy (parent) WHERE note <> ''; CREATE INDEX lowered ON busy (lower(note)); \
             CREATE INDEX again ON busy (lower(note)); \
             ALTER TABLE busy ADD CONSTRAINT later CHECK (id < 1000000) NOT VALID; \
             CREATE TABLE parts (id int) PARTITION BY RANGE (id); \
             CREATE TABLE part PARTITION OF parts FOR VALUES FROM (0) TO (9); CREATE INDEX ON parts ((id + 1))",
        )
        .await
        .unwrap();
    let twice = "CREATE UNIQUE INDEX CONCURRENTLY once ON busy (parent, (note <> ''))";
    locker.batch_execute(twice).await.unwrap_err();
    let asker = asker(&cluster, None).await;
    for lock in ["busy", "parts", "parents, busy, parts"] {
        locker
            .batch_execute(&format!("BEGIN; LOCK {lock}; SELECT pg_stat_force_next_flush()"))
            .await
            .unwrap();
        let asking = Asking { role: "guest", ..Asking::default() };
        let found = report(&asker, &asking, Duration::from_secs(30)).await;
        assert!(!says(&found, "for a lock that another session holds"), "{lock}: {found:#?}");
        assert!(!says(&found, "it took more than"), "{lock}: {found:#?}");
        locker.batch_execute("ROLLBACK").await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_whose_connections_are_all_used_is_looked_at_over_one_that_is_reserved() {
    let cluster = server().await;
    let url = cluster.url("postgres");
    let witness = session_at(&url, None, "witness").await;
    let mut used = Vec::new();
    let refused = loop {
        match guest(&url).await {
            Ok(session) => used.push(session),
            Err(error) => break error,
        }
    };
    assert_eq!(refused.code(), Some(&SqlState::TOO_MANY_CONNECTIONS), "{refused}");
    let asker = asker(&cluster, None).await;
    let found = report(&asker, &Asking { role: "guest", ..Asking::default() }, Duration::from_secs(30)).await;
    assert!(!says(&found, "connection was lost") && !says(&found, "time for all"), "{found:#?}");
    until_sessions(&witness, 1).await;
    drop(asker);
    until_sessions(&witness, 0).await;
}

#[expect(clippy::disallowed_methods, reason = "this crate opens no connection, so its tests have to")]
async fn guest(url: &str) -> Result<Client, tokio_postgres::Error> {
    let mut config: tokio_postgres::Config = url.parse().unwrap();
    let (client, connection) = config.user("guest").password("pw").connect(tokio_postgres::NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_freezes_is_left_by_the_deadline() {
    let cluster = server().await;
    let witness = session_at(&cluster.url("postgres"), None, "witness").await;
    let asker = asker(&cluster, None).await;
    let asking = Asking { role: "guest", ..Asking::default() };
    let whole = Duration::from_secs(30);
    let subject = run::subject(&asker, &asking, Instant::now() + whole).await.unwrap();

    // It freezes while the checks are asked.
    let (last, within) = ("I04", Duration::from_secs(3));
    let mut frozen = None;
    let began = Instant::now();
    let checks = examine(all(), &asker, None, &subject, &asking, began + within, |check| {
        if check.id == last {
            frozen = Some(Frozen::freeze(&cluster));
        }
    });
    let checks = checks.await;
    assert!(began.elapsed() >= within && began.elapsed() < within + SLACK, "{:?}", began.elapsed());
    assert_eq!(checks.len(), all().count());
    let (before, after) = checks.split_at(checks.iter().position(|checked| checked.id == last).unwrap());
    assert!(!reasons(before).iter().any(|why| why.contains("time for all checks")), "{before:#?}");
    for checked in after {
        assert_eq!(checked.state(), State::Skipped, "{checked:#?}");
        assert!(checked.findings[0].value.contains("the time for all checks was over"), "{checked:#?}");
    }

    // What is asked of a server that is frozen already is answered by the deadline as well.
    let (began, within) = (Instant::now(), Duration::from_secs(1));
    let hangs = run::subject(&asker, &asking, began + within).await.unwrap_err();
    assert!(matches!(hangs, NotAsked::Hangs(_)), "{hangs}");
    assert!(began.elapsed() < within + SLACK, "{:?}", began.elapsed());

    // The session that was given up ends as soon as the server goes on.
    drop(asker);
    drop(frozen);
    until_sessions(&witness, 0).await;
}
