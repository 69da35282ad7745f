//! A request has the id that its client gave it, or a new one where that is missing or malformed: in the handler, in the
//! response, in a problem's body, in each line of the log, and in what the server shows of its session.

use crate::client::get;
use crate::log::Log;
use crate::service::Service;
use axum::Router;
use axum::extract::State;
use axum::routing;
use plimsoll::{Database, request_id};
use plimsoll_http::{Options, Problem};

async fn name(State(db): State<Database>) -> Result<String, Problem> {
    let shown = db
        .named("shows its name")
        .transaction(async |tx| tx.query_one("SELECT current_setting('application_name')", &[]).await)
        .await?;
    tracing::info!(target: "the_handler", "works");
    Ok(format!("{} {}", request_id::current().unwrap(), shown.get::<_, String>(0)))
}

async fn fails(State(db): State<Database>) -> Result<(), Problem> {
    db.query("SELECT 1 / 0", &[]).await?;
    Ok(())
}

async fn service() -> Service {
    let routes =
        |_: &Database| Router::new().route("/name", routing::get(name)).route("/fails", routing::get(fails));
    Service::start(Options::default(), routes).await
}

#[tokio::test]
async fn one_that_is_well_formed_is_kept() {
    let (log, _guard) = Log::start("info");
    let service = service().await;
    let answer = get(service.at, "/name", &[("X-Request-ID", "req-4711")]).await;
    assert_eq!((answer.status, answer.header("x-request-id")), (200, "req-4711"));
    let (seen, session) = answer.body.split_once(' ').unwrap();
    assert_eq!(seen, "req-4711");
    assert!(session.contains("req-4711"), "the server shows {session:?}");
    assert_eq!(service.records.of("/name").await["request"], "req-4711");
    let line = log.at("the_handler").remove(0);
    assert_eq!(line["span"]["request_id"], "req-4711", "{line}");
    assert_eq!(line["span"]["http.route"], "/name", "{line}");
}

#[tokio::test]
async fn one_that_is_malformed_or_missing_is_replaced() {
    let service = service().await;
    let huge = "x".repeat(6000);
    let malformed = [
        &[][..],
        &[("X-Request-ID", "")],
        &[("X-Request-ID", "two words")],
        &[("X-Request-ID", huge.as_str())],
        &[("X-Request-ID", "one"), ("X-Request-ID", "two")],
    ];
    let mut made = std::collections::BTreeSet::new();
    for headers in malformed {
        let answer = get(service.at, "/name", headers).await;
        let id = answer.header("x-request-id").to_owned();
        assert_eq!((answer.status, id.len()), (200, 16), "{id}");
        assert!(answer.body.starts_with(&id), "{} for {id}", answer.body);
        made.insert(id);
    }
    assert_eq!(made.len(), malformed.len(), "each is new");
}

#[tokio::test]
async fn a_problem_and_its_line_in_the_log_have_it() {
    let (log, _guard) = Log::start("plimsoll::http=warn");
    let service = service().await;
    let answer = get(service.at, "/fails", &[("X-Request-ID", "req-9")]).await;
    assert_eq!((answer.status, answer.header("x-request-id")), (422, "req-9"));
    assert_eq!(answer.json()["request_id"], "req-9");
    let line = log.at("plimsoll::http").remove(0);
    assert_eq!((&line["fields"]["request"], &line["fields"]["code"]), (&"req-9".into(), &"PL-SQL-02".into()));
    let nowhere = get(service.at, "/nowhere", &[("X-Request-ID", "req-10")]).await;
    assert_eq!((nowhere.status, nowhere.header("x-request-id")), (404, "req-10"));
}
