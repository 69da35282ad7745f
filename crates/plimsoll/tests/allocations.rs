//! A call that does not wait allocates what the driver allocates, and a few blocks more for its own boxed futures.
//!
//! A program of its own, because counting needs an allocator of its own. Everything is on: monitor, slow log, write audit, a
//! deadline and the id of a request. So it is with a log that is filtered at `info`, which wants no span of a statement.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use plimsoll::request_id::{self, RequestId};
use plimsoll::settings::Enforcement;
use plimsoll::{Database, Settings, deadline};
use plimsoll_embedded::test_server;
use std::time::Duration;
use tokio_postgres::NoTls;
use tracing::instrument::WithSubscriber;

#[global_allocator]
static COUNTING: dhat::Alloc = dhat::Alloc;

const SQL: &str = "SELECT $1::int8";
const CALLS: u64 = 500;

/// Blocks more than the driver's that one call may take.
const MORE: f64 = 1.0;

/// Blocks per call of this work, the connection's task included; what happens beside it is told apart by the least of
/// several rounds. Where the machine is busy a round takes long, and more happens beside it; so there are more rounds, unless
/// one was low enough.
async fn blocks(enough: f64, mut call: impl AsyncFnMut()) -> f64 {
    let mut least = u64::MAX;
    for round in 0..40 {
        if round >= 8 && least as f64 / CALLS as f64 <= enough {
            break;
        }
        let before = dhat::HeapStats::get().total_blocks;
        for _ in 0..CALLS {
            call().await;
        }
        least = least.min(dhat::HeapStats::get().total_blocks - before);
    }
    least as f64 / CALLS as f64
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "the driver alone is what is compared with")]
async fn a_call_that_does_not_wait_allocates_no_more_than_the_driver() {
    let fresh = test_server::database().await.unwrap();
    let _profiler = dhat::Profiler::builder().testing().build();

    let (client, connection) = tokio_postgres::connect(&fresh.url(), NoTls).await.unwrap();
    tokio::spawn(connection);
    let statement = client.prepare(SQL).await.unwrap();
    let driver = blocks(f64::MAX, async || {
        client.query_one(&statement, &[&7_i64]).await.unwrap();
    })
    .await;

    let settings = Settings::from_url(fresh.url().as_str()).unwrap().pool_min(1).pool_max(1).max_overflow(0);
    let db = Database::connect(settings.write_audit(Enforcement::On)).await.unwrap();
    assert!(db.monitor().is_enabled());
    let db = &db;
    let ours = |enough| {
        request_id::within(RequestId::random(), async move {
            blocks(enough, async || {
                let call = async { db.named("count").query_one(SQL, &[&7_i64]).await };
                deadline::within(Duration::from_secs(5), call).await.unwrap();
            })
            .await
        })
    };
    let silent = ours(driver + MORE).await;
    let log =
        tracing_subscriber::fmt().with_max_level(tracing::Level::INFO).with_writer(std::io::sink).finish();
    let logged = ours(driver + MORE).with_subscriber(log).await;
    println!(
        "blocks a call: {driver:.2} by the driver, {silent:.2} by plimsoll, {logged:.2} with a log at info"
    );
    for ours in [silent, logged] {
        assert!(ours <= driver + MORE, "{ours:.2} blocks a call, and the driver takes {driver:.2}");
    }
    // What is counted would be seen: a log that wants the spans takes more.
    let debug =
        tracing_subscriber::fmt().with_max_level(tracing::Level::DEBUG).with_writer(std::io::sink).finish();
    let traced = ours(f64::MAX).with_subscriber(debug).await;
    assert!(traced > driver + MORE, "{traced:.2} blocks a call with spans");
}
