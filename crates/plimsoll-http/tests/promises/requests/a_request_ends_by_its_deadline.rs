//! A request ends by its deadline, whatever it waits for, with 504, a problem and a line in the log, and what ran for it is
//! stopped on the server. The client may lower the deadline and never raise it; a route may have its own. A limit that
//! cannot be read is refused.

use crate::client::{Answer, get};
use crate::log::Log;
use crate::service::Service;
use axum::Router;
use axum::extract::State;
use axum::routing;
use plimsoll::{Database, deadline};
use plimsoll_http::{Options, Problem, RouteDeadline};
use std::time::Duration;
use tokio::time::Instant;

fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

async fn statement(State(db): State<Database>) -> Result<&'static str, Problem> {
    db.named("sleeps").query_one("SELECT pg_sleep(60)", &[]).await?;
    Ok("slept")
}

/// What it waits for knows nothing of a deadline, and it holds a connection meanwhile.
async fn other(State(db): State<Database>) -> Result<&'static str, Problem> {
    let _lease = db.named("holds").acquire().await?;
    std::future::pending::<()>().await;
    Ok("never")
}

/// How much time the handler sees.
async fn left() -> String {
    deadline::current().map_or("none".to_owned(), |end| end.remaining(Instant::now()).as_millis().to_string())
}

fn routes(_: &Database) -> Router<Database> {
    Router::new()
        .route("/statement", routing::get(statement))
        .route("/other", routing::get(other))
        .route("/left", routing::get(left))
        .route("/longer", routing::get(left).layer(RouteDeadline::of(Duration::from_secs(60))))
        .route("/shorter", routing::get(statement).layer(RouteDeadline::of(ms(300))))
        .route("/endless", routing::get(left).layer(RouteDeadline::none()))
}

fn is_late(answer: &Answer) {
    assert_eq!(answer.status, 504, "{answer:?}");
    assert_eq!(answer.header("content-type"), "application/problem+json");
    assert_eq!(answer.json()["code"], "PL-DEA-01");
    assert_eq!(answer.json()["request_id"], answer.header("x-request-id"));
}

#[tokio::test]
async fn a_statement_and_anything_else_end_by_it() {
    for route in ["/statement", "/other"] {
        let (log, _guard) = Log::start("plimsoll::http=warn");
        let service = Service::start(Options::default().deadline(ms(600)), routes).await;
        let began = Instant::now();
        let answer = get(service.at, route, &[]).await;
        is_late(&answer);
        // A statement is known to be undone; of a handler that was ended in the middle of something else that is not known.
        let outcome = if route == "/statement" { "rolled back" } else { "unknown" };
        assert_eq!(answer.json()["outcome"], outcome);
        assert!(began.elapsed() >= ms(400), "{:?}", began.elapsed());
        service.until_running("pg_sleep", 0).await;
        service.until_at_rest().await;

        let record = service.records.of(route).await;
        assert_eq!((&record["status"], &record["ended"]), (&504.into(), &"deadline_passed".into()));
        assert_eq!(record["code"], "PL-DEA-01");
        let passed = |line: &serde_json::Value| line["fields"]["message"] == "the request's deadline passed";
        let lines: Vec<_> = log.at("plimsoll::http").into_iter().filter(passed).collect();
        assert_eq!(lines.len(), 1, "{}", log.text());
        let fields = &lines[0]["fields"];
        assert_eq!((&fields["route"], &fields["limit_ms"]), (&route.into(), &600.0.into()));
        assert_eq!(fields["request"], record["request"]);
        assert!(fields["age_ms"].as_f64().unwrap() >= 400.0);
        service.end().await;
    }
}

#[tokio::test]
async fn the_default_is_fifteen_seconds() {
    let service = Service::start(Options::default(), routes).await;
    let left: u64 = get(service.at, "/left", &[]).await.body.parse().unwrap();
    assert!((10_000..=15_000).contains(&left), "{left}");
}

#[tokio::test]
async fn a_client_lowers_it_and_never_raises_it() {
    let service = Service::start(Options::default(), routes).await;
    let left = async |path: &str, header: (&str, &str)| -> u64 {
        let answer = get(service.at, path, &[header]).await;
        answer.body.parse().unwrap_or_else(|_| panic!("{answer:?}"))
    };
    for header in [("X-Request-Timeout-Ms", "4000"), ("grpc-timeout", "4S"), ("grpc-timeout", "4000m")] {
        let left = left("/left", header).await;
        assert!((1000..=4000).contains(&left), "{left} for {header:?}");
    }
    for header in [("X-Request-Timeout-Ms", "999999999999"), ("grpc-timeout", "99999999H")] {
        let left = left("/left", header).await;
        assert!((10_000..=15_000).contains(&left), "{left} for {header:?}");
    }
    assert!(left("/longer", ("X-Request-Timeout-Ms", "4000")).await <= 4000);
    assert!(left("/endless", ("grpc-timeout", "4S")).await <= 4000);
    is_late(&get(service.at, "/statement", &[("X-Request-Timeout-Ms", "400")]).await);
    for none in ["X-Request-Timeout-Ms: 0", "grpc-timeout: 0n"] {
        let (name, value) = none.split_once(": ").unwrap();
        let answer = get(service.at, "/left", &[(name, value)]).await;
        is_late(&answer);
        assert_eq!(answer.json()["outcome"], "not started", "the handler has not run");
    }
}

#[tokio::test]
async fn a_route_may_have_its_own() {
    let service = Service::start(Options::default().deadline(Duration::from_secs(5)), routes).await;
    let left = get(service.at, "/longer", &[]).await.body;
    assert!((30_000..=60_000).contains(&left.parse::<u64>().unwrap()), "{left}");
    assert_eq!(get(service.at, "/endless", &[]).await.body, "none");
    let began = Instant::now();
    let shorter = get(service.at, "/shorter", &[]).await;
    is_late(&shorter);
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    assert_eq!(shorter.json()["outcome"], "rolled back", "the statement itself goes by the route's deadline");
}

#[tokio::test]
async fn a_limit_that_cannot_be_read_is_refused() {
    let service = Service::start(Options::default(), routes).await;
    let long = "9".repeat(4000);
    for (name, value) in [
        ("X-Request-Timeout-Ms", "soon"),
        ("X-Request-Timeout-Ms", "-1"),
        ("X-Request-Timeout-Ms", "1.5"),
        ("X-Request-Timeout-Ms", ""),
        ("X-Request-Timeout-Ms", &long),
        ("grpc-timeout", "5"),
        ("grpc-timeout", "5s"),
        ("grpc-timeout", "123456789S"),
    ] {
        let answer = get(service.at, "/left", &[(name, value)]).await;
        assert_eq!(answer.status, 400, "{name}: {value}");
        assert_eq!(answer.json()["code"], "PL-HTTP-01");
        assert!(answer.json()["title"].as_str().unwrap().contains(&name.to_lowercase()), "{answer:?}");
    }
}
