//! First messages register a device exactly once and count it once, whatever the concurrency, within one process and
//! between two.

use crate::log::Log;
use crate::service::{self, Device, Fleet};
use fleet::boot::demo::Credentials;
use plimsoll_embedded::test_server;
use std::path::Path;
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::task::JoinSet;

const DEVICES: &str = "SELECT count(*) AS n FROM device_registry";
const COUNTED: &str = "SELECT sum(active_device_count) AS n FROM subscriptions";
const LOGGED: &str = "SELECT count(*) AS n FROM subscription_event_log WHERE event_type = 'DEVICE_ADDED'";

/// Sends all of them at once, and counts the answers by their status.
async fn send_all(messages: Vec<(Device, String)>) -> (usize, Vec<service::Answer>) {
    let mut sending = JoinSet::new();
    for (device, id) in messages {
        sending.spawn(async move { device.send(&id, r#"{"temperature": 25}"#).await });
    }
    let answers = sending.join_all().await;
    let (accepted, others): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 202);
    (accepted.len(), others)
}

fn from_one(fleet: &Fleet, id: impl Fn(usize) -> String) -> Vec<(Device, String)> {
    (0..100).map(|n| (fleet.device.clone(), id(n))).collect()
}

#[tokio::test]
async fn of_the_same_device() {
    let fleet = service::start().await;
    let (accepted, others) = send_all(from_one(&fleet, |_| "d1".to_owned())).await;
    assert_eq!(accepted, 100, "{others:?}");
    assert_eq!(
        (fleet.number(DEVICES).await, fleet.number(COUNTED).await, fleet.number(LOGGED).await),
        (1, 1, 1)
    );
    assert_eq!(fleet.readings().await, 100, "the message that registered it was processed like the others");
}

#[tokio::test]
async fn of_a_hundred_devices_make_a_hundred() {
    let fleet = service::start().await;
    let (accepted, others) = send_all(from_one(&fleet, |n| format!("d{n}"))).await;
    assert_eq!(accepted, 100, "{others:?}");
    assert_eq!((fleet.number(DEVICES).await, fleet.number(COUNTED).await), (100, 100));
    assert_eq!(fleet.readings().await, 100);
}

/// In a test of one thread, so that the service's tasks log to it as well.
#[tokio::test]
async fn and_the_log_says_so_or_why_not() {
    let (log, _guard) = Log::start();
    let fleet = service::start().await;
    fleet.device.send("d1", r#"{"t": 1}"#).await.accepted();
    let words = "Auto-provisioned device d1 for tenant test";
    assert!(log.mentions(tracing::Level::INFO, words), "{}", log.text());
    fleet.database.execute("UPDATE subscriptions SET device_limit = 1").await.unwrap();
    fleet.device.send("d2", r#"{"t": 2}"#).await.refused(403, "NO_SUBSCRIPTION_CAPACITY");
    assert!(log.text().contains("Auto-provision failed for d2: no subscription"), "{}", log.text());
    // What the database says is logged as an error, and rolled back; the message is not at fault for it.
    let fails = "UPDATE subscriptions SET device_limit = 100; ALTER TABLE subscription_event_log \
                 ADD CONSTRAINT nothing_more CHECK (false) NOT VALID";
    fleet.database.execute(fails).await.unwrap();
    fleet.device.send("d3", r#"{"t": 3}"#).await.refused(500, "INTERNAL");
    assert!(log.mentions(tracing::Level::ERROR, "Auto-provision failed for d3: PL-"), "{}", log.text());
    assert_eq!((fleet.number(DEVICES).await, fleet.number(COUNTED).await), (1, 1));
}

#[tokio::test]
async fn never_more_than_the_subscription_holds() {
    let fleet = service::start().await;
    fleet.database.execute("UPDATE subscriptions SET device_limit = 7").await.unwrap();
    let (accepted, others) = send_all(from_one(&fleet, |n| format!("d{n}"))).await;
    assert_eq!(accepted, 7);
    for answer in &others {
        answer.refused(403, "NO_SUBSCRIPTION_CAPACITY");
    }
    assert_eq!((fleet.number(DEVICES).await, fleet.number(COUNTED).await, fleet.readings().await), (7, 7, 7));
}

#[tokio::test]
async fn the_next_message_shows_the_same_key_and_no_other() {
    let fleet = service::start().await;
    fleet.device.send("d1", r#"{"t": 1}"#).await.accepted();
    fleet.device.send("d1", r#"{"t": 2}"#).await.accepted();
    let stranger = Device { key: "x".repeat(43), ..fleet.device.clone() };
    stranger.send("d1", r#"{"t": 3}"#).await.refused(401, "TOKEN_INVALID");
    // A device that was given a token of its own is no longer spoken for by the tenant's key.
    let rotate = "UPDATE device_registry SET provision_token_hash = encode(sha256('own'), 'hex')";
    fleet.database.execute(rotate).await.unwrap();
    fleet.device.send("d1", r#"{"t": 4}"#).await.refused(401, "TOKEN_INVALID");
    Device { key: "own".to_owned(), ..fleet.device.clone() }.send("d1", r#"{"t": 5}"#).await.accepted();
    assert_eq!((fleet.number(DEVICES).await, fleet.readings().await), (1, 3));
}

#[tokio::test]
async fn without_auto_provision_nobody_comes_in() {
    let fleet = service::start_with(|config| config.auto_provision = false).await;
    fleet.device.send("d1", r#"{"t": 1}"#).await.refused(403, "UNREGISTERED_DEVICE");
    assert_eq!((fleet.number(DEVICES).await, fleet.readings().await), (0, 0));
}

/// The program itself.
struct Process {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    url: String,
}

impl Process {
    fn start(url: &str, folder: &Path) -> Child {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fleet"));
        command.env("DATABASE_URL", url).env("FLEET_DATA", folder).env("FLEET_LISTEN", "127.0.0.1:0");
        command
            .env("FLEET_DEMO", "on")
            .env("FLEET_ENV_FILE", "off")
            .env("AUTO_PROVISION", "1")
            .env("FLEET_RATE_LIMIT_BURST", "1000")
            .env("PLIMSOLL_POOL_TIMEOUT", "14s");
        command.stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap()
    }

    async fn ready(mut child: Child) -> Process {
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut url = None;
        loop {
            let line = lines.next_line().await.unwrap().expect("the program ended before it was ready");
            if let Some(said) = line.strip_prefix("fleet listens on ") {
                url = Some(said.to_owned());
            }
            if line == "fleet is ready" {
                return Process { child, lines, url: url.unwrap() };
            }
        }
    }

    async fn end(mut self) {
        let pid = self.child.id().unwrap().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().await.unwrap().success());
        while self.lines.next_line().await.unwrap().is_some() {}
        assert!(self.child.wait().await.unwrap().success(), "it ends cleanly when it is told to");
    }
}

#[tokio::test]
async fn to_two_processes() {
    let database = test_server::database().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let credentials = Credentials::of_folder(folder.path()).unwrap();
    // Both at once, on an empty database: they also share the migrations, the role and the first tenant.
    let children = [0, 1].map(|_| Process::start(&database.url(), folder.path()));
    let [one, two] = children.map(Process::ready);
    let (one, two) = tokio::join!(one, two);
    let devices = [&one, &two].map(|process| Device::of(process.url.clone(), credentials.clone()));
    let same = (0..100).map(|n| (devices[n % 2].clone(), "same".to_owned()));
    let (accepted, others) = send_all(same.collect()).await;
    assert_eq!(accepted, 100, "{others:?}");
    assert_eq!(
        (service::number(&database, DEVICES).await, service::number(&database, COUNTED).await),
        (1, 1)
    );
    // Every id comes to both.
    let distinct = (0..200).map(|n| (devices[n % 2].clone(), format!("d{}", n / 2)));
    let (accepted, others) = send_all(distinct.collect()).await;
    assert_eq!(accepted, 200, "{others:?}");
    assert_eq!(
        (service::number(&database, DEVICES).await, service::number(&database, COUNTED).await),
        (101, 101)
    );
    one.end().await;
    two.end().await;
}

/// The paths of the API have another meaning for some words, so a first message under one of them registers nothing. A device that
/// was registered under one before this was so still sends.
#[tokio::test]
async fn and_none_under_a_word_that_stands_in_a_path() {
    let fleet = service::start().await;
    for word in fleet::devices::RESERVED_IDS {
        let told = fleet.device.send(word, r#"{"t": 1}"#).await;
        told.refused(400, "DEVICE_ID_RESERVED");
        assert!(told.body["title"].as_str().unwrap().contains(word), "{told:?}");
    }
    assert_eq!(fleet.number("SELECT count(*) AS n FROM device_registry").await, 0);
    assert_eq!(fleet.number("SELECT sum(active_device_count) AS n FROM subscriptions").await, 0);
    fleet.device.send("summary-1", r#"{"t": 1}"#).await.accepted();
    let before = "UPDATE device_registry SET device_id = 'summary' WHERE device_id = 'summary-1'";
    fleet.database.execute(before).await.unwrap();
    fleet.device.send("summary", r#"{"t": 2}"#).await.accepted();
}
