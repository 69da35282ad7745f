//! The background task that does the work of the night, and renews statistics after imports.
//!
//! Its pool is its own, and open only while there is work: a night's statement may take minutes, where no other may take more than
//! half of one.

use super::work::{Nightly, Work, if_due, renew_statistics};
use jiff::Timestamp;
use plimsoll::settings::Settings;
use plimsoll::{Database, Result};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, watch};

const EVERY: Duration = Duration::from_secs(600);
const FIRST_PAUSE: Duration = Duration::from_secs(30);

/// What one statement of a night may take.
const LONGEST: Duration = Duration::from_secs(15 * 60);

/// The server counts what a session has changed once that has been idle for ten seconds.
const AFTER_IMPORT: Duration = Duration::from_secs(11);
const LOOKS: usize = 3;

/// Told of imports, so that statistics are renewed after them. Cheap to clone.
#[derive(Clone, Default)]
pub struct Imports(Arc<Notify>);

impl Imports {
    /// Many rows were written at once.
    pub fn done(&self) {
        self.0.notify_one();
    }
}

/// What the pool of this work is opened with.
pub(crate) fn settings(common: &Settings) -> Settings {
    common
        .clone()
        .application_name("fleet-maintenance")
        .pool_min(0)
        .pool_max(1)
        .max_overflow(0)
        .statement_timeout(LONGEST)
}

/// Does so until `stop` is raised; a background task of the service. `open` opens the pool.
pub(crate) async fn keep<F, Fut>(open: F, imports: Imports, nightly: Nightly, mut stop: watch::Receiver<bool>)
where
    F: Fn() -> Fut + Send,
    Fut: Future<Output = Result<Database>> + Send,
{
    // Instances that were started together come to it one after the other.
    let mut pause = FIRST_PAUSE.mul_f64(1.0 + fastrand::f64());
    loop {
        let after_import = tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            () = tokio::time::sleep(pause) => false,
            () = imports.0.notified() => true,
        };
        let work = round(&open, after_import, nightly);
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            () = work => {}
        }
        pause = EVERY;
    }
}

async fn round<F, Fut>(open: &F, after_import: bool, nightly: Nightly)
where
    F: Fn() -> Fut + Send,
    Fut: Future<Output = Result<Database>> + Send,
{
    let db = match open().await {
        Ok(db) => db,
        Err(error) => {
            return tracing::warn!(
                "maintenance has no connection, it is tried again in ten minutes: {error}"
            );
        }
    };
    if after_import {
        after_an_import(&db).await;
    }
    for work in Work::ALL {
        match if_due(&db, work, Timestamp::now(), nightly).await {
            Ok(true) => tracing::info!("maintenance has done its part for tonight: {}", work.name()),
            Ok(false) => {}
            Err(error) => {
                let name = work.name();
                tracing::error!(
                    "maintenance could not do its part ({name}), it is tried again in ten minutes: {error}"
                );
            }
        }
    }
    db.close().await;
}

/// Looks a few times, until much has changed by the server's count.
async fn after_an_import(db: &Database) {
    for _ in 0..LOOKS {
        tokio::time::sleep(AFTER_IMPORT).await;
        match renew_statistics(db).await {
            Ok(tables) if tables.is_empty() => {}
            Ok(tables) => {
                let tables = tables.join(", ");
                return tracing::info!("the planner's statistics were renewed after an import: {tables}");
            }
            Err(error) => return tracing::warn!("statistics could not be renewed after an import: {error}"),
        }
    }
}
