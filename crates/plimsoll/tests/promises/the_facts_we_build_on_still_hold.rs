//! What PostgreSQL and PgBouncer do without us, where our design leans on it: if one of these changes, the reason for
//! some line of the core has gone, and nothing else would say so.

use crate::server::{self, PATIENCE, bare, bare_with_driver, first, try_bare, until};
use plimsoll_embedded::test_server::{self, TestDatabase};
use plimsoll_embedded::{Cluster, PgBouncer, PgBouncerVersion, PoolMode};
use std::time::{Duration, Instant};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;

/// A pooler with one server connection, so that a stranger gets the same one.
async fn pooler(version: PgBouncerVersion, server: &TestDatabase, settings: &[(&str, &str)]) -> PgBouncer {
    let mut builder = PgBouncer::in_front_of(server)
        .version(version)
        .pool_mode(PoolMode::Transaction)
        .setting("default_pool_size", "1");
    for (name, value) in settings {
        builder = builder.setting(*name, *value);
    }
    builder.start().await.unwrap()
}

fn with_options(url: &str, options: &str) -> String {
    format!("{url}?options={}", options.replace(' ', "%20").replace('=', "%3D"))
}

async fn a_pooler_that_ignores_startup_options_drops_limits_without_a_word(version: PgBouncerVersion) {
    let server = test_server::database().await.unwrap();
    let direct = bare(&with_options(&server.url(), "-c statement_timeout=4s")).await;
    assert_eq!(first(&direct, "SHOW statement_timeout").await.unwrap(), "4s");
    let bouncer = pooler(version, &server, &[("ignore_startup_parameters", "options")]).await;
    let url = with_options(&bouncer.url(server.name()), "-c statement_timeout=4s");
    assert_eq!(first(&bare(&url).await, "SHOW statement_timeout").await.unwrap(), "0");
}

async fn a_session_setting_leaks_through_a_transaction_pooler(version: PgBouncerVersion) {
    let server = test_server::database().await.unwrap();
    let bouncer = pooler(version, &server, &[]).await;
    let (careless, innocent) =
        (bare(&bouncer.url(server.name())).await, bare(&bouncer.url(server.name())).await);
    careless.batch_execute("SET statement_timeout = '123ms'").await.unwrap();
    assert_eq!(first(&innocent, "SHOW statement_timeout").await.unwrap(), "123ms");
    let killed = innocent.batch_execute("SELECT pg_sleep(5)").await.unwrap_err();
    assert_eq!(killed.code(), Some(&SqlState::QUERY_CANCELED));
}

#[tokio::test]
async fn set_local_does_nothing_outside_a_transaction_and_ends_with_it() {
    let server = test_server::database().await.unwrap();
    let client = bare(&server.url()).await;
    client.batch_execute("SET LOCAL statement_timeout = '1s'").await.unwrap();
    assert_eq!(first(&client, "SHOW statement_timeout").await.unwrap(), "0");
    client.batch_execute("BEGIN; SET LOCAL statement_timeout = '1s'").await.unwrap();
    assert_eq!(first(&client, "SHOW statement_timeout").await.unwrap(), "1s");
    client.batch_execute("COMMIT").await.unwrap();
    assert_eq!(first(&client, "SHOW statement_timeout").await.unwrap(), "0");
}

async fn a_role_default_reaches_a_pooler_only_with_a_new_server_connection(version: PgBouncerVersion) {
    let server = test_server::database().await.unwrap();
    let role = server.name();
    server.execute(&format!("CREATE ROLE \"{role}\" LOGIN PASSWORD 'x'")).await.unwrap();
    let bouncer = PgBouncer::in_front_of(&server)
        .version(version)
        .pool_mode(PoolMode::Transaction)
        .setting("default_pool_size", "1")
        .user(role, "x")
        .start()
        .await
        .unwrap();
    let client = bare(&format!("postgres://{role}:x@127.0.0.1:{}/{role}", bouncer.port())).await;
    assert_eq!(first(&client, "SHOW statement_timeout").await.unwrap(), "0");
    server.execute(&format!("ALTER ROLE \"{role}\" SET statement_timeout = '900ms'")).await.unwrap();
    assert_eq!(
        first(&client, "SHOW statement_timeout").await.unwrap(),
        "0",
        "the old connection keeps the old value"
    );
    bouncer.admin("RECONNECT").await.unwrap();
    until("the role's default is there", PATIENCE, async || {
        first(&client, "SHOW statement_timeout").await.unwrap() == "900ms"
    })
    .await;
    drop((client, bouncer));
    server.execute(&format!("DROP OWNED BY \"{role}\"; DROP ROLE \"{role}\"")).await.unwrap();
}

async fn a_session_lock_outlives_its_client_behind_a_transaction_pooler(version: PgBouncerVersion) {
    let server = test_server::database().await.unwrap();
    let bouncer = pooler(version, &server, &[]).await;
    let held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted AND \
                database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    let client = bare(&bouncer.url(server.name())).await;
    client.batch_execute("SELECT pg_advisory_lock(7)").await.unwrap();
    drop(client);
    until("the client has left the pooler", PATIENCE, async || {
        let pools = bouncer.admin("SHOW POOLS").await.unwrap();
        pools.iter().filter(|pool| pool["database"] == server.name()).all(|pool| pool["cl_active"] == "0")
    })
    .await;
    assert_eq!(server::text(&server, held).await, "1");
    let other = bare(&bouncer.url(server.name())).await;
    other
        .batch_execute("SELECT pg_advisory_unlock_all(); BEGIN; SELECT pg_advisory_xact_lock(7); COMMIT")
        .await
        .unwrap();
    assert_eq!(server::text(&server, held).await, "0");
}

#[tokio::test]
async fn a_limit_must_be_set_before_the_statement_that_it_bounds() {
    let server = test_server::database().await.unwrap();
    let client = bare(&server.url()).await;
    client
        .batch_execute("SELECT set_config('statement_timeout', '100ms', true), pg_sleep(0.4)")
        .await
        .expect("the timer was armed before the limit was set");
    let killed = client
        .batch_execute("BEGIN; SET LOCAL statement_timeout = '100ms'; SELECT pg_sleep(5)")
        .await
        .unwrap_err();
    assert_eq!(killed.code(), Some(&SqlState::QUERY_CANCELED));
}

#[tokio::test]
async fn a_statement_limit_counts_for_each_statement_by_itself() {
    let server = test_server::database().await.unwrap();
    let client = bare(&server.url()).await;
    client.batch_execute("SET statement_timeout = '400ms'; BEGIN").await.unwrap();
    let began = Instant::now();
    for _ in 0..3 {
        client.batch_execute("SELECT pg_sleep(0.2)").await.unwrap();
    }
    client.batch_execute("COMMIT").await.unwrap();
    assert!(began.elapsed() >= Duration::from_millis(600));
}

/// A table whose COMMIT takes 0.6 s.
const SLOW_COMMIT: &str = "
    CREATE TABLE slow (id int);
    CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.6); RETURN NULL; END $$;
    CREATE CONSTRAINT TRIGGER later AFTER INSERT ON slow DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION wait();
";

#[tokio::test]
async fn commit_is_not_bounded_by_the_statement_limit() {
    let server = test_server::database_from("slow_commit", SLOW_COMMIT).await.unwrap();
    let client = bare(&server.url()).await;
    client
        .batch_execute("SET statement_timeout = '200ms'; BEGIN; INSERT INTO slow VALUES (1)")
        .await
        .unwrap();
    client.batch_execute("COMMIT").await.expect("COMMIT took longer than the limit, and was let");
    assert_eq!(server::text(&server, "SELECT count(*) FROM slow").await, "1");
}

#[tokio::test]
async fn commit_is_bounded_by_the_transaction_limit_where_there_is_one() {
    let server = test_server::database_from("slow_commit", SLOW_COMMIT).await.unwrap();
    if server.server().version() < 17 {
        return;
    }
    let client = bare(&server.url()).await;
    client
        .batch_execute("SET transaction_timeout = '200ms'; BEGIN; INSERT INTO slow VALUES (1)")
        .await
        .unwrap();
    let ended = client.batch_execute("COMMIT").await.unwrap_err();
    assert_eq!(ended.code().unwrap().code(), "25P04");
    assert_eq!(server::text(&server, "SELECT count(*) FROM slow").await, "0");
}

async fn a_pooler_that_tracks_names_tells_everybody_the_types_of_the_first_who_asked(
    version: PgBouncerVersion,
) {
    let server = test_server::database().await.unwrap();
    server.execute("CREATE TABLE seen (at timestamp)").await.unwrap();
    let bouncer = pooler(version, &server, &[]).await;
    let sql = "INSERT INTO seen VALUES ($1)";
    let first = bare(&bouncer.url(server.name())).await;
    let yesterday = first.prepare(sql).await.unwrap();
    server.execute("ALTER TABLE seen ALTER at TYPE timestamptz").await.unwrap();
    let second = bare(&bouncer.url(server.name())).await;
    let tracks = version != PgBouncerVersion::V1_18;
    let told = second.prepare(sql).await.unwrap();
    assert_eq!(told.params(), if tracks { [Type::TIMESTAMP] } else { [Type::TIMESTAMPTZ] });
    // Another text is another statement.
    let told = second.prepare(&format!("{sql} /* anew */")).await.unwrap();
    assert_eq!(told.params(), [Type::TIMESTAMPTZ]);
    drop(yesterday);
}

async fn a_pooler_that_tracks_names_gives_its_own(version: PgBouncerVersion) {
    let server = test_server::database().await.unwrap();
    let bouncer = pooler(version, &server, &[]).await;
    let client = bare(&bouncer.url(server.name())).await;
    let named = client.prepare("SELECT 7").await.unwrap();
    let name = self::first(&client, "SELECT name FROM pg_prepared_statements").await.unwrap();
    assert_eq!(name.starts_with("PGBOUNCER_"), version != PgBouncerVersion::V1_18, "{name}");
    // What another client forgets is forgotten on the server, and prepared anew by a pooler that tracks it.
    bare(&bouncer.url(server.name())).await.batch_execute("DEALLOCATE ALL").await.unwrap();
    let again = client.query_one(&named, &[]).await;
    match version {
        PgBouncerVersion::V1_18 => {
            assert_eq!(again.unwrap_err().code(), Some(&SqlState::INVALID_SQL_STATEMENT_NAME));
        }
        _ => assert_eq!(again.unwrap().get::<_, i32>(0), 7),
    }
}

/// Clients die while their updates wait for a lock; how many of those updates are made all the same?
async fn ghost_writes(check_interval: &str, through: Option<PgBouncerVersion>) -> u32 {
    let server = test_server::database_from(
        "ghosts",
        "CREATE TABLE row (id int PRIMARY KEY, n int); INSERT INTO row VALUES (1, 0)",
    )
    .await
    .unwrap();
    let holder = bare(&server.url()).await;
    holder.batch_execute("BEGIN; SELECT * FROM row FOR UPDATE").await.unwrap();
    let bouncer = match through {
        Some(version) => Some(pooler(version, &server, &[("default_pool_size", "3")]).await),
        None => None,
    };
    let url = bouncer.as_ref().map_or_else(|| server.url(), |bouncer| bouncer.url(server.name()));
    let work = format!(
        "BEGIN; SET LOCAL client_connection_check_interval = '{check_interval}'; UPDATE row SET n = n + 1; COMMIT"
    );
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
                   AND wait_event_type = 'Lock' AND query LIKE '%UPDATE row%'";
    let mut drivers = Vec::new();
    for _ in 0..3 {
        let (client, driver) = bare_with_driver(&url).await;
        drivers.push(driver);
        let work = work.clone();
        tokio::spawn(async move { client.batch_execute(&work).await });
    }
    until("three updates wait", PATIENCE, async || server::text(&server, waiting).await == "3").await;
    for driver in drivers {
        driver.abort();
        drop(driver.await);
    }
    if check_interval != "0" {
        until("the server has noticed", PATIENCE, async || server::text(&server, waiting).await == "0").await;
    }
    holder.batch_execute("COMMIT").await.unwrap();
    until("nothing waits any more", PATIENCE, async || server::text(&server, waiting).await == "0").await;
    let mut n = String::new();
    until("the sessions of the dead have ended", PATIENCE, async || {
        n = server::text(&server, "SELECT n FROM row").await;
        let at_it = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state <> 'idle' \
                     AND query LIKE '%UPDATE row%' AND pid <> pg_backend_pid()";
        server::text(&server, at_it).await == "0"
    })
    .await;
    n.parse().unwrap()
}

#[tokio::test]
async fn updates_of_dead_clients_are_made_unless_the_server_looks() {
    assert_eq!(ghost_writes("0", None).await, 3, "nobody waits for them, and they are committed");
    assert_eq!(ghost_writes("100ms", None).await, 0, "the server looks whether its client is there");
}

async fn behind_a_pooler_too(version: PgBouncerVersion) {
    assert_eq!(ghost_writes("0", Some(version)).await, 3, "the pooler hangs up, and nobody notices");
    assert_eq!(ghost_writes("100ms", Some(version)).await, 0);
}

/// How many statements, sent right after a cancel of the one before, were hit by it, of so many.
async fn innocents_hit(server: &TestDatabase, waits_for_the_end: bool, rounds: usize) -> usize {
    let client = bare(&server.url()).await;
    let mut hit = 0;
    for _ in 0..rounds {
        let to_server =
            std::net::TcpStream::connect((server.server().host(), server.server().port())).unwrap();
        let mut kept = to_server.try_clone().unwrap();
        to_server.set_nonblocking(true).unwrap();
        let to_server = tokio::net::TcpStream::from_std(to_server).unwrap();
        cancel(&client, to_server).await;
        if waits_for_the_end {
            // The server closes once the signal has been sent.
            let end = tokio::task::spawn_blocking(move || {
                kept.set_nonblocking(false).unwrap();
                std::io::Read::read(&mut kept, &mut [0_u8; 1])
            });
            assert_eq!(end.await.unwrap().unwrap(), 0);
        }
        let next = client.batch_execute("SELECT pg_sleep(0.02)").await;
        hit += usize::from(next.is_err_and(|error| error.code() == Some(&SqlState::QUERY_CANCELED)));
    }
    hit
}

#[expect(clippy::disallowed_methods, reason = "what it does not wait for is the fact")]
async fn cancel(client: &tokio_postgres::Client, stream: tokio::net::TcpStream) {
    client.cancel_token().cancel_query_raw(stream, tokio_postgres::NoTls).await.unwrap();
}

#[tokio::test]
async fn a_cancel_hits_the_next_statement_unless_its_end_is_awaited() {
    let server = test_server::database().await.unwrap();
    assert_eq!(innocents_hit(&server, true, 100).await, 0);
    let hit = innocents_hit(&server, false, 100).await;
    assert!(hit > 50, "{hit} of 100");
}

#[tokio::test]
async fn the_server_knows_what_became_of_a_transaction() {
    let server = test_server::database_from("xact", "CREATE TABLE row (id int)").await.unwrap();
    let client = bare(&server.url()).await;
    for (end, status) in [("COMMIT", "committed"), ("ROLLBACK", "aborted")] {
        client.batch_execute("BEGIN; INSERT INTO row VALUES (1)").await.unwrap();
        let id = first(&client, "SELECT pg_current_xact_id()").await.unwrap();
        let ask = format!("SELECT pg_xact_status('{id}'::xid8)");
        assert_eq!(server::text(&server, &ask).await, "in progress");
        client.batch_execute(end).await.unwrap();
        assert_eq!(server::text(&server, &ask).await, status);
    }
}

#[tokio::test]
async fn startup_options_are_stronger_than_role_and_database_and_survive_reset() {
    let server = test_server::database().await.unwrap();
    let role = server.name();
    server
        .execute(&format!(
            "CREATE ROLE \"{role}\" LOGIN PASSWORD 'x'; \
             ALTER DATABASE \"{role}\" SET statement_timeout = '11s'"
        ))
        .await
        .unwrap();
    let url = format!("postgres://{role}:x@127.0.0.1:{}/{role}", server.server().port());
    assert_eq!(first(&bare(&url).await, "SHOW statement_timeout").await.unwrap(), "11s");
    server.execute(&format!("ALTER ROLE \"{role}\" SET statement_timeout = '22s'")).await.unwrap();
    assert_eq!(first(&bare(&url).await, "SHOW statement_timeout").await.unwrap(), "22s");
    server
        .execute(&format!("ALTER ROLE \"{role}\" IN DATABASE \"{role}\" SET statement_timeout = '33s'"))
        .await
        .unwrap();
    assert_eq!(first(&bare(&url).await, "SHOW statement_timeout").await.unwrap(), "33s");
    let client = bare(&with_options(&url, "-c statement_timeout=44s")).await;
    assert_eq!(first(&client, "SHOW statement_timeout").await.unwrap(), "44s");
    client.batch_execute("SET statement_timeout = 0; RESET ALL").await.unwrap();
    assert_eq!(
        first(&client, "SHOW statement_timeout").await.unwrap(),
        "44s",
        "what start-up said is the session's default"
    );
    // Another role's settings are not loaded by becoming it.
    let superuser = bare(&with_options(&server.url(), "-c statement_timeout=5s")).await;
    superuser.batch_execute(&format!("SET ROLE \"{role}\"")).await.unwrap();
    assert_eq!(first(&superuser, "SHOW statement_timeout").await.unwrap(), "5s");
    drop((client, superuser));
    server
        .execute(&format!(
            "DROP OWNED BY \"{role}\"; ALTER DATABASE \"{role}\" RESET ALL; DROP ROLE \"{role}\""
        ))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_session_that_is_idle_for_too_long_is_ended_by_the_server() {
    let server = test_server::database().await.unwrap();
    let (client, driver) =
        bare_with_driver(&with_options(&server.url(), "-c idle_session_timeout=100ms")).await;
    tokio::time::timeout(PATIENCE, driver).await.expect("the server ends it").unwrap();
    assert!(client.is_closed());
}

#[tokio::test]
async fn a_stock_server_has_no_limit_at_all() {
    let cluster = Cluster::start().await.unwrap();
    let rows = cluster
        .execute(
            "postgres",
            "SELECT name, setting FROM pg_settings WHERE name IN ('statement_timeout', 'lock_timeout', \
             'idle_in_transaction_session_timeout', 'client_connection_check_interval', 'transaction_timeout', \
             'idle_session_timeout')",
        )
        .await
        .unwrap();
    assert!(rows.len() >= 5);
    for row in rows {
        assert_eq!(row["setting"], "0", "{}", row["name"]);
    }
}

#[tokio::test]
async fn an_older_server_refuses_the_transaction_limit_at_startup() {
    let server = test_server::database().await.unwrap();
    let url = with_options(&server.url(), "-c transaction_timeout=60s");
    let client = try_bare(&url).await;
    match server.server().version() {
        ..17 => assert_eq!(client.err().unwrap().code(), Some(&SqlState::UNDEFINED_OBJECT)),
        _ => assert_eq!(first(&client.unwrap(), "SHOW transaction_timeout").await.unwrap(), "1min"),
    }
}

plimsoll_embedded::on_each_pgbouncer!(
    a_pooler_that_ignores_startup_options_drops_limits_without_a_word,
    a_session_setting_leaks_through_a_transaction_pooler,
    a_role_default_reaches_a_pooler_only_with_a_new_server_connection,
    a_session_lock_outlives_its_client_behind_a_transaction_pooler,
    behind_a_pooler_too,
    a_pooler_that_tracks_names_tells_everybody_the_types_of_the_first_who_asked,
    a_pooler_that_tracks_names_gives_its_own,
);
