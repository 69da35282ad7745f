//! A failure is answered with a status, a stable code, the request's id and advice. No SQL, no parameter and nothing that
//! the server or the driver said is in it.

use crate::client::get;
use crate::log::Log;
use crate::service::Service;
use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing;
use plimsoll::Database;
use plimsoll_http::{Options, Problem};
use std::time::Duration;

/// In the SQL, in a parameter, in a row, in a name, and in what the server says of them.
const PLANTED: &str = "s3cr3t";

async fn run(State(db): State<Database>, Path(what): Path<String>) -> Result<String, Problem> {
    let sql = match what.as_str() {
        "unique" => "INSERT INTO s3cr3t VALUES ('s3cr3t row')",
        "syntax" => "SELEKT s3cr3t",
        "unknown" => "SELECT s3cr3t_column FROM s3cr3t",
        "value" => "SELECT ('s3cr3t' || now()::text)::int",
        "raised" => "DO $$ BEGIN RAISE EXCEPTION 's3cr3t words'; END $$",
        "privilege" => "SELECT pg_read_file('s3cr3t')",
        "timeout" => "SELECT pg_sleep(30), 's3cr3t'",
        "ended" => "SELECT pg_terminate_backend(pg_backend_pid()), 's3cr3t'",
        _ => {
            return Err(Problem::new(StatusCode::IM_A_TEAPOT, "TEAPOT", "It is a teapot.")
                .advice("Ask for coffee elsewhere.")
                .retry_after(Duration::from_secs(3)));
        }
    };
    db.named("s3cr3t work").query(sql, &[]).await?;
    Ok("done".to_owned())
}

async fn service() -> Service {
    let change = |settings: plimsoll::Settings| settings.statement_timeout(Duration::from_millis(400));
    let routes = |_: &Database| Router::new().route("/run/{what}", routing::get(run));
    let service = Service::start_with(Options::default(), change, routes).await;
    service
        .fresh
        .execute("CREATE TABLE s3cr3t (a text PRIMARY KEY); INSERT INTO s3cr3t VALUES ('s3cr3t row')")
        .await
        .unwrap();
    service
}

#[tokio::test]
async fn each_failure_has_its_status_and_its_code_and_gives_nothing_away() {
    let (log, _guard) = Log::start("plimsoll::http=warn");
    let service = service().await;
    for (what, status, code) in [
        ("unique", 422, "PL-SQL-01"),
        ("value", 422, "PL-SQL-02"),
        ("syntax", 500, "PL-SQL-03"),
        ("unknown", 500, "PL-SQL-03"),
        ("raised", 500, "PL-SQL-05"),
        ("timeout", 504, "PL-STM-01"),
        ("ended", 503, "PL-LNK-02"),
    ] {
        let answer = get(service.at, &format!("/run/{what}"), &[]).await;
        let told = answer.json();
        assert_eq!((answer.status, told["code"].as_str()), (status, Some(code)), "{what}: {told}");
        assert_eq!(answer.header("content-type"), "application/problem+json");
        assert_eq!(told["status"], status);
        assert_eq!(told["type"], format!("urn:plimsoll:problem:{}", code.to_lowercase()));
        assert_eq!(told["request_id"], answer.header("x-request-id"));
        assert!(!told["advice"].as_str().unwrap().is_empty() && !told["title"].as_str().unwrap().is_empty());
        assert!(!answer.body.contains(PLANTED), "{what}: {}", answer.body);
        assert!(!answer.headers.iter().any(|(_, value)| value.to_str().unwrap().contains(PLANTED)));
        assert_eq!(service.records.all().pop().unwrap()["code"], code);
    }
    assert!(log.text().contains(PLANTED), "the operator is told what it was");
}

/// It may have happened: repeating it without a thought might do it twice.
#[tokio::test]
async fn what_may_have_happened_is_said_and_no_repetition_is_asked_for() {
    let service = service().await;
    let answer = get(service.at, "/run/ended", &[]).await;
    let told = answer.json();
    assert_eq!(told["outcome"], "unknown");
    assert!(told["advice"].as_str().unwrap().contains("may have been done"), "{told}");
    assert_eq!(answer.headers.get("retry-after"), None);
}

#[tokio::test]
async fn a_service_tells_its_own_refusals_in_the_same_form() {
    let service = service().await;
    let answer = get(service.at, "/run/tea", &[]).await;
    let told = answer.json();
    assert_eq!(
        (answer.status, &told["code"], &told["title"]),
        (418, &"TEAPOT".into(), &"It is a teapot.".into())
    );
    assert_eq!(told["advice"], "Ask for coffee elsewhere.");
    assert!((3..=6).contains(&answer.header("retry-after").parse::<u64>().unwrap()));
}
