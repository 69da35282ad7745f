//! The migration lock, under which one program at a time migrates.
//!
//! The lock is held by a transaction, because behind a transaction pooler a program has nothing else of its own. It is
//! polled: a statement that waits for it would hold a snapshot, and `CREATE INDEX CONCURRENTLY`, run by the holder of
//! the lock, waits for all older snapshots. The server cannot detect that deadlock, since one side of it is an idle
//! session. So between two tries nothing is open, and the wait is bounded by `MigrateOptions::patience` and not by
//! `lock_timeout`.

use super::apply::Run;
use crate::call::options::Isolation;
use crate::call::transaction::{Transaction, TransactionGuard};
use crate::error::{Error, Outcome, Phase, Result};
use crate::fault::Fault;
use crate::pool::snapshot::span;
use std::time::Duration;
use tokio::time::{Instant, sleep};

const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_millis(250);

/// The holder of the lock, from the server's views.
const HOLDER: &str = "SELECT pg_catalog.format('backend %s, application %s, in this transaction since %s UTC', \
    activity.pid, pg_catalog.quote_literal(activity.application_name), \
    pg_catalog.to_char(activity.xact_start AT TIME ZONE 'UTC', 'HH24:MI:SS')) \
    FROM pg_catalog.pg_locks AS lock JOIN pg_catalog.pg_stat_activity AS activity USING (pid) \
    WHERE lock.locktype = 'advisory' AND lock.granted AND lock.objsubid = 1 \
    AND lock.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database()) \
    AND ((lock.classid::bigint << 32) | lock.objid::bigint) = $1 LIMIT 1";

impl Run<'_> {
    /// A transaction that holds the lock and has no limits; `None` if another program has applied this file meanwhile.
    pub(super) async fn take_turn(&self, version: Option<i64>) -> Result<Option<TransactionGuard>> {
        let began = Instant::now();
        let mut pause = FIRST_PAUSE;
        loop {
            let mut call = self.db.named(self.work(version)).isolation(Isolation::ReadCommitted);
            if let Some(limit) = self.options.statement_timeout {
                call = call.statement_timeout(limit);
            }
            let tx = call.without_limits().begin().await?;
            if tx.try_advisory_lock(self.history.lock()).await? {
                tx.script(&self.limits).await?;
                return Ok(Some(tx));
            }
            if let Some(version) = version
                && self.is_done(&tx, version).await?
            {
                tx.rollback().await;
                return Ok(None);
            }
            if began.elapsed() >= self.options.patience {
                let error = self.lock_not_had(&tx, began.elapsed()).await;
                tx.rollback().await;
                return Err(error);
            }
            tx.rollback().await;
            sleep(pause.mul_f64(0.5 + fastrand::f64() / 2.0)).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn is_done(&self, tx: &Transaction, version: i64) -> Result<bool> {
        let (history, _) = self.history.look_inside(tx).await?;
        Ok(history.iter().any(|record| record.version == version && record.is_applied()))
    }

    async fn lock_not_had(&self, tx: &Transaction, waited: Duration) -> Error {
        let holder = match tx.query_opt(HOLDER, &[&self.history.lock().number()]).await {
            Ok(Some(row)) => row.try_get::<_, String>(0).unwrap_or_default(),
            _ => "no session any more".to_owned(),
        };
        Error::new(
            Fault::LockTimeout,
            Phase::Migrate,
            Outcome::NotStarted,
            format!(
                "another program was migrating schema {} for all of {}; the lock is held by {holder}",
                self.history.schema,
                span(waited)
            ),
        )
    }
}
