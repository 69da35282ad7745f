//! What `make run` prints at first is what a newcomer works with: devices that send all the time do not push it away, and no
//! password is on it that must not be seen. What goes wrong is told all the same, and whoever wants each request has it.

use crate::process::without_a_database;
use crate::service::until;
use parking_lot::Mutex;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// A PostgreSQL is made, with all that belongs to it, on a machine that is busy with other tests.
const PATIENCE: Duration = Duration::from_secs(90);
/// The beginning of every password that is made for private servers.
const MUST_NOT_BE_SEEN: &str = "neverprinted";

/// What `make run` starts, and what is seen of it.
struct Terminal {
    process: Child,
    screen: Arc<Mutex<Vec<String>>>,
    folder: TempDir,
    url: String,
}

impl Terminal {
    async fn start(log: Option<&str>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_fleet"));
        without_a_database(&mut command);
        command.env_remove("RUST_LOG").envs(log.map(|log| ("RUST_LOG", log)));
        command.env("FLEET_LISTEN", "127.0.0.1:0").env("FLEET_DATA", folder.path());
        command.env("FLEET_ENV_FILE", folder.path().join(".env.fleet"));
        let mut process =
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        let screen = Arc::new(Mutex::default());
        tokio::spawn(read(process.stdout.take().unwrap(), Arc::clone(&screen)));
        tokio::spawn(read(process.stderr.take().unwrap(), Arc::clone(&screen)));
        let mut terminal = Terminal { process, screen, folder, url: String::new() };
        let ready = async {
            while terminal.lines("set -a; . ").is_empty() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(PATIENCE, ready).await.expect("it was not ready in time");
        let listens = "fleet listens on ";
        terminal.url = terminal.lines(listens)[0].strip_prefix(listens).unwrap().to_owned();
        terminal
    }

    fn lines(&self, part: &str) -> Vec<String> {
        self.screen.lock().iter().filter(|line| line.contains(part)).cloned().collect()
    }

    /// How many readings of the made-up devices were acknowledged.
    async fn devices_have_sent(&self) {
        let made_up = self.lines("    made-up.")[0].trim().to_owned();
        let http = reqwest::Client::new();
        until("the made-up devices send", async || {
            let asked = http.get(format!("{}/customer/devices", self.url)).bearer_auth(&made_up).send().await;
            asked.unwrap().text().await.unwrap().matches("\"ONLINE\"").count() >= 4
        })
        .await;
    }

    async fn interrupt(mut self) {
        let pid = self.process.id().unwrap().to_string();
        assert!(Command::new("kill").args(["-INT", &pid]).status().await.unwrap().success());
        timeout(PATIENCE, self.process.wait()).await.unwrap().unwrap();
    }
}

async fn read(output: impl AsyncRead + Unpin, screen: Arc<Mutex<Vec<String>>>) {
    let mut lines = BufReader::new(output).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        screen.lock().push(line);
    }
}

#[tokio::test]
async fn while_devices_send_and_what_fails_is_told() {
    let terminal = Terminal::start(None).await;
    terminal.devices_have_sent().await;
    assert_eq!(terminal.lines("plimsoll::access"), [""; 0], "requests that went well");
    assert!(!terminal.lines("RUST_LOG=info make run").is_empty(), "it says how to see them");

    let http = reqwest::Client::new();
    let freeze = http.post(format!("{}/faults/freeze", terminal.url)).header("X-Plimsoll-Action", "freeze");
    assert_eq!(freeze.send().await.unwrap().status(), 200);
    until("a failure is told", async || {
        terminal.lines("plimsoll::access").iter().any(|line| line.contains(" 503 "))
    })
    .await;
    let told = terminal.lines("plimsoll::access");
    assert!(told.len() <= 2, "not all of them: {told:?}");
    assert!(told.iter().all(|line| line.contains(" WARN ")), "{told:?}");
    terminal.interrupt().await;
}

#[tokio::test]
async fn and_each_request_is_told_where_that_was_asked_for() {
    let terminal = Terminal::start(Some("info")).await;
    terminal.devices_have_sent().await;
    let sent = terminal.lines("plimsoll::access").into_iter().filter(|line| line.contains("202")).count();
    assert!(sent >= 2, "{sent} of the readings that came over HTTP");
    assert!(terminal.lines("RUST_LOG=info make run").is_empty());
    terminal.interrupt().await;
}

#[tokio::test]
async fn and_shows_no_password_that_must_not_be_seen_by_mosquitto() {
    let terminal = Terminal::start(None).await;
    assert!(!terminal.lines("mqtt://fleet:").is_empty(), "there is a broker");
    assert!(!terminal.lines("postgresql://fleet_app:").is_empty(), "and a database");
    // Not printed by the assertion either.
    assert!(
        terminal.lines(MUST_NOT_BE_SEEN).is_empty(),
        "a password of a private server is on the first screen"
    );
    let file = std::fs::read_to_string(terminal.folder.path().join(".env.fleet")).unwrap();
    assert!(
        !file.contains(MUST_NOT_BE_SEEN) && file.contains("MQTT_URL="),
        "nor is one in the file for shells"
    );
    terminal.interrupt().await;
}
