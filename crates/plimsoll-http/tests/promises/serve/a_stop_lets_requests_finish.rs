//! What was begun is finished, what was not is not begun, and the program's last work comes between the requests and the
//! databases.

use super::{Client, GET_NOW, ms, quick, start};
use plimsoll_http::serve::{LastWork, ServeOptions};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

#[tokio::test]
async fn a_request_under_way_is_answered_and_the_port_is_free_at_once() {
    let server = start(quick()).await;
    let mut client = server.client().await;
    client.send("GET /sleep?secs=1 HTTP/1.1\r\nHost: test\r\n\r\n").await;
    super::until("it runs", async || server.running("pg_sleep").await == 1).await;
    server.stop.stop();
    super::until("the port is free", async || tokio::net::TcpListener::bind(server.addr).await.is_ok()).await;
    let answer = client.answer().await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "slept"));
    assert!(answer.head.contains("connection: close"), "{answer:?}");
    let stopped = server.stopped().await;
    assert_eq!((stopped.cut, stopped.left_at_once), (0, false));
    assert!(stopped.took < ms(2_500), "{stopped:?}");
}

#[tokio::test]
async fn an_http2_request_under_way_is_answered() {
    let server = start(quick()).await;
    let tcp = Client::connect(server.addr).await.stream;
    let (mut requests, connection) = h2::client::handshake(tcp).await.unwrap();
    let driven = tokio::spawn(connection);
    let request = axum::http::Request::get("http://test/sleep?secs=1").body(()).unwrap();
    let (answer, _) = requests.send_request(request, true).unwrap();
    super::until("it runs", async || server.running("pg_sleep").await == 1).await;
    server.stop.stop();
    assert_eq!(answer.await.unwrap().status(), 200);
    let stopped = server.stopped().await;
    assert_eq!(stopped.cut, 0);
    assert!(stopped.took < ms(2_500), "{stopped:?}");
    let _ = driven.await.unwrap();
}

#[tokio::test]
async fn an_upload_that_is_not_whole_is_told_to_come_again() {
    let server = start(ServeOptions {
        body: ms(60_000),
        body_pause: ms(60_000),
        grace: ms(20_000),
        hard_stop: ms(30_000),
        ..quick()
    })
    .await;
    let mut client = server.client().await;
    client.send("POST /store HTTP/1.1\r\nHost: test\r\nContent-Length: 100\r\n\r\nhalf").await;
    server.serves().await;
    let began = Instant::now();
    server.stop.stop();
    let answer = client.answer().await;
    assert_eq!(answer.status, 503, "{answer:?}");
    assert!(answer.head.contains("retry-after: 1") && answer.body.contains("nothing was done"), "{answer:?}");
    assert_eq!(server.stopped().await.cut, 0);
    assert!(began.elapsed() < ms(5_000), "{:?}", began.elapsed());
}

#[tokio::test]
async fn the_last_work_finds_the_databases_open_and_is_given_up_in_its_time() {
    let is_done = Arc::new(AtomicBool::new(false));
    for is_slow in [false, true] {
        let database = plimsoll_embedded::test_server::database().await.unwrap();
        let db = super::connect(&database.url()).await;
        let (asked, done) = (db.clone(), is_done.clone());
        let work = LastWork::new(async move |_| {
            if is_slow {
                std::future::pending::<()>().await;
            }
            done.store(asked.query("SELECT 1", &[]).await.is_ok(), Ordering::SeqCst);
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stop = plimsoll_http::serve::StopHandle::new();
        stop.stop();
        let options = ServeOptions {
            databases: vec![db.clone()],
            last_work: Some(work),
            stop: plimsoll_http::serve::StopBy::Handle(stop),
            ..quick()
        };
        let stopped = plimsoll_http::serve(listener, super::router(db.clone()), options).await.unwrap();
        assert!(is_done.load(Ordering::SeqCst) && db.is_closed());
        assert_eq!(stopped.last_work_dropped, is_slow);
        assert!(stopped.databases.len() == 1 && stopped.took < ms(4_500), "{stopped:?}");
        assert!(!is_slow || stopped.took >= ms(1_900), "{stopped:?}");
    }
}

#[tokio::test]
async fn an_idle_connection_does_not_hold_the_stop() {
    let server = start(ServeOptions { idle: ms(60_000), ..quick() }).await;
    let mut client = server.client().await;
    client.send(GET_NOW).await;
    assert_eq!(client.answer().await.status, 200);
    server.stop.stop();
    client.closed().await;
    assert!(server.stopped().await.took < ms(1_400));
}
