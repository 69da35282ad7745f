//! At its start the service makes its schema where there is none, leaves it alone where it is whole, finishes it where a
//! part is missing, and says so in the words that operators search for. A schema that cannot be made is in the log, and
//! the service goes on: it answers, and is ready once somebody has put it right.

use crate::service;
use fleet::boot::role;
use fleet::boot::schema::MIGRATIONS;
use plimsoll::migrate::Migrations;
use plimsoll::{Database, Settings};
use plimsoll_embedded::test_server::{self, TestDatabase};
use std::path::Path;
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStderr, ChildStdout, Command};
use tokio::time::timeout;

/// The program itself, with what it says.
struct Program {
    _process: Child,
    said: Lines<BufReader<ChildStdout>>,
    log: Lines<BufReader<ChildStderr>>,
}

impl Program {
    fn start(database: &TestDatabase, folder: &Path) -> Program {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fleet"));
        command
            .env("DATABASE_URL", database.url())
            .env("FLEET_DATA", folder)
            .env("FLEET_DEMO", "on")
            .env("AUTO_PROVISION", "on");
        command
            .env("FLEET_LISTEN", "127.0.0.1:0")
            .env("FLEET_ENV_FILE", "off")
            .env("RUST_LOG", "info,plimsoll=debug");
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut process = command.spawn().unwrap();
        let said = BufReader::new(process.stdout.take().unwrap()).lines();
        let log = BufReader::new(process.stderr.take().unwrap()).lines();
        Program { _process: process, said, log }
    }

    /// What is logged up to the line that has these words, that line included.
    async fn logged_up_to(&mut self, words: &str) -> Vec<String> {
        let mut lines = Vec::new();
        let reading = async {
            while let Some(line) = self.log.next_line().await.unwrap() {
                lines.push(line);
                if lines.last().unwrap().contains(words) {
                    return;
                }
            }
        };
        timeout(service::PATIENCE, reading).await.expect(words);
        lines
    }

    async fn url(&mut self) -> String {
        let line = timeout(service::PATIENCE, self.said.next_line()).await.unwrap().unwrap().unwrap();
        line.strip_prefix("fleet listens on ").unwrap().to_owned()
    }

    async fn ready(&mut self) {
        let reading = async { while self.said.next_line().await.unwrap().unwrap() != "fleet is ready" {} };
        timeout(service::PATIENCE, reading).await.expect("it is ready in time");
    }
}

fn has(lines: &[String], level: &str, words: &str) -> bool {
    lines.iter().any(|line| line.contains(level) && line.contains(words))
}

#[tokio::test]
async fn once_and_then_never_again() {
    let (database, folder) = (test_server::database().await.unwrap(), tempfile::tempdir().unwrap());
    let mut first = Program::start(&database, folder.path());
    let log = first.logged_up_to("Database schema initialized successfully").await;
    assert!(has(&log, " INFO ", "Initializing database schema from 001_tenants.sql"), "{log:?}");
    first.ready().await;

    let mut second = Program::start(&database, folder.path());
    let log = second.logged_up_to("Database schema already initialized").await;
    assert!(!has(&log, " INFO ", "Initializing"), "{log:?}");
    second.ready().await;
}

/// With all files but the last.
async fn as_an_older_program_left_it(database: &TestDatabase, last: i64) {
    let folder = tempfile::tempdir().unwrap();
    for file in MIGRATIONS.files().unwrap().into_iter().filter(|file| file.version != last) {
        std::fs::write(folder.path().join(&file.file), file.sql.as_bytes()).unwrap();
    }
    let owner = Database::connect(Settings::from_url(database.url()).unwrap()).await.unwrap();
    role::ensure(&owner, None).await.unwrap();
    owner.migrate(&Migrations::from_folder(folder.path())).await.unwrap();
}

#[tokio::test]
async fn and_what_a_newer_program_brings_is_added() {
    let (database, folder) = (test_server::database().await.unwrap(), tempfile::tempdir().unwrap());
    let files = MIGRATIONS.files().unwrap();
    let (applied, last) = (files.len(), files.iter().map(|file| file.version).max().unwrap());
    as_an_older_program_left_it(&database, last).await;
    let mut newer = Program::start(&database, folder.path());
    let log = newer.logged_up_to("Database schema initialized successfully").await;
    assert!(has(&log, " INFO ", &format!("1 of {applied} files are not applied yet")), "{log:?}");
    newer.ready().await;
    assert_eq!(service::number(&database, "SELECT max(version) AS n FROM plimsoll_migrations").await, last);
}

#[tokio::test]
async fn and_one_that_cannot_be_made_leaves_the_service_alive() {
    let (database, folder) = (test_server::database().await.unwrap(), tempfile::tempdir().unwrap());
    database.execute("CREATE TABLE tenants (somebody_elses text)").await.unwrap();
    let mut program = Program::start(&database, folder.path());
    let url = program.url().await;
    let log = program.logged_up_to("Schema initialization failed: ").await;
    assert!(has(&log, "ERROR ", "Schema initialization failed: "), "{log:?}");
    let credentials = fleet::boot::demo::Credentials::of_folder(folder.path()).unwrap();
    let device = service::Device::of(url, credentials);
    assert_eq!(device.get_as("/healthz", None).await.status, 200);
    device.send("d1", r#"{"t": 1}"#).await.refused(503, "PL-HTTP-05");
    let health = device.get_as("/operator/system/health", Some(&device.operator)).await;
    assert_eq!((health.status, &health.body["status"]), (503, &"down".into()), "{health:?}");

    database.execute("DROP TABLE tenants").await.unwrap();
    program.logged_up_to("Database schema initialized successfully").await;
    program.ready().await;
    device.send("d1", r#"{"t": 1}"#).await.accepted();
}
