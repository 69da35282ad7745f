//! Takes a snapshot of the pool each second, so that the last minute can still be seen when it is over, and writes the
//! totals from time to time, if they are kept.

use super::access::metrics;
use crate::call::postgres::Postgres;
use crate::pool::{Inner, Pool};
use crate::record::{Monitor, keeper};
use crate::watch::events::log_repetitions;
use crate::watch::metrics::tick;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior, interval};

const EVERY: Duration = Duration::from_secs(1);

/// Runs until the pool is gone or closed.
pub(crate) async fn run(pool: Weak<Inner<Postgres>>, monitor: Arc<Monitor>) {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut keep_at = Instant::now();
    loop {
        let now = ticks.tick().await;
        let Some(inner) = pool.upgrade() else { break };
        let pool = Pool { inner };
        let numbers = pool.numbers();
        tick(&pool, &numbers);
        if pool.is_closed() {
            break;
        }
        log_repetitions(&monitor, now.into());
        if monitor.is_on() {
            monitor.keep(metrics(&monitor, &numbers));
        }
        drop(pool);
        if now >= keep_at {
            keep_at = now + keeper::EVERY;
            keeper::keep(&monitor).await;
        }
    }
    keeper::end(&monitor).await;
}
