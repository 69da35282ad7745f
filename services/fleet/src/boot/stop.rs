//! What is done last: what is under way from the broker is waited for, what was taken is written, what was not is counted, and then the pools are closed, within what is left of the time of the stop.

use crate::pools::Pools;
use crate::service::Service;
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// Writes what waits and closes the pools, within this time. Of it the pools keep what they need for stopping what still runs
/// on the server, however long the writing takes.
///
/// # Cancel safety
/// Dropped, the pools may be open still; they end with the program.
pub(crate) async fn write_and_close(service: Service, left: Duration) {
    let end = Instant::now() + left;
    // What came from the broker and is under way is written with the rest.
    if timeout(left / 4, service.mqtt().ended()).await.is_err() {
        tracing::warn!("messages from the broker are given up that were under way; it sends them again");
    }
    let Some(ready) = service.is_ready() else { return };
    let for_writing = left.saturating_sub(reclaim_time(&ready.pools).min(left / 2));
    let written = async {
        ready.lookup.stop().await;
        ready.writer.stop().await;
    };
    if timeout(for_writing, written).await.is_err() {
        tracing::warn!(
            "{} readings were not written within {} ms and are given up; their devices were not told that they are stored",
            ready.writer.waiting(),
            for_writing.as_millis()
        );
    }
    // What is being sent: each that is not settled is sent again by another instance.
    let for_sending = end.saturating_duration_since(Instant::now()) / 2;
    if timeout(for_sending, ready.sender.finished()).await.is_err() {
        tracing::warn!("messages were still being sent; they are sent again when their lease is over");
    }
    // What was not taken is worth a part of what is left, and no more.
    let for_quarantine = end.saturating_duration_since(Instant::now()) / 4;
    if timeout(for_quarantine, service.quarantine().write(&ready.pools.ops_worker)).await.is_err() {
        tracing::warn!("what was not taken last could not be counted in time");
    }
    ready.pools.close_within(end.saturating_duration_since(Instant::now())).await;
}

/// The longest that a pool takes to stop what runs.
fn reclaim_time(pools: &Pools) -> Duration {
    pools.all().map(|(_, pool)| pool.plan().reclaim_timeout()).into_iter().max().unwrap_or_default()
}
