//! A client hangs up, over HTTP/1.1 or HTTP/2: what ran for it is stopped on the server, its connection is back in the pool,
//! and the log says so. A COMMIT under way is let finish. Whether a handler runs one statement, a stream or a transaction
//! makes no difference.

use crate::client::{self, EACH, Leaving, ask};
use crate::log::Log;
use crate::service::{Service, first, rows, rows_in_transaction, until};
use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use plimsoll::event::Event;
use plimsoll::{Database, Outcome};
use plimsoll_http::{Options, Problem};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

async fn plain(State(db): State<Database>) -> Result<String, Problem> {
    db.named("sleeps").query_one("SELECT pg_sleep(60)", &[]).await?;
    Ok("slept".to_owned())
}

/// Large rows, or the server would keep the first ones back; then a row that does not come.
const SLOW_ROWS: &str = "SELECT repeat('x', 20000) || pg_sleep(CASE WHEN i > 3 THEN 60 ELSE 0 END)::text \
                         FROM generate_series(1, 9) AS i";

async fn streaming_in_transaction(State(db): State<Database>) -> Response {
    rows_in_transaction(db, SLOW_ROWS)
}

async fn streaming(State(db): State<Database>) -> Response {
    rows(db, SLOW_ROWS)
}

async fn transaction(State(db): State<Database>) -> Result<String, Problem> {
    db.named("writes and sleeps")
        .transaction(async |tx| {
            tx.execute("INSERT INTO entry VALUES (1)", &[]).await?;
            tx.query_one("SELECT pg_sleep(60)", &[]).await
        })
        .await?;
    Ok("stored".to_owned())
}

async fn committing(State(db): State<Database>) -> Result<String, Problem> {
    db.named("commits").transaction(async |tx| tx.execute("INSERT INTO entry VALUES (1)", &[]).await).await?;
    Ok("stored".to_owned())
}

fn routes(_: &Database) -> Router<Database> {
    Router::new()
        .route("/plain/{id}", get(plain))
        .route("/stream", get(streaming))
        .route("/stream/in/transaction", get(streaming_in_transaction))
        .route("/transaction", get(transaction))
        .route("/commit", get(committing))
}

async fn service() -> Service {
    let service = Service::start(Options::default().deadline(Duration::from_secs(50)), routes).await;
    service.fresh.execute("CREATE TABLE entry (id int)").await.unwrap();
    service
}

/// What the log says of the only client that left.
async fn told(log: &Log) -> serde_json::Value {
    let lines = || {
        let lines = log.at("plimsoll::http").into_iter();
        let left = |line: &serde_json::Value| {
            line["fields"]["message"].as_str().unwrap().starts_with("client went away")
        };
        lines.filter(left).collect::<Vec<_>>()
    };
    until("the log says that the client went away", async || !lines().is_empty()).await;
    assert_eq!(lines().len(), 1);
    lines().remove(0)["fields"].clone()
}

#[tokio::test]
async fn a_plain_statement_is_stopped() {
    for how in EACH {
        let (log, _guard) = Log::start("plimsoll::http=info");
        let service = service().await;
        let asking = ask(how, service.at, "/plain/7").await;
        service.until_running("pg_sleep(60)", 1).await;
        asking.leave().await;
        service.until_running("pg_sleep(60)", 0).await;
        service.until_at_rest().await;

        let record = service.records.of("/plain/{id}").await;
        assert_eq!((&record["status"], &record["ended"]), (&499.into(), &"client_left".into()), "{how:?}");
        assert_eq!((&record["statements"], &record["rows"]), (&1.into(), &0.into()));
        let told = told(&log).await;
        assert_eq!(
            (&told["route"], &told["request"]),
            (&"/plain/{id}".into(), &record["request"]),
            "{how:?}"
        );
        assert!(told["statement"].as_str().unwrap().contains("sleeps"), "{told}");
        assert_eq!(told["stopped"], 1);
        assert!(told["age_ms"].as_f64().unwrap() > 0.0);
        assert!(!log.text().contains("/plain/7"), "the log names routes and not paths");
        service.end().await;
    }
}

#[tokio::test]
async fn a_stream_is_stopped() {
    for how in EACH {
        for path in ["/stream", "/stream/in/transaction"] {
            let (log, _guard) = Log::start("plimsoll::http=info");
            let service = service().await;
            let mut asking = ask(how, service.at, path).await;
            asking.first_piece().await;
            service.until_running("pg_sleep", 1).await;
            asking.leave().await;
            service.until_running("pg_sleep", 0).await;
            service.until_at_rest().await;

            let record = service.records.of(path).await;
            assert_eq!(
                (&record["status"], &record["ended"]),
                (&200.into(), &"client_left".into()),
                "{how:?}"
            );
            assert_eq!(record["statements"], 1);
            assert!(told(&log).await["statement"].as_str().unwrap().contains("streams"));
            service.end().await;
        }
    }
}

#[tokio::test]
async fn a_transaction_is_stopped_and_undone() {
    for how in EACH {
        let (log, _guard) = Log::start("plimsoll::http=info");
        let service = service().await;
        let asking = ask(how, service.at, "/transaction").await;
        service.until_running("pg_sleep(60)", 1).await;
        asking.leave().await;
        service.until_running("pg_sleep(60)", 0).await;
        service.until_at_rest().await;

        assert_eq!(first(&service.fresh, "SELECT count(*)::text AS n FROM entry").await, "0", "{how:?}");
        let record = service.records.of("/transaction").await;
        assert_eq!((&record["ended"], &record["statements"]), (&"client_left".into(), &2.into()));
        assert_eq!(told(&log).await["stopped"], 1);
        service.end().await;
    }
}

#[tokio::test]
async fn a_commit_is_let_finish_and_told_of() {
    let slow_commits = "CREATE FUNCTION linger() RETURNS trigger LANGUAGE plpgsql AS \
             $$ BEGIN PERFORM pg_sleep(0.5); RETURN NULL; END $$; \
         CREATE CONSTRAINT TRIGGER linger AFTER INSERT ON entry DEFERRABLE INITIALLY DEFERRED \
             FOR EACH ROW EXECUTE FUNCTION linger()";
    for how in EACH {
        let service = service().await;
        service.fresh.execute(slow_commits).await.unwrap();
        let mut events = service.db.events();
        let asking = ask(how, service.at, "/commit").await;
        service.until_running("COMMIT", 1).await;
        asking.leave().await;
        let settled = async {
            loop {
                if let Ok(Event::CommitSettled { work, outcome }) = events.recv().await {
                    return (work, outcome);
                }
            }
        };
        let (work, outcome) = timeout(crate::service::PATIENCE, settled).await.expect("it is told of");
        assert_eq!(outcome, Outcome::Committed, "{how:?}");
        assert!(work.contains("commits"));
        assert_eq!(first(&service.fresh, "SELECT count(*)::text AS n FROM entry").await, "1");
        assert_eq!(service.records.of("/commit").await["ended"], "client_left");
        service.until_at_rest().await;
        service.end().await;
    }
}

#[tokio::test]
async fn a_client_that_waits_is_served_beside_one_that_leaves() {
    let service = Service::start(Options::default(), |_| {
        Router::new()
            .route(
                "/slow",
                get(async |State(db): State<Database>| {
                    db.query_one("SELECT pg_sleep(0.4)", &[]).await.map(|_| "slept").map_err(Problem::from)
                }),
            )
            .route("/plain/{id}", get(plain))
    })
    .await;
    let stays = tokio::spawn(client::get(service.at, "/slow", &[]));
    let leaves = ask(Leaving::Http1, service.at, "/plain/1").await;
    service.until_running("pg_sleep(60)", 1).await;
    leaves.leave().await;
    let answer = stays.await.unwrap();
    assert_eq!((answer.status, answer.body.as_str()), (200, "slept"));
    assert_eq!(service.records.of("/slow").await["ended"], "answered");
    service.until_running("pg_sleep(60)", 0).await;
}

#[tokio::test]
async fn two_hundred_that_leave_at_once_leave_nothing_behind() {
    let service = Service::start_with(
        Options::default(),
        |settings| settings.pool_max(30).max_waiting(1000),
        |_| {
            Router::new().route(
                "/sleep",
                get(async |State(db): State<Database>| {
                    db.query_one("SELECT pg_sleep(10)", &[]).await.map(drop).map_err(Problem::from)
                }),
            )
        },
    )
    .await;
    let mut asking = Vec::new();
    for _ in 0..200 {
        asking.push(ask(Leaving::Http1, service.at, "/sleep").await);
    }
    service.until_running("pg_sleep(10)", 30).await;
    for asking in asking {
        asking.leave().await;
    }
    service.until_running("pg_sleep(10)", 0).await;
    service.until_at_rest().await;
    until("each has its record", async || service.records.all().len() == 200).await;
    let records = service.records.all();
    assert!(records.iter().all(|record| record["ended"] == "client_left"), "{records:?}");
    assert!(service.db.pool_status().opened <= 60, "{:?}", service.db.pool_status());
}

/// hyper does not see a client leave over HTTP/1.1 while that client's next request lies unread in the socket.
#[tokio::test]
async fn one_that_had_sent_its_next_request_already_ends_by_the_deadline() {
    let options = Options::default().deadline(Duration::from_millis(1500));
    let service = Service::start(options, routes).await;
    let mut wire = TcpStream::connect(service.at).await.unwrap();
    let request = "GET /plain/1 HTTP/1.1\r\nHost: x\r\n\r\n";
    wire.write_all(format!("{request}{request}").as_bytes()).await.unwrap();
    service.until_running("pg_sleep(60)", 1).await;
    drop(wire);
    service.until_running("pg_sleep(60)", 0).await;
    service.until_at_rest().await;
}
