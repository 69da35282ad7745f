//! From settings to a handle, also where the database is away.

use super::events;
use super::heartbeat;
use crate::call::breaker::{CircuitBreaker, Permit};
use crate::call::connection::PooledConnection;
use crate::call::database::Database;
use crate::call::health::HealthCache;
use crate::call::postgres::{Postgres, Shared, StatementLimits};
use crate::call::retry::Retries;
use crate::call::statement::cache::TypeCache;
use crate::deadline;
use crate::error::{Error, Outcome, Phase, Result};
use crate::event::Events;
use crate::fault::Fault;
use crate::name::WorkName;
use crate::pool::alarm::Alarm;
use crate::pool::fairness::refused;
use crate::pool::{Ask, LastConnect, Pool, connects};
use crate::rules::queue::waiters::AS_LONG_AS_IT_TAKES;
use crate::settings::Settings;
use crate::wire::connect::Connector;
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::time::{Instant, timeout, timeout_at};

/// What the name of the heartbeat's connection ends in.
const HEARTBEAT: &str = " (heartbeat)";

impl Database {
    /// Checks the settings, opens a first connection, and gives the handle.
    ///
    /// # Errors
    /// Only what waiting cannot heal: settings that contradict themselves, a password that is refused, TLS that does
    /// not verify, a limit that cannot be put in force. A server that is away gives a handle that heals itself; wait
    /// for it with [`Database::ready_within`] if the program cannot do without.
    ///
    /// # Cancel safety
    /// Dropped, the pool is dropped with it.
    pub async fn connect(settings: impl Into<Settings>) -> Result<Self> {
        let plan = settings.into().check().map_err(|error| {
            Error::new(Fault::Settings, Phase::Settings, Outcome::NotStarted, error.to_string())
                .caused_by(error)
        })?;
        let plan = Arc::new(plan);
        let events = Events::new(Some(events::record));
        let shared = Arc::new(Shared {
            limits: StatementLimits::of(&plan),
            types: TypeCache::new(plan.type_cache()),
            epoch: AtomicU64::new(0),
            events: events.clone(),
            runtime: Handle::current(),
            alarm: Arc::new(Alarm::new()),
            breaker: Arc::new(CircuitBreaker::new(plan.breaker(), plan.breaker_after(), events.clone())),
            reserved: Mutex::new(None),
            health_cache: HealthCache::default(),
            missing_guardrails: Mutex::new(Vec::new()),
            pollution: Mutex::new(None),
            retries: Retries::new(&plan, events.clone()),
            plan: Arc::clone(&plan),
        });
        let manager = Postgres { connector: Connector::new(Arc::clone(&plan))?, shared: Arc::clone(&shared) };
        let db =
            Database { pool: Pool::with_events(manager, &plan, events, Arc::clone(&shared.alarm)), shared };
        db.first_connect().await?;
        db.start_heartbeat()?;
        Ok(db)
    }

    fn start_heartbeat(&self) -> Result<()> {
        let plan = &self.shared.plan;
        // PostgreSQL keeps 63 bytes of a name, and this end is what tells it from the others.
        let own = plan.application_name();
        let kept = (0..=own.len().min(63 - HEARTBEAT.len())).rev().find_map(|end| own.get(..end));
        let name = format!("{}{HEARTBEAT}", kept.unwrap_or_default());
        let connector = Connector::new(Arc::new(plan.shown_as(name)))?;
        let pool = Arc::downgrade(&self.pool.inner);
        self.shared.runtime.spawn(heartbeat::run(pool, Arc::clone(&self.shared), connector));
        Ok(())
    }

    /// Opens one connection, and tells what waiting heals from what it does not.
    async fn first_connect(&self) -> Result<()> {
        let inner = &self.pool.inner;
        let until = Instant::now() + self.shared.plan.connect_timeout() + Duration::from_millis(100);
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
            tracing::warn!(target: "plimsoll", "the database is away; this handle will heal by itself: {sentence}");
            return Ok(());
        }
        self.pool.close().await;
        let error = Error::new(fault, Phase::Connect, Outcome::NotStarted, sentence);
        Err(match sqlstate {
            Some(code) => error.with_sqlstate(&code),
            None => error,
        })
    }

    /// Waits until the database answers, or the deadline of the scope passes.
    ///
    /// Where no connection has ever been opened, the wait ends when the breaker opens (`breaker_after`, 0.9 s by
    /// default), or with the next connects that fail while it is open: a wrong address is told instead of waited for.
    /// [`Database::ready_within`] waits on. Once there was a connection, an outage is waited out.
    ///
    /// # Errors
    /// [`Fault::DeadlinePassed`]; what waiting cannot heal; why the server could not be reached.
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

    /// Waits until the database answers, for so long or until the deadline of the scope passes, also where no
    /// connection has ever been opened.
    ///
    /// # Errors
    /// Why the server could not be reached; [`Fault::DeadlinePassed`], or what waiting cannot heal.
    ///
    /// # Cancel safety
    /// Only waits.
    pub async fn ready_within(&self, limit: Duration) -> Result<()> {
        match timeout(limit, self.answers()).await {
            Ok(answer) => answer,
            Err(_) => Err(self.not_ready(&format!("it did not answer within {:.1} s", limit.as_secs_f64()))),
        }
    }

    /// Why the database is not ready: as the last connect failed, or as the breaker sees it.
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

    /// Waits until the breaker is open, no connection ever having been opened; says why it is. Where it is open already,
    /// what is known may be old, so a connect is waited for that began since then: of two that fail, the second did.
    async fn never_reached(&self) -> String {
        let inner = &self.pool.inner;
        let failures = || inner.slots.lock().totals.connect_failures;
        let mut known = self.shared.breaker.open().map(|_| failures());
        loop {
            let changed = inner.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if inner.slots.lock().totals.opened > 0 {
                return std::future::pending().await;
            }
            match self.shared.breaker.open() {
                Some(reason) if known.is_none_or(|known| failures() > known + 1) => return reason,
                Some(_) => {}
                None => known = None,
            }
            // It may have been a connect of the heartbeat's by which it opened.
            let _ = timeout(Duration::from_millis(50), changed).await;
        }
    }

    /// Waits until the database answers, for as long as it takes.
    async fn answers(&self) -> Result<()> {
        loop {
            let work = WorkName::given("ready");
            // By no limit that the pool knows of, since it sends those away who have one.
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
            // One that was opened before may lead to a server that is frozen now.
            let lease = PooledConnection::new(lease, work, deadline::current(), Permit::unasked());
            match lease.batch_execute("").await {
                Err(error) if error.fault().heals_by_waiting() => {}
                answer => return answer,
            }
        }
    }
}
