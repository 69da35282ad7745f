//! When this program stands still (a blocked runtime, a paused container), everything is late at once and none of it is
//! the database's fault: no breaker opens, no connection is thrown away, and the stall is told as what it is.

use crate::server::{self, PATIENCE, event, settings_for, until};
use plimsoll::event::Event;
use plimsoll::{BreakerState, Database};
use plimsoll_embedded::test_server;
use std::time::Duration;
use tokio::task::JoinSet;

const STALL: Duration = Duration::from_secs(2);

#[tokio::test]
async fn and_keeps_what_it_had() {
    let fresh = test_server::database().await.unwrap();
    let settings = settings_for(&fresh).await.pool_min(4).pool_max(4);
    let db = Database::connect(settings).await.unwrap();
    until("all are open", PATIENCE, async || db.pool_status().checked_in == 4).await;
    until("the heartbeat has its connection", PATIENCE, async || {
        let count =
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";
        server::text(&fresh, count).await.parse::<usize>().unwrap() >= 5
    })
    .await;
    let opened = db.pool_status().opened;
    let mut events = db.events();

    // Answers are owed on every connection, and questions to the server are out, when everything stops.
    let mut calls = JoinSet::new();
    for _ in 0..8 {
        let db = db.clone();
        calls.spawn(async move { db.query("SELECT pg_sleep(0.3)", &[]).await.map(drop) });
    }
    until("all four are lent", PATIENCE, async || db.pool_status().checked_out == 4).await;
    // The promise is about this very time. The runtime has one thread, and this is it.
    std::thread::sleep(STALL);

    let by = event("a stall", &mut events, |event| match event {
        Event::Stalled { by } => Some(*by),
        _ => None,
    })
    .await;
    assert!(by > STALL / 2 && by < STALL * 2, "{by:?}");
    while let Some(call) = calls.join_next().await {
        call.unwrap().unwrap();
    }
    let breaker = db.breaker();
    assert_eq!((breaker.state, breaker.trips, breaker.refused), (BreakerState::Closed, 0, 0), "{breaker:?}");
    let status = db.pool_status();
    assert_eq!((status.opened, status.checked_in), (opened, 4), "none was thrown away: {status:?}");
}
