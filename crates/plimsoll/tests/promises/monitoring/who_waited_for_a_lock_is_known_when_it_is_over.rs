//! Who waited for a lock, and who let them wait, is known when it is over: a pile-up of fifty sessions is one episode with
//! all of it, whether its holder is a lease of this pool or a session of another program.

use crate::server::{self, PATIENCE, bare, first, settings_for, until};
use plimsoll::event::Event;
use plimsoll::monitor::LockEpisode;
use plimsoll::request_id::{self, RequestId};
use plimsoll::{Database, Fault};
use plimsoll_embedded::test_server::{self, TestDatabase};
use plimsoll_embedded::{PgBouncer, PgBouncerVersion, PoolMode};
use std::time::{Duration, SystemTime};

const TABLE: &str = "CREATE TABLE devices (id int PRIMARY KEY, owner text); \
     INSERT INTO devices SELECT id, 'none' FROM generate_series(1, 9) id";
const TAKE: &str = "UPDATE devices SET owner = 'a secret' WHERE id = 1";
const WAIT: &str = "UPDATE devices SET owner = 'other' WHERE id = 1";

async fn started(change: impl FnOnce(plimsoll::Settings) -> plimsoll::Settings) -> (TestDatabase, Database) {
    let fresh = test_server::database_from("lock_episodes", TABLE).await.unwrap();
    let settings = settings_for(&fresh).await.lock_timeout(Duration::from_secs(25));
    let db = Database::connect(change(settings)).await.unwrap();
    (fresh, db)
}

/// The only episode, once it is as wanted.
async fn only(db: &Database, what: &str, is_wanted: impl Fn(&LockEpisode) -> bool) -> LockEpisode {
    let mut found = None;
    until(what, PATIENCE, async || {
        let episodes = db.monitor().lock_episodes();
        assert!(episodes.len() <= 1, "one pile-up is one episode: {episodes:#?}");
        found = episodes.into_iter().next().filter(|told| is_wanted(told));
        found.is_some()
    })
    .await;
    found.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pile_up_of_fifty_is_one_episode_with_all_of_it() {
    let (_fresh, db) =
        started(|settings| settings.pool_max(52).lock_report_after(Duration::from_secs(1))).await;
    let mut events = db.events();
    let began = SystemTime::now();
    let id = RequestId::parse("request-4711").unwrap();
    let line = line!() + 1;
    let holding = request_id::within(id, db.named("nightly report").begin()).await.unwrap();
    holding.execute(TAKE, &[]).await.unwrap();
    let holder: i32 = holding.query_one("SELECT pg_backend_pid()", &[]).await.unwrap().get(0);
    let waiters: Vec<_> = (0..50)
        .map(|_| {
            let db = db.clone();
            tokio::spawn(async move { db.named("renew").execute(WAIT, &[]).await })
        })
        .collect();
    only(&db, "fifty wait", |told| told.most_waiting == 50 && !told.is_over).await;
    let (said, waiting) = server::event("the pile-up", &mut events, |event| match event {
        Event::LockPileUp { told, waiting, .. } => Some((told.clone(), *waiting)),
        _ => None,
    })
    .await;
    assert!(said.contains("\"nightly report\"") && waiting > 0, "{waiting}: {said}");
    holding.commit().await.unwrap();
    for waiter in waiters {
        waiter.await.unwrap().unwrap();
    }
    let told = only(&db, "it is over", |told| told.is_over).await;

    assert_eq!((told.most_waiting, told.object.as_deref()), (50, Some("public.devices")), "{told:#?}");
    assert_eq!((told.lock_type.as_deref(), told.mode.as_deref()), (Some("transactionid"), Some("ShareLock")));
    assert_eq!(told.waiting[0].name.split(' ').next(), Some("\"renew\""), "{told:#?}");
    assert_eq!((told.waiting.len(), told.waiting[0].most), (1, 50));
    assert!(told.lasted_seconds >= 1.0 && told.longest_wait_seconds >= 1.0, "{told:#?}");
    assert!(told.began.0 >= began && told.began < told.last_seen && told.last_seen.0 <= SystemTime::now());
    assert!(!told.is_partial, "the test's role is a superuser");
    let first = &told.blockers[0];
    let place = format!("\"nightly report\" (who_waited_for_a_lock_is_known_when_it_is_over.rs:{line})");
    assert_eq!((first.pid, first.work.as_deref()), (holder, Some(place.as_str())));
    assert_eq!(first.request_id.as_deref(), Some("request-4711"));
    assert_eq!(first.state.as_deref(), Some("idle in transaction"));
    assert_eq!(first.last_statement.as_deref(), Some("select pg_backend_pid()"));
    assert!(first.transaction_seconds >= first.state_seconds, "{first:#?}");
    let json = serde_json::to_value(db.snapshot()).unwrap();
    assert_eq!(json["lock_episodes"][0]["blockers"][0]["request_id"], "request-4711");
    assert_eq!(json["lock_episodes"][0]["most_waiting"], 50);
    assert!(!json.to_string().contains("a secret"));
}

#[tokio::test]
async fn a_session_of_another_program_that_idles_in_its_transaction_is_named_by_what_it_says_of_itself() {
    let (fresh, db) = started(|settings| settings).await;
    let foreign = bare(&fresh.url()).await;
    foreign.batch_execute("SET application_name = 'billing-2 r77 close month'").await.unwrap();
    foreign.batch_execute(&format!("BEGIN; {TAKE}")).await.unwrap();
    let pid: i32 = first(&foreign, "SELECT pg_backend_pid()").await.unwrap().parse().unwrap();
    // Another program waits too.
    let other = bare(&fresh.url()).await;
    other.batch_execute("SET application_name = 'psql'").await.unwrap();
    let other = tokio::spawn(async move { other.batch_execute(WAIT).await });
    let own = tokio::spawn({
        let db = db.clone();
        async move { db.named("renew").execute(WAIT, &[]).await }
    });
    let told = only(&db, "both wait", |told| told.most_waiting == 2).await;
    let blocker = &told.blockers[0];
    assert_eq!((blocker.pid, &blocker.work, &blocker.request_id), (pid, &None, &None));
    assert_eq!(blocker.application_name, "billing-2 r77 close month");
    assert_eq!(blocker.client.as_deref(), Some("127.0.0.1"));
    assert_eq!(blocker.user.as_deref(), Some(fresh.server().superuser()));
    let said = told.to_string();
    assert!(said.starts_with("2 sessions wait for ShareLock on public.devices, in all "), "{said}");
    let ends = format!(": billing-2 r77 close month, user {}, client 127.0.0.1", fresh.server().superuser());
    assert!(said.contains(&format!("blocked by pid {pid}, idle in transaction for ")), "{said}");
    assert!(said.ends_with(&ends), "{said}");
    let mut names: Vec<_> =
        told.waiting.iter().map(|waiting| waiting.name.split(' ').next().unwrap()).collect();
    names.sort_unstable();
    assert_eq!(names, ["\"renew\"", "psql"]);
    foreign.batch_execute("COMMIT").await.unwrap();
    own.await.unwrap().unwrap();
    other.await.unwrap().unwrap();
}

#[tokio::test]
async fn the_root_of_a_chain_is_named() {
    let (_fresh, db) = started(|settings| settings).await;
    let one = db.named("one").begin().await.unwrap();
    one.execute(TAKE, &[]).await.unwrap();
    let two = tokio::spawn({
        let db = db.clone();
        async move {
            let two = db.named("two").begin().await?;
            two.execute("UPDATE devices SET owner = 'two' WHERE id = 2", &[]).await?;
            two.execute(WAIT, &[]).await?;
            two.commit().await
        }
    });
    only(&db, "one waits", |told| told.most_waiting == 1).await;
    let three = tokio::spawn({
        let db = db.clone();
        async move { db.named("three").execute("DELETE FROM devices WHERE id = 2", &[]).await }
    });
    let told = only(&db, "two wait", |told| told.most_waiting == 2).await;
    let works: Vec<_> = told.blockers.iter().filter_map(|blocker| blocker.work.as_deref()).collect();
    assert!(works.len() == 1 && works[0].starts_with("\"one\""), "{told:#?}");
    one.commit().await.unwrap();
    two.await.unwrap().unwrap();
    three.await.unwrap().unwrap();
}

/// The process ids that a pooler tells are not the server's: no lease may be named by them.
async fn behind_a_transaction_pooler_sessions_are_named_by_what_they_say_of_themselves(
    version: PgBouncerVersion,
) {
    let (fresh, direct) = started(|settings| settings).await;
    direct.close().await;
    let bouncer = PgBouncer::in_front_of(&fresh)
        .version(version)
        .pool_mode(PoolMode::Transaction)
        .start()
        .await
        .unwrap();
    let settings = server::settings(&bouncer.url(fresh.name())).application_name("fleet-3");
    let db = Database::connect(settings.lock_timeout(Duration::from_secs(25))).await.unwrap();
    let holding = db.named("nightly report").begin().await.unwrap();
    holding.execute(TAKE, &[]).await.unwrap();
    let holder: i32 = holding.query_one("SELECT pg_backend_pid()", &[]).await.unwrap().get(0);
    let own = tokio::spawn({
        let db = db.clone();
        async move { db.named("renew").execute(WAIT, &[]).await }
    });
    let told = only(&db, "it waits", |told| told.most_waiting == 1).await;
    let blocker = &told.blockers[0];
    assert_eq!((blocker.pid, &blocker.work, &blocker.request_id), (holder, &None, &None), "{told:#?}");
    assert!(blocker.application_name.starts_with("fleet-3"), "{told:#?}");
    assert!(told.waiting[0].name.starts_with("fleet-3"), "{told:#?}");
    holding.commit().await.unwrap();
    own.await.unwrap().unwrap();
}

plimsoll_embedded::on_each_pgbouncer!(
    behind_a_transaction_pooler_sessions_are_named_by_what_they_say_of_themselves
);

/// What the heartbeat's session was last asked.
async fn asked(db: &TestDatabase) -> String {
    let sql = "SELECT query FROM pg_stat_activity WHERE application_name LIKE '%(heartbeat)' AND datname = current_database()";
    server::text(db, sql).await
}

#[tokio::test]
async fn while_nothing_waits_only_the_cheap_question_is_asked_and_nothing_is_kept() {
    let (fresh, db) = started(|settings| settings).await;
    let holding = db.begin().await.unwrap();
    holding.execute(TAKE, &[]).await.unwrap();
    let (mut cheap, end) = (0, tokio::time::Instant::now() + server::span());
    while tokio::time::Instant::now() < end {
        let question = asked(&fresh).await;
        cheap += u32::from(question.contains("AS lock_waits"));
        assert!(!question.contains("pg_blocking_pids"), "{question}");
    }
    assert!(cheap > 0, "the cheap question is asked");
    assert_eq!(db.monitor().lock_episodes(), []);
    let own = tokio::spawn({
        let db = db.clone();
        async move { db.execute(WAIT, &[]).await }
    });
    until("the other question is asked", PATIENCE, async || asked(&fresh).await.contains("pg_blocking_pids"))
        .await;
    drop(holding);
    own.await.unwrap().unwrap();
}

#[tokio::test]
async fn with_monitoring_off_nothing_is_asked() {
    let (fresh, db) = started(|settings| settings.monitoring(false)).await;
    let end = tokio::time::Instant::now() + server::span();
    while tokio::time::Instant::now() < end {
        assert!(!asked(&fresh).await.contains("lock_waits"));
    }
    db.monitor().set_enabled(true);
    until("it is asked", PATIENCE, async || asked(&fresh).await.contains("lock_waits")).await;
}

#[tokio::test]
async fn a_role_without_rights_is_told_that_it_does_not_see_all() {
    let (fresh, _) = started(|settings| settings).await;
    let role = format!("plain_{}", fresh.name().rsplit('_').next().unwrap());
    let make = format!("CREATE ROLE {role} LOGIN PASSWORD 'pw'; GRANT ALL ON devices TO {role}");
    fresh.execute(&make).await.unwrap();
    let settings = settings_for(&fresh).await.user(role.clone()).password("pw");
    let db = Database::connect(settings).await.unwrap();
    let foreign = bare(&fresh.url()).await;
    foreign.batch_execute(&format!("SET application_name = 'billing'; BEGIN; {TAKE}")).await.unwrap();
    let own = tokio::spawn({
        let db = db.clone();
        async move { db.named("renew").execute(WAIT, &[]).await }
    });
    let told = only(&db, "it waits", |told| told.most_waiting == 1).await;
    let blocker = &told.blockers[0];
    assert!(told.is_partial, "{told:#?}");
    assert_eq!((blocker.application_name.as_str(), &blocker.state), ("billing", &None));
    assert_eq!((&blocker.last_statement, &blocker.client), (&None, &None));
    assert_eq!(blocker.user.as_deref(), Some(fresh.server().superuser()));
    assert!(told.to_string().contains("in a state that this role may not see: billing"), "{told}");
    foreign.batch_execute("COMMIT").await.unwrap();
    own.await.unwrap().unwrap();
    db.close().await;
    fresh.execute(&format!("DROP OWNED BY {role}; DROP ROLE {role}")).await.unwrap();
}

#[tokio::test]
async fn a_question_that_is_refused_costs_neither_the_connection_nor_the_breaker() {
    let (fresh, db) = started(|settings| settings).await;
    let sql = "SELECT pid FROM pg_stat_activity WHERE application_name LIKE '%(heartbeat)' AND datname = current_database()";
    let mut before = String::new();
    until("the heartbeat is there", PATIENCE, async || {
        before = server::text(&fresh, sql).await;
        !before.is_empty()
    })
    .await;
    // What locks the view that the question reads makes it fail by its own limit.
    let locker = bare(&fresh.url()).await;
    locker.batch_execute("BEGIN; LOCK pg_locks IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let holding = db.begin().await.unwrap();
    holding.execute(TAKE, &[]).await.unwrap();
    let own = tokio::spawn({
        let db = db.clone();
        async move { db.execute(WAIT, &[]).await }
    });
    until("the question is asked", PATIENCE, async || asked(&fresh).await.contains("pg_blocking_pids")).await;
    until("it has failed, and the next one is asked", PATIENCE, async || {
        !asked(&fresh).await.contains("pg_blocking_pids")
    })
    .await;
    assert_eq!(server::text(&fresh, sql).await, before, "the same session");
    assert_eq!((db.breaker().trips, db.monitor().lock_episodes()), (0, Vec::new()));
    locker.batch_execute("ROLLBACK").await.unwrap();
    only(&db, "it is seen after all", |told| told.most_waiting == 1).await;
    drop(holding);
    own.await.unwrap().unwrap();
}

#[tokio::test]
async fn an_error_that_a_lock_made_names_who_held_it() {
    let (_fresh, db) = started(|settings| {
        settings.pool_max(2).lock_timeout(Duration::from_secs(3)).pool_timeout(Duration::from_millis(200))
    })
    .await;
    let id = RequestId::parse("request-4711").unwrap();
    let holding = request_id::within(id, db.named("nightly report").begin()).await.unwrap();
    holding.execute(TAKE, &[]).await.unwrap();
    let own = tokio::spawn({
        let db = db.clone();
        async move { db.named("renew").execute(WAIT, &[]).await }
    });
    only(&db, "it waits", |told| told.most_waiting == 1).await;
    // Both connections are lent, and one of them waits for the lock.
    let refused = db.named("look").query("SELECT 1", &[]).await.unwrap_err();
    assert_eq!(refused.fault(), Fault::PoolExhausted);
    let said = refused.to_string();
    assert!(
        said.contains("1 session waits for ShareLock on public.devices") && said.contains("nightly report"),
        "{said}"
    );
    let late = own.await.unwrap().unwrap_err();
    assert_eq!(late.fault(), Fault::LockTimeout);
    let said = late.to_string();
    assert!(said.contains("; it waited for ShareLock on public.devices, blocked by pid "), "{said}");
    assert!(said.contains("\"nightly report\"") && said.contains("request request-4711"), "{said}");
    assert!(!said.contains("a secret") && !said.to_lowercase().contains("update devices"), "no SQL: {said}");
    holding.commit().await.unwrap();

    // What was late for another reason names no blocker.
    let slow = db.named("slow").within(Duration::from_millis(300)).query("SELECT pg_sleep(9)", &[]).await;
    let said = slow.unwrap_err().to_string();
    assert!(!said.contains("blocked by"), "{said}");
}
