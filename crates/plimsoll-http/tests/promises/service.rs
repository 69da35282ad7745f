//! A service to ask: a router behind the layers, on a port of its own, and a database of its own.

use axum::Router;
use axum::body::{Body, Bytes};
use axum::response::Response;
use futures_util::{StreamExt, stream};
use plimsoll::{Database, RowStream, Settings};
use plimsoll_embedded::test_server::{self, TestDatabase};
use plimsoll_http::{AccessLog, AccessRecord, Options, Problem, layers};
use serde_json::Value;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

/// Longer than anything takes on a machine that is busy with other things, and short enough to be waited for.
pub(crate) const PATIENCE: Duration = Duration::from_secs(15);

/// The records of the access log.
#[derive(Clone, Default)]
pub(crate) struct Records(Arc<Mutex<Vec<Value>>>);

impl Records {
    /// What keeps them.
    pub(crate) fn keeper(&self) -> impl AccessLog {
        let kept = Arc::clone(&self.0);
        move |record: &AccessRecord<'_>| kept.lock().unwrap().push(serde_json::to_value(record).unwrap())
    }

    pub(crate) fn all(&self) -> Vec<Value> {
        self.0.lock().unwrap().clone()
    }

    /// The only record of this route, once it is there.
    pub(crate) async fn of(&self, route: &str) -> Value {
        let found = || self.all().into_iter().find(|record| record["route"] == route);
        until(&format!("a record of {route}"), async || found().is_some()).await;
        let all = self.all().into_iter().filter(|record| record["route"] == route).count();
        assert_eq!(all, 1, "a request has one record: {:?}", self.all());
        found().unwrap()
    }
}

pub(crate) struct Service {
    pub(crate) at: SocketAddr,
    pub(crate) db: Database,
    pub(crate) fresh: TestDatabase,
    pub(crate) records: Records,
}

/// Three connections at the most, none kept open for nothing.
pub(crate) async fn settings(fresh: &TestDatabase) -> Settings {
    Settings::from_url(fresh.url()).unwrap().pool_min(0).pool_max(3).max_overflow(0)
}

impl Service {
    /// The routes, behind layers with these options.
    pub(crate) async fn start(options: Options, routes: impl FnOnce(&Database) -> Router<Database>) -> Self {
        Service::start_with(options, |settings| settings, routes).await
    }

    pub(crate) async fn start_with(
        options: Options,
        change: impl FnOnce(Settings) -> Settings,
        routes: impl FnOnce(&Database) -> Router<Database>,
    ) -> Self {
        let fresh = test_server::database().await.unwrap();
        let db = Database::connect(change(settings(&fresh).await)).await.unwrap();
        has_its_heartbeat(&db, &fresh).await;
        let records = Records::default();
        let options = options.access_log(records.keeper());
        let router = routes(&db).layer(layers(&db, options)).with_state(db.clone());
        let at = serve(router).await;
        Service { at, db, fresh, records }
    }

    /// How many statements with this in their text run on the server.
    pub(crate) async fn running(&self, part: &str) -> String {
        let sql = format!(
            "SELECT count(*)::text AS n FROM pg_stat_activity WHERE datname = current_database() \
             AND state = 'active' AND pid <> pg_backend_pid() AND query LIKE '%{part}%'"
        );
        first(&self.fresh, &sql).await
    }

    /// Ends it: a database whose sessions have left is dropped at once.
    pub(crate) async fn end(self) {
        self.db.close().await;
    }

    pub(crate) async fn until_running(&self, part: &str, count: usize) {
        let wanted = count.to_string();
        let what = format!("{count} of {part} run");
        until(&what, async || self.running(part).await == wanted).await;
    }

    /// Waits until every connection is back in the pool, and asks for something.
    pub(crate) async fn until_at_rest(&self) {
        let is_at_rest = async || {
            let now = self.db.pool_status();
            now.checked_out == 0 && now.returning == 0 && now.waiting == 0
        };
        until("every lease is back", is_at_rest).await;
        self.db.query_one("SELECT 1", &[]).await.expect("the pool serves");
    }
}

/// Waits until the pool has opened the connection of its heartbeat. A test ends on the thread that would have to go on with
/// a connect under way, and a database with half a session cannot be dropped.
pub(crate) async fn has_its_heartbeat(db: &Database, fresh: &TestDatabase) {
    db.query_one("SELECT 1", &[]).await.unwrap();
    let heartbeats = "SELECT count(*)::text AS n FROM pg_stat_activity WHERE datname = current_database() \
                      AND application_name LIKE '%(heartbeat)' AND state = 'idle' AND query_start IS NOT NULL";
    until("the heartbeat has a connection", async || first(fresh, heartbeats).await == "1").await;
}

/// Serves a router on a port of its own.
pub(crate) async fn serve(router: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    at
}

/// The first column of the first row, as text.
pub(crate) async fn first(db: &TestDatabase, sql: &str) -> String {
    let rows = db.execute(sql).await.expect(sql);
    rows.first().and_then(|row| row.values().next().cloned()).unwrap_or_default()
}

/// Looks until the check says yes; fails after a while.
pub(crate) async fn until(what: &str, mut check: impl AsyncFnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !check().await {
        assert!(Instant::now() < end, "waited {PATIENCE:?} and it did not happen: {what}");
        sleep(Duration::from_millis(5)).await;
    }
}

/// A response whose body is what the work sends, while it works: the work is polled and dropped with the body.
pub(crate) fn streamed<Fut>(work: impl FnOnce(mpsc::Sender<Bytes>) -> Fut) -> Response
where
    Fut: Future<Output = Result<(), Problem>> + Send + 'static,
{
    let (sender, mut receiver) = mpsc::channel(1);
    let pieces = stream::poll_fn(move |cx| receiver.poll_recv(cx)).map(Ok);
    let work = work(sender);
    let work = stream::once(Box::pin(work)).filter_map(async |done| done.err().map(Err));
    Response::new(Body::from_stream(stream::select(pieces, Box::pin(work))))
}

/// Streams the rows of a statement whose first column is text, from a connection of its own.
pub(crate) fn rows(db: Database, sql: &'static str) -> Response {
    streamed(move |sender| async move {
        let lease = db.named("streams").acquire().await?;
        let mut rows = std::pin::pin!(lease.query_stream(sql, &[]).await?);
        while let Some(row) = rows.next().await {
            let text: String = row?.get(0);
            if sender.send(text.into()).await.is_err() {
                break;
            }
        }
        Ok(())
    })
}

/// The same inside a transaction, which is committed when all rows are read.
pub(crate) fn rows_in_transaction(db: Database, sql: &'static str) -> Response {
    streamed(move |sender| async move {
        let tx = db.named("streams in a transaction").begin().await?;
        let send = async move |rows: RowStream<'_>| {
            let mut rows = std::pin::pin!(rows);
            while let Some(row) = rows.next().await {
                let text: String = row?.get(0);
                if sender.send(text.into()).await.is_err() {
                    break;
                }
            }
            Ok(())
        };
        tx.query_stream(sql, &[], send).await?;
        Ok(tx.commit().await?)
    })
}
