//! Requests at fixed times, whatever became of the earlier ones.
//!
//! The load is open: the world outside a service does not wait with its next request until the last one was answered. A
//! closed load (so many tasks, each with one request at a time) would send ten requests into a freeze and report ten
//! slow ones. The time of a request runs from the moment at which it was made, before its task had a turn, so whatever
//! keeps the runtime busy counts too; after a hold-up all that are due are made at once.

use super::lane::Lane;
use super::request::Caller;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep_until, timeout};

/// A request that has not ended this long after the last was made will never end.
const STUCK: Duration = Duration::from_secs(15);

/// Makes so many requests a second until told to stop, then waits for those that are under way. One that is never
/// answered has no line in the log, and the ledger will say so.
///
/// Dropped before it is done, the requests under way are dropped too.
pub(super) async fn drive(caller: impl Caller, lane: Arc<Lane>, rate: u32, mut stop: watch::Receiver<bool>) {
    let mut requests = JoinSet::new();
    let interval = Duration::from_secs(1) / rate;
    let mut due = Instant::now();
    let mut id = 0;
    loop {
        tokio::select! {
            biased;
            // An end of the sender is an end of the load too.
            _ = stop.wait_for(|stop| *stop) => break,
            () = sleep_until(due.into()) => {}
        }
        id += 1;
        due += interval;
        requests.spawn(request(caller.clone(), Arc::clone(&lane), id));
        while requests.try_join_next().is_some() {}
    }
    // Those that are stuck are dropped with the set.
    let _ = timeout(STUCK, async { while requests.join_next().await.is_some() {} }).await;
}

fn request(caller: impl Caller, lane: Arc<Lane>, id: u64) -> impl Future<Output = ()> + Send {
    let asked = Instant::now();
    lane.asked(id, asked);
    async move {
        let told = caller.request(id.cast_signed()).await;
        lane.answered(id, asked, Instant::now(), told);
    }
}
