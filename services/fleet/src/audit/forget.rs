//! What is ninety days old is taken out of the record: a background task of every instance, once an hour.
//!
//! The service's role may delete no row. It asks a function of the owner's for it, which chooses by age alone; so several
//! instances may do it at once, and none can take away what is younger.

use plimsoll::{Database, Result};
use std::time::Duration;
use tokio::sync::watch;

const EVERY: Duration = Duration::from_secs(3600);

/// The rows of one statement.
const MOST: i32 = 5_000;

const FORGET: &str = "SELECT public.forget_old_audit($1)";

/// Takes away what is old; gives how many rows that were.
///
/// # Errors
/// As any statement's.
///
/// # Cancel safety
/// Dropped, a part of it may be gone.
pub async fn once(db: &Database) -> Result<i64> {
    let mut sum = 0;
    loop {
        let gone: i64 = db.named("forget old audit").query_one(FORGET, &[&MOST]).await?.try_get(0)?;
        sum += gone;
        if gone < i64::from(MOST) {
            return Ok(sum);
        }
    }
}

/// Does so every hour until `stop` is raised. It begins within the first minutes, so that instances that were started together
/// are at different times of it.
pub(crate) async fn run(db: Database, mut stop: watch::Receiver<bool>) {
    let mut pause = Duration::from_secs(60).mul_f64(1.0 + fastrand::f64());
    loop {
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            () = tokio::time::sleep(pause) => {}
        }
        pause = EVERY;
        match once(&db).await {
            Ok(0) => {}
            Ok(gone) => tracing::info!("{gone} rows of the audit log were ninety days old and are gone"),
            Err(error) => {
                tracing::warn!(
                    "old rows of the audit log could not be taken away, it is tried again in an hour: {error}"
                );
            }
        }
    }
}
