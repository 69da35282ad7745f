//! A guarded service, one without a single limit, and drills that are played on them.

use crate::command::{Run, plimsoll};
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod};
use plimsoll::{Database, Settings};
use plimsoll_embedded::Cluster;
use plimsoll_http::{EndpointOptions, NeedsDatabase, Operators, Options, Problem, endpoints, layers};
use serde_json::Value;
use std::fmt::Debug;
use std::future::Future;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Stdio};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use tokio_postgres::NoTls;

pub(super) const PATIENCE: Duration = Duration::from_secs(30);

const WRITE: &str = "INSERT INTO orders VALUES (1)";

/// A server of its own with a table, and few connections.
pub(super) async fn server() -> Cluster {
    let cluster = Cluster::builder().setting("max_connections", "30").start().await.unwrap();
    cluster.execute("postgres", "CREATE TABLE orders (id integer)").await.unwrap();
    cluster
}

/// Where a service will be, before it is there.
pub(super) struct Door {
    listener: TcpListener,
    pub(super) url: String,
}

impl Door {
    pub(super) async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        Door { listener, url }
    }

    pub(super) fn at(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    fn serve(self, router: Router) -> JoinHandle<()> {
        tokio::spawn(async move { axum::serve(self.listener, router).await.unwrap() })
    }

    /// A service on Plimsoll: a deadline, a short wait for locks, refusals that say so.
    pub(super) async fn guarded(self, cluster: &Cluster, port: u16) -> Service {
        async fn orders(State(db): State<Database>) -> Result<&'static str, Problem> {
            let call = db.named("store an order").lock_timeout(Duration::from_millis(500));
            call.execute(WRITE, &[]).await?;
            Ok("stored")
        }
        let settings = Settings::default()
            .hosts(format!("127.0.0.1:{port}"))
            .user(cluster.superuser())
            .password(cluster.password())
            .dbname("postgres")
            .pool_min(4)
            .pool_max(4)
            .max_overflow(0);
        let db = Database::connect(settings).await.unwrap();
        let options = Options::default().deadline(Duration::from_millis(1500));
        let router = Router::new()
            .route("/orders", get(orders).layer(NeedsDatabase::new(&db)))
            .merge(endpoints(&db, &Operators::default(), EndpointOptions::default()))
            .layer(layers(&db, options))
            .with_state(db.clone());
        Service { task: self.serve(router), db: Some(db) }
    }

    /// A service as many are: a pool, and no limit on anything.
    pub(super) fn unguarded(self, cluster: &Cluster, port: u16) -> Service {
        async fn orders(State(pool): State<Pool>) -> Result<&'static str, StatusCode> {
            let client = pool.get().await.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
            client.execute(WRITE, &[]).await.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
            Ok("stored")
        }
        let mut driver = tokio_postgres::Config::new();
        driver.host("127.0.0.1").port(port).user(cluster.superuser()).password(cluster.password());
        driver.dbname("postgres");
        let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let pool = Pool::builder(Manager::from_config(driver, NoTls, recycling)).max_size(4).build().unwrap();
        // It says that it is ready whatever its database does.
        let router = Router::new()
            .route("/orders", get(orders))
            .route("/readyz", get(|| async { "ready" }))
            .with_state(pool);
        Service { task: self.serve(router), db: None }
    }
}

pub(super) struct Service {
    task: JoinHandle<()>,
    db: Option<Database>,
}

impl Service {
    pub(super) async fn end(self) {
        self.task.abort();
        if let Some(db) = &self.db {
            db.close().await;
        }
    }
}

/// A drill under way.
pub(super) struct Playing {
    child: Child,
}

/// Limits that fit a test.
const SHORT: [[&str; 2]; 5] = [
    ["--fault-for", "3s"],
    ["--before", "1500ms"],
    ["--answer-within", "2500ms"],
    ["--recover-within", "4s"],
    ["--unready-within", "2500ms"],
];

impl Playing {
    pub(super) fn begin(arguments: &[&str]) -> Self {
        let mut command = plimsoll(&["chaos"]);
        for limit in SHORT {
            if !arguments.contains(&limit[0]) {
                command.args(limit);
            }
        }
        command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
        Playing { child: command.spawn().unwrap() }
    }

    pub(super) fn pid(&self) -> rustix::process::Pid {
        rustix::process::Pid::from_raw(self.child.id().cast_signed()).unwrap()
    }

    /// The port of its proxy, once it has said that.
    pub(super) async fn proxy(&mut self) -> u16 {
        let mut error = BufReader::new(self.child.stderr.take().unwrap());
        let (port, error) = tokio::task::spawn_blocking(move || {
            let mut line = String::new();
            while !line.contains("listening at ") {
                line.clear();
                assert_ne!(error.read_line(&mut line).unwrap(), 0, "it says where it listens");
            }
            let address = line.split("listening at ").nth(1).unwrap().split(": point").next().unwrap();
            (address.rsplit(':').next().unwrap().parse().unwrap(), error.into_inner())
        })
        .await
        .unwrap();
        self.child.stderr = Some(error);
        port
    }

    /// Waits for its end.
    pub(super) async fn ended(self) -> Run {
        let mut child = self.child;
        tokio::task::spawn_blocking(move || {
            let (mut out, mut error) = (String::new(), String::new());
            child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
            child.stderr.take().unwrap().read_to_string(&mut error).unwrap();
            let status = child.wait().unwrap().code().unwrap_or(-1);
            Run { status, out, error }
        })
        .await
        .unwrap()
    }

    /// Kills it.
    pub(super) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// Plays drills to their end.
pub(super) async fn played(arguments: &[&str]) -> Run {
    Playing::begin(arguments).ended().await
}

/// The drill of a result in JSON.
pub(super) fn drill(run: &Run, number: usize) -> Value {
    let report: Value = serde_json::from_str(&run.out).unwrap_or_else(|error| panic!("{error}: {run:?}"));
    assert_eq!(report["schema_version"], 1);
    report["drills"][number].clone()
}

/// Whether a promise of a drill was held, and the numbers.
pub(super) fn verdict(drill: &Value, promise: &str) -> (String, String) {
    let verdicts = drill["verdicts"].as_array().unwrap();
    let verdict =
        verdicts.iter().find(|verdict| verdict["promise"] == promise).unwrap_or_else(|| panic!("{drill}"));
    (verdict["held"].as_str().unwrap().to_owned(), verdict["told"].as_str().unwrap().to_owned())
}

/// A drill without what was seen, to be read in a failure.
pub(super) fn in_short(drill: &Value) -> String {
    let mut drill = drill.clone();
    drill["seen"] = Value::Null;
    drill.to_string()
}

/// Looks until it is so.
pub(super) async fn until<F: Future<Output = bool>>(
    what: impl Debug,
    within: Duration,
    mut is_so: impl FnMut() -> F,
) {
    let end = Instant::now() + within;
    while !is_so().await {
        assert!(Instant::now() < end, "waited {within:?} and it did not happen: {what:?}");
        sleep(Duration::from_millis(20)).await;
    }
}

/// A number that the server counts.
pub(super) async fn number(cluster: &Cluster, sql: &str) -> i64 {
    let rows = cluster.execute("postgres", sql).await.unwrap();
    rows[0].values().next().unwrap().parse().unwrap()
}

pub(super) const LOCKS: &str = "SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND granted AND relation = 'orders'::regclass";

pub(super) const OURS: &str =
    "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'plimsoll chaos%'";
