//! A transaction commits when its closure returns `Ok`, and at no other time: an error, a panic, a dropped future, a
//! guard that was forgotten and an error that was passed over all leave nothing behind, neither in the table nor in
//! the pool.

use crate::ledger::{INSERT, entries, ledger};
use crate::server;
use plimsoll::event::Event;
use plimsoll::{Database, Error, Fault, Isolation, Outcome, Phase, Result, Transaction};
use plimsoll_embedded::test_server::{self, TestDatabase};
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

/// One connection, so that whatever holds it is noticed by whoever comes next.
async fn pool_of_one(db: &TestDatabase) -> Database {
    Database::connect(server::settings_for(db).await.pool_max(1)).await.unwrap()
}

/// The pool's only connection is to be had, and nothing is left on it.
async fn comes_back_clean(pool: &Database) {
    let connection = pool.acquire().await.unwrap();
    assert_eq!(connection.wire().transaction_status, 'I');
    assert_eq!(connection.wire().replies_owed, 0);
}

async fn is_running(db: &TestDatabase, what: &str) -> bool {
    let sql = format!(
        "SELECT count(*) AS n FROM pg_stat_activity \
         WHERE datname = current_database() AND state = 'active' AND pid <> pg_backend_pid() AND query LIKE '%{what}%'"
    );
    server::text(db, &sql).await != "0"
}

#[tokio::test]
async fn ok_commits_and_gives_the_value() {
    let db = ledger().await;
    let pool = pool_of_one(&db).await;
    let rows = pool.transaction(async |tx| tx.execute(INSERT, &[&1]).await).await.unwrap();
    assert_eq!(rows, 1);
    assert_eq!(entries(&db).await, [1]);
    comes_back_clean(&pool).await;
}

#[tokio::test]
async fn an_error_rolls_back_and_comes_out_as_it_is() {
    #[derive(Debug, PartialEq)]
    struct OutOfStock(u32);
    impl std::fmt::Display for OutOfStock {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            write!(f, "{} left", self.0)
        }
    }
    impl std::error::Error for OutOfStock {}

    let db = ledger().await;
    let pool = pool_of_one(&db).await;
    let error = pool
        .transaction(async |tx| {
            tx.execute(INSERT, &[&1]).await?;
            Err::<(), _>(Error::abort(OutOfStock(3)))
        })
        .await
        .unwrap_err();
    assert_eq!((error.fault(), error.outcome()), (Fault::Aborted, Outcome::RolledBack));
    let source = std::error::Error::source(&error).unwrap();
    assert_eq!(source.downcast_ref(), Some(&OutOfStock(3)));
    assert!(error.to_string().contains("3 left"), "{error}");
    assert!(entries(&db).await.is_empty());
    comes_back_clean(&pool).await;
}

#[tokio::test]
async fn a_statement_that_failed_rolls_back_what_was_before_it() {
    let db = ledger().await;
    let pool = pool_of_one(&db).await;
    let work = async |tx: Transaction| {
        tx.execute(INSERT, &[&1]).await?;
        tx.execute(INSERT, &[&1]).await
    };
    let error = pool.transaction(work).await.unwrap_err();
    assert_eq!((error.fault(), error.outcome()), (Fault::Constraint, Outcome::RolledBack));
    assert_eq!(error.as_db_error().unwrap().constraint(), Some("entry_pkey"));
    assert!(entries(&db).await.is_empty());
}

#[tokio::test]
async fn a_panic_rolls_back() {
    let db = ledger().await;
    let pool = pool_of_one(&db).await;
    let theirs = pool.clone();
    let task = tokio::spawn(async move {
        let work = async |tx: Transaction| -> Result<()> {
            tx.execute(INSERT, &[&1]).await?;
            panic!("on purpose")
        };
        theirs.transaction(work).await
    });
    assert!(task.await.unwrap_err().is_panic());
    comes_back_clean(&pool).await;
    assert!(entries(&db).await.is_empty());
}

/// Polls so many times and drops what is not finished by then.
async fn polled<F: Future>(times: usize, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut left = times;
    poll_fn(|cx| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        match future.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if left == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

#[tokio::test]
async fn dropped_at_any_await_nothing_stays_but_what_an_event_tells() {
    let db = ledger().await;
    let pool = pool_of_one(&db).await;
    let mut events = pool.events();
    let (mut there, mut settled, mut drops) = (Vec::new(), 0, 0);
    // More than once, since a statement that is prepared, for the first time or anew, has more awaits than later.
    for round in 0..4 {
        for polls in 0..60 {
            let id = round * 100 + polls;
            let work = async |tx: Transaction| {
                tx.execute(INSERT, &[&id]).await?;
                tx.savepoint(async |inner: Transaction| inner.query("SELECT 1", &[]).await).await?;
                tokio::task::yield_now().await;
                tx.query_one("SELECT count(*) FROM entry", &[]).await
            };
            let result = polled(usize::try_from(polls).unwrap(), pool.transaction(work)).await;
            comes_back_clean(&pool).await;
            while let Ok(event) = events.try_recv() {
                if let Event::CommitSettled { outcome, .. } = event {
                    settled += 1;
                    there.extend((outcome == Outcome::Committed).then_some(id));
                }
            }
            if let Some(result) = result {
                result.unwrap();
                there.push(id);
                break;
            }
            drops += 1;
        }
    }
    assert!(drops > 12, "there are more awaits than that: {drops}");
    assert!(settled > 0, "one of the drops fell into the COMMIT");
    assert_eq!(entries(&db).await, there);
}

#[tokio::test]
async fn dropped_while_a_statement_runs_the_server_stops_too() {
    let db = ledger().await;
    let pool = pool_of_one(&db).await;
    let mut events = pool.events();
    let work = async |tx: Transaction| {
        tx.execute(INSERT, &[&1]).await?;
        tx.query("SELECT pg_sleep(60)", &[]).await
    };
    let line = line!() + 2;
    tokio::select! {
        _ = pool.transaction(work) => panic!("it sleeps for a minute"),
        () = server::until("the sleep runs", server::PATIENCE, async || is_running(&db, "pg_sleep(60)").await) => {}
    }
    let stopped = |event: &Event| match event {
        Event::Stopped { work, .. } => Some(work.clone()),
        _ => None,
    };
    let work = server::event("it is stopped", &mut events, stopped).await;
    assert_eq!(work, format!("a_transaction_commits_on_ok_and_rolls_back_on_everything_else.rs:{line}"));
    comes_back_clean(&pool).await;
    assert!(!is_running(&db, "pg_sleep(60)").await);
    assert!(entries(&db).await.is_empty());
}

#[tokio::test]
async fn a_savepoint_that_fails_undoes_itself_and_the_rest_goes_on() {
    let db = ledger().await;
    let pool = pool_of_one(&db).await;
    let work = async |tx: Transaction| {
        tx.execute(INSERT, &[&1]).await?;
        let aborted = tx
            .savepoint(async |inner: Transaction| {
                inner.execute(INSERT, &[&2]).await?;
                Err::<(), _>(Error::abort("not this one"))
            })
            .await;
        assert_eq!(aborted.unwrap_err().fault(), Fault::Aborted);
        let doubled = tx.savepoint(async |inner: Transaction| inner.execute(INSERT, &[&1]).await).await;
        assert_eq!(doubled.unwrap_err().fault(), Fault::Constraint);
        tx.savepoint(async |inner: Transaction| {
            inner.execute(INSERT, &[&3]).await?;
            let deeper = inner
                .savepoint(async |deeper: Transaction| {
                    deeper.execute(INSERT, &[&4]).await?;
                    deeper.execute("SELECT 1 / 0", &[]).await
                })
                .await;
            assert_eq!(deeper.unwrap_err().fault(), Fault::Data);
            inner.savepoint(async |deeper: Transaction| deeper.execute(INSERT, &[&5]).await).await
        })
        .await
    };
    pool.transaction(work).await.unwrap();
    assert_eq!(entries(&db).await, [1, 3, 5]);
}

#[tokio::test]
async fn a_statement_that_was_dropped_inside_a_savepoint_is_undone_with_it() {
    let db = ledger().await;
    let pool = pool_of_one(&db).await;
    let work = async |tx: Transaction| {
        tx.execute(INSERT, &[&1]).await?;
        let hurried = tx
            .savepoint(async |inner: Transaction| {
                inner.execute(INSERT, &[&2]).await?;
                let patience = Duration::from_millis(50);
                let slow = tokio::time::timeout(patience, inner.query("SELECT pg_sleep(60)", &[])).await;
                slow.map_err(Error::abort)?
            })
            .await;
        assert_eq!(hurried.unwrap_err().fault(), Fault::Aborted);
        tx.execute(INSERT, &[&3]).await
    };
    pool.transaction(work).await.unwrap();
    assert_eq!(entries(&db).await, [1, 3]);

    // Without a savepoint the statement that was dropped has failed the whole, and that is told.
    let work = async |tx: Transaction| {
        tx.execute(INSERT, &[&4]).await?;
        let slow = tx.query("SELECT pg_sleep(60)", &[]);
        assert!(tokio::time::timeout(Duration::from_millis(50), slow).await.is_err());
        Ok(())
    };
    let error = pool.transaction(work).await.unwrap_err();
    assert_eq!((error.fault(), error.outcome()), (Fault::TransactionState, Outcome::RolledBack), "{error}");
    comes_back_clean(&pool).await;
    assert_eq!(entries(&db).await, [1, 3]);
}

#[tokio::test]
async fn a_savepoint_may_be_the_first_thing_in_a_read_only_transaction() {
    let db = ledger().await;
    let pool = pool_of_one(&db).await;
    let work = async |tx: Transaction| {
        let refused = tx.savepoint(async |inner: Transaction| inner.execute(INSERT, &[&1]).await).await;
        assert_eq!(refused.unwrap_err().fault(), Fault::Usage);
        tx.savepoint(async |inner: Transaction| inner.query_one("SELECT 7", &[]).await).await
    };
    let row = pool.named("look").read_only().transaction(work).await.unwrap();
    assert_eq!(row.get::<_, i32>(0), 7);
    comes_back_clean(&pool).await;
}

#[tokio::test]
async fn an_error_that_was_passed_over_is_never_ok() {
    let db = ledger().await;
    let pool = pool_of_one(&db).await;
    let work = async |tx: Transaction| {
        tx.execute(INSERT, &[&1]).await?;
        let _passed_over = tx.execute("SELECT 1 / 0", &[]).await;
        Ok("well")
    };
    let error = pool.transaction(work).await.unwrap_err();
    assert_eq!(error.fault(), Fault::TransactionState);
    assert_eq!((error.phase(), error.outcome()), (Phase::Commit, Outcome::RolledBack));
    assert!(entries(&db).await.is_empty());
    comes_back_clean(&pool).await;
}

#[tokio::test]
async fn a_transaction_that_ended_itself_is_told_and_nothing_more_is_sent_into_it() {
    let db = ledger().await;
    let pool = pool_of_one(&db).await;
    let work = async |tx: Transaction| {
        tx.execute(INSERT, &[&1]).await?;
        tx.batch_execute("COMMIT").await?;
        tx.execute(INSERT, &[&2]).await
    };
    let error = pool.transaction(work).await.unwrap_err();
    assert_eq!((error.fault(), error.outcome()), (Fault::TransactionState, Outcome::Unknown));
    let work = async |tx: Transaction| tx.batch_execute("ROLLBACK").await;
    let error = pool.transaction(work).await.unwrap_err();
    assert_eq!((error.fault(), error.outcome()), (Fault::TransactionState, Outcome::Unknown));
    assert_eq!(entries(&db).await, [1]);
}

/// The answer to the COMMIT may be read by a caller on one thread while the task that delivered it is still at work on
/// another, which is not to be taken for something on its way.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn also_where_the_answer_is_read_before_its_delivery_is_over() {
    let db = ledger().await;
    let pool = pool_of_one(&db).await;
    for _ in 0..1_000 {
        let work = async |tx: Transaction| {
            tx.batch_execute("COMMIT").await?;
            tx.execute(INSERT, &[&1]).await
        };
        let error = pool.transaction(work).await.unwrap_err();
        assert_eq!(error.fault(), Fault::TransactionState, "{error}");
    }
    assert!(entries(&db).await.is_empty());
}

#[tokio::test]
async fn a_handle_that_was_carried_away_is_inert_and_holds_nothing() {
    let db = ledger().await;
    let pool = pool_of_one(&db).await;
    let carried = pool.transaction(async |tx| Ok(tx)).await.unwrap();
    comes_back_clean(&pool).await;
    let _stranger = pool.begin().await.unwrap();
    let error = carried.execute(INSERT, &[&1]).await.unwrap_err();
    assert_eq!((error.fault(), error.outcome()), (Fault::Usage, Outcome::NotStarted));
    assert!(error.sentence().contains("has ended"), "{error}");
    let error = carried.savepoint(async |_: Transaction| Ok(())).await.unwrap_err();
    assert_eq!(error.fault(), Fault::Usage);
}

#[tokio::test]
async fn a_task_that_still_uses_the_handle_is_stopped_and_the_whole_rolled_back() {
    let db = ledger().await;
    let pool = pool_of_one(&db).await;
    let left_running = Mutex::new(None);
    let kept = Mutex::new(None);
    let may_end = tokio::sync::Notify::new();
    let work = async |tx: Transaction| {
        tx.execute(INSERT, &[&1]).await?;
        let tx = Arc::new(tx);
        let theirs = Arc::clone(&tx);
        *kept.lock().unwrap() = Some(tx);
        *left_running.lock().unwrap() =
            Some(tokio::spawn(async move { theirs.query("SELECT pg_sleep(61)", &[]).await }));
        may_end.notified().await;
        Ok(())
    };
    let release = async {
        server::until("the task's statement runs", server::PATIENCE, async || {
            is_running(&db, "pg_sleep(61)").await
        })
        .await;
        may_end.notify_one();
    };
    let (ended, ()) = tokio::join!(pool.transaction(work), release);
    let error = ended.unwrap_err();
    assert_eq!((error.fault(), error.outcome()), (Fault::Usage, Outcome::RolledBack));
    assert!(error.sentence().contains("another task"), "{error}");
    let task = left_running.lock().unwrap().take().unwrap();
    assert!(task.await.unwrap().is_err(), "its statement was stopped");
    comes_back_clean(&pool).await;
    assert!(entries(&db).await.is_empty());
}

#[tokio::test]
async fn by_hand_it_is_commit_or_nothing() {
    let db = ledger().await;
    let pool = pool_of_one(&db).await;
    let tx = pool.begin().await.unwrap();
    tx.execute(INSERT, &[&1]).await.unwrap();
    tx.commit().await.unwrap();

    let tx = pool.begin().await.unwrap();
    tx.execute(INSERT, &[&2]).await.unwrap();
    tx.rollback().await;

    let tx = pool.begin().await.unwrap();
    tx.execute(INSERT, &[&3]).await.unwrap();
    drop(tx);
    comes_back_clean(&pool).await;

    let tx = pool.acquire().await.unwrap().begin().await.unwrap();
    tx.execute(INSERT, &[&4]).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(entries(&db).await, [1, 4]);
}

#[tokio::test]
async fn an_error_names_the_line_that_asked() {
    let db = ledger().await;
    let pool = pool_of_one(&db).await;
    let here = file!().rsplit('/').next().unwrap();
    let line = line!() + 1;
    let error = pool.transaction(async |tx| tx.execute("SELECT 1 / 0", &[]).await).await.unwrap_err();
    assert!(error.sentence().contains(&format!("{here}:{line}")), "{error}");
    let line = line!() + 2;
    let error =
        pool.named("divide").transaction(async |tx| tx.query("SELECT 1 / 0", &[]).await).await.unwrap_err();
    assert!(error.sentence().contains(&format!("\"divide\" ({here}:{line})")), "{error}");
}

#[tokio::test]
async fn it_is_what_was_asked_for_as_a_closure_by_hand_and_as_one_statement() {
    let db = test_server::database().await.unwrap();
    let pool = server::database(&db).await;
    const SHOW: &str = "SELECT current_setting('transaction_isolation'), current_setting('transaction_read_only'), \
                        current_setting('transaction_deferrable')";
    let asked = [
        (pool.named("a").isolation(Isolation::ReadCommitted), ["read committed", "off", "off"]),
        (pool.named("b").isolation(Isolation::RepeatableRead), ["repeatable read", "off", "off"]),
        (pool.named("c").isolation(Isolation::Serializable).read_only(), ["serializable", "on", "off"]),
        (
            pool.named("d").isolation(Isolation::Serializable).read_only().deferrable(),
            ["serializable", "on", "on"],
        ),
    ];
    for (call, expected) in asked {
        let by_hand = call.clone().begin().await.unwrap();
        let rows = [
            by_hand.query_one(SHOW, &[]).await.unwrap(),
            call.clone().transaction(async |tx| tx.query_one(SHOW, &[]).await).await.unwrap(),
            call.clone().query_one(SHOW, &[]).await.unwrap(),
        ];
        by_hand.commit().await.unwrap();
        for row in rows {
            let found: Vec<String> = (0..3).map(|at| row.get(at)).collect();
            assert_eq!(found, expected);
        }
    }
    // Repeatable: what others commit meanwhile is not seen.
    db.execute("CREATE TABLE seen (id int)").await.unwrap();
    let tx = pool.named("e").isolation(Isolation::RepeatableRead).begin().await.unwrap();
    let count = async || tx.query_one("SELECT count(*) FROM seen", &[]).await.unwrap().get::<_, i64>(0);
    assert_eq!(count().await, 0);
    db.execute("INSERT INTO seen VALUES (1)").await.unwrap();
    assert_eq!(count().await, 0);
}
