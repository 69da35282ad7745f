//! Behind a pooler that lends a server connection for a transaction, the limits hold, and nothing is left on the
//! server: no setting, no name, no lock.

use crate::server::{self, PATIENCE, bare, until};
use plimsoll::settings::PoolerMode;
use plimsoll::{Database, Fault, Outcome, Pooler, Settings};
use plimsoll_embedded::test_server::{self, TestDatabase};
use plimsoll_embedded::{Cluster, PgBouncer, PgBouncerBuilder, PgBouncerVersion, PoolMode};
use std::time::{Duration, Instant};

/// PgBouncer with this many server connections.
fn pooler(version: PgBouncerVersion, server: &TestDatabase, connections: usize) -> PgBouncerBuilder {
    PgBouncer::in_front_of(server)
        .version(version)
        .pool_mode(PoolMode::Transaction)
        .setting("default_pool_size", connections.to_string())
        .setting("max_client_conn", "200")
}

fn settings(bouncer: &PgBouncer, server: &TestDatabase) -> Settings {
    server::settings(&bouncer.url(server.name()))
        .lock_timeout(Duration::from_millis(300))
        .client_connection_check_interval(Duration::from_millis(100))
        .statement_timeout(Duration::from_millis(500))
        .client_statement_timeout(Duration::from_secs(10))
}

/// What the one server connection of the pooler still holds, asked by a stranger on the same pooler.
async fn assert_nothing_is_left(bouncer: &PgBouncer, server: &TestDatabase, after: &str) {
    let stranger = bare(&bouncer.url(server.name())).await;
    for (question, answer) in [
        ("SHOW statement_timeout", "0"),
        ("SHOW lock_timeout", "0"),
        ("SHOW search_path", "\"$user\", public"),
        ("SELECT count(*) FROM pg_prepared_statements", "0"),
        (
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
            "0",
        ),
        ("SELECT count(*) FROM pg_cursors", "0"),
    ] {
        let messages = stranger.simple_query(question).await.unwrap();
        let found = messages.iter().find_map(|message| match message {
            tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
            _ => None,
        });
        assert_eq!(found.as_deref(), Some(answer), "{question} after {after}");
    }
}

/// Everything that a program does, and what must not be seen of it afterwards.
async fn assert_limits_hold_and_nothing_leaks(db: &Database, bouncer: &PgBouncer, server: &TestDatabase) {
    server.execute("CREATE TABLE IF NOT EXISTS item (id int PRIMARY KEY, name text)").await.unwrap();
    for round in 0..3_i32 {
        let text = format!("name {round}");
        db.execute("INSERT INTO item VALUES ($1, $2)", &[&round, &text]).await.unwrap();
        let row = db.query_one("SELECT name FROM item WHERE id = $1", &[&round]).await.unwrap();
        assert_eq!(row.get::<_, String>(0), text);
        assert_nothing_is_left(bouncer, server, "a statement").await;
    }
    let began = Instant::now();
    let error = db.query("SELECT pg_sleep(20)", &[]).await.unwrap_err();
    assert_eq!(error.fault(), Fault::StatementTimeout, "{error}");
    assert!(began.elapsed() < Duration::from_secs(5));
    assert_nothing_is_left(bouncer, server, "a statement that was too slow").await;

    let limit = db.query_one("SELECT current_setting('statement_timeout')", &[]).await.unwrap();
    assert_eq!(limit.get::<_, String>(0), "500ms");
    let limits = db
        .transaction(async |tx| {
            tx.advisory_lock("door").await?;
            tx.execute("UPDATE item SET name = 'x' WHERE id = 1", &[]).await?;
            tx.query_one("SELECT current_setting('statement_timeout'), current_setting('lock_timeout')", &[])
                .await
        })
        .await
        .unwrap();
    assert_eq!((limits.get::<_, String>(0), limits.get::<_, String>(1)), ("500ms".into(), "300ms".into()));
    assert_nothing_is_left(bouncer, server, "a transaction").await;

    let error = db.transaction(async |tx| tx.query("SELECT pg_sleep(20)", &[]).await).await.unwrap_err();
    assert_eq!(error.fault(), Fault::StatementTimeout, "{error}");
    for wrong in ["SELECT nothing FROM item", "SELECT 1/0", "INSERT INTO item VALUES (1, 'again')"] {
        for _ in 0..2 {
            db.query(wrong, &[]).await.unwrap_err();
            db.transaction(async |tx| tx.query(wrong, &[]).await).await.unwrap_err();
        }
        assert_nothing_is_left(bouncer, server, wrong).await;
    }
    // Dropped in the middle of everything.
    for micros in [0_u64, 200, 500, 1_000, 2_000, 5_000] {
        let drop_after = Duration::from_micros(micros);
        let _gone = tokio::time::timeout(drop_after, db.query("SELECT count(*) FROM item", &[])).await;
        let work = db.transaction(async |tx| tx.query("SELECT id, name, pg_sleep(0.1) FROM item", &[]).await);
        let _gone = tokio::time::timeout(drop_after, work).await;
    }
    until("the dropped work has come to rest", PATIENCE, async || {
        let status = db.pool_status();
        status.checked_out == 0 && status.returning == 0
    })
    .await;
    assert_nothing_is_left(bouncer, server, "dropped work").await;
}

async fn a_pooler_that_refuses_startup_options_is_found(version: PgBouncerVersion) {
    let server = test_server::database().await.unwrap();
    let bouncer = pooler(version, &server, 1).start().await.unwrap();
    let db = Database::connect(settings(&bouncer, &server)).await.unwrap();
    assert_eq!(db.pooler(), Some(Pooler::Transaction));
    assert_limits_hold_and_nothing_leaks(&db, &bouncer, &server).await;
    assert!(bouncer.is_alive().await, "{}", bouncer.log_tail());
}

async fn a_pooler_that_drops_startup_options_without_a_word_is_found(version: PgBouncerVersion) {
    let server = test_server::database().await.unwrap();
    let bouncer =
        pooler(version, &server, 1).setting("ignore_startup_parameters", "options").start().await.unwrap();
    let db = Database::connect(settings(&bouncer, &server)).await.unwrap();
    assert_eq!(db.pooler(), Some(Pooler::Transaction));
    assert_limits_hold_and_nothing_leaks(&db, &bouncer, &server).await;
}

async fn a_pooler_that_was_said_is_believed(version: PgBouncerVersion) {
    let server = test_server::database().await.unwrap();
    let bouncer = pooler(version, &server, 1).start().await.unwrap();
    let db = Database::connect(settings(&bouncer, &server).pooler(PoolerMode::Transaction)).await.unwrap();
    assert_eq!(db.pooler(), Some(Pooler::Transaction));
    assert_limits_hold_and_nothing_leaks(&db, &bouncer, &server).await;
}

#[tokio::test]
async fn a_plain_server_on_a_poolers_port_is_a_plain_server() {
    let mut started = None;
    for port in [6432, 6543] {
        if let Ok(cluster) = Cluster::builder().port(port).start().await {
            started = Some(cluster);
            break;
        }
    }
    let cluster = started.expect("neither of the poolers' ports is free on this machine");
    let db = Database::connect(server::settings(&cluster.url("postgres"))).await.unwrap();
    assert_eq!(db.pooler(), Some(Pooler::None));
    let lease = db.acquire().await.unwrap();
    let row = lease.query_one("SELECT current_setting('statement_timeout')", &[]).await.unwrap();
    assert_eq!(row.get::<_, String>(0), "30s");
}

async fn what_would_be_left_to_a_stranger_is_refused(version: PgBouncerVersion) {
    let server = test_server::database().await.unwrap();
    let bouncer = pooler(version, &server, 1).start().await.unwrap();
    let db = Database::connect(settings(&bouncer, &server)).await.unwrap();
    let lease = db.acquire().await.unwrap();
    for session in [
        "SET statement_timeout = 0",
        "SELECT 1; SET search_path = pg_catalog",
        "LISTEN news",
        "SELECT pg_advisory_lock(1)",
        "CREATE TEMP TABLE t (id int)",
        "PREPARE p AS SELECT 1",
        "DECLARE c CURSOR WITH HOLD FOR SELECT 1",
        "SELECT set_config('statement_timeout', '0', false)",
    ] {
        for answer in [
            lease.batch_execute(session).await,
            lease.query(session, &[]).await.map(drop),
            db.execute(session, &[]).await.map(drop),
            db.transaction(async |tx| tx.batch_execute(session).await).await,
            db.transaction(async |tx| tx.query(session, &[]).await).await.map(drop),
            db.transaction(async |tx| tx.query_stream(session, &[], async |_| Ok(())).await).await,
        ] {
            assert_eq!(answer.unwrap_err().fault(), Fault::Usage, "{session}");
        }
    }
    // It would be a transaction of nothing, and what follows it would commit by itself.
    for begin in ["BEGIN", "start transaction read only", "SELECT 1; /* x */ BEGIN; SELECT 2"] {
        for answer in [lease.batch_execute(begin).await, db.execute(begin, &[]).await.map(drop)] {
            let error = answer.unwrap_err();
            assert_eq!((error.fault(), error.outcome()), (Fault::Usage, Outcome::NotStarted), "{error}");
            assert!(error.sentence().contains("begin()"), "{error}");
        }
    }
    lease.batch_execute("BEGIN; SELECT 1; COMMIT").await.unwrap();
    assert_eq!(lease.prepare("SELECT 1").await.unwrap_err().fault(), Fault::Usage);
    drop(lease);
    assert_nothing_is_left(&bouncer, &server, "refusals").await;
    // What ends with the transaction may be done in one.
    db.transaction(async |tx| {
        tx.batch_execute("SET LOCAL work_mem = '1MB'; SELECT pg_advisory_xact_lock(1)").await?;
        tx.query_one("SELECT 1", &[]).await
    })
    .await
    .unwrap();
    assert_nothing_is_left(&bouncer, &server, "a transaction").await;
}

async fn four_hundred_statements_share_two_server_connections(version: PgBouncerVersion) {
    let server = test_server::database().await.unwrap();
    let bouncer = pooler(version, &server, 2).start().await.unwrap();
    let settings = settings(&bouncer, &server).pool_max(20).statement_timeout(Duration::from_secs(8));
    let db = Database::connect(settings).await.unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..400_i32 {
        let db = db.clone();
        tasks.spawn(async move {
            match number % 4 {
                0 => db.query_one("SELECT $1::int4", &[&number]).await.map(|row| row.get::<_, i32>(0)),
                1 => db
                    .query_one("SELECT $1::int4 + $2::int4", &[&(number - 1), &1])
                    .await
                    .map(|row| row.get(0)),
                2 => db
                    .named("read")
                    .read_only()
                    .query_one("SELECT $1::int4 AS n", &[&number])
                    .await
                    .map(|row| row.get(0)),
                _ => db
                    .transaction(async |tx| {
                        let half = tx.query_one("SELECT ($1::int4 - 1) AS half", &[&number]).await?;
                        tx.query_one("SELECT $1::int4 + 1 AS whole", &[&half.get::<_, i32>(0)]).await
                    })
                    .await
                    .map(|row| row.get(0)),
            }
            .map(|answer: i32| (number, answer))
        });
    }
    while let Some(answer) = tasks.join_next().await {
        let (asked, answered) = answer.unwrap().unwrap();
        assert_eq!(asked, answered);
    }
    assert!(bouncer.is_alive().await, "{}", bouncer.log_tail());
}

plimsoll_embedded::on_each_pgbouncer!(
    a_pooler_that_refuses_startup_options_is_found,
    a_pooler_that_drops_startup_options_without_a_word_is_found,
    a_pooler_that_was_said_is_believed,
    what_would_be_left_to_a_stranger_is_refused,
);
plimsoll_embedded::on_each_pgbouncer!(
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    four_hundred_statements_share_two_server_connections
);
