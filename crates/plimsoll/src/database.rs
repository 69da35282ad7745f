//! The handle that a program clones.

use crate::breaker::{BreakerStatus, CircuitBreaker, Permit};
use crate::call::Call;
use crate::connection::PooledConnection;
use crate::deadline;
use crate::error::{Error, Outcome, Phase, Result};
use crate::event::{Event, Events};
use crate::fault::Fault;
use crate::health::HealthCache;
use crate::heartbeat;
use crate::name::WorkName;
use crate::pool::watchdog::Watchdog;
use crate::pool::{Ask, LastConnect, Pool, PoolStatus, Shutdown, Sizing, connects};
use crate::postgres::{Postgres, Shared, StatementLimits};
use crate::retry::{Retries, RetryStatus};
use crate::settings::{Plan, Settings};
use crate::statement::Params;
use crate::statements::{AsQuery, TypeCache};
use crate::transaction::{Transaction, TransactionGuard};
use crate::wire::connect::{Connector, Pooler};
use parking_lot::Mutex;
use std::borrow::Cow;
use std::future::Future;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::broadcast;
use tokio::time::{Instant, timeout_at};
use tokio_postgres::Row;

/// What the name of the heartbeat's connection ends in.
const HEARTBEAT: &str = " (heartbeat)";

/// A database: one guarded pool and everything that goes through it. Cheap to clone.
#[derive(Clone)]
pub struct Database {
    pool: Pool<Postgres>,
    shared: Arc<Shared>,
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let hosts = self.shared.plan.hosts().iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
        f.debug_struct("Database").field("hosts", &hosts).field("dbname", &self.shared.plan.dbname()).finish()
    }
}

impl Database {
    /// Checks the settings, opens a first connection, and gives the handle.
    ///
    /// # Errors
    /// Only what waiting cannot heal: settings that contradict themselves, a password that is refused, TLS that does
    /// not verify, a limit that cannot be put in force. A server that is away gives a handle that heals itself; wait
    /// for it with [`Database::ready`] if the program cannot do without.
    ///
    /// # Cancel safety
    /// Dropped, the pool is dropped with it.
    pub async fn connect(settings: impl Into<Settings>) -> Result<Self> {
        let plan = settings.into().check().map_err(|error| {
            Error::new(Fault::Settings, Phase::Settings, Outcome::NotStarted, error.to_string())
                .caused_by(error)
        })?;
        let plan = Arc::new(plan);
        let events = Events::default();
        let shared = Arc::new(Shared {
            limits: StatementLimits::of(&plan),
            types: TypeCache::new(plan.type_cache()),
            events: events.clone(),
            runtime: Handle::current(),
            watchdog: Arc::new(Watchdog::new()),
            breaker: Arc::new(CircuitBreaker::new(plan.breaker(), plan.breaker_after(), events.clone())),
            reserved: Mutex::new(None),
            health_cache: HealthCache::default(),
            missing_guardrails: Mutex::new(Vec::new()),
            retries: Retries::new(&plan, events.clone()),
            plan: Arc::clone(&plan),
        });
        let manager = Postgres { connector: Connector::new(Arc::clone(&plan))?, shared: Arc::clone(&shared) };
        let db = Database {
            pool: Pool::with_events(manager, sizing(&plan), events, Arc::clone(&shared.watchdog)),
            shared,
        };
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
    /// # Errors
    /// [`Fault::DeadlinePassed`], or what waiting cannot heal.
    ///
    /// # Cancel safety
    /// Only waits.
    pub async fn ready(&self) -> Result<()> {
        loop {
            let work = WorkName::given("ready");
            let ask = Ask::by(work.clone()).within(Duration::from_secs(365 * 24 * 3600));
            let lease = self.pool.acquire(ask).await?;
            // One that was opened before may lead to a server that is frozen now.
            let lease = PooledConnection::new(lease, work, deadline::current(), Permit::unasked());
            match lease.batch_execute("").await {
                Err(error) if error.fault().heals_by_waiting() => {}
                answer => return answer,
            }
        }
    }

    /// Names a piece of work; the name is what errors, events and the leak report print.
    ///
    /// ```no_run
    /// # async fn example(db: &plimsoll::Database) -> plimsoll::Result<()> {
    /// let count = db.named("count devices").read_only().query_one("SELECT count(*) FROM device", &[]).await?;
    /// # Ok(()) }
    /// ```
    #[track_caller]
    pub fn named(&self, name: impl Into<Cow<'static, str>>) -> Call<'_> {
        Call::new(self, WorkName::given(name))
    }

    #[track_caller]
    fn here(&self) -> Call<'_> {
        Call::new(self, WorkName::here())
    }

    /// Lends a connection, named by the place that calls this.
    ///
    /// # Errors
    /// Which limit passed, who holds the oldest lease, and how the last connect went.
    ///
    /// # Cancel safety
    /// Dropped, the place in the queue is given up, and what had been granted goes to the next in line.
    #[track_caller]
    pub fn acquire(&self) -> impl Future<Output = Result<PooledConnection>> + Send + use<'_> {
        self.here().acquire()
    }

    /// [`Database::acquire`] by the name that users of deadpool know.
    ///
    /// # Errors
    /// As [`Database::acquire`].
    #[track_caller]
    pub fn get(&self) -> impl Future<Output = Result<PooledConnection>> + Send + use<'_> {
        self.here().acquire()
    }

    /// Runs a statement on a connection of its own and gives its rows.
    ///
    /// # Errors
    /// With what became of the statement: see [`Error::outcome`].
    ///
    /// # Cancel safety
    /// Dropped, the statement is stopped on the server, and the connection is reclaimed on the side.
    #[track_caller]
    pub fn query<'a, Q: AsQuery + ?Sized>(
        &'a self,
        statement: &'a Q,
        params: Params<'a>,
    ) -> impl Future<Output = Result<Vec<Row>>> + Send + use<'a, Q> {
        self.here().query(statement, params)
    }

    /// Runs a statement that gives exactly one row. As [`Database::query`].
    ///
    /// # Errors
    /// [`Fault::RowCount`] for another number of rows.
    #[track_caller]
    pub fn query_one<'a, Q: AsQuery + ?Sized>(
        &'a self,
        statement: &'a Q,
        params: Params<'a>,
    ) -> impl Future<Output = Result<Row>> + Send + use<'a, Q> {
        self.here().query_one(statement, params)
    }

    /// Runs a statement that gives one row or none. As [`Database::query`].
    ///
    /// # Errors
    /// [`Fault::RowCount`] for more rows than one.
    #[track_caller]
    pub fn query_opt<'a, Q: AsQuery + ?Sized>(
        &'a self,
        statement: &'a Q,
        params: Params<'a>,
    ) -> impl Future<Output = Result<Option<Row>>> + Send + use<'a, Q> {
        self.here().query_opt(statement, params)
    }

    /// Runs a statement and gives the number of rows that it touched. As [`Database::query`].
    ///
    /// # Errors
    /// As [`Database::query`].
    #[track_caller]
    pub fn execute<'a, Q: AsQuery + ?Sized>(
        &'a self,
        statement: &'a Q,
        params: Params<'a>,
    ) -> impl Future<Output = Result<u64>> + Send + use<'a, Q> {
        self.here().execute(statement, params)
    }

    /// Runs a transaction: commit on `Ok`, roll back on `Err`, drop or panic. Runs once.
    ///
    /// In an axum handler:
    ///
    /// ```no_run
    /// use axum::{Router, extract::{Path, State}, http::StatusCode, routing::post};
    /// use plimsoll::Database;
    ///
    /// async fn retire(State(db): State<Database>, Path(id): Path<String>) -> Result<String, StatusCode> {
    ///     db.transaction(async |tx| {
    ///         tx.advisory_lock(("device", &id)).await?;
    ///         tx.execute("UPDATE device SET status = 'DELETED' WHERE id = $1", &[&id]).await
    ///     })
    ///     .await
    ///     .map(|rows| format!("{rows} retired"))
    ///     .map_err(|_| StatusCode::SERVICE_UNAVAILABLE)
    /// }
    /// # let _: Router<Database> = Router::new().route("/retire/{id}", post(retire));
    /// ```
    ///
    /// In a spawned task:
    ///
    /// ```no_run
    /// # async fn example(db: plimsoll::Database) -> plimsoll::Result<()> {
    /// let task = tokio::spawn(async move {
    ///     let id = "d7".to_string();
    ///     db.transaction(async |tx| tx.execute("DELETE FROM device WHERE id = $1", &[&id]).await).await
    /// });
    /// let rows = task.await.expect("the task did not panic")?;
    /// # let _ = rows; Ok(()) }
    /// ```
    ///
    /// # Errors
    /// The closure's own error, with everything rolled back; or that of acquire, BEGIN or COMMIT.
    ///
    /// # Cancel safety
    /// Dropped before COMMIT was sent it is rolled back. Dropped during COMMIT, that is let finish, and its outcome
    /// is told by an [`Event`](crate::event::Event::CommitSettled).
    #[track_caller]
    pub fn transaction<T, F, Fut>(
        &self,
        work: F,
    ) -> impl Future<Output = Result<T>> + Send + use<'_, T, F, Fut>
    where
        T: Send,
        F: FnOnce(Transaction) -> Fut + Send,
        Fut: Future<Output = Result<T>> + Send,
    {
        self.here().transaction(work)
    }

    /// Runs a transaction, and again when it was rolled back for certain: see [`Call::retrying`]. All calls of this
    /// handle and its clones share one budget of retries: [`Database::retry_status`].
    ///
    /// ```no_run
    /// use axum::{extract::State, http::StatusCode};
    /// use plimsoll::{Database, Isolation};
    ///
    /// async fn renew(State(db): State<Database>) -> Result<String, StatusCode> {
    ///     let rows = db
    ///         .named("renew")
    ///         .isolation(Isolation::Serializable)
    ///         .retrying(async |tx| tx.execute("UPDATE subscription SET term = term + 1", &[]).await)
    ///         .await;
    ///     rows.map(|rows| rows.to_string()).map_err(|_| StatusCode::CONFLICT)
    /// }
    /// # async fn task(db: Database) {
    /// tokio::spawn(async move { db.retrying(async |tx| tx.execute("SELECT 1", &[]).await).await });
    /// # }
    /// # let _: axum::Router<Database> = axum::Router::new().route("/", axum::routing::post(renew));
    /// ```
    ///
    /// # Errors
    /// That of the last run.
    ///
    /// # Cancel safety
    /// As [`Database::transaction`].
    #[track_caller]
    pub fn retrying<T, F, Fut>(&self, work: F) -> impl Future<Output = Result<T>> + Send + use<'_, T, F, Fut>
    where
        T: Send,
        F: Fn(Transaction) -> Fut + Send + Sync,
        Fut: Future<Output = Result<T>> + Send,
    {
        self.here().retrying(work)
    }

    /// Begins a transaction that is ended by hand; dropped without a commit it is rolled back.
    ///
    /// ```no_run
    /// # use axum::{extract::State, http::StatusCode};
    /// # use plimsoll::{Database, Result};
    /// async fn handler(State(db): State<Database>) -> Result<(), StatusCode> {
    ///     let work = async {
    ///         let tx = db.begin().await?;
    ///         tx.execute("UPDATE counter SET n = n + 1", &[]).await?;
    ///         tx.commit().await
    ///     };
    ///     work.await.map_err(|_: plimsoll::Error| StatusCode::SERVICE_UNAVAILABLE)
    /// }
    /// # let _: axum::Router<Database> = axum::Router::new().route("/", axum::routing::post(handler));
    /// # async fn task(db: Database) {
    /// tokio::spawn(async move { db.begin().await?.commit().await });
    /// # }
    /// ```
    ///
    /// # Errors
    /// That of acquire or BEGIN.
    ///
    /// # Cancel safety
    /// A transaction that was begun is rolled back.
    #[track_caller]
    pub fn begin(&self) -> impl Future<Output = Result<TransactionGuard>> + Send + use<'_> {
        self.here().begin()
    }

    /// The numbers of the pool now.
    #[must_use]
    pub fn pool_status(&self) -> PoolStatus {
        self.pool.status()
    }

    /// How often work ran again, how often that was refused, and how many retries there may be now.
    #[must_use]
    pub fn retry_status(&self) -> RetryStatus {
        self.shared.retries.status()
    }

    /// Changes how many connections there may be.
    pub fn resize(&self, min: usize, max: usize) {
        self.pool.resize(min, max);
    }

    /// Lends no connection from now on, for a time in which the database must be left alone. Callers wait, by their own
    /// limits, and whose limit comes meanwhile is told of the pause; what is lent goes on and comes home.
    pub fn pause(&self) {
        self.pool.pause();
    }

    /// Lends again, first to those who wait; ends [`Database::pause`] and [`Database::isolate`] alike.
    pub fn resume(&self) {
        self.shared.breaker.resume();
        self.pool.resume();
    }

    /// Whether [`Database::pause`] holds.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.pool.is_paused()
    }

    /// Events from now on. A subscriber that is slow misses some, and is told how many.
    #[must_use]
    pub fn events(&self) -> broadcast::Receiver<Event> {
        self.shared.events.subscribe()
    }

    /// The settings as they were checked.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.shared.plan
    }

    /// What stands between this program and the server, once a connection has shown it.
    #[must_use]
    pub fn pooler(&self) -> Option<Pooler> {
        self.pool.inner.manager.connector.pooler()
    }

    /// What the circuit breaker does with calls now, and why.
    #[must_use]
    pub fn breaker(&self) -> BreakerStatus {
        self.shared.breaker.status()
    }

    /// Refuses every call from now on, as if the server were away, until [`Database::resume`]. What is lent is left
    /// alone.
    pub fn isolate(&self) {
        self.shared.breaker.isolate();
    }

    /// Closes the pool: waiters are sent away, idle connections closed, lent ones waited for and then ended. Always
    /// returns: see [`Database::shutdown`].
    ///
    /// # Cancel safety
    /// Dropped, the waiting stops; the pool stays closed.
    pub async fn close(&self) {
        self.shutdown().await;
    }

    /// [`Database::close`] that tells how it went. In three steps: nothing is lent any more and what is out may finish,
    /// up to `close_timeout`; what runs on then is stopped on the server, confirmed (a COMMIT is let finish); what does
    /// not come back even then is ended. Always returns, within `close_timeout` and `reclaim_timeout` together.
    ///
    /// ```no_run
    /// # async fn example(db: plimsoll::Database) -> Result<(), Box<dyn std::error::Error>> {
    /// tokio::signal::ctrl_c().await?;
    /// tokio::select! {
    ///     report = db.shutdown() => println!("{} statements had to be stopped", report.cancelled),
    ///     _ = tokio::signal::ctrl_c() => println!("asked twice: leaving at once"),
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Cancel safety
    /// Dropped, the waiting stops; the pool stays closed.
    pub async fn shutdown(&self) -> Shutdown {
        self.pool.close().await
    }

    /// Whether [`Database::close`] was called.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.pool.is_closed()
    }

    pub(crate) fn pool(&self) -> &Pool<Postgres> {
        &self.pool
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }

    pub(crate) fn permit(&self, work: &WorkName) -> Result<Permit> {
        self.shared.breaker.permit(work)
    }

    pub(crate) fn retries(&self) -> &Retries {
        &self.shared.retries
    }

    pub(crate) fn tell(&self, event: Event) {
        self.shared.events.tell(event);
    }
}

fn sizing(plan: &Plan) -> Sizing {
    Sizing {
        min: plan.pool_min(),
        max: plan.pool_max(),
        overflow: plan.max_overflow(),
        max_waiting: plan.max_waiting(),
        acquire_timeout: plan.pool_timeout(),
        connect_timeout: plan.connect_timeout(),
        connect_limit: plan.connect_limit(),
        idle_timeout: plan.idle_timeout(),
        max_lifetime: plan.max_lifetime(),
        lifetime_jitter: plan.lifetime_jitter(),
        check_after_idle: plan.check_after_idle(),
        reclaim_timeout: plan.reclaim_timeout(),
        close_timeout: plan.close_timeout(),
        leak_after: plan.leak_after(),
        deadlock_after: plan.deadlock_after(),
        priority_reserve: plan.priority_reserve(),
        max_per_name: u32::try_from(plan.max_per_name()).ok().and_then(NonZeroU32::new),
        admission: plan.admission(),
        deadline_margin: plan.deadline_margin(),
    }
}
