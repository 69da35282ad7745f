//! Makes a handle from settings, also while the database is away, and waits until the database answers.

use super::budget::{Budget, Membership, keeper};
use super::events;
use super::monitor::sampler;
use super::read_pools;
use super::slow_log;
use crate::call::breaker::Permit;
use crate::call::connection::PooledConnection;
use crate::call::database::Database;
use crate::call::retry::Retries;
use crate::deadline;
use crate::error::{Error, Outcome, Phase, Result};
use crate::events::Events;
use crate::fault::Fault;
use crate::name::WorkName;
use crate::pool::fairness::refused;
use crate::pool::{Ask, LastConnect, connects};
use crate::record::Monitor;
use crate::record::slow_log::SlowLog;
use crate::rules::queue::waiters::AS_LONG_AS_IT_TAKES;
use crate::settings::{Enforcement, Settings};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout, timeout_at};

impl Database {
    /// Checks the settings, opens a first connection, and gives the handle.
    ///
    /// # Errors
    /// Only what waiting cannot heal: settings that contradict each other, a password that is refused, TLS that does not
    /// verify, a limit that cannot be put in force. If the server is away, the handle heals by itself; wait for that with
    /// [`Database::ready_within`] if the program cannot start without the database.
    ///
    /// # Cancel safety
    /// Dropped, the pool is dropped with it.
    pub async fn connect(settings: impl Into<Settings>) -> Result<Self> {
        Database::connect_with(settings, &Budget::new()).await
    }

    /// The same for a pool that shares its connections with the other pools of this budget.
    ///
    /// # Errors
    /// As [`Database::connect`].
    ///
    /// # Cancel safety
    /// Dropped, the pool is dropped with it, and leaves the budget.
    pub async fn connect_with(settings: impl Into<Settings>, budget: &Budget) -> Result<Self> {
        let plan = settings.into().check().map_err(|error| {
            Error::new(Fault::Settings, Phase::Settings, Outcome::NotStarted, error.to_string())
                .caused_by(error)
        })?;
        let plan = Arc::new(plan);
        let monitor = Arc::new(Monitor::of(&plan));
        let events = Events::new(Some(events::sink(Arc::clone(&monitor))));
        let (slow_log, plans) = SlowLog::of(&plan);
        let shared = read_pools::Shared { events, monitor, slow_log: Arc::new(slow_log) };
        let (pool, server) = read_pools::pool(&plan, &shared, read_pools::primary(&plan))?;
        let retries = Arc::new(Retries::new(&plan, shared.events.clone()));
        let replicas = read_pools::open(&plan, &shared)?;
        server.runtime.spawn(sampler::run(Arc::downgrade(&pool.inner), shared.monitor));
        let db = Database { pool, server, retries, replicas };
        slow_log::start(&db, plans);
        let membership = (plan.connection_budget() != Enforcement::Off).then(|| budget.join(&db.pool.inner));
        db.first_connect().await?;
        db.start_heartbeat(membership)?;
        if let Some(replicas) = &db.replicas {
            read_pools::watch(&db.pool, &db.server, replicas).await;
        }
        Ok(db)
    }

    fn start_heartbeat(&self, membership: Option<Membership>) -> Result<()> {
        let plan = &self.server.plan;
        let mark = membership.as_ref().and_then(|membership| membership.first_mark(plan, self.pooler()));
        read_pools::start_heartbeat(&self.pool, &self.server, mark)?;
        if let Some(membership) = membership {
            let pool = Arc::downgrade(&self.pool.inner);
            self.server.runtime.spawn(keeper::run(pool, Arc::clone(&self.server), membership));
        }
        Ok(())
    }

    /// Opens one connection. Its failure is an error only if waiting cannot heal it.
    async fn first_connect(&self) -> Result<()> {
        let inner = &self.pool.inner;
        let until = Instant::now() + self.server.plan.connect_timeout() + Duration::from_millis(100);
        connects::at_least_one(inner);
        let outcome = timeout_at(until, async {
            loop {
                let changed = inner.changed.notified();
                tokio::pin!(changed);
                changed.as_mut().enable();
                match inner.last_connect.lock().clone() {
                    LastConnect::Never => {}
                    last => return last,
                }
                changed.await;
            }
        })
        .await;
        let Ok(LastConnect::Failed { fault, sentence, sqlstate, .. }) = outcome else { return Ok(()) };
        if fault.heals_by_waiting() {
            // Why was told when the connect failed.
            tracing::info!(target: "plimsoll", "there is no first connection; this handle will heal by itself");
            return Ok(());
        }
        self.close().await;
        let error = Error::new(fault, Phase::Connect, Outcome::NotStarted, sentence);
        Err(match sqlstate {
            Some(code) => error.with_sqlstate(&code),
            None => error,
        })
    }

    /// Waits until the database answers, or the deadline of the scope passes.
    ///
    /// Where no connection has ever been opened, the wait ends when the breaker opens (`breaker_after`, 0.9 s by
    /// default), or with the next connects that fail while it is open: a wrong address is an error and not an endless wait.
    /// [`Database::ready_within`] waits on. Once a connection was opened, this waits until the end of an outage. A server that
    /// has no connection left is waited for too, unless the setting `connection_budget` is `off` or `dark`.
    ///
    /// # Errors
    /// [`Fault::DeadlinePassed`]; a fault that waiting cannot heal; why the server could not be reached.
    ///
    /// # Cancel safety
    /// Only waits.
    pub async fn ready(&self) -> Result<()> {
        tokio::select! {
            biased;
            answer = self.answers() => answer,
            reason = self.never_reached() => Err(self.not_ready(&reason)),
        }
    }

    /// Waits until the database answers, for at most this long and until the deadline of the scope, also if no connection
    /// has ever been opened.
    ///
    /// # Errors
    /// Why the server could not be reached; [`Fault::DeadlinePassed`]; a fault that waiting cannot heal.
    ///
    /// # Cancel safety
    /// Only waits.
    pub async fn ready_within(&self, limit: Duration) -> Result<()> {
        match timeout(limit, self.answers()).await {
            Ok(answer) => answer,
            Err(_) => Err(self.not_ready(&format!("it did not answer within {:.1} s", limit.as_secs_f64()))),
        }
    }

    /// The error that the database is not ready, with the failure of the last connect.
    fn not_ready(&self, reason: &str) -> Error {
        let (fault, why, sqlstate) = match self.pool.inner.last_connect.lock().clone() {
            LastConnect::Failed { fault, sentence, sqlstate, .. } => {
                (fault, format!("; the last connect failed: {sentence}"), sqlstate)
            }
            _ => (Fault::Unreachable, String::new(), None),
        };
        let sentence = format!("the database is not ready: {reason}{why}");
        let error = Error::new(fault, Phase::Connect, Outcome::NotStarted, sentence);
        match sqlstate {
            Some(code) => error.with_sqlstate(&code),
            None => error,
        }
    }

    /// Waits until the breaker is open while no connection has ever been opened, and gives its reason. If it is open
    /// already, that may be old news, so this waits for a connect that began since then: of two that fail, the second did.
    async fn never_reached(&self) -> String {
        let inner = &self.pool.inner;
        let failures = || inner.slots.lock().totals.connect_failures;
        let mut known = self.server.breaker.open().map(|_| failures());
        loop {
            let changed = inner.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if inner.slots.lock().totals.opened > 0 {
                return std::future::pending().await;
            }
            match self.server.breaker.open() {
                Some(reason) if known.is_none_or(|known| failures() > known + 1) => return reason,
                Some(_) => {}
                None => known = None,
            }
            // The breaker may also open by a connect of the heartbeat, which does not notify here.
            let _ = timeout(Duration::from_millis(50), changed).await;
        }
    }

    /// Waits until the database answers, for as long as it takes.
    async fn answers(&self) -> Result<()> {
        loop {
            let work = WorkName::given("ready");
            // Without a limit that the pool knows of, since it refuses callers that have one.
            let ask = Ask::by(work.clone()).within(AS_LONG_AS_IT_TAKES);
            let acquired = self.pool.acquire_until(ask, None);
            let lease = match deadline::current() {
                None => acquired.await?,
                Some(deadline) => match timeout_at(deadline.instant(), acquired).await {
                    Ok(acquired) => acquired?,
                    Err(_) => {
                        return refused(
                            self.not_ready("its deadline passed").with_fault(Fault::DeadlinePassed),
                        )
                        .await;
                    }
                },
            };
            // A connection that was opened before may lead to a server that is frozen now.
            let lease = PooledConnection::new(lease, work, deadline::current(), Permit::unasked());
            match lease.batch_execute("").await {
                Err(error) if error.fault().heals_by_waiting() => {}
                answer => return answer,
            }
        }
    }
}
