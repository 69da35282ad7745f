//! Who blocks whom is found: the root of a chain, all of a pile-up, what a role may see, and nothing where nothing waits.

use crate::session::{begin, blocking_until, pid, session, session_at};
use plimsoll_embedded::Cluster;
use plimsoll_embedded::test_server::{self, TestDatabase};
use plimsoll_inspect::blocking::{BLOCKING, Blocking, LOCK_WAITS, WaitEvent, lock_waits, wait_events};
use std::time::Duration;

async fn devices() -> TestDatabase {
    test_server::database_from("devices", "CREATE TABLE devices (id int PRIMARY KEY, n int); INSERT INTO devices SELECT i, 0 FROM generate_series(1, 200) i").await.unwrap()
}

#[tokio::test]
async fn a_chain_names_its_root_with_the_lock_of_each() {
    let db = devices().await;
    let asker = session(&db, None, "asker").await;
    let [root, middle, last] = [
        session(&db, None, "nightly report").await,
        session(&db, None, "renew").await,
        session(&db, None, "renew").await,
    ];
    let pids = [pid(&root).await, pid(&middle).await, pid(&last).await];
    root.batch_execute("BEGIN; UPDATE devices SET n = 1 WHERE id = 1").await.unwrap();
    middle.batch_execute("BEGIN; UPDATE devices SET n = 2 WHERE id = 2").await.unwrap();
    let middle = begin(middle, "UPDATE devices SET n = 2 WHERE id = 1; COMMIT");
    let last = begin(last, "UPDATE devices SET n = 3 WHERE id = 2");
    let seen = blocking_until(&asker, "two wait", |seen| seen.lock_waits == 2).await;

    let piles = seen.piles();
    assert_eq!((piles.len(), piles[0].roots.len(), piles[0].waiters.len()), (1, 1, 2), "{seen:#?}");
    let found = piles[0].roots[0];
    assert_eq!((found.pid, found.application_name.as_str()), (pids[0], "nightly report"));
    assert_eq!(found.state.as_deref(), Some("idle in transaction"));
    assert_eq!(found.user.as_deref(), Some(db.server().superuser()));
    assert_eq!(found.client.as_deref(), Some("127.0.0.1"));
    assert_eq!(found.query.as_deref(), Some("BEGIN; UPDATE devices SET n = 1 WHERE id = 1"));
    assert!(found.state_for.unwrap() <= found.transaction_for.unwrap());
    let waits = |pid| seen.sessions.iter().find(|session| session.pid == pid).unwrap().wait.clone().unwrap();
    for (waiter, blocker) in [(pids[1], pids[0]), (pids[2], pids[1])] {
        let wait = waits(waiter);
        assert_eq!(wait.blockers, [blocker], "{seen:#?}");
        assert_eq!(
            (wait.mode.as_deref(), wait.object.as_deref()),
            (Some("ShareLock"), Some("public.devices"))
        );
        assert_eq!(wait.lock_type.as_deref(), Some("transactionid"));
        assert!(wait.waited.unwrap() < Duration::from_secs(60));
    }
    assert!(seen.sees_all);
    let said = piles[0].to_string();
    assert!(said.starts_with(&format!("pid {} (nightly report, user ", pids[0])), "{said}");
    assert!(
        said.contains("blocks 2 sessions; the longest waits for 0 s for ShareLock on public.devices"),
        "{said}"
    );

    root.batch_execute("COMMIT").await.unwrap();
    middle.await.unwrap();
    last.await.unwrap();
    let answer = asker.simple_query(BLOCKING).await.unwrap();
    assert_eq!(Blocking::read(&answer).unwrap(), Blocking::default(), "nothing waits any more");
}

#[tokio::test]
async fn a_table_and_an_advisory_lock_are_named() {
    let db = devices().await;
    let asker = session(&db, None, "asker").await;
    let holder = session(&db, None, "holder").await;
    holder
        .batch_execute("BEGIN; LOCK devices; SELECT pg_advisory_lock(-5), pg_advisory_lock(7, -1)")
        .await
        .unwrap();
    let waiters: Vec<_> = [
        ("table", "SELECT n FROM devices WHERE id = 1"),
        ("key", "SELECT pg_advisory_lock(-5)"),
        ("pair", "SELECT pg_advisory_lock_shared(7, -1)"),
    ]
    .into_iter()
    .map(|(name, sql)| (name, sql, session(&db, None, name)))
    .collect();
    let mut tasks = Vec::new();
    for (_, sql, session) in waiters {
        tasks.push(begin(session.await, sql));
    }
    let seen = blocking_until(&asker, "three wait", |seen| seen.lock_waits == 3).await;
    let mut waits: Vec<_> = seen
        .sessions
        .iter()
        .filter_map(|session| {
            let wait = session.wait.as_ref()?;
            Some((session.application_name.as_str(), wait.mode.as_deref()?, wait.object.as_deref()?))
        })
        .collect();
    waits.sort_unstable();
    let expected = [
        ("key", "ExclusiveLock", "-5"),
        ("pair", "ShareLock", "7, 4294967295"),
        ("table", "AccessShareLock", "public.devices"),
    ];
    assert_eq!(waits, expected);
    holder.batch_execute("COMMIT; SELECT pg_advisory_unlock_all()").await.unwrap();
    for task in tasks {
        task.await.unwrap();
    }
}

#[tokio::test]
async fn a_pile_up_of_more_than_the_answer_holds_is_counted_whole() {
    let db = devices().await;
    let asker = session(&db, None, "asker").await;
    let holder = session(&db, None, "holder").await;
    holder.batch_execute("BEGIN; UPDATE devices SET n = 1 WHERE id = 1").await.unwrap();
    let mut waiters = Vec::new();
    for _ in 0..80 {
        let waiter = session(&db, None, "waiter").await;
        waiters.push(begin(waiter, "SELECT n FROM devices WHERE id = 1 FOR UPDATE"));
    }
    let seen = blocking_until(&asker, "all wait", |seen| seen.lock_waits == 80).await;
    assert!(seen.sessions.len() <= 256);
    let piles = seen.piles();
    assert_eq!((piles.len(), piles[0].roots.len()), (1, 1), "{seen:#?}");
    assert_eq!(piles[0].roots[0].application_name, "holder");
    assert!((64..=80).contains(&piles[0].waiters.len()), "{}", piles[0].waiters.len());
    holder.batch_execute("COMMIT").await.unwrap();
    for waiter in waiters {
        waiter.await.unwrap();
    }
}

#[tokio::test]
async fn one_that_waits_is_never_taken_for_a_root_however_many_wait() {
    let db = devices().await;
    let asker = session(&db, None, "asker").await;
    let holder = session(&db, None, "holder").await;
    holder.batch_execute("BEGIN; UPDATE devices SET n = 1 WHERE id <= 2").await.unwrap();
    // Twenty sessions wait for one each, fifty more for the holder; only then do those twenty begin to wait themselves.
    let (mut between, mut tasks) = (Vec::new(), Vec::new());
    for id in 101..=120 {
        let one = session(&db, None, "between").await;
        one.batch_execute(&format!("BEGIN; SELECT pg_advisory_xact_lock({id})")).await.unwrap();
        let other = session(&db, None, "last").await;
        let sql = format!("SELECT pg_advisory_lock({id})");
        tasks.push(tokio::spawn(async move { other.batch_execute(&sql).await.unwrap() }));
        between.push(one);
    }
    blocking_until(&asker, "twenty wait", |seen| seen.lock_waits == 20).await;
    for _ in 0..50 {
        let task = begin(session(&db, None, "filler").await, "SELECT FROM devices WHERE id = 1 FOR UPDATE");
        tasks.push(tokio::spawn(async move { drop(task.await) }));
    }
    blocking_until(&asker, "seventy wait", |seen| seen.lock_waits == 70).await;
    for one in between {
        let task = begin(one, "SELECT FROM devices WHERE id = 2 FOR UPDATE; COMMIT");
        tasks.push(tokio::spawn(async move { drop(task.await) }));
    }
    let seen = blocking_until(&asker, "ninety wait", |seen| seen.lock_waits == 90).await;
    let mut roots: Vec<_> =
        seen.piles().iter().flat_map(|pile| &pile.roots).map(|root| root.application_name.clone()).collect();
    roots.dedup();
    assert_eq!(roots, ["holder"], "{seen:#?}");
    let unasked = |session: &&plimsoll_inspect::blocking::Session| {
        session.wait.as_ref().is_some_and(|wait| wait.blockers.is_empty())
    };
    let unasked: Vec<_> = seen.sessions.iter().filter(unasked).collect();
    assert!(!unasked.is_empty(), "it is about these");
    assert!(unasked.iter().all(|one| one.application_name == "between"), "{unasked:#?}");
    holder.batch_execute("COMMIT").await.unwrap();
    for task in tasks {
        task.await.unwrap();
    }
}

#[tokio::test]
async fn a_circle_has_no_root() {
    let db = devices().await;
    let asker = session(&db, None, "asker").await;
    let [one, other] = [session(&db, None, "one").await, session(&db, None, "other").await];
    for (client, key) in [(&one, 1), (&other, 2)] {
        let sql = format!("SET deadlock_timeout = '60s'; BEGIN; SELECT pg_advisory_xact_lock({key})");
        client.batch_execute(&sql).await.unwrap();
    }
    let other_pid = pid(&other).await;
    let one = begin(one, "SELECT pg_advisory_xact_lock(2); COMMIT");
    let other = tokio::spawn(async move { other.batch_execute("SELECT pg_advisory_xact_lock(1)").await });
    let seen = blocking_until(&asker, "both wait", |seen| seen.lock_waits == 2).await;
    let piles = seen.piles();
    assert_eq!((piles.len(), piles[0].roots.len(), piles[0].waiters.len()), (1, 0, 2), "{seen:#?}");
    assert!(piles[0].to_string().starts_with("2 sessions wait for each other in a circle; the longest"));
    asker.execute("SELECT pg_cancel_backend($1)", &[&other_pid]).await.unwrap();
    other.await.unwrap().unwrap_err();
    one.await.unwrap();
}

#[tokio::test]
async fn a_prepared_transaction_blocks_without_a_session() {
    let cluster = Cluster::builder().setting("max_prepared_transactions", "2").start().await.unwrap();
    let url = cluster.url("postgres");
    let asker = session_at(&url, None, "asker").await;
    let waiter = session_at(&url, None, "waiter").await;
    asker.batch_execute("CREATE TABLE devices (id int)").await.unwrap();
    asker.batch_execute("BEGIN; LOCK devices; PREPARE TRANSACTION 'forgotten'").await.unwrap();
    let waiter = begin(waiter, "SELECT FROM devices");
    let seen = blocking_until(&asker, "it waits", |seen| seen.lock_waits == 1).await;
    let piles = seen.piles();
    let said = piles[0].to_string();
    assert!(said.starts_with("a prepared transaction (see pg_prepared_xacts), blocks 1 session; "), "{said}");
    asker.batch_execute("ROLLBACK PREPARED 'forgotten'").await.unwrap();
    waiter.await.unwrap();
    cluster.stop().await.unwrap();
}

#[tokio::test]
async fn a_role_without_rights_sees_who_blocks_it_and_is_told_that_it_does_not_see_all() {
    let db = devices().await;
    let name = format!("plain_{:08x}", std::process::id());
    db.execute(&format!(
        "DROP ROLE IF EXISTS {name}; CREATE ROLE {name} LOGIN PASSWORD 'pw'; GRANT ALL ON devices TO {name}"
    ))
    .await
    .unwrap();
    let root = session(&db, None, "nightly report").await;
    root.batch_execute("BEGIN; UPDATE devices SET n = 1 WHERE id = 1").await.unwrap();
    let middle = session(&db, None, "a wait that is hidden").await;
    middle.batch_execute("BEGIN; UPDATE devices SET n = 2 WHERE id = 2").await.unwrap();
    let middle = begin(middle, "UPDATE devices SET n = 2 WHERE id = 1; COMMIT");
    let own = session(&db, Some(&name), "own").await;
    let own = begin(own, "UPDATE devices SET n = 3 WHERE id = 2");

    let all = session(&db, None, "sees all").await;
    blocking_until(&all, "two wait", |seen| seen.lock_waits == 2).await;
    let asker = session(&db, Some(&name), "asker").await;
    let answer = asker.simple_query(LOCK_WAITS).await.unwrap();
    assert_eq!(lock_waits(&answer).unwrap(), Some(1), "its own wait; the other is hidden");
    let seen = Blocking::read(&asker.simple_query(BLOCKING).await.unwrap()).unwrap();
    assert!(!seen.sees_all);
    let piles = seen.piles();
    assert_eq!((piles.len(), piles[0].roots.len(), piles[0].waiters.len()), (1, 1, 2), "{seen:#?}");
    let found = piles[0].roots[0];
    assert_eq!(found.application_name, "nightly report", "through a session whose wait is hidden");
    assert_eq!(found.user.as_deref(), Some(db.server().superuser()));
    assert_eq!((&found.state, &found.query, &found.client), (&None, &None, &None));
    assert!(piles[0].to_string().contains("in a state that this role may not see"), "{}", piles[0]);

    db.execute(&format!("GRANT pg_read_all_stats TO {name}")).await.unwrap();
    let seen = Blocking::read(&asker.simple_query(BLOCKING).await.unwrap()).unwrap();
    assert!(seen.sees_all && seen.lock_waits == 2, "{seen:#?}");
    assert_eq!(seen.piles()[0].roots[0].state.as_deref(), Some("idle in transaction"));

    root.batch_execute("COMMIT").await.unwrap();
    middle.await.unwrap();
    own.await.unwrap();
    db.execute(&format!("DROP OWNED BY {name}; DROP ROLE {name}")).await.unwrap();
}

#[tokio::test]
async fn where_nothing_waits_nothing_is_found_and_other_databases_are_left_out() {
    let db = devices().await;
    let asker = session(&db, None, "asker").await;
    let idle = session(&db, None, "idle").await;
    idle.batch_execute("BEGIN; UPDATE devices SET n = 1 WHERE id = 1").await.unwrap();
    let other = devices().await;
    let holder = session(&other, None, "holder").await;
    holder.batch_execute("SELECT pg_advisory_lock(1)").await.unwrap();
    let waiter = begin(session(&other, None, "waiter").await, "SELECT pg_advisory_lock(1)");
    let there = session(&other, None, "asker").await;
    blocking_until(&there, "one waits there", |seen| seen.lock_waits == 1).await;

    assert_eq!(lock_waits(&asker.simple_query(LOCK_WAITS).await.unwrap()).unwrap(), Some(0));
    assert_eq!(lock_waits(&there.simple_query(LOCK_WAITS).await.unwrap()).unwrap(), Some(1));
    let seen = Blocking::read(&asker.simple_query(BLOCKING).await.unwrap()).unwrap();
    assert_eq!(seen, Blocking::default());
    holder.batch_execute("SELECT pg_advisory_unlock_all()").await.unwrap();
    waiter.await.unwrap();
}

#[tokio::test]
async fn an_answer_to_another_question_is_an_error_or_none() {
    let db = devices().await;
    let asker = session(&db, None, "asker").await;
    let other = asker.simple_query("SELECT 1 AS something").await.unwrap();
    assert_eq!(lock_waits(&other).unwrap(), None);
    assert_eq!(Blocking::read(&other).unwrap(), Blocking::default());
    let wrong = asker.simple_query("SELECT 'many' AS lock_waits, '{1}' AS blockers").await.unwrap();
    let told = lock_waits(&wrong).unwrap_err().to_string();
    assert_eq!(told, "the answer has no usable column `lock_waits`: \"many\"");
    assert_eq!(Blocking::read(&wrong).unwrap_err().to_string(), told);
}

#[tokio::test]
async fn what_active_sessions_wait_for_is_told_with_their_number() {
    let db = devices().await;
    let asker = session(&db, None, "asker").await;
    let asked = async || wait_events(&asker.simple_query(LOCK_WAITS).await.unwrap()).unwrap();
    assert_eq!(asked().await, [], "the session that asks is not told of");
    let holder = session(&db, None, "holder").await;
    holder.batch_execute("BEGIN; UPDATE devices SET n = 1 WHERE id = 1").await.unwrap();
    assert_eq!(asked().await, [], "a session that is idle in its transaction works on nothing");
    let mut waiting = Vec::new();
    for _ in 0..2 {
        waiting.push(begin(session(&db, None, "waiter").await, "UPDATE devices SET n = 2 WHERE id = 1"));
    }
    let sleeping = begin(session(&db, None, "sleeper").await, "SELECT pg_sleep(5)");
    blocking_until(&asker, "two wait", |seen| seen.lock_waits == 2).await;
    let of = |told: &[WaitEvent], kind: &str| {
        told.iter().filter(|one| one.kind == kind).map(|one| one.sessions).sum::<u64>()
    };
    let mut told = asked().await;
    let until = std::time::Instant::now() + std::time::Duration::from_secs(15);
    // The sleeper may not have begun yet.
    while (of(&told, "Lock"), of(&told, "Timeout")) != (2, 1) {
        assert!(std::time::Instant::now() < until, "{told:?}");
        told = asked().await;
    }
    let sleep = WaitEvent { kind: "Timeout".to_owned(), event: "PgSleep".to_owned(), sessions: 1 };
    assert!(told.contains(&sleep), "{told:?}");
    holder.batch_execute("COMMIT").await.unwrap();
    for one in waiting {
        one.await.unwrap();
    }
    sleeping.await.unwrap();
}
