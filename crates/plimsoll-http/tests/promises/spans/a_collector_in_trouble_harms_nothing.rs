//! A collector that is away, that hangs or that refuses costs its spans and nothing else: requests are served as before, what
//! was lost is counted and told in the log once, and the stop ends in time.

use super::{Receiver, TRACE, install, traceparent};
use crate::client;
use crate::log::Log;
use crate::service::{Service, until};
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use plimsoll::Database;
use plimsoll_http::otlp::{self, OtlpOptions};
use plimsoll_http::{Options, Problem};
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tracing_subscriber::layer::SubscriberExt;

async fn works(State(db): State<Database>) -> Result<&'static str, Problem> {
    db.named("works").transaction(async |tx| tx.execute("SELECT 1", &[]).await).await?;
    Ok("done")
}

async fn service() -> Service {
    Service::start(Options::default(), |_| Router::new().route("/works", get(works))).await
}

async fn asks(service: &Service, times: usize) {
    for _ in 0..times {
        let answer = client::get(service.at, "/works", &[]).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, "done"));
    }
}

fn at(endpoint: &str) -> OtlpOptions {
    OtlpOptions { endpoint: Some(endpoint.into()), queue: Some(8), ..Default::default() }
}

/// A port on which nothing listens.
async fn nowhere() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

#[tokio::test]
async fn one_that_is_away() {
    let endpoint = nowhere().await;
    let (guard, _default) = install(at(&endpoint));
    let service = service().await;
    asks(&service, 2).await;
    assert!(!guard.flush(Duration::from_secs(10)).await);
    until("what was lost is counted", async || guard.counts().failed > 0).await;
    asks(&service, 1).await;
    service.end().await;
    let began = Instant::now();
    let counts = guard.stop(Duration::from_secs(10)).await;
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    assert_eq!((counts.given, counts.waiting), (0, 0), "{counts:?}");
}

#[tokio::test]
async fn one_that_hangs() {
    // It is connected to by the system, and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (guard, _default) = install(at(&format!("http://{}", silent.local_addr().unwrap())));
    let service = service().await;
    asks(&service, 2).await;
    assert!(!guard.flush(Duration::from_millis(50)).await);
    until("the first batch is on its way", async || guard.counts().waiting > 0).await;
    // More than the queue holds; none of them waits for it.
    let began = Instant::now();
    asks(&service, 20).await;
    println!("20 requests in {:?} while the collector hangs", began.elapsed());
    let counts = guard.counts();
    assert!(counts.dropped > 0 && counts.waiting <= 16, "{counts:?}");
    service.end().await;
    let began = Instant::now();
    let counts = guard.stop(Duration::from_millis(300)).await;
    let took = began.elapsed();
    assert!((Duration::from_millis(250)..Duration::from_secs(3)).contains(&took), "{took:?}");
    assert!(counts.waiting > 0, "it is told what is lost: {counts:?}");
}

#[tokio::test]
async fn a_guard_that_is_dropped_waits_no_longer_than_told() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", silent.local_addr().unwrap());
    let (guard, _default) = install(OtlpOptions { at_drop: Duration::from_millis(200), ..at(&endpoint) });
    tracing::info_span!("alone").in_scope(|| ());
    let began = Instant::now();
    drop(guard);
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    // The layer lives on in the subscriber, and gives nothing any more.
    tracing::info_span!("late").in_scope(|| ());
}

#[tokio::test]
async fn one_that_refuses_and_takes_them_again() {
    let receiver = Receiver::start().await;
    let (guard, _default) = install(receiver.options());
    let service = service().await;
    // Not one of the states after which the exporter tries again.
    receiver.answer_with(StatusCode::FORBIDDEN);
    asks(&service, 1).await;
    assert!(!guard.flush(Duration::from_secs(10)).await);
    let failed = guard.counts().failed;
    assert!(failed >= 3, "{:?}", guard.counts());
    receiver.answer_with(StatusCode::OK);
    client::get(service.at, "/works", &[("traceparent", &traceparent(TRACE))]).await;
    receiver.trace(&guard, TRACE, 3).await;
    service.end().await;
    let counts = guard.stop(Duration::from_secs(10)).await;
    assert_eq!((counts.failed, counts.dropped, counts.waiting), (failed, 0, 0), "{counts:?}");
}

/// What lies in the queue at the stop is given.
#[tokio::test]
async fn a_stop_gives_what_is_left() {
    let receiver = Receiver::start().await;
    let (guard, _default) = install(receiver.options());
    let service = service().await;
    asks(&service, 5).await;
    service.end().await;
    let counts = guard.stop(Duration::from_secs(10)).await;
    assert!(counts.given >= 15, "{counts:?}");
    assert_eq!((counts.failed, counts.dropped, counts.waiting), (0, 0, 0), "{counts:?}");
}

/// The export's thread logs to the program's subscriber, so this test installs one for the whole program: where the tests share
/// a program, they write into it too, and only lines of this test's collector count.
#[test]
fn the_log_says_so_once_and_names_no_secret() {
    let log = Log::default();
    let writer = log.clone();
    let shown = tracing_subscriber::fmt::layer().json().with_writer(move || writer.clone());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let endpoint = nowhere().await;
        let headers = vec![("authorization".to_owned(), "Bearer plantedtoken".into())];
        let options = OtlpOptions { headers, ..at(&format!("{endpoint}/plantedpath")) };
        let (layer, guard) = otlp::layer(options).unwrap();
        tracing::subscriber::set_global_default(tracing_subscriber::registry().with(layer).with(shown))
            .unwrap();
        for _ in 0..3 {
            tracing::info_span!("lost").in_scope(|| ());
            assert!(!guard.flush(Duration::from_secs(10)).await);
        }
        let counts = guard.stop(Duration::from_secs(10)).await;
        assert_eq!((counts.failed, counts.given), (3, 0), "{counts:?}");
        let name = endpoint.trim_start_matches("http://").to_owned();
        let lines: Vec<_> = log.at("plimsoll::otlp");
        let ours: Vec<_> = lines.iter().filter(|line| line["fields"]["collector"] == name.as_str()).collect();
        assert_eq!(ours.len(), 1, "{lines:?}");
        assert_eq!((&ours[0]["level"], &ours[0]["fields"]["lost"]), (&"WARN".into(), &1.into()));
        let message = ours[0]["fields"]["message"].as_str().unwrap();
        assert!(message.contains("no connection to it (connection refused)"), "{message}");
        assert!(!log.text().contains("planted"), "{}", log.text());
    });
}
