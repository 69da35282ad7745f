//! A request that came with a `traceparent` is a child of the span that it names; under it lies the transaction, and under that
//! its statements, with the attributes of OpenTelemetry's conventions.

use super::{
    PARENT, Receiver, TRACE, attribute, get_by_http2, has_failed, has_kind, hex, install, named, took,
    traceparent,
};
use crate::client::{self, Answer};
use crate::service::Service;
use axum::Router;
use axum::extract::State;
use axum::routing::get;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use plimsoll::{Database, Settings};
use plimsoll_http::otlp::OtlpOptions;
use plimsoll_http::{Options, Problem};
use std::time::Duration;

async fn order(State(db): State<Database>) -> Result<String, Problem> {
    let rows = db
        .named("place order")
        .transaction(async |tx| {
            tx.execute("INSERT INTO entry VALUES ($1)", &[&7_i32]).await?;
            tokio::spawn(async move { tx.query("SELECT id FROM entry WHERE id < 100", &[]).await })
                .await
                .unwrap()
        })
        .await?;
    Ok(rows.len().to_string())
}

async fn wrong(State(db): State<Database>) -> Result<(), Problem> {
    db.named("divides").query("SELECT 1 / 0", &[]).await?;
    Ok(())
}

async fn service() -> Service {
    let routes = |_: &Database| Router::new().route("/order/{id}", get(order)).route("/wrong", get(wrong));
    let service = Service::start(Options::default(), routes).await;
    service.fresh.execute("CREATE TABLE entry (id int)").await.unwrap();
    service
}

#[derive(Clone, Copy, Debug)]
enum Version {
    Http1,
    Http2,
}

impl Version {
    async fn get(self, service: &Service, path: &str, headers: &[(&str, &str)]) -> Answer {
        match self {
            Version::Http1 => client::get(service.at, path, headers).await,
            Version::Http2 => get_by_http2(service.at, path, headers).await,
        }
    }
}

#[tokio::test]
async fn with_parents_names_kinds_and_attributes() {
    for version in [Version::Http1, Version::Http2] {
        let receiver = Receiver::start().await;
        let (guard, _default) = install(receiver.options());
        let service = service().await;
        let answer = version.get(&service, "/order/4711", &[("traceparent", &traceparent(TRACE))]).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, "1"), "{version:?}");
        let spans = receiver.trace(&guard, TRACE, 4).await;
        let plan = service.db.plan();
        let (insert, select) = (format!("INSERT {}", plan.dbname()), format!("SELECT {}", plan.dbname()));
        let [request, transaction, insert, select] =
            ["GET /order/{id}", "place order", &insert, &select].map(|name| named(&spans, name));

        assert_eq!(hex(&request.parent_span_id), PARENT, "{version:?}");
        assert!(has_kind(request, SpanKind::Server) && !has_failed(request));
        assert_eq!(attribute(request, "http.route"), "/order/{id}");
        assert_eq!(attribute(request, "http.response.status_code"), "200i");
        assert_eq!(attribute(request, "request_id"), answer.header("x-request-id"));
        assert_eq!(attribute(request, "plimsoll.ended"), "answered");

        assert_eq!(transaction.parent_span_id, request.span_id);
        assert_eq!(attribute(transaction, "db.query.summary"), "place order");
        assert_eq!(attribute(transaction, "db.operation.name"), "TRANSACTION");
        assert_eq!(attribute(transaction, "plimsoll.outcome"), "committed");
        let waited: f64 = attribute(transaction, "plimsoll.wait_ms").parse().unwrap();
        assert!((0.0..15_000.0).contains(&waited), "{waited}");

        for statement in [insert, select] {
            assert_eq!(statement.parent_span_id, transaction.span_id, "also where another task runs it");
            assert_eq!(attribute(statement, "plimsoll.outcome"), "answered");
            assert_eq!(attribute(statement, "plimsoll.work"), "place order");
            assert_eq!(attribute(statement, "db.query.summary"), "", "the name is the transaction's");
            assert!(statement.end_time_unix_nano <= transaction.end_time_unix_nano);
            assert!(statement.start_time_unix_nano >= transaction.start_time_unix_nano);
        }
        assert_eq!(attribute(insert, "db.operation.name"), "INSERT");
        assert_eq!(attribute(insert, "plimsoll.affected_rows"), "1i");
        assert_eq!(attribute(insert, "db.response.returned_rows"), "");
        assert_eq!(attribute(select, "db.response.returned_rows"), "1i");
        let text = attribute(select, "db.query.text").to_lowercase();
        assert!(text.contains("from entry where id <") && !text.contains("100"), "{text}");

        let host = plan.hosts()[0].clone();
        for span in [transaction, insert, select] {
            assert!(has_kind(span, SpanKind::Client) && !has_failed(span), "{span:#?}");
            assert_eq!(attribute(span, "db.system.name"), "postgresql");
            assert_eq!(attribute(span, "db.namespace"), plan.dbname());
            let (address, port) = (attribute(span, "server.address"), attribute(span, "server.port"));
            match host.socket_file() {
                Some(file) => assert_eq!((address, port), (file.display().to_string(), String::new())),
                None => assert_eq!(port, format!("{}i", host.port()), "{address}"),
            }
            assert!(
                attribute(span, "code.file.path")
                    .ends_with("a_request_is_one_trace_down_to_its_statements.rs")
            );
            assert_eq!(attribute(span, "error.type"), "");
        }
        service.end().await;
    }
}

#[tokio::test]
async fn with_the_service_and_the_version_of_the_conventions() {
    let receiver = Receiver::start().await;
    let headers = vec![("authorization".to_owned(), "Bearer 4711".into())];
    let (guard, _default) = install(OtlpOptions { headers, ..receiver.options() });
    let service = service().await;
    client::get(service.at, "/order/1", &[("traceparent", &traceparent(TRACE))]).await;
    receiver.trace(&guard, TRACE, 4).await;
    assert_eq!(receiver.headers()["authorization"], "Bearer 4711");
    assert_eq!(receiver.headers()["content-type"], "application/x-protobuf");
    let resource = receiver.requests().remove(0).resource_spans.remove(0);
    let attributes = resource.resource.unwrap().attributes;
    let name = attributes.iter().find(|attribute| attribute.key == "service.name").unwrap();
    assert!(format!("{name:?}").contains("the tests"), "{name:?}");
    let scope = &resource.scope_spans[0];
    assert_eq!(
        scope.schema_url,
        format!("https://opentelemetry.io/schemas/{}", plimsoll::spans::CONVENTIONS)
    );
    assert_eq!(scope.scope.as_ref().unwrap().name, "plimsoll");
    service.end().await;
}

/// The span of a transaction ends with the answer to its COMMIT, which here takes longer than all before.
#[tokio::test]
async fn a_transaction_lasts_until_its_commit_is_answered() {
    let receiver = Receiver::start().await;
    let (guard, _default) = install(receiver.options());
    let service = service().await;
    let slow = "CREATE FUNCTION linger() RETURNS trigger LANGUAGE plpgsql AS \
                    $$ BEGIN PERFORM pg_sleep(0.4); RETURN NULL; END $$; \
                CREATE CONSTRAINT TRIGGER linger AFTER INSERT ON entry DEFERRABLE INITIALLY DEFERRED \
                    FOR EACH ROW EXECUTE FUNCTION linger()";
    service.fresh.execute(slow).await.unwrap();
    client::get(service.at, "/order/1", &[("traceparent", &traceparent(TRACE))]).await;
    let spans = receiver.trace(&guard, TRACE, 4).await;
    let transaction = named(&spans, "place order");
    let last = spans.iter().filter(|span| span.parent_span_id == transaction.span_id);
    let last = last.map(|span| span.end_time_unix_nano).max().unwrap();
    assert!(transaction.end_time_unix_nano - last >= 350_000_000, "{spans:#?}");
    assert!(took(named(&spans, "GET /order/{id}")) >= Duration::from_millis(350));
    service.end().await;
}

#[tokio::test]
async fn a_request_that_fails_has_an_error_and_one_that_is_refused_has_none() {
    let receiver = Receiver::start().await;
    let (guard, _default) = install(receiver.options());
    let service = service().await;
    let trace = TRACE.replace('4', "5");
    assert_eq!(client::get(service.at, "/wrong", &[("traceparent", &traceparent(&trace))]).await.status, 422);
    let spans = receiver.trace(&guard, &trace, 2).await;
    let request = named(&spans, "GET /wrong");
    assert!(!has_failed(request), "422 is the client's");
    assert_eq!(attribute(request, "plimsoll.code"), "PL-SQL-02");
    assert!(has_failed(named(&spans, "divides")));

    service.db.close().await;
    assert_eq!(client::get(service.at, "/wrong", &[("traceparent", &traceparent(TRACE))]).await.status, 503);
    let spans = receiver.trace(&guard, TRACE, 2).await;
    let request = named(&spans, "GET /wrong");
    assert!(has_failed(request));
    assert_eq!(attribute(request, "error.type"), "503");
    let refused = named(&spans, "divides");
    assert!(has_failed(refused) && attribute(refused, "plimsoll.outcome") == "not_started", "{refused:#?}");
    assert!(attribute(refused, "error.type").starts_with("PL-"), "{refused:#?}");
}

#[tokio::test]
async fn what_its_caller_does_not_sample_is_not_given() {
    let receiver = Receiver::start().await;
    let (guard, _default) = install(OtlpOptions { share: Some(0.0), ..receiver.options() });
    let service = service().await;
    let unsampled = traceparent(TRACE).replace("-01", "-00");
    client::get(service.at, "/order/1", &[("traceparent", &unsampled)]).await;
    client::get(service.at, "/order/1", &[]).await;
    let other = TRACE.replace('4', "5");
    client::get(service.at, "/order/1", &[("traceparent", &traceparent(&other))]).await;
    receiver.trace(&guard, &other, 4).await;
    assert_eq!(guard.counts().given, 4, "of three requests only the one whose caller samples it is given");
    service.end().await;
}

/// A log that is filtered at `info` shows neither the spans nor anything of them.
#[tokio::test]
async fn a_log_at_info_is_none_the_longer() {
    use tracing_subscriber::layer::SubscriberExt;
    use tracing_subscriber::util::SubscriberInitExt;
    use tracing_subscriber::{EnvFilter, Layer};
    let receiver = Receiver::start().await;
    let (layer, guard) = plimsoll_http::otlp::layer(receiver.options()).unwrap();
    let log = crate::log::Log::default();
    let writer = log.clone();
    let shown = tracing_subscriber::fmt::layer().json().with_writer(move || writer.clone());
    let subscriber =
        tracing_subscriber::registry().with(layer).with(shown.with_filter(EnvFilter::new("info")));
    let _default = subscriber.set_default();
    let routes = |_: &Database| {
        let works = async |State(db): State<Database>| {
            db.transaction(async |_| {
                tracing::info!(target: "the_handler", "works");
                Ok(())
            })
            .await
            .map_err(Problem::from)
        };
        Router::new().route("/works", get(works))
    };
    let service = Service::start_with(Options::default(), |settings: Settings| settings, routes).await;
    client::get(service.at, "/works", &[("traceparent", &traceparent(TRACE)), ("x-request-id", "req-1")])
        .await;
    receiver.trace(&guard, TRACE, 2).await;
    let line = log.at("the_handler").remove(0);
    assert_eq!(line["span"]["request_id"], "req-1", "{line}");
    assert_eq!(line["spans"].as_array().unwrap().len(), 1, "{line}");
    assert!(!log.text().contains("db.system.name"), "{}", log.text());
    service.end().await;
}
