//! PgBouncer pools in the mode that is asked for, answers its console, and is seen to be alive only when it is.

use plimsoll_embedded::{Cluster, PgBouncer, PgBouncerVersion, PoolMode, Upstream, test_server};
use tokio_postgres::NoTls;

#[expect(clippy::disallowed_methods, reason = "the way in is what is tested")]
async fn connect(url: &str) -> Result<tokio_postgres::Client, tokio_postgres::Error> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

fn kill(pid: u32) {
    let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
}

async fn it_pools_in_the_mode_that_was_asked_for(version: PgBouncerVersion) {
    let database = test_server::database().await.unwrap();
    let bouncer = PgBouncer::in_front_of(&database)
        .version(version)
        .pool_mode(PoolMode::Transaction)
        .start()
        .await
        .unwrap();
    let (a, b) = (
        connect(&bouncer.url(database.name())).await.unwrap(),
        connect(&bouncer.url(database.name())).await.unwrap(),
    );
    let mut pids = Vec::new();
    for client in [&a, &b] {
        let answer = client.simple_query("SELECT pg_backend_pid() AS pid").await.unwrap();
        let tokio_postgres::SimpleQueryMessage::Row(row) = &answer[1] else { panic!("{answer:?}") };
        pids.push(row.get("pid").unwrap().to_owned());
    }
    assert_eq!(pids[0], pids[1], "two clients take turns on one server connection");
    let pools = bouncer.admin("SHOW POOLS").await.unwrap();
    assert!(
        pools.iter().any(|pool| pool["database"] == database.name() && pool["pool_mode"] == "transaction")
    );
    bouncer.admin("RECONNECT").await.unwrap();
    bouncer.stop().await.unwrap();
}

async fn startup_options_are_refused_unless_they_are_to_be_ignored(version: PgBouncerVersion) {
    let server = test_server::server().await.unwrap();
    let options =
        |bouncer: &PgBouncer| format!("{}?options=-c%20statement_timeout%3D5s", bouncer.url("postgres"));
    let strict = PgBouncer::in_front_of(&*server).version(version).start().await.unwrap();
    assert!(connect(&options(&strict)).await.is_err());
    let lax = PgBouncer::in_front_of(&*server)
        .version(version)
        .setting("ignore_startup_parameters", "options")
        .start()
        .await
        .unwrap();
    connect(&options(&lax)).await.unwrap();
}

async fn a_killed_one_is_not_alive_and_can_be_started_again(version: PgBouncerVersion) {
    let cluster = Cluster::start().await.unwrap();
    let bouncer = PgBouncer::in_front_of(&cluster).version(version).start().await.unwrap();
    assert!(bouncer.is_alive().await);
    let pid = bouncer.pid().unwrap();
    kill(pid);
    while bouncer.is_alive().await {
        tokio::task::yield_now().await;
    }
    let port = bouncer.port();
    bouncer.start_again().await.unwrap();
    assert!(bouncer.is_alive().await);
    assert_eq!(bouncer.port(), port);
    assert_ne!(bouncer.pid(), Some(pid));
    connect(&bouncer.url("postgres")).await.unwrap();

    let url = bouncer.url("postgres");
    drop(bouncer);
    assert!(connect(&url).await.is_err(), "it ends with its guard");
}

async fn it_starts_without_a_server_behind_it_and_says_when_a_setting_is_wrong(version: PgBouncerVersion) {
    let nowhere = Upstream::new("127.0.0.1", 1, "someone", "secret");
    let bouncer = PgBouncer::in_front_of(nowhere.clone()).version(version).start().await.unwrap();
    assert!(bouncer.is_alive().await);
    bouncer.stop().await.unwrap();
    let error = PgBouncer::in_front_of(nowhere)
        .version(version)
        .setting("pool_mood", "gloomy")
        .start()
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("misspelt") && error.contains("pool_mood"), "{error}");
}

/// Twice within a second, and of the same length.
async fn a_changed_password_is_in_force_at_once(version: PgBouncerVersion) {
    let cluster = Cluster::start().await.unwrap();
    cluster.execute("postgres", "CREATE ROLE app LOGIN PASSWORD 'first'").await.unwrap();
    let bouncer =
        PgBouncer::in_front_of(&cluster).version(version).user("app", "first").start().await.unwrap();
    let url = |password: &str| format!("postgresql://app:{password}@127.0.0.1:{}/postgres", bouncer.port());
    connect(&url("first")).await.unwrap();
    for (old, new) in [("first", "other"), ("other", "third")] {
        cluster.execute("postgres", &format!("ALTER ROLE app PASSWORD '{new}'")).await.unwrap();
        bouncer.change_password("app", new).await.unwrap();
        assert!(connect(&url(old)).await.is_err(), "{old} is no longer taken");
        // What stands on the server's side came in with the old one.
        bouncer.admin("RECONNECT").await.unwrap();
        connect(&url(new)).await.unwrap().simple_query("SELECT 1").await.unwrap();
    }
}

plimsoll_embedded::on_each_pgbouncer!(
    a_changed_password_is_in_force_at_once,
    it_pools_in_the_mode_that_was_asked_for,
    startup_options_are_refused_unless_they_are_to_be_ignored,
    a_killed_one_is_not_alive_and_can_be_started_again,
    it_starts_without_a_server_behind_it_and_says_when_a_setting_is_wrong,
);
