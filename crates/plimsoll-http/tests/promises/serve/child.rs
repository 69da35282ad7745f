//! The same service in a process of its own, with few descriptors, stopped by signals.

use super::{PATIENCE, router};
use axum::routing::get;
use plimsoll::{Database, Settings};
use plimsoll_http::serve::{ServeOptions, serve};
use rustix::process::{Resource, Rlimit, Signal, getrlimit, kill_process, setrlimit};
use std::fs::File;
use std::net::SocketAddr;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::time::timeout;

const MAIN: &str = "serve::child::a_service_of_its_own";

/// The process, and what it has said.
pub(super) struct Service {
    pub(super) addr: SocketAddr,
    process: Child,
    said: Arc<Mutex<Vec<String>>>,
}

pub(super) async fn start(url: &str, descriptors: u64, idle: Duration) -> Service {
    let mut process = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", MAIN, "--nocapture"])
        .env("CHILD_URL", url)
        .env("CHILD_DESCRIPTORS", descriptors.to_string())
        .env("CHILD_IDLE", idle.as_millis().to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let said = Arc::new(Mutex::new(Vec::new()));
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
    let find = async {
        while let Some(line) = lines.next_line().await.unwrap() {
            if let Some((_, addr)) = line.split_once("listens on ") {
                return addr.parse().unwrap();
            }
        }
        panic!("the child did not start");
    };
    let addr = timeout(PATIENCE, find).await.unwrap();
    let errors = BufReader::new(process.stderr.take().unwrap()).lines();
    keep(lines, said.clone());
    keep(errors, said.clone());
    Service { addr, process, said }
}

fn keep<R>(mut lines: tokio::io::Lines<BufReader<R>>, said: Arc<Mutex<Vec<String>>>)
where
    R: tokio::io::AsyncRead + Send + Unpin + 'static,
{
    tokio::spawn(async move {
        while let Ok(Some(line)) = lines.next_line().await {
            said.lock().unwrap().push(line);
        }
    });
}

impl Service {
    /// How many lines hold this text.
    pub(super) fn said(&self, text: &str) -> usize {
        self.said.lock().unwrap().iter().filter(|line| line.contains(text)).count()
    }

    pub(super) fn words(&self) -> String {
        self.said.lock().unwrap().join("\n")
    }

    pub(super) fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.process.id().unwrap()).unwrap();
        kill_process(rustix::process::Pid::from_raw(pid).unwrap(), signal).unwrap();
    }

    pub(super) async fn ended(&mut self) -> ExitStatus {
        timeout(PATIENCE, self.process.wait()).await.expect("it does not end").unwrap()
    }
}

#[tokio::test]
#[ignore = "the child process of other tests"]
async fn a_service_of_its_own() {
    let number =
        |name: &str| std::env::var(name).expect("this is run by other tests").parse::<u64>().unwrap();
    let limit =
        Rlimit { current: Some(number("CHILD_DESCRIPTORS")), maximum: getrlimit(Resource::Nofile).maximum };
    setrlimit(Resource::Nofile, limit).unwrap();
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(false).init();
    let url = std::env::var("CHILD_URL").unwrap();
    let settings = Settings::from_url(url).unwrap().pool_max(10);
    let db = Database::connect(settings).await.unwrap();
    let hoard: Arc<Mutex<Vec<File>>> = Arc::default();
    let held = hoard.clone();
    let router = router(db.clone())
        .route(
            "/hoard",
            get(async move || {
                let mut held = held.lock().unwrap();
                while let Ok(file) = File::open("/dev/null") {
                    held.push(file);
                }
                held.len().to_string()
            }),
        )
        .route(
            "/release",
            get(async move || {
                hoard.lock().unwrap().clear();
            }),
        );
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let idle = Duration::from_millis(number("CHILD_IDLE"));
    let options = ServeOptions { idle, databases: vec![db], ..ServeOptions::default() };
    println!("\nlistens on {addr}");
    let stopped = serve(listener, router, options).await.unwrap();
    println!("\nstopped: cut {}, at once {}", stopped.cut, stopped.left_at_once);
}
