//! `fleet migrate` does what only the owner of the tables may do; after it the service needs no other login than its own role.
//! A program that is older than the schema starts on it and works, so that going back is a restart and nothing else.

use crate::process::Process;
use crate::service::{self, Device, now, number};
use fleet::boot::demo::Credentials;
use fleet::boot::role;
use fleet::boot::schema::MIGRATIONS;
use fleet::{Config, credentials};
use plimsoll::migrate::Migrations;
use plimsoll::{Database, Settings};
use plimsoll_embedded::test_server::{self, TestDatabase};
use std::path::Path;
use std::process::Output;
use std::time::{Duration, Instant};
use tokio::process::Command;

/// What `fleet migrate` said and how it ended.
async fn migrate(url: &str, folder: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fleet"));
    command.arg("migrate").env("DATABASE_URL", url).env("FLEET_DATA", folder).env("FLEET_DEMO", "on");
    command.env_remove("FLEET_MIGRATE").env("RUST_LOG", "warn").output().await.unwrap()
}

async fn migrated(database: &TestDatabase, folder: &Path) -> String {
    let done = migrate(&database.url(), folder).await;
    assert!(done.status.success(), "{done:?}");
    String::from_utf8(done.stdout).unwrap()
}

/// How the service's role logs in.
fn as_the_role(database: &TestDatabase) -> String {
    let server = database.server();
    let password = credentials::password_of_role(server.password(), role::NAME);
    let (host, port, name) = (server.host(), server.port(), database.name());
    format!("postgresql://{}:{password}@{host}:{port}/{name}", role::NAME)
}

/// The service without the owner's login, and a device that knows the tenant that was made by `fleet migrate`.
async fn started(database: &TestDatabase, folder: &Path) -> Process {
    let said = [("FLEET_MIGRATE", "off"), ("FLEET_DEMO", "off"), ("AUTO_PROVISION", "on")];
    let mut process = Process::start(&as_the_role(database), &said).await;
    process.device = Device::of(process.device.url.clone(), Credentials::of_folder(folder).unwrap());
    process
}

async fn readings(database: &TestDatabase) -> i64 {
    number(database, "SELECT count(*) AS n FROM telemetry").await
}

#[tokio::test]
async fn once_its_database_is_prepared() {
    let (database, folder) = (test_server::database().await.unwrap(), tempfile::tempdir().unwrap());
    let said = migrated(&database, folder.path()).await;
    assert!(said.contains("is prepared: ") && said.contains(" migrations applied now, 0 before"), "{said}");
    let said = migrated(&database, folder.path()).await;
    assert!(said.contains("is prepared: 0 migrations applied now"), "{said}");

    let process = started(&database, folder.path()).await;
    process.device.send("d1", r#"{"t": 1}"#).await.accepted();
    assert_eq!(process.device.get("/customer/devices").await.status, 200);
    assert_eq!(readings(&database).await, 1);
    let strangers = "SELECT count(*) AS n FROM pg_stat_activity WHERE datname = current_database()
                     AND application_name LIKE 'fleet%' AND usename <> 'fleet_app'";
    assert_eq!(number(&database, strangers).await, 0);
}

#[tokio::test]
async fn and_waits_until_it_is_prepared() {
    let (database, folder) = (test_server::database().await.unwrap(), tempfile::tempdir().unwrap());
    // The role is of the whole server: another database has made it.
    migrated(&test_server::database().await.unwrap(), folder.path()).await;
    let mut config = service::config(&as_the_role(&database), folder.path());
    (config.migrate, config.demo) = (false, false);
    let running = fleet::start(config).await.unwrap();
    let device = Device::of(running.url(), Credentials::of_folder(folder.path()).unwrap());
    device.send("d1", r#"{"t": 1}"#).await.refused(503, "PL-HTTP-05");
    migrated(&database, folder.path()).await;
    running.ready().await.unwrap();
    device.send("d1", r#"{"t": 1}"#).await.accepted();
    assert_eq!(readings(&database).await, 1);
    running.stop().await;
}

#[tokio::test]
async fn and_one_that_is_away_or_refuses_ends_the_preparation_with_its_reason() {
    let (database, folder) = (test_server::database().await.unwrap(), tempfile::tempdir().unwrap());
    database.execute("CREATE TABLE tenants (of_someone_else text)").await.unwrap();
    for (url, reason) in [
        (database.url(), "001_tenants.sql"),
        ("postgresql://owner:pw@127.0.0.1:1/fleet".to_owned(), "127.0.0.1:1"),
        (as_the_role(&database), "fleet_app"),
    ] {
        let done = migrate(&url, folder.path()).await;
        let said = String::from_utf8(done.stderr).unwrap();
        assert!(!done.status.success() && said.contains(reason), "{reason} in {said}");
    }
}

/// The files of this program and one that it does not know, as the next version may bring it.
fn of_the_next_version(folder: &Path) -> Migrations {
    for file in MIGRATIONS.files().unwrap() {
        std::fs::write(folder.join(&file.file), &*file.sql).unwrap();
    }
    let next = "ALTER TABLE device_registry ADD COLUMN colour text;
                CREATE TABLE colours (colour text PRIMARY KEY);";
    std::fs::write(folder.join("999_colours.sql"), next).unwrap();
    Migrations::from_folder(folder)
}

/// The schema goes ahead while the service works, and the same program starts anew on it: with the owner's login, which looks
/// at the schema, and without.
#[tokio::test]
async fn and_going_back_to_an_older_program_is_a_restart() {
    let (database, folder) = (test_server::database().await.unwrap(), tempfile::tempdir().unwrap());
    migrated(&database, folder.path()).await;
    let before = started(&database, folder.path()).await;
    before.device.send("d1", format!(r#"{{"ts": "{}", "metrics": {{"t": 1}}}}"#, now())).await.accepted();

    let files = tempfile::tempdir().unwrap();
    let owner = Database::connect(Settings::from_url(database.url()).unwrap()).await.unwrap();
    let report = owner.migrate(&of_the_next_version(files.path())).await.unwrap();
    assert_eq!(report.applied.len(), 1, "{report:?}");
    before.device.send("d1", r#"{"t": 2}"#).await.accepted();
    drop(before);

    let began = Instant::now();
    let without = started(&database, folder.path()).await;
    without.device.send("d1", r#"{"t": 3}"#).await.accepted();
    let said = [("FLEET_DATA", folder.path().to_str().unwrap())];
    let mut with = Process::start(&database.url(), &said).await;
    with.device = Device::of(with.device.url.clone(), Credentials::of_folder(folder.path()).unwrap());
    with.device.send("d1", r#"{"t": 4}"#).await.accepted();
    assert!(began.elapsed() < Duration::from_secs(300), "{:?}", began.elapsed());
    assert_eq!(with.device.get("/customer/devices").await.body["devices"][0]["device_id"], "d1");
    assert_eq!(readings(&database).await, 4);
    assert_eq!(number(&database, "SELECT max(version) AS n FROM plimsoll_migrations").await, 999);
}

#[test]
fn and_what_would_need_it_is_refused_with_what_to_do() {
    let own = ("DATABASE_URL", "postgresql://fleet_app:pw@db1/fleet");
    let off = ("FLEET_MIGRATE", "off");
    for (said, reason) in [
        (vec![off], "name the database, with the login fleet_app, in DATABASE_URL"),
        (
            vec![off, ("DATABASE_URL", "postgresql://owner:pw@db1/fleet")],
            "has the login owner, and has to have fleet_app",
        ),
        (vec![off, own, ("FLEET_DEMO", "on")], "say it to `fleet migrate`"),
        (vec![off, own, ("FLEET_APP_PASSWORD", "x")], "unset FLEET_APP_PASSWORD"),
        (vec![own], "name the login of the tables' owner"),
        (vec![own, ("FLEET_MIGRATE", "perhaps")], "FLEET_MIGRATE is \"perhaps\""),
    ] {
        let variable =
            |name: &str| said.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        let error = Config::from_env_with(variable).unwrap_err().to_string();
        assert!(error.contains(reason), "{reason} in {error}");
    }
    let variable =
        |name: &str| [own, off].iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
    assert!(!Config::from_env_with(variable).unwrap().migrate);
}
