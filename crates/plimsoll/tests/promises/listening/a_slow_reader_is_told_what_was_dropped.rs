//! A reader that is slower than notifications come costs bounded memory, and what was dropped is told at its place and
//! by number.

use super::{begin, next, notification};
use crate::server::{self, bare, event};
use plimsoll::Database;
use plimsoll::event::Event;
use plimsoll::listen::{GapCause, Message};
use plimsoll_embedded::test_server;

const BUFFER: usize = 10;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn by_a_gap_before_what_comes_next() {
    let fresh = test_server::database().await.unwrap();
    let settings = server::settings_for(&fresh).await.listen_buffer(BUFFER);
    let db = Database::connect(settings).await.unwrap();
    let mut events = db.events();
    let mut listener = db.listen(["news"]).await.unwrap();
    begin(&mut listener).await;
    let writer = bare(&fresh.url()).await;
    let sent: u64 = 1_000;
    writer
        .batch_execute(&format!("SELECT pg_notify('news', n::text) FROM generate_series(1, {sent}) n"))
        .await
        .unwrap();
    let waiting = event("the overflow is told", &mut events, |event| match event {
        Event::ListenerOverflowed { waiting } => Some(*waiting),
        _ => None,
    })
    .await;
    assert_eq!(waiting, BUFFER);
    // Everything is either heard or counted, and what is heard behind a hole was preceded by a gap.
    let (mut heard, mut dropped, mut gaps, mut expected) = (0, 0, 0, 1);
    while heard + dropped < sent {
        match next(&mut listener).await {
            Message::Gap(gap) => {
                assert_eq!(gap.cause, GapCause::Overflow);
                assert!(gap.dropped > 0 && gap.since.is_some(), "{gap:?}");
                gaps += 1;
                dropped += gap.dropped;
                expected += gap.dropped;
            }
            Message::Notification(notification) => {
                assert_eq!(notification.payload.parse::<u64>().unwrap(), expected, "after {gaps} gaps");
                heard += 1;
                expected += 1;
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(heard >= 10 && gaps >= 1, "{heard} heard, {gaps} gaps");
    assert!(listener.is_listening(), "a full buffer is no lost connection");
    writer.batch_execute("NOTIFY news, 'after'").await.unwrap();
    assert_eq!(notification(&mut listener).await.payload, "after");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn and_one_that_keeps_up_hears_all() {
    let fresh = test_server::database().await.unwrap();
    let db = server::database(&fresh).await;
    let mut events = db.events();
    let mut listener = db.listen(["news"]).await.unwrap();
    begin(&mut listener).await;
    let writer = bare(&fresh.url()).await;
    writer.batch_execute("SELECT pg_notify('news', n::text) FROM generate_series(1, 1000) n").await.unwrap();
    for number in 1..=1_000 {
        assert_eq!(
            notification(&mut listener).await.payload,
            number.to_string(),
            "the default holds a thousand"
        );
    }
    while let Ok(event) = events.try_recv() {
        assert!(!matches!(event, Event::ListenerOverflowed { .. }), "{event:?}");
    }
}
