//! Each limit inside the service strikes in its turn, from the lock out to the client, and nothing stays behind.

use super::scene::{Scene, ms, patient};
use crate::client::{Leaving, ask, get};
use crate::service::{PATIENCE, first, until};
use plimsoll::settings::Limit;
use plimsoll::{BreakerState, Settings};
use plimsoll_faults::{Direction, Fault, Proxy};
use plimsoll_http::serve::{StopBy, StopHandle};
use plimsoll_http::{Options, ServeOptions, serve};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::time::{Instant, timeout};

fn as_it_is(settings: Settings) -> Settings {
    settings
}

#[tokio::test]
async fn a_lock_that_is_not_to_be_had() {
    let scene = Scene::open(patient(), |settings| settings.lock_timeout(ms(300))).await;
    let stranger = scene.stranger().await;
    let answer = get(scene.service.at, "/locked", &[]).await;
    scene.strike("a_lock_that_is_not_to_be_had", "/locked", Some(&answer)).await;
    stranger.leaves().await;
    scene.leaves_nothing().await;
}

#[tokio::test]
async fn a_statement_that_the_server_ends() {
    let scene = Scene::open(patient(), |settings| settings.statement_timeout(ms(400))).await;
    let answer = get(scene.service.at, "/slow", &[]).await;
    scene.strike("a_statement_that_the_server_ends", "/slow", Some(&answer)).await;
    assert!(
        !scene.log.text().contains("stopped on the server"),
        "the server was not asked: {}",
        scene.log.text()
    );
    scene.leaves_nothing().await;
}

#[tokio::test]
async fn a_call_that_allows_itself_less() {
    let scene = Scene::open(patient(), as_it_is).await;
    let began = Instant::now();
    let answer = get(scene.service.at, "/less", &[]).await;
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    scene.strike("a_call_that_allows_itself_less", "/less", Some(&answer)).await;
    scene.leaves_nothing().await;
}

#[tokio::test]
async fn a_statement_that_the_server_would_not_end() {
    let change =
        |settings: Settings| settings.statement_timeout(Limit::Off).client_statement_timeout(ms(400));
    let scene = Scene::open(patient(), change).await;
    let answer = get(scene.service.at, "/slow", &[]).await;
    scene.strike("a_statement_that_the_server_would_not_end", "/slow", Some(&answer)).await;
    scene.leaves_nothing().await;
}

#[tokio::test]
async fn a_transaction_of_many_short_statements() {
    let change = |settings: Settings| {
        settings
            .statement_timeout(ms(1500))
            .client_statement_timeout(ms(1600))
            .idle_in_transaction_session_timeout(ms(1600))
            .transaction_timeout(ms(2000))
    };
    let scene = Scene::open(patient(), change).await;
    let answer = get(scene.service.at, "/many", &[]).await;
    scene.strike("a_transaction_of_many_short_statements", "/many", Some(&answer)).await;
    scene.leaves_nothing().await;
}

#[tokio::test]
async fn a_transaction_that_waits_for_something_else() {
    let scene =
        Scene::open(patient(), |settings| settings.idle_in_transaction_session_timeout(ms(300))).await;
    let answer = get(scene.service.at, "/elsewhere", &[]).await;
    scene.strike("a_transaction_that_waits_for_something_else", "/elsewhere", Some(&answer)).await;
    scene.leaves_nothing().await;
}

#[tokio::test]
async fn a_pool_that_is_lent_out() {
    let change = |settings: Settings| settings.tcp_user_timeout(Limit::Off).pool_timeout(ms(400));
    let scene = Scene::open(patient(), change).await;
    let db = &scene.service.db;
    let lent = [db.acquire().await.unwrap(), db.acquire().await.unwrap(), db.acquire().await.unwrap()];
    let answer = get(scene.service.at, "/slow", &[]).await;
    scene.strike("a_pool_that_is_lent_out", "/slow", Some(&answer)).await;
    drop(lent);
    scene.leaves_nothing().await;
}

#[tokio::test]
async fn a_request_that_waits_for_a_connection() {
    let scene = Scene::open(Options::default().deadline(ms(500)), as_it_is).await;
    let db = &scene.service.db;
    let lent = [db.acquire().await.unwrap(), db.acquire().await.unwrap(), db.acquire().await.unwrap()];
    let answer = get(scene.service.at, "/slow", &[]).await;
    scene.strike("a_request_that_waits_for_a_connection", "/slow", Some(&answer)).await;
    drop(lent);
    scene.leaves_nothing().await;
}

#[tokio::test]
async fn a_request_by_the_deadline_of_all() {
    let scene = Scene::open(Options::default().deadline(ms(600)), as_it_is).await;
    let answer = get(scene.service.at, "/slow", &[]).await;
    scene.strike("a_request_by_the_deadline_of_all", "/slow", Some(&answer)).await;
    scene.leaves_nothing().await;
}

#[tokio::test]
async fn a_request_by_the_deadline_of_its_route() {
    let scene = Scene::open(patient(), as_it_is).await;
    let answer = get(scene.service.at, "/short", &[]).await;
    scene.strike("a_request_by_the_deadline_of_its_route", "/short", Some(&answer)).await;
    scene.leaves_nothing().await;
}

#[tokio::test]
async fn a_request_by_the_deadline_of_its_client() {
    let scene = Scene::open(patient(), as_it_is).await;
    let answer = get(scene.service.at, "/slow", &[("X-Request-Timeout-Ms", "500")]).await;
    scene.strike("a_request_by_the_deadline_of_its_client", "/slow", Some(&answer)).await;
    scene.leaves_nothing().await;
}

#[tokio::test]
async fn a_handler_that_does_not_end_by_itself() {
    let scene = Scene::open(Options::default().deadline(ms(500)), as_it_is).await;
    let answer = get(scene.service.at, "/endless", &[]).await;
    scene.strike("a_handler_that_does_not_end_by_itself", "/endless", Some(&answer)).await;
    scene.leaves_nothing().await;
}

#[tokio::test]
async fn a_client_that_gives_up() {
    let scene = Scene::open(patient(), as_it_is).await;
    let asking = ask(Leaving::Http1, scene.service.at, "/slow").await;
    scene.service.until_running("pg_sleep(60)", 1).await;
    asking.leave().await;
    scene.strike("a_client_that_gives_up", "/slow", None).await;
    scene.leaves_nothing().await;
}

/// The way to the server leads through a network that can swallow everything.
async fn behind_a_network(deadline: Duration) -> (Scene, Proxy) {
    let server = plimsoll_embedded::test_server::database().await.unwrap();
    let proxy = Proxy::in_front_of((server.server().host(), server.server().port())).await.unwrap();
    let port = proxy.port();
    let change = move |settings: Settings| settings.hosts(format!("127.0.0.1:{port}"));
    (Scene::open(Options::default().deadline(deadline), change).await, proxy)
}

#[tokio::test]
async fn a_network_that_swallows_everything() {
    let (scene, proxy) = behind_a_network(Duration::from_secs(10)).await;
    proxy.set(Fault::blackhole(Direction::Both));
    let opens = async || scene.service.db.breaker().state == BreakerState::Open;
    until("the breaker opens", opens).await;
    let answer = get(scene.service.at, "/slow", &[]).await;
    scene.strike("a_network_that_swallows_everything", "/slow", Some(&answer)).await;
    proxy.heal();
    until("the breaker closes", async || scene.service.db.breaker().state == BreakerState::Closed).await;
    scene.leaves_nothing().await;
}

#[tokio::test]
async fn a_statement_whose_network_swallows_everything() {
    let (scene, proxy) = behind_a_network(ms(1500)).await;
    let asks = tokio::spawn(get(scene.service.at, "/slow", &[]));
    scene.service.until_running("pg_sleep(60)", 1).await;
    proxy.set(Fault::blackhole(Direction::Both));
    let answer = asks.await.unwrap();
    scene.strike("a_statement_whose_network_swallows_everything", "/slow", Some(&answer)).await;
    proxy.heal();
    until("the breaker closes", async || scene.service.db.breaker().state == BreakerState::Closed).await;
    scene.leaves_nothing().await;
}

/// The stop closes the pool too, so what must be so afterwards is that no session of it is left.
#[tokio::test]
async fn a_service_that_is_stopped() {
    let scene = Scene::open(patient(), as_it_is).await;
    let Scene { service, .. } = &scene;
    let stop = StopHandle::new();
    let options = ServeOptions {
        grace: ms(500),
        databases: vec![service.db.clone()],
        stop: StopBy::Handle(stop.clone()),
        ..ServeOptions::default()
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let serving = tokio::spawn(serve(listener, service.router.clone(), options));
    let _asking = ask(Leaving::Http1, at, "/slow").await;
    service.until_running("pg_sleep(60)", 1).await;
    stop.stop();
    let stopped = timeout(PATIENCE, serving).await.unwrap().unwrap().unwrap();
    assert_eq!(stopped.cut, 1, "{stopped:?}");
    scene.strike("a_service_that_is_stopped", "/slow", None).await;
    let sessions = "SELECT count(*)::text AS n FROM pg_stat_activity WHERE datname = current_database() \
                    AND pid <> pg_backend_pid()";
    until("no session is left", async || first(&service.fresh, sessions).await == "0").await;
}
