//! What was done with long ago goes: alerts that are closed, the steps of escalations that were told of them, and the messages that
//! were sent or given up, with the log of their tries. What is open, and what is still to be sent, stays whatever its age.

use plimsoll::{Database, Fault, Result, Transaction};
use std::time::Duration;

/// The rows of each kind that go in one transaction.
const MOST: i32 = 1_000;
/// So many transactions are made in a night; what is left goes the next.
const MOST_CHUNKS: usize = 1_000;

const FORGET: &str = "SELECT messages, steps, alerts FROM public.forget_finished($1, $2)";

/// How many rows have gone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Forgotten {
    /// Messages that were sent or given up.
    pub messages: i64,
    /// Steps of escalations.
    pub steps: i64,
    /// Alerts.
    pub alerts: i64,
}

impl Forgotten {
    /// Then there may be more: what refers to an alert goes before it, so the kinds are not counted one by one.
    fn is_some(self) -> bool {
        self != Forgotten::default()
    }

    fn and(self, other: Forgotten) -> Forgotten {
        Forgotten {
            messages: self.messages + other.messages,
            steps: self.steps + other.steps,
            alerts: self.alerts + other.alerts,
        }
    }
}

/// Takes away what was done with so many days ago, a transaction for each thousand rows of a kind; gives how many those were.
///
/// # Errors
/// As any transaction's. Rows that others hold for more than a second are no error: they are left for the next time.
///
/// # Cancel safety
/// Dropped, a part of it is gone.
pub async fn forget(db: &Database, days: i32) -> Result<Forgotten> {
    let mut sum = Forgotten::default();
    for _ in 0..MOST_CHUNKS {
        let step = async |tx: Transaction| {
            // Instances that come to it together do not wait for each other's rows.
            if !tx.try_advisory_lock("finished alerts").await? {
                return Ok(Forgotten::default());
            }
            let row = tx.query_one(FORGET, &[&days, &MOST]).await?;
            Ok(Forgotten { messages: row.try_get(0)?, steps: row.try_get(1)?, alerts: row.try_get(2)? })
        };
        let call = db.named("forget finished alerts").within(Duration::from_secs(60));
        match call.retrying(step).await {
            Ok(gone) if gone.is_some() => sum = sum.and(gone),
            Ok(_) => break,
            Err(error) if error.fault() == Fault::LockTimeout => break,
            Err(error) => return Err(error),
        }
    }
    if sum.is_some() {
        let Forgotten { messages, steps, alerts } = sum;
        tracing::info!(
            "{alerts} alerts that were closed {days} days ago are gone, and {steps} steps of escalations and {messages} messages \
             that were done with"
        );
    }
    Ok(sum)
}
