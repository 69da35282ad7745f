//! One entrant: this program once more, as a service.
//!
//! It says on which address it listens, and ends when its standard input does, so also when the bench is killed.

use crate::peers::Place;
use anyhow::{Context, Result, bail, ensure};
use axum::Router;
use axum::extract::State;
use axum::routing::get;
use futures_util::future::try_join_all;
use plimsoll::settings::PoolerMode;
use plimsoll::{Database, Settings};
use plimsoll_http::serve::{StopBy, StopHandle};
use plimsoll_http::{AccessRecord, AccessWriter, Options, Problem, ServeOptions, layers};
use rustix::time::{ClockId, clock_gettime};
use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use tracing_subscriber::filter::LevelFilter;

/// How many connections the pool of the abandoned requests has.
pub const SLEEPERS: usize = 30;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Axum,
    Serve,
    Layers,
    Log,
    Spans,
    Tracing,
    /// Requests that sleep on the database.
    Sleeps,
}

const KINDS: [(Kind, &str); 7] = [
    (Kind::Axum, "axum"),
    (Kind::Serve, "serve"),
    (Kind::Layers, "layers"),
    (Kind::Log, "log"),
    (Kind::Spans, "spans"),
    (Kind::Tracing, "tracing"),
    (Kind::Sleeps, "sleeps"),
];

/// A process that serves.
pub struct Server {
    pub addr: SocketAddr,
    _process: Child,
    log: PathBuf,
}

impl Server {
    pub async fn start(kind: Kind, place: &Place, files: &Path) -> Result<Self> {
        let name = KINDS.iter().find_map(|(known, name)| (*known == kind).then_some(*name));
        let name = name.context("a kind without a name")?;
        let log = files.join(name);
        let mut process = Command::new(std::env::current_exe()?)
            .args(["http-server", name, &place.port.to_string(), &place.user, &place.password])
            .arg(&log)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let mut lines = BufReader::new(process.stdout.take().context("no standard output")?).lines();
        let line = lines.next_line().await?.with_context(|| format!("the server {name} did not start"))?;
        Ok(Server { addr: line.parse()?, _process: process, log })
    }

    /// What a path answers, which has to be 200.
    pub async fn get(&self, path: &str) -> Result<String> {
        let mut stream = TcpStream::connect(self.addr).await?;
        let head = format!("GET {path} HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n");
        stream.write_all(head.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        let (head, body) = answer.split_once("\r\n\r\n").context("no answer")?;
        ensure!(head.starts_with("HTTP/1.1 200"), "{path}: {answer}");
        Ok(body.to_owned())
    }

    /// What the process has spent of the processor, in microseconds.
    pub async fn cpu(&self) -> Result<f64> {
        Ok(self.get("/cpu").await?.parse()?)
    }

    /// Deletes what it has logged; it begins a new file.
    pub fn forget(&self) -> Result<()> {
        match fs::remove_file(&self.log) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }
}

/// The process: `http-server KIND PORT USER PASSWORD LOG`.
pub async fn run(args: &[String]) -> Result<()> {
    let [name, port, user, password, log] = args else { bail!("this is run by `bench http`") };
    let kind = KINDS.iter().find(|(_, known)| known == name).map(|(kind, _)| *kind);
    let kind = kind.with_context(|| format!("no server is called {name}"))?;
    let place = Place {
        host: "127.0.0.1".to_owned(),
        port: port.parse()?,
        user: user.clone(),
        password: password.clone(),
        pooler: PoolerMode::None,
    };
    subscribe(kind)?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    std::thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
    let router = router(kind, &place, log).await?;
    if kind == Kind::Axum {
        return Ok(axum::serve(listener, router).await?);
    }
    let options = ServeOptions { stop: StopBy::Handle(StopHandle::new()), ..ServeOptions::default() };
    plimsoll_http::serve(listener, router, options).await?;
    Ok(())
}

fn subscribe(kind: Kind) -> Result<()> {
    let level = match kind {
        Kind::Spans | Kind::Tracing => LevelFilter::INFO,
        _ => LevelFilter::OFF,
    };
    let nowhere = Arc::new(File::options().write(true).open("/dev/null")?);
    tracing_subscriber::fmt().json().with_max_level(level).with_writer(nowhere).init();
    Ok(())
}

async fn router(kind: Kind, place: &Place, log: &str) -> Result<Router> {
    let plain = Router::new().route("/", get(async || {})).route("/cpu", get(cpu));
    let nothing = |_: &AccessRecord<'_>| {};
    let options = match kind {
        Kind::Axum | Kind::Serve => return Ok(plain),
        Kind::Sleeps => return sleeps(place.settings(SLEEPERS).max_waiting(1_000)).await,
        Kind::Layers => Options::default().access_log(nothing),
        Kind::Log | Kind::Spans => Options::default().access_log(AccessWriter::to_file(log)?),
        Kind::Tracing => Options::default(),
    };
    let db = Database::connect(place.settings(1)).await?;
    Ok(plain.layer(layers(&db, options)))
}

async fn cpu() -> String {
    let spent = Duration::try_from(clock_gettime(ClockId::ProcessCPUTime)).unwrap_or_default();
    spent.as_micros().to_string()
}

async fn sleeps(settings: Settings) -> Result<Router> {
    let db = Database::connect(settings).await?;
    let router = Router::new()
        .route("/sleep", get(sleep))
        .route("/now", get(now))
        .route("/pool", get(pool))
        .route("/all", get(all))
        .layer(layers(&db, Options::default().access_log(|_: &AccessRecord<'_>| {})))
        .with_state(db);
    Ok(router)
}

async fn sleep(State(db): State<Database>) -> Result<(), Problem> {
    Ok(db.execute("SELECT pg_sleep(10)", &[]).await.map(drop)?)
}

async fn now(State(db): State<Database>) -> Result<String, Problem> {
    Ok(db.query_one("SELECT 1::int8", &[]).await?.get::<_, i64>(0).to_string())
}

/// Connections that are lent or made clean, and callers that wait.
async fn pool(State(db): State<Database>) -> String {
    let status = db.pool_status();
    format!("{} {}", status.checked_out, status.waiting)
}

/// Lends every connection at the same time; how many those were.
async fn all(State(db): State<Database>) -> Result<String, Problem> {
    let held = try_join_all((0..SLEEPERS).map(|_| db.acquire())).await?;
    Ok(held.len().to_string())
}
