//! A server with numbers that cannot be kept does not start, and says which, what is allowed and what to do.

use super::{connect, ms, router};
use plimsoll_embedded::test_server;
use plimsoll_http::serve::{ServeError, ServeOptions, StopBy, StopHandle, descriptors_of, serve};
use tokio::net::TcpListener;

async fn refusal(options: ServeOptions) -> String {
    let database = test_server::database().await.unwrap();
    let db = connect(&database.url()).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let options = ServeOptions { databases: vec![db.clone()], ..options };
    serve(listener, router(db), options).await.unwrap_err().to_string()
}

#[tokio::test]
async fn each_is_named_with_what_is_allowed() {
    let said = refusal(ServeOptions { idle: ms(0), ..Default::default() }).await;
    assert!(said.starts_with("idle is 0ns; allowed is 10 ms to 24 h"), "{said}");
    let said = refusal(ServeOptions { grace: ms(31_000), ..Default::default() }).await;
    assert!(said.starts_with("grace is 31s; allowed is at most hard_stop, which is 30s"), "{said}");
    let said = refusal(ServeOptions { grace: ms(29_000), ..Default::default() }).await;
    assert!(said.starts_with("hard_stop is 30s; allowed is at least 31s"), "{said}");
    let said = refusal(ServeOptions { head_bytes: 100, ..Default::default() }).await;
    assert!(said.starts_with("head_bytes is 100; allowed is 8192 to 1048576"), "{said}");
    let said = refusal(ServeOptions { max_sockets: Some(9_000_000), ..Default::default() }).await;
    assert!(
        said.contains("are kept for databases") && said.contains("9000000 are needed; raise the limit"),
        "{said}"
    );
}

#[tokio::test]
async fn a_database_needs_its_connections_a_heartbeat_and_its_cancels() {
    let database = test_server::database().await.unwrap();
    let db = connect(&database.url()).await;
    assert_eq!(descriptors_of(db.plan()), 10 + 1 + 8);
}

#[tokio::test]
async fn the_defaults_are_allowed() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let stop = StopHandle::new();
    stop.stop();
    let options = ServeOptions { stop: StopBy::Handle(stop), ..Default::default() };
    let stopped: Result<_, ServeError> = serve(listener, axum::Router::new(), options).await;
    assert_eq!(stopped.unwrap().cut, 0);
}
