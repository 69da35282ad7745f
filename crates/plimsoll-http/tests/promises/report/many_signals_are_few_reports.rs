//! Signals that come while a report is made are one more report, and no two reports are mixed.

use super::child::Start;
use crate::service::until;
use plimsoll_embedded::test_server;

#[tokio::test]
async fn fifty_at_once() {
    let database = test_server::database().await.unwrap();
    let service = Start::default().on(&database.url()).await;
    (0..50).for_each(|_| service.signal());
    until("the first", async || !service.reports().is_empty()).await;
    // This one comes after all that is still due.
    service.report().await;
    service.report().await;
    let count = service.reports().len();
    assert!((3..=6).contains(&count), "{count} reports for fifty signals and two");
    assert_eq!(service.get("/now").await.body, "1");
}

#[tokio::test]
async fn from_many_threads_for_a_while() {
    let database = test_server::database().await.unwrap();
    let service = Start::default().on(&database.url()).await;
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let began = std::time::Instant::now();
                while began.elapsed() < std::time::Duration::from_millis(400) {
                    service.signal();
                }
            });
        }
    });
    service.report().await;
    // Each takes 100 ms at least. That none is mixed with another is looked at where they are read.
    let count = service.reports().len();
    assert!((2..=10).contains(&count), "{count} reports");
    assert_eq!(service.get("/now").await.body, "1");
}
