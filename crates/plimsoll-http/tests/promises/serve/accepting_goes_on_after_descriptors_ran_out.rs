//! When the process has no descriptor left, the server says so once, and serves those who waited as soon as there are some
//! again.

use super::{Client, child, ms};
use plimsoll_embedded::test_server;
use std::time::Duration;

#[tokio::test]
async fn they_are_served_as_soon_as_there_are_some_again() {
    let database = test_server::database().await.unwrap();
    let service = child::start(&database.url(), 256, Duration::from_secs(60)).await;
    let mut known = Client::connect(service.addr).await;
    known.send("GET /hoard HTTP/1.1\r\nHost: test\r\n\r\n").await;
    assert_ne!(known.answer().await.body, "0");
    let mut waiting = Client::connect(service.addr).await;
    // No question to the database: the pool too has lacked descriptors meanwhile.
    waiting.send("GET /release HTTP/1.1\r\nHost: test\r\n\r\n").await;
    super::until("it is told", async || service.said("no connection can be accepted") > 0).await;
    // Silence is the promise: several attempts fail meanwhile.
    tokio::time::sleep(ms(1_500)).await;
    assert_eq!(service.said("no connection can be accepted"), 1, "{}", service.words());
    known.send("GET /release HTTP/1.1\r\nHost: test\r\n\r\n").await;
    assert_eq!(known.answer().await.status, 200);
    assert_eq!(waiting.answer().await.status, 200);
    super::until("it is told", async || service.said("connections are accepted again") == 1).await;
}
