//! `/livez` says that the process runs, whatever its databases do. `/readyz` says whether requests should be sent here: not while
//! the service starts, not while a database that it needs would serve no call, and not once it is about to stop, for which it
//! is told early enough that what sends requests here notices before the port is closed.

use super::site::{Site, Who, database};
use crate::service::until;
use axum::Router;
use axum::routing::get;
use plimsoll_http::serve::{StopBy, StopHandle};
use plimsoll_http::{Databases, EndpointOptions, Operators, ReadySwitch, ServeOptions, endpoints};
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpStream};

async fn word(site: &Site) -> (u16, Option<String>) {
    let answer = site.get(Who::Anyone, "/readyz").await;
    let reasons = answer.json()["reasons"].as_array().map(|reasons| {
        let reasons: Vec<_> = reasons.iter().filter_map(|reason| reason.as_str()).collect();
        reasons.join(", ")
    });
    (answer.status, reasons)
}

#[tokio::test]
async fn every_database_has_to_be_ready_or_those_that_are_named() {
    let ((ui, _one), (reports, _two)) = (database().await, database().await);
    let databases = Databases::new();
    let all = Site::new(&databases, EndpointOptions::default()).await;
    let named = Site::new(&databases, EndpointOptions::default().ready_with(["ui"])).await;
    let starting = (503, Some("starting".to_owned()));
    let unavailable = (503, Some("database unavailable".to_owned()));
    assert_eq!((word(&all).await, word(&named).await), (starting.clone(), starting.clone()));
    databases.add("reports", &reports);
    assert_eq!((word(&all).await, word(&named).await), ((200, None), starting));
    databases.add("ui", &ui);
    assert_eq!((word(&all).await, word(&named).await), ((200, None), (200, None)));
    reports.isolate();
    assert_eq!((word(&all).await, word(&named).await), (unavailable.clone(), (200, None)));
    ui.isolate();
    // Two that are away are one word for anyone, and two sentences for operators.
    assert_eq!((word(&all).await, word(&named).await), (unavailable.clone(), unavailable));
    let told = all.get(Who::Operator, "/readyz").await;
    let after: u64 = told.header("retry-after").parse().unwrap();
    assert!((1..=2).contains(&after), "{told:?}");
    let told = told.json();
    let names: Vec<_> = told["reasons"]
        .as_array()
        .unwrap()
        .iter()
        .map(|reason| reason.as_str().unwrap().split(':').next())
        .collect();
    assert_eq!(names, [Some("reports"), Some("ui")], "{told:#}");
    assert_eq!(all.get(Who::Anyone, "/livez").await.body, "ok");
    ui.close().await;
    reports.close().await;
}

#[tokio::test]
async fn a_service_that_prepares_is_not_ready_although_its_database_is() {
    let (db, _fresh) = database().await;
    let ready = ReadySwitch::starting();
    let site = Site::new(&(&db).into(), EndpointOptions::default().ready(&ready)).await;
    assert_eq!(word(&site).await, (503, Some("starting".to_owned())));
    ready.prepared();
    assert_eq!(word(&site).await, (200, None));
    db.close().await;
}

struct Server {
    site: Site,
    stop: StopHandle,
    task: tokio::task::JoinHandle<Result<plimsoll_http::Stopped, plimsoll_http::ServeError>>,
}

async fn served(announce: Duration) -> Server {
    let (ready, stop, databases) = (ReadySwitch::new(), StopHandle::new(), Databases::new());
    let router = Router::new().route("/work", get(async || "done")).merge(endpoints(
        &databases,
        &Operators::default(),
        EndpointOptions::default().ready(&ready),
    ));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let options =
        ServeOptions { ready, announce, stop: StopBy::Handle(stop.clone()), ..ServeOptions::default() };
    let task = tokio::spawn(plimsoll_http::serve(listener, router, options));
    Server { site: Site { at, databases }, stop, task }
}

#[tokio::test]
async fn a_stop_is_announced_while_requests_are_still_served() {
    let announce = Duration::from_millis(700);
    let Server { site, stop, task } = served(announce).await;
    assert_eq!(word(&site).await, (503, Some("starting".to_owned())));
    let began = Instant::now();
    stop.stop();
    let stopping = (503, Some("stopping".to_owned()));
    until("it says so", async || word(&site).await == stopping).await;
    // Connections that are made now are answered.
    while began.elapsed() < announce / 2 {
        assert_eq!(site.get(Who::Anyone, "/work").await.body, "done");
        assert_eq!(site.get(Who::Anyone, "/livez").await.body, "ok");
        assert_eq!(word(&site).await, stopping);
    }
    until("the port is closed", async || TcpStream::connect(site.at).await.is_err()).await;
    assert!(began.elapsed() >= announce, "{:?}", began.elapsed());
    let stopped = task.await.unwrap().unwrap();
    assert!(stopped.took >= announce && !stopped.left_at_once, "{stopped:?}");
}

#[tokio::test]
async fn a_second_signal_ends_the_announcement_and_without_one_the_stop_is_at_once() {
    let Server { site, stop, task } = served(Duration::from_secs(600)).await;
    stop.stop();
    until("it says so", async || word(&site).await.1.as_deref() == Some("stopping")).await;
    stop.stop();
    let stopped = task.await.unwrap().unwrap();
    assert!(stopped.took < Duration::from_secs(15) && !stopped.left_at_once, "{stopped:?}");
    let Server { stop, task, .. } = served(Duration::ZERO).await;
    stop.stop();
    let stopped = task.await.unwrap().unwrap();
    assert!(stopped.took < Duration::from_secs(5), "{stopped:?}");
}

#[tokio::test]
async fn an_announcement_without_an_end_is_refused_at_start() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let options = ServeOptions { announce: Duration::from_secs(601), ..ServeOptions::default() };
    let refused = plimsoll_http::serve(listener, Router::new(), options).await.unwrap_err();
    assert!(refused.to_string().contains("announce is 601s"), "{refused}");
}
