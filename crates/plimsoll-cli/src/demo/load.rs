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

/// How many requests come, and how much each wants.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// In a second.
    pub(super) rate: u32,
    /// How long each keeps the server busy besides.
    pub(super) labour: Option<Duration>,
}

/// How long a request of a rush keeps its connection: what a statement takes that has lost its index.
const LABOUR: Duration = Duration::from_millis(100);

impl Pace {
    /// An ordinary day.
    pub(super) fn usual(rate: u32) -> Self {
        Pace { rate, labour: None }
    }

    /// Five times as many requests as a pool of this size can serve, since each of them takes so long.
    pub(super) fn rush(pool: usize) -> Self {
        let served = pool as f64 / LABOUR.as_secs_f64();
        Pace { rate: (5.0 * served) as u32, labour: Some(LABOUR) }
    }
}

/// A request that has not ended this long after the last was made will never end.
const STUCK: Duration = Duration::from_secs(15);

/// Makes requests at this pace, which may change, until told to stop, then waits for those that are under way. One that is never
/// answered has no line in the log, and the ledger will say so.
///
/// Dropped before it is done, the requests under way are dropped too.
pub(super) async fn drive(
    caller: impl Caller,
    lane: Arc<Lane>,
    pace: watch::Receiver<Pace>,
    mut stop: watch::Receiver<bool>,
) {
    let mut requests = JoinSet::new();
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
        let now = *pace.borrow();
        due += Duration::from_secs(1) / now.rate;
        requests.spawn(request(caller.clone(), Arc::clone(&lane), id, now.labour));
        while requests.try_join_next().is_some() {}
    }
    // Those that are stuck are dropped with the set.
    let _ = timeout(STUCK, async { while requests.join_next().await.is_some() {} }).await;
}

fn request(
    caller: impl Caller,
    lane: Arc<Lane>,
    id: u64,
    labour: Option<Duration>,
) -> impl Future<Output = ()> + Send {
    let asked = Instant::now();
    lane.asked(id, asked);
    async move {
        let told = caller.request(id.cast_signed(), labour).await;
        lane.answered(id, asked, Instant::now(), told);
    }
}
