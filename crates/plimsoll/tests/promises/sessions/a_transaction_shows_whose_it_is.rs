//! While a transaction is open, the server shows which instance, which request and which work it belongs to. The name ends
//! with the transaction, whatever it is made of, and leaves nothing: not in the session, not behind a pooler, and not in what
//! is known of statements.

use crate::server::{self, PATIENCE, bare, first, until};
use plimsoll::event::Event;
use plimsoll::request_id::{self, RequestId};
use plimsoll::session_name::{LONGEST, SessionName, compose, instance_of};
use plimsoll::{Database, Fault, Isolation, Outcome, Pooler, Settings, Transaction, deadline};
use plimsoll_embedded::test_server::{self, TestDatabase};
use plimsoll_embedded::{PgBouncer, PgBouncerVersion, PoolMode};
use std::time::Duration;

const INSTANCE: &str = "orders@web-3:4711";
const SHOWN: &str = "SELECT current_setting('application_name')";

async fn settings(db: &TestDatabase) -> Settings {
    server::settings_for(db).await.pool_max(1).application_name(INSTANCE)
}

/// The name under which the server shows the sessions of this database, those of the test itself left out.
async fn shown(db: &TestDatabase) -> Vec<String> {
    let sql = format!(
        "SELECT application_name FROM pg_stat_activity WHERE datname = '{}' AND backend_type = 'client backend' \
         AND application_name NOT LIKE '%(heartbeat)' AND application_name <> 'plimsoll-embedded' \
         AND pid <> pg_backend_pid() ORDER BY 1",
        db.name()
    );
    let rows = db.execute(&sql).await.unwrap();
    rows.iter().filter_map(|row| row.values().next().cloned()).collect()
}

async fn name_in(tx: &Transaction) -> plimsoll::Result<String> {
    tx.query_one(SHOWN, &[]).await?.try_get(0).map_err(plimsoll::Error::from)
}

fn request(id: &str) -> RequestId {
    RequestId::parse(id).unwrap()
}

#[tokio::test]
async fn while_it_is_open_and_no_longer() {
    let fresh = test_server::database().await.unwrap();
    let db = Database::connect(settings(&fresh).await).await.unwrap();
    let is_idle = async || shown(&fresh).await == [INSTANCE];
    assert!(is_idle().await);
    let expected = format!("{INSTANCE} #3fa9c0d2 nightly report");
    let work = async |tx: Transaction| {
        // The whole server sees it, before the first statement too.
        assert_eq!(shown(&fresh).await, [expected.as_str()]);
        tx.query_one("SELECT 1", &[]).await?;
        assert_eq!(name_in(&tx).await?, expected);
        Ok(())
    };
    let call = || db.named("nightly report");
    request_id::within(request("3fa9c0d2"), call().transaction(work)).await.unwrap();
    assert!(is_idle().await, "after COMMIT: {:?}", shown(&fresh).await);

    let line = line!() + 1;
    let here = db.transaction(async |tx| name_in(&tx).await).await.unwrap();
    assert_eq!(here, format!("{INSTANCE} # a_transaction_shows_whose_it_is.rs:{line}"));
    let read = SessionName::parse(&here).unwrap();
    assert_eq!((read.instance, read.request), (INSTANCE, None));

    call().transaction(async |tx| tx.query("SELECT 1/0", &[]).await).await.unwrap_err();
    assert!(is_idle().await, "after ROLLBACK: {:?}", shown(&fresh).await);
    let name = call().read_only().transaction(async |tx| name_in(&tx).await).await.unwrap();
    assert_eq!(name, format!("{INSTANCE} # nightly report"));
    let name = call().resolvable().transaction(async |tx| name_in(&tx).await).await.unwrap();
    assert_eq!(name, format!("{INSTANCE} # nightly report"));

    // Dropped in the middle, its session is cleaned before it is lent again.
    let mut events = db.events();
    let forever = call().transaction(async |tx| tx.query("SELECT pg_sleep(60)", &[]).await);
    let _gone = tokio::time::timeout(Duration::from_millis(100), forever).await.unwrap_err();
    server::event("the session is clean", &mut events, |event| match event {
        Event::Reclaimed { .. } => Some(()),
        _ => None,
    })
    .await;
    until("the name is gone", PATIENCE, is_idle).await;
}

/// A single statement is sent bare, and shows what it does by itself. It is named where a limit is stamped anyway.
#[tokio::test]
async fn a_single_statement_is_named_only_where_that_costs_no_statement() {
    let fresh = test_server::database().await.unwrap();
    let db = Database::connect(settings(&fresh).await).await.unwrap();
    let call = || db.named("find device").read_only();
    for name in [db.query_one(SHOWN, &[]).await.unwrap(), call().query_one(SHOWN, &[]).await.unwrap()] {
        assert_eq!(name.get::<_, String>(0), INSTANCE);
    }
    let stamped = call().within(Duration::from_secs(5)).query_one(SHOWN, &[]).await.unwrap();
    assert_eq!(stamped.get::<_, String>(0), format!("{INSTANCE} # find device"));
    assert_eq!(shown(&fresh).await, [INSTANCE]);
}

#[tokio::test]
async fn unless_that_was_switched_off() {
    let fresh = test_server::database().await.unwrap();
    let db = Database::connect(settings(&fresh).await.session_names(false)).await.unwrap();
    assert_eq!(db.transaction(async |tx| name_in(&tx).await).await.unwrap(), INSTANCE);
    let within = db.named("w").within(Duration::from_secs(5));
    assert_eq!(within.transaction(async |tx| name_in(&tx).await).await.unwrap(), INSTANCE);
}

/// A program that says no name has one that no other process has.
#[tokio::test]
async fn an_instance_that_was_not_named_is_told_from_others() {
    let fresh = test_server::database().await.unwrap();
    let db = Database::connect(server::settings_for(&fresh).await).await.unwrap();
    let idle: String = db.query_one(SHOWN, &[]).await.unwrap().get(0);
    assert!(idle.ends_with(&format!(":{}", std::process::id())) && idle.contains('@'), "{idle}");
    let busy = db.transaction(async |tx| name_in(&tx).await).await.unwrap();
    assert_eq!(instance_of(&busy), instance_of(&idle));
}

const HOSTILE: &[&str] = &[
    "'; DROP TABLE item; --",
    "\\'; DROP TABLE item; --",
    "$$ $1 \"quoted\" /* comment",
    "naïve – Ünïcode ☂ name",
    "名前 and more",
    "line\nbreak\0and\ttab",
    "   ",
    "",
    "a name that is so long that it cannot be shown as a whole, however short the others are",
    "E'\\''",
    "%s {} ${x}",
];

async fn no_name_breaks_out(db: &Database, instance: &str) {
    for hostile in HOSTILE {
        let id = request("it's\\a\"$$;--trace");
        let call = db.named(*hostile);
        let work = call.transaction(async |tx| name_in(&tx).await);
        let name = request_id::within(id.clone(), work).await.unwrap();
        if hostile.bytes().any(|byte| byte.is_ascii_alphanumeric()) {
            assert_eq!(name, compose(instance, Some(id.as_str()), hostile));
        } else {
            assert!(name.contains("a_transaction_shows"), "{name}");
        }
        assert!(name.len() <= LONGEST);
        let count: i64 = db.query_one("SELECT count(*) FROM item", &[]).await.unwrap().get(0);
        assert_eq!(count, 0);
    }
}

#[tokio::test]
async fn whatever_the_name_holds() {
    let fresh = test_server::database().await.unwrap();
    fresh.execute("CREATE TABLE item (id int)").await.unwrap();
    for instance in ["o'r\\d\"e;rs--", "fünf$$ drei", INSTANCE] {
        for strings in ["on", "off"] {
            let settings = settings(&fresh).await.application_name(instance);
            let options = format!("-c standard_conforming_strings={strings}");
            let db = Database::connect(settings.options(options)).await.unwrap();
            no_name_breaks_out(&db, instance).await;
            db.close().await;
        }
    }
}

/// The name is no setting that stays, and what is known of a statement is used on.
#[tokio::test]
async fn and_the_session_stays_as_it_was() {
    let fresh = test_server::database().await.unwrap();
    let db = Database::connect(settings(&fresh).await).await.unwrap();
    let mut events = db.events();
    for n in 0..20_i64 {
        let call = db.named(format!("work {n}")).within(Duration::from_millis(900 + 37 * n.unsigned_abs()));
        let doubled =
            call.transaction(async |tx| tx.query_one("SELECT $1::int8 * 2", &[&n]).await).await.unwrap();
        assert_eq!(doubled.get::<_, i64>(0), n * 2);
    }
    let prepared: i64 =
        db.query_one("SELECT count(*) FROM pg_prepared_statements", &[]).await.unwrap().get(0);
    assert!(prepared <= 2, "{prepared} statements were prepared for one text and this question");
    assert_eq!(db.pool_status().opened, 1);
    while let Ok(event) = events.try_recv() {
        assert!(!matches!(event, Event::Reclaimed { .. } | Event::Discarded { .. }), "{event:?}");
    }
}

/// The limits that are stamped hold, and are never longer than what is left.
#[tokio::test]
async fn and_the_limits_that_travel_with_it_hold() {
    let fresh = test_server::database().await.unwrap();
    let db = Database::connect(settings(&fresh).await).await.unwrap();
    let limit = "SELECT setting::int8 FROM pg_settings WHERE name = 'statement_timeout'";
    for left in [150_u64, 777, 1_234, 4_999, 12_345] {
        let work = db.named("limited").within(Duration::from_millis(left));
        let stamped = work.transaction(async |tx| tx.query_one(limit, &[]).await).await.unwrap();
        let stamped = u64::try_from(stamped.get::<_, i64>(0)).unwrap();
        assert!(stamped > 0 && stamped <= left, "{stamped} of {left}");
        assert!(stamped.to_string().trim_end_matches('0').len() <= 2, "{stamped}");
    }
    let locks = db.named("door").lock_timeout(Duration::from_millis(1_234));
    let shown = locks.transaction(async |tx| tx.query_one("SHOW lock_timeout", &[]).await).await.unwrap();
    assert_eq!(shown.get::<_, String>(0), "1234ms", "what the program itself has said is not rounded");
    // The server's limit, which is rounded down, is there for the deadline and is told as that.
    let started = std::time::Instant::now();
    let asleep = db.named("asleep").within(Duration::from_millis(1_090));
    let error = asleep.transaction(async |tx| tx.query("SELECT pg_sleep(60)", &[]).await).await.unwrap_err();
    assert_eq!(error.fault(), Fault::DeadlinePassed, "{error}");
    assert_eq!(error.outcome(), Outcome::RolledBack, "{error}");
    assert!(started.elapsed() < Duration::from_secs(5));
}

/// A transaction of which all statements see one snapshot takes it with its first statement and not before: what was
/// committed while it waited for a lock is seen.
async fn no_snapshot_is_taken_for_it(fresh: &TestDatabase, call: plimsoll::Call<'_>) {
    fresh.execute("DROP TABLE IF EXISTS item; CREATE TABLE item (id int)").await.unwrap();
    let holder = bare(&fresh.url()).await;
    holder.batch_execute("BEGIN; INSERT INTO item VALUES (1)").await.unwrap();
    // With a limit that is stamped for a deadline.
    let work = call.within(Duration::from_secs(20)).transaction(async |tx| {
        // As a script, whose types need not be learned: behind a pooler that takes a query.
        tx.batch_execute("LOCK TABLE item IN ACCESS EXCLUSIVE MODE").await?;
        tx.query_one("SELECT count(*) FROM item", &[]).await
    });
    let release = async {
        until("it waits for the lock", PATIENCE, async || {
            let waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' \
                         AND query LIKE 'LOCK TABLE item%' AND datname = current_database()";
            server::text(fresh, waits).await == "1"
        })
        .await;
        holder.batch_execute("COMMIT").await.unwrap();
    };
    let (seen, ()) = tokio::join!(work, release);
    assert_eq!(seen.unwrap().get::<_, i64>(0), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn and_no_snapshot_is_taken_for_it() {
    let fresh = test_server::database().await.unwrap();
    let asked = Database::connect(settings(&fresh).await).await.unwrap();
    no_snapshot_is_taken_for_it(&fresh, asked.named("locked").isolation(Isolation::Serializable)).await;
    no_snapshot_is_taken_for_it(&fresh, asked.named("locked").isolation(Isolation::RepeatableRead)).await;
    let options = "-c default_transaction_isolation=serializable";
    let by_default = Database::connect(settings(&fresh).await.options(options)).await.unwrap();
    no_snapshot_is_taken_for_it(&fresh, by_default.named("locked")).await;
}

async fn and_no_snapshot_is_taken_for_it_behind_a_pooler(version: PgBouncerVersion) {
    let fresh = test_server::database().await.unwrap();
    let builder = PgBouncer::in_front_of(&fresh).version(version).pool_mode(PoolMode::Transaction);
    let bouncer = builder.start().await.unwrap();
    let settings = || server::settings(&bouncer.url(fresh.name())).pool_max(1);
    let asked = Database::connect(settings()).await.unwrap();
    no_snapshot_is_taken_for_it(&fresh, asked.named("locked").isolation(Isolation::RepeatableRead)).await;
    asked.close().await;
    let by_default =
        format!("ALTER DATABASE \"{}\" SET default_transaction_isolation = serializable", fresh.name());
    fresh.execute(&by_default).await.unwrap();
    bouncer.admin("RECONNECT").await.unwrap();
    let by_default = Database::connect(settings()).await.unwrap();
    no_snapshot_is_taken_for_it(&fresh, by_default.named("locked")).await;
}

/// Before PostgreSQL 18 the name takes a query, behind which the server lets no transaction change its isolation.
#[tokio::test]
async fn a_set_transaction_that_comes_too_late_is_told_what_to_do() {
    const SERIALIZABLE: &str = "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE";
    let fresh = test_server::database().await.unwrap();
    let run = async |db: &Database| db.transaction(async |tx| tx.execute(SERIALIZABLE, &[]).await).await;
    let db = Database::connect(settings(&fresh).await).await.unwrap();
    if fresh.server().version() >= 18 {
        run(&db).await.unwrap();
    } else {
        let error = run(&db).await.unwrap_err();
        assert!(error.sentence().contains("say .isolation(..)"), "{error}");
    }
    let unnamed = Database::connect(settings(&fresh).await.session_names(false)).await.unwrap();
    run(&unnamed).await.unwrap();
    let late = unnamed.transaction(async |tx| {
        tx.query("SELECT 1", &[]).await?;
        tx.execute(SERIALIZABLE, &[]).await
    });
    let error = late.await.unwrap_err();
    assert!(!error.sentence().contains("say .isolation(..)"), "{error}");
}

/// A pooler takes the name for its client's own while the transaction lasts, and must have the old one again afterwards:
/// two clients and a stranger share one server connection here.
async fn behind_a_pooler_the_name_reaches_no_other_client(version: PgBouncerVersion) {
    let fresh = test_server::database().await.unwrap();
    fresh.execute("CREATE TABLE item (id int)").await.unwrap();
    let bouncer = PgBouncer::in_front_of(&fresh)
        .version(version)
        .pool_mode(PoolMode::Transaction)
        .setting("default_pool_size", "1")
        .start()
        .await
        .unwrap();
    let url = bouncer.url(fresh.name());
    let pool = async |name: &str| {
        let db = Database::connect(server::settings(&url).pool_max(1).application_name(name)).await.unwrap();
        db.query_one("SELECT 1", &[]).await.unwrap();
        assert_eq!(db.pooler(), Some(Pooler::Transaction));
        db
    };
    let (one, other) = (pool("one@a:1").await, pool("other@b:2").await);
    let stranger = bare(&format!("{url}?application_name=stranger")).await;
    let opened = (one.pool_status().opened, other.pool_status().opened);
    let mut events = (one.events(), other.events());
    for round in 0..10_u32 {
        for (db, instance) in [(&one, "one@a:1"), (&other, "other@b:2")] {
            let call = db.named(format!("work {round}"));
            let call = if round % 2 == 0 { call } else { call.within(Duration::from_secs(5)) };
            let fails = round % 3 == 0;
            let work = call.transaction(async |tx| {
                let expected = format!("{instance} # work {round}");
                assert_eq!(name_in(&tx).await?, expected);
                assert!(shown(&fresh).await.contains(&expected));
                if fails { tx.query("SELECT 1/0", &[]).await.map(drop) } else { Ok(()) }
            });
            assert_eq!(work.await.is_err(), fails);
            assert_eq!(first(&stranger, SHOWN).await.unwrap(), "stranger");
            let alone: String = db.query_one(SHOWN, &[]).await.unwrap().get(0);
            assert_eq!(alone, instance);
            // As a script: dropped while types are learned, it would cost the connection.
            let dropped = db.named("dropped");
            let dropped = dropped.transaction(async |tx| tx.batch_execute("SELECT pg_sleep(5)").await);
            let _gone = tokio::time::timeout(Duration::from_millis(20), dropped).await.unwrap_err();
            until("the dropped transaction is over", PATIENCE, async || {
                let status = db.pool_status();
                status.checked_out == 0 && status.returning == 0
            })
            .await;
            assert_eq!(first(&stranger, SHOWN).await.unwrap(), "stranger");
        }
    }
    let leases = deadline::within(Duration::from_secs(10), async {
        for db in [&one, &other] {
            no_name_breaks_out(db, if std::ptr::eq(db, &one) { "one@a:1" } else { "other@b:2" }).await;
        }
    });
    leases.await;
    assert_eq!(
        (one.pool_status().opened, other.pool_status().opened),
        opened,
        "a connection was thrown away"
    );
    for events in [&mut events.0, &mut events.1] {
        while let Ok(event) = events.try_recv() {
            assert!(!matches!(event, Event::Discarded { .. }), "{event:?}");
        }
    }
    one.close().await;
    other.close().await;
    assert_eq!(first(&stranger, SHOWN).await.unwrap(), "stranger");
    assert!(shown(&fresh).await.iter().all(|name| SessionName::parse(name).is_none()));
}

plimsoll_embedded::on_each_pgbouncer!(
    behind_a_pooler_the_name_reaches_no_other_client,
    and_no_snapshot_is_taken_for_it_behind_a_pooler,
);
