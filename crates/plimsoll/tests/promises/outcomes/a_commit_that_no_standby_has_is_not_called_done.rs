//! Where commits wait for a standby, a cancel or a limit ends that wait and not the commit: the server answers that all is
//! well, although nothing but this server has it. A failover then loses what was acknowledged, so it is not.

use crate::server;
use bytes::Bytes;
use futures_util::TryStreamExt;
use plimsoll::event::Event;
use plimsoll::{Database, Error, Fault, Outcome, deadline};
use plimsoll_embedded::{Cluster, PgBouncer, PgBouncerVersion, PoolMode};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

const END: &str = "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";

/// A server whose commits wait for a standby that is not there.
async fn waiting() -> Arc<Cluster> {
    let cluster = Cluster::start().await.unwrap();
    let make = "CREATE TABLE entry (id int); CREATE PROCEDURE put(id int) LANGUAGE plpgsql AS \
                $$ BEGIN INSERT INTO entry VALUES (id); COMMIT; END $$";
    cluster.execute("postgres", make).await.unwrap();
    cluster.execute("postgres", "ALTER SYSTEM SET synchronous_standby_names = 'nowhere'").await.unwrap();
    cluster.reload().await.unwrap();
    // Nothing that writes: it would wait.
    server::until("commits wait", server::PATIENCE, async || {
        let rows = cluster.execute("postgres", "SHOW synchronous_standby_names").await.unwrap();
        rows[0]["synchronous_standby_names"] == "nowhere"
    })
    .await;
    Arc::new(cluster)
}

/// Ends every wait, as a cancel does and the server's own limit, until it is dropped.
fn impatient(cluster: &Arc<Cluster>) -> JoinSet<()> {
    let cluster = Arc::clone(cluster);
    let mut patrol = JoinSet::new();
    patrol.spawn(async move {
        loop {
            cluster.execute("postgres", END).await.unwrap();
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    patrol
}

fn is_open<T>(told: Result<T, Error>, what: &str) {
    let error = told.err().unwrap_or_else(|| panic!("{what} was called done"));
    assert_eq!((error.fault(), error.outcome()), (Fault::NotReplicated, Outcome::Unknown), "{what}: {error}");
}

async fn however_it_is_sent(cluster: &Arc<Cluster>, url: &str, is_pooled: bool) {
    let db = Database::connect(server::settings(url).pool_max(2)).await.unwrap();
    let _until_here = impatient(cluster);
    is_open(db.execute("INSERT INTO entry VALUES ($1)", &[&1]).await, "one statement");
    is_open(
        db.named("again").idempotent().execute("INSERT INTO entry VALUES (2)", &[]).await,
        "an idempotent one",
    );
    for resolvable in [false, true] {
        let call = db.named("ours");
        let call = if resolvable { call.resolvable() } else { call };
        let told = call.transaction(async |tx| tx.execute("INSERT INTO entry VALUES (5)", &[]).await).await;
        is_open(told, if resolvable { "a transaction that can be resolved" } else { "a transaction" });
    }
    let lease = db.acquire().await.unwrap();
    is_open(lease.batch_execute("BEGIN; INSERT INTO entry VALUES (6); COMMIT").await, "a script");
    is_open(lease.simple_query("INSERT INTO entry VALUES (7)").await, "a simple query");
    if !is_pooled {
        is_open(db.execute("CALL put(3)", &[]).await, "a procedure that commits");
        is_open(db.execute("DO 'BEGIN INSERT INTO entry VALUES (4); END'", &[]).await, "a block");
        let rows = lease.query_stream("INSERT INTO entry VALUES (8) RETURNING id", &[]).await.unwrap();
        is_open(rows.try_collect::<Vec<_>>().await, "a stream");
        let bytes = lease.copy_out("COPY (INSERT INTO entry VALUES (9) RETURNING id) TO STDOUT");
        is_open(bytes.await.unwrap().try_collect::<Vec<_>>().await, "a copy that stores");
        let mut copy = lease.copy_in("COPY entry FROM STDIN").await.unwrap();
        copy.send(Bytes::from_static(b"10\n")).await.unwrap();
        is_open(copy.finish().await, "a copy");
    }
    lease.query_one("SELECT 1", &[]).await.expect("what writes nothing waits for no standby");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn however_it_was_sent() {
    let cluster = waiting().await;
    however_it_is_sent(&cluster, &cluster.url("postgres"), false).await;
}

async fn nor_behind_a_pooler(version: PgBouncerVersion) {
    let cluster = waiting().await;
    let bouncer = PgBouncer::in_front_of(&*cluster).version(version).pool_mode(PoolMode::Transaction);
    let bouncer = bouncer.start().await.unwrap();
    however_it_is_sent(&cluster, &bouncer.url("postgres"), true).await;
}

plimsoll_embedded::on_each_pgbouncer!(
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    nor_behind_a_pooler
);

/// Our own cancel ends the wait too, and then the answer comes just in time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nor_when_its_own_deadline_has_ended_the_wait() {
    let cluster = waiting().await;
    let db = Database::connect(server::settings(&cluster.url("postgres"))).await.unwrap();
    for _ in 0..5 {
        let work = db.execute("INSERT INTO entry VALUES (1)", &[]);
        let told = deadline::within(Duration::from_millis(250), work).await;
        assert_eq!(told.expect_err("no standby has it").outcome(), Outcome::Unknown);
    }
}

/// The caller that sent the COMMIT has left, and how it ended is told by an event.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nor_is_it_by_an_event() {
    let cluster = waiting().await;
    let db = Database::connect(server::settings(&cluster.url("postgres"))).await.unwrap();
    let mut events = db.events();
    let work = db.named("left").transaction(async |tx| tx.execute("INSERT INTO entry VALUES (1)", &[]).await);
    assert!(tokio::time::timeout(Duration::from_millis(250), work).await.is_err(), "it waits");
    let _until_here = impatient(&cluster);
    let outcome = server::event("the COMMIT has ended", &mut events, |event| match event {
        Event::CommitSettled { outcome, .. } => Some(*outcome),
        _ => None,
    });
    assert_eq!(outcome.await, Outcome::Unknown);
}
