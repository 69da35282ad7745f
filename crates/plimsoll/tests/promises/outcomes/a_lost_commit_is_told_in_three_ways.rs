//! A transaction whose wire breaks is told as what is known of it: rolled back where COMMIT was not sent, unknown
//! where it was and no answer came, and settled one way or the other where the transaction had asked for its id.

use crate::ledger::{self, INSERT, entries, ids, ledger};
use crate::server;
use plimsoll::event::Event;
use plimsoll::{Database, Fault, Outcome, Phase, Result, Transaction, deadline};
use plimsoll_embedded::test_server::TestDatabase;
use plimsoll_embedded::{Cluster, StopMode};
use plimsoll_faults::{Cut, Direction, Fault as Broken, Proxy, When};
use std::time::Duration;
use tokio::time::Instant;

/// A pool of two by way of a wire; two, so that there is one to ask with when the other is lost.
async fn over_a_wire() -> (TestDatabase, Proxy, Database) {
    let db = ledger().await;
    let (wire, url) = ledger::wire(&db).await;
    let pool = Database::connect(server::settings(&url).pool_max(2)).await.unwrap();
    (db, wire, pool)
}

fn at_commit(when: When) -> Broken {
    Broken::on_message(Direction::ToServer, b'Q', "COMMIT", when)
}

async fn put(tx: Transaction) -> Result<u64> {
    tx.execute(INSERT, &[&1]).await
}

#[tokio::test]
async fn cut_before_it_arrived_it_is_unknown_and_did_not_happen() {
    for how in [Cut::Reset, Cut::Close] {
        let (db, wire, pool) = over_a_wire().await;
        wire.set_once(at_commit(When::Before).ending(how));
        let error = pool.transaction(put).await.unwrap_err();
        assert_eq!((error.phase(), error.outcome()), (Phase::Commit, Outcome::Unknown), "{error}");
        assert_eq!(error.fault(), Fault::ConnectionLost);
        assert!(!error.may_run_again());
        assert!(entries(&db).await.is_empty());
    }
}

#[tokio::test]
async fn cut_after_it_happened_it_is_unknown_all_the_same() {
    let (db, wire, pool) = over_a_wire().await;
    wire.set_once(at_commit(When::AnswerDropped));
    let error = pool.transaction(put).await.unwrap_err();
    assert_eq!((error.phase(), error.outcome()), (Phase::Commit, Outcome::Unknown), "{error}");
    assert!(!error.may_run_again());
    assert!(error.to_string().contains("outcome: unknown"), "{error}");
    assert_eq!(entries(&db).await, [1]);
    pool.query_one("SELECT 1", &[]).await.expect("the pool has gone on");
}

#[tokio::test]
async fn resolvable_and_committed_it_is_ok() {
    let (db, wire, pool) = over_a_wire().await;
    wire.set_once(at_commit(When::AnswerDropped));
    assert_eq!(pool.named("pay").resolvable().transaction(put).await.unwrap(), 1);
    assert_eq!(wire.struck(), 1);
    assert_eq!(entries(&db).await, [1]);
}

#[tokio::test]
async fn resolvable_and_not_committed_it_is_rolled_back_for_certain() {
    let (db, wire, pool) = over_a_wire().await;
    wire.set_once(at_commit(When::Before));
    let error = pool.named("pay").resolvable().transaction(put).await.unwrap_err();
    assert_eq!((error.phase(), error.outcome()), (Phase::Commit, Outcome::RolledBack), "{error}");
    assert!(error.may_run_again());
    assert!(entries(&db).await.is_empty());
}

#[tokio::test]
async fn a_single_statement_that_is_resolvable_is_settled_too() {
    let (db, wire, pool) = over_a_wire().await;
    let pay = || pool.named("pay").resolvable();
    wire.set_once(at_commit(When::AnswerDropped));
    assert_eq!(pay().execute(INSERT, &[&1]).await.unwrap(), 1);
    wire.set_once(at_commit(When::Before));
    let error = pay().execute(INSERT, &[&2]).await.unwrap_err();
    assert_eq!((error.phase(), error.outcome()), (Phase::Commit, Outcome::RolledBack), "{error}");
    assert_eq!(wire.struck(), 2);
    // Its result is known although the answer to its COMMIT was lost.
    wire.set_once(at_commit(When::AnswerDropped));
    let row = pay().query_one("INSERT INTO entry VALUES (3) RETURNING id + 1", &[]).await.unwrap();
    assert_eq!(row.get::<_, i32>(0), 4);
    assert_eq!(entries(&db).await, [1, 3]);
}

#[tokio::test]
async fn retrying_resolves_first_and_so_runs_once_for_one_entry() {
    let (db, wire, pool) = over_a_wire().await;
    for when in [When::AnswerDropped, When::Before] {
        db.execute("TRUNCATE entry").await.unwrap();
        wire.set_once(at_commit(when));
        pool.named("pay").resolvable().retrying(put).await.unwrap();
        assert_eq!(entries(&db).await, [1], "{when:?}");
    }
    assert_eq!(wire.struck(), 2);
}

#[tokio::test]
async fn a_commit_that_the_server_refuses_is_rolled_back() {
    let (db, _wire, pool) = over_a_wire().await;
    let work = async |tx: Transaction| tx.execute("INSERT INTO careful VALUES (1), (1)", &[]).await;
    let error = pool.transaction(work).await.unwrap_err();
    assert_eq!((error.phase(), error.outcome()), (Phase::Commit, Outcome::RolledBack), "{error}");
    assert_eq!(error.fault(), Fault::Constraint);
    assert_eq!(error.sqlstate().unwrap().code(), "23505");
    assert!(ids(&db, "careful").await.is_empty());
}

#[tokio::test]
async fn lost_before_it_began_it_was_not_started() {
    let (db, wire, pool) = over_a_wire().await;
    for when in [When::Before, When::AnswerDropped] {
        wire.set_once(Broken::on_message(Direction::ToServer, b'Q', "BEGIN", when));
        let error = pool.transaction(put).await.unwrap_err();
        assert_eq!((error.phase(), error.outcome()), (Phase::Begin, Outcome::NotStarted), "{error}");
        assert!(error.may_run_again());
    }
    assert!(entries(&db).await.is_empty());
}

#[tokio::test]
async fn lost_at_a_statement_it_is_rolled_back() {
    let (db, wire, pool) = over_a_wire().await;
    // Prepared the first time, and then only bound and executed.
    for kind in [b'P', b'E'] {
        wire.set_once(Broken::on_message(Direction::ToServer, kind, "", When::AnswerDropped));
        let error = pool.transaction(put).await.unwrap_err();
        assert_eq!(error.outcome(), Outcome::RolledBack, "{error}");
        assert_eq!(error.fault(), Fault::ConnectionLost);
        assert!(error.may_run_again());
    }
    assert_eq!(wire.struck(), 2);
    assert!(entries(&db).await.is_empty());
}

#[tokio::test]
async fn a_single_statement_that_was_sent_is_unknown_and_one_that_was_only_prepared_was_not_started() {
    let (db, wire, pool) = over_a_wire().await;
    wire.set_once(Broken::on_message(Direction::ToServer, b'P', "INSERT", When::AnswerDropped));
    let error = pool.execute(INSERT, &[&1]).await.unwrap_err();
    assert_eq!((error.phase(), error.outcome()), (Phase::Prepare, Outcome::NotStarted), "{error}");
    assert!(error.may_run_again());

    pool.execute(INSERT, &[&2]).await.unwrap();
    wire.set_once(Broken::on_message(Direction::ToServer, b'E', "", When::AnswerDropped));
    let error = pool.execute(INSERT, &[&3]).await.unwrap_err();
    assert_eq!((error.phase(), error.outcome()), (Phase::Statement, Outcome::Unknown), "{error}");
    assert!(!error.may_run_again());
    assert_eq!(entries(&db).await, [2, 3]);
}

/// Its COMMIT takes a second, and no `statement_timeout` bounds it.
async fn put_slowly(tx: Transaction) -> Result<u64> {
    tx.execute("INSERT INTO slow VALUES (1)", &[]).await
}

fn settled(event: &Event) -> Option<(String, Outcome)> {
    match event {
        Event::Stopped { .. } => panic!("a COMMIT is not stopped: {event:?}"),
        Event::CommitSettled { work, outcome } => Some((work.clone(), *outcome)),
        _ => None,
    }
}

#[tokio::test]
async fn a_commit_later_than_the_deadline_is_unknown_and_its_end_is_told_by_an_event() {
    for resolvable in [false, true] {
        let (db, _wire, pool) = over_a_wire().await;
        let mut events = pool.events();
        let call = pool.named("late");
        let call = if resolvable { call.resolvable() } else { call };
        let began = Instant::now();
        let error =
            deadline::within(Duration::from_millis(500), call.transaction(put_slowly)).await.unwrap_err();
        let took = began.elapsed();
        assert!(took < Duration::from_millis(900), "it ended by its deadline: {took:?}");
        assert_eq!((error.phase(), error.outcome()), (Phase::Commit, Outcome::Unknown), "{error}");
        assert_eq!(error.fault(), Fault::DeadlinePassed, "{error}");
        let (work, outcome) = server::event("the COMMIT's end", &mut events, settled).await;
        assert!(work.contains("\"late\""), "{work}");
        assert_eq!(outcome, Outcome::Committed);
        assert_eq!(ids(&db, "slow").await, [1]);
    }
}

#[tokio::test]
async fn dropped_during_commit_it_is_let_finish_and_told() {
    let (db, _wire, pool) = over_a_wire().await;
    let mut events = pool.events();
    let committing = async || {
        let sql = "SELECT count(*) AS n FROM pg_stat_activity \
                   WHERE datname = current_database() AND state = 'active' AND query = 'COMMIT'";
        server::text(&db, sql).await != "0"
    };
    tokio::select! {
        _ = pool.transaction(put_slowly) => panic!("its COMMIT takes a second"),
        () = server::until("COMMIT runs", server::PATIENCE, committing) => {}
    }
    let (_, outcome) = server::event("the COMMIT's end", &mut events, settled).await;
    assert_eq!(outcome, Outcome::Committed);
    assert_eq!(ids(&db, "slow").await, [1]);
}

#[tokio::test]
async fn dropped_during_a_commit_that_fails_it_is_told_as_rolled_back() {
    let (db, _wire, pool) = over_a_wire().await;
    let mut events = pool.events();
    let work = async |tx: Transaction| {
        // The dawdling comes first and the doubled id is found behind it.
        tx.execute("INSERT INTO slow VALUES (1)", &[]).await?;
        tx.execute("INSERT INTO careful VALUES (1), (1)", &[]).await
    };
    let late = deadline::within(Duration::from_millis(500), pool.transaction(work)).await.unwrap_err();
    assert_eq!(late.outcome(), Outcome::Unknown);
    let (_, outcome) = server::event("the COMMIT's end", &mut events, settled).await;
    assert_eq!(outcome, Outcome::RolledBack);
    assert!(ids(&db, "slow").await.is_empty());
}

#[tokio::test]
async fn a_deadline_that_passes_inside_the_closure_is_rolled_back_and_not_unknown() {
    let (db, _wire, pool) = over_a_wire().await;
    let work = async |tx: Transaction| {
        tx.execute(INSERT, &[&1]).await?;
        // Time itself is the point here: the closure does something else until the deadline has passed.
        tokio::time::sleep(Duration::from_millis(250)).await;
        Ok(())
    };
    let error = deadline::within(Duration::from_millis(200), pool.transaction(work)).await.unwrap_err();
    assert_eq!((error.phase(), error.outcome()), (Phase::Commit, Outcome::RolledBack), "{error}");
    assert_eq!(error.fault(), Fault::DeadlinePassed);
    assert!(entries(&db).await.is_empty());
}

#[tokio::test]
async fn a_server_that_crashes_in_the_middle_has_rolled_it_back() {
    let cluster = Cluster::start().await.unwrap();
    cluster.execute("postgres", "CREATE TABLE entry (id int PRIMARY KEY)").await.unwrap();
    let pool = Database::connect(server::settings(&cluster.url("postgres"))).await.unwrap();
    let work = async |tx: Transaction| {
        tx.execute(INSERT, &[&1]).await?;
        tx.query("SELECT pg_sleep(60)", &[]).await
    };
    let crash = async {
        let asleep = "SELECT 1 AS n FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%pg_sleep(60)%' \
                      AND pid <> pg_backend_pid()";
        server::until("the transaction is asleep", server::PATIENCE, async || {
            !cluster.execute("postgres", asleep).await.unwrap().is_empty()
        })
        .await;
        cluster.stop_mode(StopMode::Immediate).await.unwrap();
    };
    let (result, ()) = tokio::join!(pool.transaction(work), crash);
    let error = result.unwrap_err();
    assert_eq!(error.outcome(), Outcome::RolledBack, "{error}");
    assert!(error.fault().is_connectivity(), "{error}");
    assert!(error.may_run_again());

    let error = pool
        .named("while away")
        .acquire_within(Duration::from_millis(300))
        .transaction(put)
        .await
        .unwrap_err();
    assert_eq!(error.outcome(), Outcome::NotStarted, "{error}");
    assert!(error.fault().is_connectivity(), "{error}");

    cluster.start_again().await.unwrap();
    pool.transaction(put).await.expect("the pool healed by itself");
    let rows = cluster.execute("postgres", "SELECT id FROM entry").await.unwrap();
    assert_eq!(rows.len(), 1);
}
