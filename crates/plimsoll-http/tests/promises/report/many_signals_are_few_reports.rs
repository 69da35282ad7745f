//! Signals that come while a report is made are one more report, and no two reports are mixed.

use super::child::{Service, Start};
use crate::service::until;
use plimsoll_embedded::test_server;
use std::time::{Duration, Instant};

/// Looks how many reports there were since then. That none is mixed with another is looked at where they are read.
async fn are_few(service: &Service, began: Instant) {
    // This one comes after all that is still due.
    service.report().await;
    service.report().await;
    // Each takes 100 ms at least, so there cannot be more, however slow the machine is.
    let most = usize::try_from(began.elapsed().as_millis()).unwrap() / 100 + 1;
    let count = service.reports().len();
    assert!((3..=most).contains(&count), "{count} reports in {:?}", began.elapsed());
    assert_eq!(service.get("/now").await.body, "1");
}

#[tokio::test]
async fn fifty_at_once() {
    let database = test_server::database().await.unwrap();
    let service = Start::default().on(&database.url()).await;
    let began = Instant::now();
    (0..50).for_each(|_| service.signal());
    until("the first", async || !service.reports().is_empty()).await;
    are_few(&service, began).await;
}

#[tokio::test]
async fn from_many_threads_for_a_while() {
    let database = test_server::database().await.unwrap();
    let service = Start::default().on(&database.url()).await;
    let began = Instant::now();
    let lasts = Duration::from_millis(400);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while began.elapsed() < lasts {
                    service.signal();
                }
            });
        }
    });
    are_few(&service, began).await;
}
