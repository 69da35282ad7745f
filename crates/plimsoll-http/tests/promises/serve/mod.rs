//! What the server keeps, whatever its clients do: a service on a real PostgreSQL, and clients that write bytes.

mod a_body_that_dribbles_ends_with_408;
mod a_head_that_dribbles_is_not_waited_for;
mod a_reader_that_never_reads_is_cut;
mod a_stop_ends_in_time;
mod a_stop_lets_requests_finish;
mod accepting_goes_on_after_descriptors_ran_out;
mod busy_sockets_are_never_evicted;
mod child;
mod http2_resets_end_only_their_connection;
mod huge_heads_get_a_clear_answer;
mod idle_sockets_leave_descriptors_to_the_pool;
mod numbers_are_checked_at_start;
mod ordinary_clients_notice_nothing;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use plimsoll::{Database, Settings};
use plimsoll_embedded::test_server::{self, TestDatabase};
use plimsoll_http::serve::{ServeError, ServeOptions, StopBy, StopHandle, Stopped, serve};
use std::future::Future;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// How long a state may take to come about.
const PATIENCE: Duration = Duration::from_secs(30);

const GET_NOW: &[u8] = b"GET /now HTTP/1.1\r\nHost: test\r\n\r\n";

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// Limits that a test can wait for.
fn quick() -> ServeOptions {
    ServeOptions {
        idle: ms(500),
        head: ms(500),
        body: ms(1_500),
        body_pause: ms(500),
        unread: ms(700),
        grace: ms(1_500),
        hard_stop: ms(4_000),
        ..ServeOptions::default()
    }
}

/// A service on a database of its own.
struct Server {
    addr: SocketAddr,
    stop: StopHandle,
    task: JoinHandle<Result<Stopped, ServeError>>,
    database: TestDatabase,
}

async fn start(options: ServeOptions) -> Server {
    let database = test_server::database().await.unwrap();
    database.execute("CREATE TABLE stored (bytes int8)").await.unwrap();
    let (addr, stop, task) = start_on(&database.url(), options).await;
    Server { addr, stop, task, database }
}

async fn start_on(
    url: &str,
    options: ServeOptions,
) -> (SocketAddr, StopHandle, JoinHandle<Result<Stopped, ServeError>>) {
    let db = connect(url).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let stop = StopHandle::new();
    let options = ServeOptions { databases: vec![db.clone()], stop: StopBy::Handle(stop.clone()), ..options };
    (addr, stop, tokio::spawn(serve(listener, router(db), options)))
}

async fn connect(url: &str) -> Database {
    let settings = Settings::from_url(url).unwrap().pool_max(10).reclaim_timeout(ms(2_000));
    Database::connect(settings).await.unwrap()
}

/// A service as there are many: it asks, stores, streams, and takes its time.
fn router(db: Database) -> Router {
    Router::new()
        .route("/now", get(now))
        .route("/sleep", get(sleep))
        .route("/detached", get(detached))
        .route("/stream", get(stream))
        .route("/big", get(async || Body::from(vec![b'x'; 32 << 20])))
        .route("/store", post(store))
        .route("/slow", post(async |body: Body| slow(body).await))
        .with_state(db)
}

async fn now(State(db): State<Database>) -> Result<String, StatusCode> {
    let row = db.query_one("SELECT 1::int8", &[]).await.map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
    Ok(row.get::<_, i64>(0).to_string())
}

async fn sleep(
    State(db): State<Database>,
    Query(query): Query<Vec<(String, f64)>>,
) -> Result<String, StatusCode> {
    let secs = query.first().map_or(60.0, |(_, secs)| *secs);
    let slept = db.execute("SELECT pg_sleep($1)", &[&secs]).await;
    slept.map(|_| "slept".to_owned()).map_err(|_| StatusCode::SERVICE_UNAVAILABLE)
}

/// Work that goes on without its request.
async fn detached(State(db): State<Database>) -> &'static str {
    tokio::spawn(async move { db.execute("SELECT pg_sleep(60)", &[]).await.map(drop) });
    "begun"
}

async fn stream() -> Body {
    let chunks = futures_util::stream::unfold((), async |()| {
        tokio::time::sleep(ms(50)).await;
        Some((Ok::<_, std::io::Error>(Bytes::from_static(b"tick\n")), ()))
    });
    Body::from_stream(chunks)
}

async fn store(State(db): State<Database>, body: Bytes) -> Result<String, StatusCode> {
    let bytes = i64::try_from(body.len()).unwrap();
    let stored = db.execute("INSERT INTO stored VALUES ($1)", &[&bytes]).await;
    stored.map(|_| bytes.to_string()).map_err(|_| StatusCode::SERVICE_UNAVAILABLE)
}

/// Reads its body late.
async fn slow(body: Body) -> Result<String, StatusCode> {
    tokio::time::sleep(ms(2_000)).await;
    let read = axum::body::to_bytes(body, usize::MAX).await.map_err(|_| StatusCode::BAD_REQUEST)?;
    Ok(read.len().to_string())
}

impl Server {
    async fn client(&self) -> Client {
        Client::connect(self.addr).await
    }

    /// An ordinary request, on a connection of its own.
    #[track_caller]
    fn serves(&self) -> impl Future<Output = ()> {
        serves(self.addr)
    }

    /// Statements of this kind that run now.
    async fn running(&self, like: &str) -> usize {
        running(&self.database, like).await
    }

    async fn stopped(self) -> Stopped {
        timeout(PATIENCE, self.task).await.unwrap().unwrap().unwrap()
    }
}

async fn serves(addr: SocketAddr) {
    let mut client = Client::connect(addr).await;
    client.send(GET_NOW).await;
    let answer = client.answer().await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "1"), "{answer:?}");
}

async fn running(database: &TestDatabase, like: &str) -> usize {
    let sql = format!(
        "SELECT count(*) AS n FROM pg_stat_activity WHERE datname = current_database() AND state = 'active' \
         AND pid <> pg_backend_pid() AND query LIKE '%{like}%'"
    );
    database.execute(&sql).await.unwrap()[0]["n"].parse().unwrap()
}

/// Waits for a state, and says which one did not come about.
async fn until<F: Future<Output = bool>>(what: &str, mut is_so: impl FnMut() -> F) {
    let end = Instant::now() + PATIENCE;
    while !is_so().await {
        assert!(Instant::now() < end, "not within {PATIENCE:?}: {what}");
        tokio::time::sleep(ms(10)).await;
    }
}

/// A client that writes bytes.
struct Client {
    stream: TcpStream,
    read: Vec<u8>,
}

#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Client {
    async fn connect(addr: SocketAddr) -> Self {
        let stream = timeout(PATIENCE, TcpStream::connect(addr)).await.unwrap().unwrap();
        stream.set_nodelay(true).unwrap();
        Client { stream, read: Vec::new() }
    }

    async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.unwrap();
    }

    /// The next answer that has a length.
    async fn answer(&mut self) -> Answer {
        timeout(PATIENCE, self.read_answer()).await.expect("no answer came").expect("the connection ended")
    }

    async fn read_answer(&mut self) -> Option<Answer> {
        loop {
            if let Some(end) = self.read.windows(4).position(|four| four == b"\r\n\r\n") {
                let head = String::from_utf8(self.read[..end].to_vec()).unwrap().to_lowercase();
                let length = head
                    .split("content-length: ")
                    .nth(1)
                    .map_or(0, |rest| rest.split("\r\n").next().unwrap().parse::<usize>().unwrap());
                if self.read.len() >= end + 4 + length {
                    let body = String::from_utf8(self.read[end + 4..end + 4 + length].to_vec()).unwrap();
                    self.read.drain(..end + 4 + length);
                    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
                    return Some(Answer { status, head, body });
                }
            }
            if self.stream.read_buf(&mut self.read).await.ok()? == 0 {
                return None;
            }
        }
    }

    /// Waits until the server has closed the connection; how long that took.
    async fn closed(&mut self) -> Duration {
        let began = Instant::now();
        let mut waste = vec![0; 65_536];
        let reading = async { while self.stream.read(&mut waste).await.is_ok_and(|read| read > 0) {} };
        timeout(PATIENCE, reading).await.expect("the connection stays open");
        began.elapsed()
    }
}
