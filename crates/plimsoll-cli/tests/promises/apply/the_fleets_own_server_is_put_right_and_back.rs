//! The profile `service` on the server that `deploy/postgres` sets up, and on one that was never set up: every setting is what
//! the profile says, by `SHOW` in a session of the application's role, and undo brings back every value.

use super::scene::{Ended, command, differences, psql};
use plimsoll_embedded::{Auth, Cluster};
use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

/// What `SHOW` answers to the application when the profile has been applied.
const SHOWN: [(&str, &str); 5] = [
    ("idle_in_transaction_session_timeout", "30s"),
    ("lock_timeout", "5s"),
    ("log_min_duration_statement", "1s"),
    ("log_lock_waits", "on"),
    ("deadlock_timeout", "1s"),
];

fn file(path: &str) -> String {
    fs::read_to_string(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)).unwrap()
}

/// The server with the settings of `fleet.conf`, if it is to have them, and the roles and the database of `roles.sql`.
async fn fleets_server(is_configured: bool) -> Cluster {
    let text = file("deploy/postgres/fleet.conf");
    let lines = text.lines().filter(|line| !line.starts_with('#') && is_configured);
    let pairs: Vec<(&str, &str)> = lines.filter_map(|line| line.split_once(" = ")).collect();
    assert!(!is_configured || pairs.len() > 10, "{pairs:?}");
    let builder = pairs.into_iter().fold(Cluster::builder().auth(Auth::Trust), |builder, (name, value)| {
        builder.setting(name, value.trim_matches('\''))
    });
    let server = builder.start().await.unwrap();
    let text = file("deploy/postgres/roles.sql").replace(":'owner_password'", "'of-the-owner'");
    let text: String =
        text.lines().filter(|line| !line.starts_with("--")).map(|line| format!("{line}\n")).collect();
    let (first, second) = text.split_once("\\connect fleet\n").unwrap();
    for (database, part) in [("postgres", first), ("fleet", second)] {
        for statement in part.split(';').map(str::trim).filter(|statement| !statement.is_empty()) {
            server.execute(database, statement).await.unwrap_or_else(|error| panic!("{statement}: {error}"));
        }
    }
    server
}

async fn picture(server: &Cluster) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for question in [
        "SELECT setdatabase || ' ' || setrole || ' ' || entry AS line FROM pg_db_role_setting, unnest(setconfig) AS entry",
        "SELECT name || ' = ' || setting || ' in ' || sourcefile AS line FROM pg_file_settings",
        "SELECT name || ' is ' || reset_val || ' from ' || source AS line FROM pg_settings WHERE source <> 'client'",
        "SELECT to_jsonb(r) || '{}' AS line FROM pg_roles AS r",
        "SELECT extname AS line FROM pg_extension",
    ] {
        let rows = server.execute("fleet", question).await.unwrap();
        all.extend(rows.into_iter().map(|mut row| row.remove("line").unwrap_or_default()));
    }
    all
}

fn url(server: &Cluster, role: &str) -> String {
    format!("postgresql://{role}@127.0.0.1:{}/fleet?sslmode=disable", server.port())
}

fn apply(server: &Cluster, folder: &tempfile::TempDir, arguments: &[&str]) -> Ended {
    let through = url(server, "fleet_app");
    let arguments = [arguments, &["--through", &through]].concat();
    Ended::of(&command(&url(server, "postgres"), folder.path(), &arguments).output().unwrap())
}

/// What holds when the profile has been applied.
async fn all_of_it_holds(server: &Cluster) {
    for (name, value) in SHOWN {
        assert_eq!(psql(&url(server, "fleet_app"), &format!("SHOW {name}")), value, "{name}");
    }
    let rows = "SELECT count(*) FROM pg_db_role_setting AS s, unnest(s.setconfig) AS entry WHERE \
                s.setdatabase = (SELECT oid FROM pg_database WHERE datname = 'fleet')";
    let ask = |rest: &str| psql(&url(server, "fleet_app"), &format!("{rows} AND {rest}"));
    assert_eq!(ask("setrole = 0 AND entry = 'idle_in_transaction_session_timeout=30s'"), "1");
    assert_eq!(ask("setrole = 0 AND entry = 'lock_timeout=5s'"), "1");
    assert_eq!(
        ask("setrole = 'fleet_app'::regrole AND entry = 'idle_in_transaction_session_timeout=30s'"),
        "1"
    );
    let installed = psql(
        &url(server, "fleet_app"),
        "SELECT count(*) FROM pg_extension WHERE extname = 'pg_stat_statements'",
    );
    assert_eq!(installed, "1");
}

#[tokio::test]
async fn as_its_deployment_sets_it_up() {
    let (server, folder) = (fleets_server(true).await, tempfile::tempdir().unwrap());
    let before = picture(&server).await;
    // The deployment's files have said all but the role's own limit.
    let ended = apply(&server, &folder, &["--profile", "service", "--yes", "--journal", "j"]).with(0);
    let ended = ended.says("1 to change, 6 so already, 0 not allowed to role postgres, 0 to be done by hand");
    let ended = ended
        .says("deadlock_timeout, server: read back on the application's own path: 1s (configuration file)");
    ended.says("read back on the application's own path: 30s (database user)");
    all_of_it_holds(&server).await;
    let collected = psql(&url(&server, "fleet_app"), "SELECT count(*) > 0 FROM pg_stat_statements");
    assert_eq!(collected, "t");
    apply(&server, &folder, &["--profile", "service", "--yes"]).with(0).says("0 to change, 7 so already");
    apply(&server, &folder, &["--undo", "j", "--yes"]).with(0).says("1 done");
    assert_eq!(differences(&before, &picture(&server).await), Vec::<String>::new());
}

#[tokio::test]
async fn and_as_it_comes() {
    let (server, folder) = (fleets_server(false).await, tempfile::tempdir().unwrap());
    for statement in [
        "ALTER DATABASE fleet RESET ALL",
        "ALTER DATABASE fleet SET lock_timeout = '90s'",
        "ALTER SYSTEM SET deadlock_timeout = '3s'",
        "SELECT pg_reload_conf()",
        "DROP EXTENSION pg_stat_statements",
    ] {
        server.execute("fleet", statement).await.unwrap();
    }
    let before = picture(&server).await;
    // Loading the library takes a restart, which is outside of SQL: 1.
    let ended = apply(&server, &folder, &["--profile", "service", "--yes", "--journal", "j"]).with(1);
    let ended = ended
        .says("7 to change, 0 so already")
        .says("7 done, 0 so already, 0 declined, 0 failed; 0 not what");
    ended.says("shared_preload_libraries = 'pg_stat_statements'");
    all_of_it_holds(&server).await;
    assert_ne!(differences(&before, &picture(&server).await), Vec::<String>::new());
    apply(&server, &folder, &["--undo", "j", "--yes", "--journal", "u"]).with(0).says("7 done");
    assert_eq!(differences(&before, &picture(&server).await), Vec::<String>::new());
    // What was taken back can be taken back.
    apply(&server, &folder, &["--undo", "u", "--yes"]).with(0).says("7 done");
    all_of_it_holds(&server).await;
}
