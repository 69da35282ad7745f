//! Asks the table what is in it, as another than the service: past the proxy, past the pools, and as a role that sees every row.

use super::Play;
use super::fleet::{TENANT, name};
use super::ledger::{Found, Question};
use crate::boot::dev_postgres::DATABASE;
use jiff::Timestamp;
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

/// This often.
const EVERY: Duration = Duration::from_millis(500);
/// While no one looks: what was found right is not asked about again, so the question stays short.
const IN_QUIET: Duration = Duration::from_secs(60);
/// A server that does not answer by then is asked another time.
const LIMIT: Duration = Duration::from_secs(3);

/// Asks for as long as the service runs, and often while someone looks.
pub(super) async fn watch(play: Arc<Play>) {
    let mut readers = play.readers.subscribe();
    let mut every = interval(EVERY);
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        every.tick().await;
        // Either someone looks, or the time is over.
        let _ = timeout(IN_QUIET, readers.wait_for(|readers| *readers > 0)).await;
        if !play.is_server_away() {
            ask(&play).await;
        }
    }
}

async fn ask(play: &Play) {
    let question = play.ledger.lock().question();
    let asked = timeout(LIMIT, play.cluster.execute(DATABASE, &sql(&question))).await;
    // A server that is starting, or has no table yet, has no answer; the page says how old the last one is.
    let Ok(Ok(rows)) = asked else { return };
    let number = |row: &plimsoll_embedded::Row, name| row.get(name)?.parse().ok();
    let found = rows.iter().map(|row| Found {
        rows: number(row, "rows").unwrap_or(0),
        distinct: number(row, "distinct").unwrap_or(0),
    });
    let found: Vec<_> = found.collect();
    play.ledger.lock().answered(&question, &found, Timestamp::now());
    *play.checked.lock() = Some(Instant::now());
}

/// One row for each device, in their order. There is nothing in it but numbers and names of this service's own.
fn sql(question: &Question) -> String {
    let mut devices = String::new();
    for (place, (first, count)) in question.devices.iter().enumerate() {
        let separator = if place == 0 { "" } else { ", " };
        let end = first.saturating_add_unsigned(*count);
        // Writing to a String cannot fail.
        let _ = write!(devices, "{separator}({place}, '{}', {first}::bigint, {end}::bigint)", name(place));
    }
    format!(
        "SELECT count(t.seq) AS rows, count(DISTINCT t.seq) AS distinct
         FROM (VALUES {devices}) AS d (place, device_id, first, beyond)
         LEFT JOIN public.telemetry AS t ON t.tenant_id = '{TENANT}' AND t.device_id = d.device_id
              AND t.time >= '{}' AND t.seq >= d.first AND t.seq < d.beyond
         GROUP BY d.place ORDER BY d.place",
        question.since
    )
}
