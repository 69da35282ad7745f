//! The service, and the ways to start it.

use crate::client::{self, Answer};
use crate::service::{PATIENCE, until};
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::routing::get;
use axum::{Extension, Router};
use plimsoll::{Database, Settings};
use plimsoll_http::report::{ReportGuard, ReportOptions, on_sigusr1};
use plimsoll_http::{Databases, Options, Problem, User, layers};
use rustix::process::{Pid, Signal, kill_process};
use std::net::SocketAddr;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use tokio::time::timeout;

const MAIN: &str = "report::child::a_service_of_its_own";

/// How the service is started.
#[derive(Clone, Copy, Debug)]
pub(super) struct Start<'a> {
    /// What is put in front of its command.
    pub(super) wrapper: &'a [&'a str],
    /// `on`, `off`, `texts` for texts of statements, or `never` for a service that knows nothing of the report.
    pub(super) report: &'a str,
}

impl Default for Start<'_> {
    fn default() -> Self {
        Start { wrapper: &[], report: "on" }
    }
}

/// The process, and what it has said on stderr.
pub(super) struct Service {
    pub(super) addr: SocketAddr,
    pid: Pid,
    process: Child,
    said: Arc<Mutex<Vec<String>>>,
}

impl Start<'_> {
    pub(super) async fn on(self, url: &str) -> Service {
        let exe = std::env::current_exe().unwrap();
        let service = [exe.to_str().unwrap(), "--ignored", "--exact", MAIN, "--nocapture"];
        let all: Vec<_> = self.wrapper.iter().copied().chain(service).collect();
        let mut process = Command::new(all[0])
            .args(&all[1..])
            .env("CHILD_URL", url)
            .env("CHILD_REPORT", self.report)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let find = async {
            while let Some(line) = lines.next_line().await.unwrap() {
                if let Some((_, told)) = line.split_once("listens on ") {
                    let (addr, pid) = told.split_once(" as ").unwrap();
                    return (addr.parse().unwrap(), Pid::from_raw(pid.parse().unwrap()).unwrap());
                }
            }
            panic!("the child did not start");
        };
        let (addr, pid) = timeout(PATIENCE, find).await.unwrap();
        let said: Arc<Mutex<Vec<String>>> = Arc::default();
        let mut errors = BufReader::new(process.stderr.take().unwrap()).lines();
        let kept = said.clone();
        tokio::spawn(async move {
            while let Ok(Some(line)) = errors.next_line().await {
                kept.lock().unwrap().push(line);
            }
        });
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Service { addr, pid, process, said }
    }
}

impl Service {
    pub(super) fn signal(&self) {
        kill_process(self.pid, Signal::USR1).unwrap();
    }

    pub(super) fn text(&self) -> String {
        self.said.lock().unwrap().join("\n")
    }

    /// The reports that were printed whole, each from its first line to its last.
    pub(super) fn reports(&self) -> Vec<String> {
        let said = self.said.lock().unwrap();
        let mut reports = Vec::new();
        let mut open: Option<Vec<&str>> = None;
        for line in said.iter() {
            if line.starts_with("---- SIGUSR1") {
                assert!(open.is_none(), "a report begins within another: {said:?}");
                open = Some(Vec::new());
            }
            let Some(lines) = &mut open else { continue };
            lines.push(line);
            if line.starts_with("---- end of the report") {
                reports.push(open.take().unwrap().join("\n"));
            }
        }
        reports
    }

    /// Sends the signal and waits for the report.
    pub(super) async fn report(&self) -> String {
        let before = self.reports().len();
        self.signal();
        until("a report", async || self.reports().len() > before).await;
        self.reports().pop().unwrap()
    }

    /// Asks for reports until one has all of this in it.
    pub(super) async fn report_with(&self, parts: &[&str]) -> String {
        let mut last = String::new();
        let found = async {
            loop {
                last = self.report().await;
                if parts.iter().all(|part| last.contains(part)) {
                    return;
                }
            }
        };
        let found = timeout(PATIENCE, found).await;
        assert!(found.is_ok(), "no report with {parts:?}; the last was\n{last}");
        last
    }

    pub(super) async fn get(&self, path: &str) -> Answer {
        client::get(self.addr, path, &[]).await
    }

    /// Asks for a path with this id, and does not wait for the answer.
    pub(super) async fn ask(&self, path: &str, id: &str) -> TcpStream {
        let mut wire = TcpStream::connect(self.addr).await.unwrap();
        let head = format!(
            "GET {path} HTTP/1.1\r\nHost: x\r\nX-Request-ID: {id}\r\nAuthorization: Bearer planted-in-a-header\r\n\r\n"
        );
        wire.write_all(head.as_bytes()).await.unwrap();
        wire
    }

    pub(super) async fn ended(&mut self) -> ExitStatus {
        timeout(PATIENCE, self.process.wait()).await.expect("it does not end").unwrap()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // What was started is perhaps what is put around it.
        if matches!(self.process.try_wait(), Ok(None)) {
            let _ = kill_process(self.pid, Signal::KILL);
        }
    }
}

/// What the child serves, and the switch.
#[derive(Clone)]
struct App {
    db: Database,
    guard: Arc<Mutex<Option<ReportGuard>>>,
}

fn router(app: App, databases: &Databases) -> Router {
    Router::new()
        .route("/now", get(now))
        .route("/sleep/{of}", get(sleep))
        .route("/hold", get(hold))
        .route("/stream", get(stream))
        .route("/block", get(async || std::thread::sleep(Duration::from_secs(600))))
        .route("/switch/{to}", get(switch))
        .layer(layers(databases, Options::default().deadline(Duration::from_secs(120))))
        .layer(Extension(User::new("u-17")))
        .with_state(app)
}

async fn now(State(app): State<App>) -> Result<String, Problem> {
    Ok(app.db.query_one("SELECT 1::int8", &[]).await?.get::<_, i64>(0).to_string())
}

async fn sleep(State(app): State<App>, Path(of): Path<String>) -> Result<(), Problem> {
    let parameter = format!("planted-in-a-parameter {of}");
    let sql = "SELECT pg_sleep(600), $1::text, 'planted-in-sql'";
    app.db.named("sleeps long").query(sql, &[&parameter]).await?;
    Ok(())
}

/// Holds a connection on which nothing runs.
async fn hold(State(app): State<App>) -> Result<(), Problem> {
    let tx = app.db.named("holds").begin().await?;
    tx.query("SELECT 'planted-in-sql'", &[]).await?;
    std::future::pending::<()>().await;
    Ok(tx.commit().await?)
}

async fn stream() -> Body {
    let first = futures_util::stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(b"first"))]);
    Body::from_stream(futures_util::StreamExt::chain(first, futures_util::stream::pending()))
}

async fn switch(State(app): State<App>, Path(to): Path<String>) {
    let mut guard = app.guard.lock().unwrap();
    match to.as_str() {
        "drop" => *guard = None,
        to => guard.as_ref().unwrap().set_enabled(to == "on"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the child process of other tests"]
async fn a_service_of_its_own() {
    let text = |name: &str| std::env::var(name).expect("this is run by other tests");
    let settings = Settings::from_url(text("CHILD_URL")).unwrap().pool_min(0).pool_max(2).max_overflow(0);
    let db = Database::connect(settings).await.unwrap();
    let databases = Databases::new();
    let options = ReportOptions::default();
    let guard = match text("CHILD_REPORT").as_str() {
        "never" => None,
        "off" => Some(on_sigusr1(&databases, options.enabled(false)).unwrap()),
        "texts" => Some(on_sigusr1(&databases, options.statement_texts()).unwrap()),
        _ => Some(on_sigusr1(&databases, options).unwrap()),
    };
    // It comes after the switch, and is in the report.
    databases.add("main", &db);
    let app = App { db, guard: Arc::new(Mutex::new(guard)) };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("\nlistens on {} as {}", listener.local_addr().unwrap(), std::process::id());
    axum::serve(listener, router(app, &databases)).await.unwrap();
}
