//! A connection for programs that look at a server: it sets nothing, so it sees what the server and the role give; it also reaches
//! the console of a PgBouncer; it ends by its deadline and is gone when it is dropped.

use crate::server::{PATIENCE, until};
use plimsoll::{DirectConnection, Error, Fault, Phase, Settings};
use plimsoll_embedded::{Cluster, PgBouncer, PgBouncerVersion, PoolMode, on_each_pgbouncer, test_server};
use plimsoll_faults::Process;
use std::time::{Duration, Instant};
use tokio_postgres::SimpleQueryMessage;

async fn connect(url: &str) -> Result<DirectConnection, Error> {
    let plan = Settings::default().url(url).check_direct().unwrap();
    DirectConnection::connect(plan, PATIENCE).await
}

/// The first column of the first row.
async fn answer(connection: &DirectConnection, question: &str) -> String {
    let rows = connection.client().simple_query(question).await.unwrap();
    let first = rows.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0),
        _ => None,
    });
    first.unwrap_or_default().to_owned()
}

#[tokio::test]
async fn without_limits_of_its_own() {
    let db = test_server::database().await.unwrap();
    let bare = connect(&db.url()).await.unwrap();
    for limit in ["statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"] {
        assert_eq!(answer(&bare, &format!("SHOW {limit}")).await, "0", "{limit}");
    }
    assert_eq!(answer(&bare, "SELECT pg_backend_pid()").await, bare.pid().to_string());
    let own = format!("{}?options=-c%20statement_timeout%3D7s", db.url());
    assert_eq!(
        answer(&connect(&own).await.unwrap(), "SHOW statement_timeout").await,
        "7s",
        "options as they are"
    );
}

async fn the_console_of_a_pgbouncer_is_reached(version: PgBouncerVersion) {
    let db = test_server::database().await.unwrap();
    let bouncer =
        PgBouncer::in_front_of(&db).version(version).pool_mode(PoolMode::Transaction).start().await.unwrap();
    let console = connect(&bouncer.url("pgbouncer")).await.unwrap();
    assert!(answer(&console, "SHOW VERSION").await.starts_with("PgBouncer 1."));
    let through = connect(&bouncer.url(db.name())).await.unwrap();
    assert_ne!(
        answer(&through, "SELECT pg_backend_pid()").await,
        through.pid().to_string(),
        "the pooler's own number"
    );
}

on_each_pgbouncer!(the_console_of_a_pgbouncer_is_reached);

#[tokio::test]
async fn what_runs_on_it_is_cancelled_when_asked() {
    let db = test_server::database().await.unwrap();
    let connection = connect(&db.url()).await.unwrap();
    let begun = Instant::now();
    let sleep = connection.client().simple_query("SELECT pg_sleep(60)");
    let cancel = async {
        let running = format!("SELECT state FROM pg_stat_activity WHERE pid = {}", connection.pid());
        until("the statement runs", PATIENCE, async || {
            db.execute(&running).await.unwrap()[0]["state"] == "active"
        })
        .await;
        connection.cancel(PATIENCE).await
    };
    let (slept, cancelled) = tokio::join!(sleep, cancel);
    cancelled.unwrap();
    assert_eq!(slept.unwrap_err().code().map(|code| code.code()), Some("57014"));
    assert!(begun.elapsed() < PATIENCE);
    assert_eq!(answer(&connection, "SELECT 1").await, "1", "the connection goes on");
}

#[tokio::test]
async fn nothing_of_it_is_left_when_it_was_dropped() {
    let db = test_server::database().await.unwrap();
    let connection = connect(&db.url()).await.unwrap();
    let count = format!("SELECT count(*)::text AS n FROM pg_stat_activity WHERE pid = {}", connection.pid());
    assert_eq!(db.execute(&count).await.unwrap()[0]["n"], "1");
    drop(connection);
    until("the session is gone", PATIENCE, async || db.execute(&count).await.unwrap()[0]["n"] == "0").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_server_keeps_it_no_longer_than_its_deadline() {
    let cluster = Cluster::start().await.unwrap();
    let url = cluster.url("postgres");
    let connection = connect(&url).await.unwrap();
    let server = Process::attach_tree(cluster.pid().unwrap()).unwrap();
    server.freeze().await.unwrap();
    let half_a_second = Duration::from_millis(500);
    let begun = Instant::now();
    let plan = Settings::from_url(url.as_str()).unwrap().check_direct().unwrap();
    let error = DirectConnection::connect(plan, half_a_second).await.unwrap_err();
    assert_eq!((error.fault(), error.phase()), (Fault::ConnectTimeout, Phase::Connect), "{error}");
    let not_cancelled = connection.cancel(half_a_second).await.unwrap_err();
    assert!(not_cancelled.to_string().contains("was not confirmed"), "{not_cancelled}");
    assert!(begun.elapsed() < 5 * half_a_second, "{:?}", begun.elapsed());
    server.thaw().unwrap();
    assert_eq!(answer(&connect(&url).await.unwrap(), "SELECT 1").await, "1");
}

#[tokio::test]
async fn a_server_of_the_wrong_kind_is_refused_where_a_kind_was_asked_for() {
    let db = test_server::database().await.unwrap();
    let asks = |wanted: &str, more: &str| format!("{}?target_session_attrs={wanted}{more}", db.url());
    let only_reads = "&options=-c%20default_transaction_read_only%3Don";
    let error = connect(&asks("read-write", only_reads)).await.unwrap_err();
    assert_eq!(error.fault(), Fault::ReadOnlyServer, "{error}");
    assert!(error.to_string().contains("is read-only and target_session_attrs=read-write"), "{error}");
    assert!(connect(&asks("read-only", "")).await.is_err());
    for (wanted, more) in [("read-write", ""), ("read-only", only_reads), ("any", only_reads)] {
        connect(&asks(wanted, more)).await.unwrap();
    }
}

#[tokio::test]
async fn a_login_that_failed_tells_what_the_password_file_said() {
    use std::os::unix::fs::PermissionsExt;
    let db = test_server::database().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("passwords");
    let server = db.server();
    let (port, user) = (server.port(), server.superuser());
    let url = format!("postgres://{user}@{}:{port}/{}?passfile={}", server.host(), db.name(), file.display());
    let put = |text: &str, mode: u32| {
        std::fs::write(&file, text).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    let line = format!("127.0.0.1:{port}:*:{user}:{}\n", server.password());
    let error = connect(&url).await.unwrap_err().to_string();
    assert!(error.contains("password missing") && error.contains("there is no password file"), "{error}");
    put(&format!("127.0.0.1:{port}:elsewhere:*:x\n"), 0o600);
    let error = connect(&url).await.unwrap_err().to_string();
    assert!(error.contains("has no line for host 127.0.0.1"), "{error}");
    put(&line, 0o644);
    let error = connect(&url).await.unwrap_err().to_string();
    assert!(error.contains("others than its owner may read it; chmod 0600"), "{error}");
    put(&line, 0o600);
    let connection = connect(&url).await.unwrap();
    assert_eq!((answer(&connection, "SELECT 1").await.as_str(), connection.warning()), ("1", None));
    let pool = plimsoll::Database::connect(Settings::from_url(url.as_str()).unwrap()).await.unwrap();
    pool.query_one("SELECT 1", &[]).await.unwrap();
}
