//! A statement that fails has its SQLSTATE in its span, and nothing that was in its text or its parameters, or that the server
//! said of them, is anywhere in what the collector gets.

use super::{Receiver, TRACE, attribute, has_failed, named, traceparent};
use crate::client;
use crate::log::Log;
use crate::service::Service;
use axum::Router;
use axum::extract::{Path, State};
use axum::routing::get;
use plimsoll::{Database, Error, Fault};
use plimsoll_http::{Options, Problem};
use std::time::Duration;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

/// What is planted, in pieces that are whole words.
const PARAMETER: &str = "plantedparameter";
const LITERAL: &str = "plantedliteral";
const RAISED: &str = "plantedraised";
const ABORTED: &str = "plantedabort";
const PATH: &str = "plantedpath";

async fn doubled(State(db): State<Database>, Path(_): Path<String>) -> Result<(), Problem> {
    let sql = format!("INSERT INTO entry SELECT $1, '{LITERAL}' FROM pg_sleep(0.01)");
    db.named("stores twice")
        .transaction(async |tx| {
            tx.execute(&sql, &[&PARAMETER]).await?;
            tracing::error!(target: "the_handler", "{PARAMETER} is about to be stored twice");
            tx.execute(&sql, &[&PARAMETER]).await
        })
        .await?;
    Ok(())
}

async fn raised(State(db): State<Database>) -> Result<(), Problem> {
    db.batch(&format!("DO $$ BEGIN RAISE EXCEPTION '{RAISED}' USING ERRCODE = 'ZX001'; END $$")).await
}

async fn aborted(State(db): State<Database>) -> Result<(), Problem> {
    db.transaction(async |_| Err::<(), _>(Error::abort(ABORTED))).await?;
    Ok(())
}

trait Batch {
    async fn batch(&self, sql: &str) -> Result<(), Problem>;
}

impl Batch for Database {
    async fn batch(&self, sql: &str) -> Result<(), Problem> {
        Ok(self.acquire().await?.batch_execute(sql).await?)
    }
}

fn holds(bytes: &[u8], word: &str) -> bool {
    bytes.windows(word.len()).any(|window| window == word.as_bytes())
}

#[tokio::test]
async fn a_failing_statement_has_its_sqlstate_and_no_value() {
    let receiver = Receiver::start().await;
    let (layer, guard) = plimsoll_http::otlp::layer(receiver.options()).unwrap();
    let log = Log::default();
    let writer = log.clone();
    let shown = tracing_subscriber::fmt::layer().json().with_writer(move || writer.clone());
    let shown = shown.with_filter(EnvFilter::new("info"));
    let _default = tracing_subscriber::registry().with(layer).with(shown).set_default();
    let routes = |_: &Database| {
        Router::new()
            .route("/doubled/{name}", get(doubled))
            .route("/raised", get(raised))
            .route("/aborted", get(aborted))
    };
    // The statements of the transaction are slow, so the slow log tells of them inside its span.
    let slow = |settings: plimsoll::Settings| settings.slow_log_after(Duration::from_millis(1));
    let service = Service::start_with(Options::default(), slow, routes).await;
    service.fresh.execute("CREATE TABLE entry (id text PRIMARY KEY, note text)").await.unwrap();

    let path = format!("/doubled/{PATH}?{PATH}");
    let answer = client::get(service.at, &path, &[("traceparent", &traceparent(TRACE))]).await;
    assert_eq!(answer.status, 422, "{}", answer.body);
    let spans = receiver.trace(&guard, TRACE, 4).await;
    let inserts: Vec<_> = spans.iter().filter(|span| span.name.starts_with("INSERT")).collect();
    let (first, second) = (inserts[0], inserts[1]);
    assert!(!has_failed(first) && has_failed(second), "{spans:#?}");
    for span in [second, named(&spans, "stores twice")] {
        assert!(has_failed(span));
        assert_eq!(attribute(span, "db.response.status_code"), "23505");
        assert_eq!(attribute(span, "error.type"), "23505");
        assert_eq!(attribute(span, "plimsoll.code"), Fault::Constraint.code());
        assert_eq!(attribute(span, "plimsoll.outcome"), "rolled_back");
        assert!(!span.status.as_ref().unwrap().message.is_empty(), "the likely cause");
    }
    assert!(
        attribute(second, "db.query.text").to_lowercase().starts_with("insert into entry"),
        "{second:#?}"
    );
    assert!(spans.iter().all(|span| span.events.is_empty()), "lines of the log are not given");
    assert!(!log.at("plimsoll::slow").is_empty() && log.text().contains(PARAMETER), "{}", log.text());

    let trace = TRACE.replace('4', "6");
    client::get(service.at, "/raised", &[("traceparent", &traceparent(&trace))]).await;
    let spans = receiver.trace(&guard, &trace, 3).await;
    let raised = named(&spans, service.db.plan().dbname());
    assert_eq!(attribute(raised, "error.type"), "ZX001");
    assert_eq!(
        attribute(raised, "db.operation.name"),
        "",
        "a text with a semicolon inside may do several things"
    );
    let trace = TRACE.replace('4', "7");
    client::get(service.at, "/aborted", &[("traceparent", &traceparent(&trace))]).await;
    let spans = receiver.trace(&guard, &trace, 2).await;
    assert_eq!(attribute(&spans[1], "plimsoll.code"), Fault::Aborted.code());

    let bytes = receiver.bytes();
    assert!(holds(&bytes, "stores twice"), "what is looked for would be found");
    let password = service.db.plan().password().map(|password| match password {
        plimsoll::secret::Password::Fixed(secret) => secret.expose().to_owned(),
        _ => String::new(),
    });
    for planted in [PARAMETER, LITERAL, RAISED, ABORTED, PATH] {
        assert!(!holds(&bytes, planted), "{planted} is in what the collector got");
    }
    if let Some(password) = password.filter(|password| !password.is_empty()) {
        assert!(!holds(&bytes, &password));
    }
    service.end().await;
}
