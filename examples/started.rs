//! An example, started as its own process as someone starts it in a terminal, and a client to talk to it. The tests of all
//! examples have this module.

use serde_json::Value;
use std::net::SocketAddr;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

/// How long a state may take to come about, on a machine that is busy with other tests.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Variables that say which programs a private PostgreSQL is made of, and where; no other reaches the example.
const KEPT: [&str; 5] = ["PATH", "HOME", "TMPDIR", "PLIMSOLL_PG_BIN", "PLIMSOLL_PG_VERSION"];

/// An example that runs.
pub(crate) struct Started {
    process: Child,
    pub(crate) http: Client,
    /// What it printed, and what it logged.
    printed: Arc<Mutex<Vec<String>>>,
    logged: Arc<Mutex<Vec<String>>>,
}

/// One who asks, each time on a connection of its own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Client(pub(crate) SocketAddr);

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Value,
}

impl Started {
    /// Starts the program with these variables, and waits until it listens.
    pub(crate) async fn with(program: &str, variables: &[(&str, &str)]) -> Self {
        let mut command = Command::new(program);
        command.env_clear().env("LISTEN", "127.0.0.1:0").envs(variables.iter().copied());
        for name in KEPT {
            command.envs(std::env::var_os(name).map(|value| (name, value)));
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut process = command.spawn().unwrap();
        let printed = kept(process.stdout.take().unwrap());
        let logged = kept(process.stderr.take().unwrap());
        let address = || {
            let printed = printed.lock().unwrap();
            printed.iter().find_map(|line| line.split_once(" listens on http://")?.1.parse().ok())
        };
        let end = Instant::now() + PATIENCE;
        let at = loop {
            match address() {
                Some(at) => break at,
                None => assert!(Instant::now() < end, "it does not listen: {:?}", logged.lock().unwrap()),
            }
            sleep(Duration::from_millis(10)).await;
        };
        Started { process, http: Client(at), printed, logged }
    }

    /// What it wrote to stderr: its log, and what a signal makes it tell.
    pub(crate) fn said(&self) -> String {
        self.logged.lock().unwrap().join("\n")
    }

    /// The lines of its log, each of which is JSON.
    pub(crate) fn log(&self) -> Vec<Value> {
        let logged = self.logged.lock().unwrap();
        logged
            .iter()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
            .collect()
    }

    /// The lines at this target.
    pub(crate) fn log_at(&self, target: &str) -> Vec<Value> {
        self.log().into_iter().filter(|line| line["target"] == target).collect()
    }

    /// What it printed.
    pub(crate) fn printed(&self) -> String {
        self.printed.lock().unwrap().join("\n")
    }

    /// Runs each command that it printed: what became of it, and what it said.
    pub(crate) async fn run_what_it_printed(&self) -> Vec<(Option<i32>, String)> {
        let printed = self.printed();
        let commands = printed.lines().filter_map(|line| line.find("curl").and_then(|at| line.get(at..)));
        let mut said = Vec::new();
        for command in commands {
            let shell =
                Command::new("bash").args(["-c", command]).stdin(Stdio::null()).output().await.unwrap();
            said.push((shell.status.code(), String::from_utf8(shell.stdout).unwrap()));
        }
        said
    }

    /// Sends it a signal, by the name that `kill` knows.
    pub(crate) async fn signal(&self, name: &str) {
        let pid = self.process.id().expect("it runs").to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &pid]).status().await.unwrap().success());
    }

    /// Stops it as Ctrl-C does, and waits for its end: a database whose sessions have left is dropped at once.
    pub(crate) async fn stop(mut self) -> ExitStatus {
        self.signal("INT").await;
        timeout(PATIENCE, self.process.wait()).await.expect("it ends").unwrap()
    }
}

impl Client {
    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.get_with(path, &[]).await
    }

    pub(crate) async fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        self.ask(&format!("GET {path} HTTP/1.1\r\n{headers}"), "").await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        let head = format!("POST {path} HTTP/1.1\r\nContent-Type: application/json\r\n");
        self.ask(&head, &body.to_string()).await
    }

    async fn ask(&self, head: &str, body: &str) -> Answer {
        let mut wire = self.send(head, body).await;
        let mut text = String::new();
        timeout(PATIENCE, wire.read_to_string(&mut text)).await.expect("an answer").unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no whole head: {text:?}"));
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer {
            status,
            head: head.to_ascii_lowercase(),
            body: serde_json::from_str(body).unwrap_or_default(),
        }
    }

    /// Sends a request, and leaves the answer to the caller, who may hang up instead.
    pub(crate) async fn send(&self, head: &str, body: &str) -> TcpStream {
        let mut wire = TcpStream::connect(self.0).await.unwrap();
        let length = body.len();
        let request =
            format!("{head}Host: {}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}", self.0);
        wire.write_all(request.as_bytes()).await.unwrap();
        wire
    }
}

/// The lines that come from there, now and later.
fn kept(from: impl tokio::io::AsyncRead + Send + Unpin + 'static) -> Arc<Mutex<Vec<String>>> {
    let lines: Arc<Mutex<Vec<String>>> = Arc::default();
    let all = Arc::clone(&lines);
    tokio::spawn(async move {
        let mut from = BufReader::new(from).lines();
        while let Ok(Some(line)) = from.next_line().await {
            all.lock().unwrap().push(line);
        }
    });
    lines
}

/// Looks until the check says yes; fails after a while.
pub(crate) async fn until(what: &str, mut check: impl AsyncFnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !check().await {
        assert!(Instant::now() < end, "waited {PATIENCE:?} and it did not happen: {what}");
        sleep(Duration::from_millis(5)).await;
    }
}

/// The first column of the first row, as text.
pub(crate) async fn first(db: &plimsoll_embedded::test_server::TestDatabase, sql: &str) -> String {
    first_of(db.execute(sql).await)
}

/// The same of an answer that is there already.
pub(crate) fn first_of(answer: plimsoll_embedded::Result<Vec<plimsoll_embedded::Row>>) -> String {
    answer.unwrap().first().and_then(|row| row.values().next().cloned()).unwrap_or_default()
}
