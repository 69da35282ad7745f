//! PostgreSQL connections, as the pool lends them.

use super::breaker::CircuitBreaker;
use super::retry::Retries;
use super::statement::cache::{StatementCache, TypeCache};
use crate::call::health::HealthCache;
use crate::error::{Error, Outcome, Phase, Result};
use crate::event::{Event, Events, Found, StopReason};
use crate::fault::Fault;
use crate::moment::nanos;
use crate::name::WorkName;
use crate::pool::alarm::Alarm;
use crate::pool::{Home, Manage, Verdict};
use crate::settings::Plan;
use crate::sql::residue::Residue;
use crate::wire::connect::{Connector, Pooler};
use crate::wire::handshake::{Opened, Session};
use crate::wire::link::{Link, ReturnState};
use crate::wire::naming::Links;
use crate::wire::recycle;
use crate::wire::recycle::Unfit;
use crate::wire::stop::Extent;
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::time::Instant;
use tokio_postgres::Client;

/// What all connections of one pool share. What every statement asks is one line of the cache.
#[repr(C, align(64))]
pub(crate) struct Shared {
    pub(crate) limits: StatementLimits,
    pub(crate) alarm: Arc<Alarm>,
    pub(crate) breaker: Arc<CircuitBreaker>,
    pub(crate) plan: Arc<Plan>,
    pub(crate) events: Events,
    pub(crate) types: TypeCache,
    /// Counts how often what is known of statements was found to be out of date.
    pub(crate) epoch: AtomicU64,
    pub(crate) runtime: Handle,
    /// The connection that the heartbeat asks on, for whoever else has a short question about the server.
    pub(crate) reserved: Mutex<Option<Arc<Opened>>>,
    pub(crate) health_cache: HealthCache,
    /// The limits that the newest connection does not carry.
    pub(crate) missing_guardrails: Mutex<Vec<String>>,
    /// What strangers were found to have left in the sessions behind a pooler.
    pub(crate) pollution: Mutex<Option<String>>,
    pub(crate) retries: Retries,
}

const _: () = assert!(std::mem::offset_of!(Shared, plan) <= 64);

/// What the plan says of a single statement.
pub(crate) struct StatementLimits {
    /// This program's own.
    pub(crate) client: Option<Duration>,
    /// The server's.
    pub(crate) server: Option<Duration>,
    /// With so many nanoseconds left, or fewer, nothing is sent.
    pub(crate) floor: u64,
    /// So many before its deadline it is stopped, at the most.
    pub(crate) margin: u64,
}

impl StatementLimits {
    pub(crate) fn of(plan: &Plan) -> Self {
        StatementLimits {
            client: plan.client_statement_timeout(),
            server: plan.statement_timeout(),
            floor: nanos(plan.deadline_floor()),
            margin: nanos(plan.deadline_margin()),
        }
    }
}

/// One connection: the driver's client, its link, and what is known of the session.
#[repr(C)]
pub(crate) struct Connection {
    // What every statement asks, first.
    pub(crate) link: Arc<Link>,
    pub(crate) shared: Arc<Shared>,
    is_pooled_by_transaction: bool,
    pub(crate) statements: StatementCache,
    /// In which epoch that was learned.
    pub(crate) learned_in: AtomicU64,
    pub(crate) client: Client,
    pub(crate) session: Session,
    /// It and the others behind the same transaction pooler.
    pub(crate) pooled_links: Arc<Links>,
}

impl Connection {
    pub(crate) fn is_pooled_by_transaction(&self) -> bool {
        self.is_pooled_by_transaction
    }

    pub(crate) fn pid(&self) -> i32 {
        self.link.state.pid()
    }
}

/// What goes on is stopped with the connection: no backend outlives its place in the pool by more than a return may take.
impl Drop for Connection {
    fn drop(&mut self) {
        if self.link.is_poisoned() {
            self.link.abort();
        }
        if self.link.is_closed() || self.link.is_quiet() {
            return;
        }
        let link = Arc::clone(&self.link);
        let until = Instant::now() + self.shared.plan.reclaim_timeout();
        self.shared.runtime.spawn(async move { link.end_by(until).await });
    }
}

/// Opens, checks and reclaims PostgreSQL connections.
pub(crate) struct Postgres {
    pub(crate) connector: Connector,
    pub(crate) shared: Arc<Shared>,
}

impl Manage for Postgres {
    type Connection = Box<Connection>;
    type Handle = Arc<Link>;

    async fn connect(&self, until: Instant) -> Result<Box<Connection>> {
        let began = Instant::now();
        let breaker = &self.shared.breaker;
        let ready = match self.connector.connect(until).await {
            Ok(ready) => ready,
            Err(error) => {
                breaker.connect_failed(error.fault(), error.sentence());
                return Err(error);
            }
        };
        breaker.heard(Instant::now());
        let events = &self.shared.events;
        events.tell(Event::Connected { pid: ready.link.state.pid(), took: began.elapsed() });
        self.shared.missing_guardrails.lock().clone_from(&ready.session.degraded);
        if !ready.session.degraded.is_empty() {
            events.tell(Event::Degraded { missing: ready.session.degraded.join(", ") });
        }
        let is_pooled_by_transaction = ready.session.pooler == Pooler::Transaction;
        let pooled_links = Arc::clone(self.connector.pooled_links());
        if is_pooled_by_transaction {
            pooled_links.add(&ready.link);
        }
        Ok(Box::new(Connection {
            is_pooled_by_transaction,
            pooled_links,
            client: ready.client,
            link: ready.link,
            session: ready.session,
            statements: StatementCache::new(self.shared.plan.statement_cache()),
            learned_in: AtomicU64::new(self.shared.epoch.load(Ordering::Acquire)),
            shared: Arc::clone(&self.shared),
        }))
    }

    fn handle<'c>(&self, connection: &'c Box<Connection>) -> &'c Arc<Link> {
        &connection.link
    }

    fn is_dead(&self, link: &Arc<Link>) -> bool {
        link.is_closed() || link.is_doomed()
    }

    fn is_busy(&self, link: &Arc<Link>) -> bool {
        !link.is_quiet()
    }

    fn progress(&self, link: &Arc<Link>) -> u64 {
        link.state.answered()
    }

    fn silent_for(&self, link: &Arc<Link>, now: Instant) -> Option<Duration> {
        Some(link.state.silent_for(now.into()))
    }

    async fn check(&self, connection: &mut Box<Connection>) -> Result<()> {
        connection.link.sending(connection.client.batch_execute("")).await.map_err(|error| {
            Error::new(
                Fault::ConnectionLost,
                Phase::Acquire,
                Outcome::NotStarted,
                "an idle connection did not answer",
            )
            .caused_by(error)
        })
    }

    fn verdict(&self, connection: &mut Box<Connection>) -> Verdict {
        let link = &connection.link;
        link.end_lease();
        // Temporary objects come and go, and concern nobody else.
        if link.state.take_altered_for_all() && !link.state.residue().contains(Residue::TEMPORARY) {
            self.shared.outdate();
        }
        if link.has_orphan() {
            return Verdict::Unsettled;
        }
        if link.is_closed() || link.is_doomed() {
            return Verdict::Broken;
        }
        match link.return_state() {
            Some(ReturnState::Clean) => Verdict::Clean,
            Some(ReturnState::Closed) => Verdict::Broken,
            Some(ReturnState::Dirty) | None => Verdict::Unsettled,
        }
    }

    /// Most that come here need no help: the driver is in the middle of a poll, or a Close is on its way. They are
    /// parked, and the driver brings them home. Only what comes to rest dirty gets a task.
    fn reclaim(&self, connection: Box<Connection>, home: Home<Self>) {
        let link = Arc::clone(&connection.link);
        link.park(Box::new(move |rest| {
            tell_of_orphan(&connection, rest);
            match rest {
                ReturnState::Closed => discard(&connection, &home, "it ended"),
                _ if connection.link.is_doomed() => {
                    discard(&connection, &home, "it was not to be lent again")
                }
                ReturnState::Clean => home.come_home(connection),
                ReturnState::Dirty => {
                    let runtime = connection.shared.runtime.clone();
                    runtime.spawn(clean(connection, home));
                }
            }
        }));
    }

    fn ring(&self, link: &Arc<Link>, now: u64) -> u64 {
        link.ring(now)
    }

    fn begin_stop(&self, link: &Arc<Link>) -> bool {
        // A COMMIT is let finish, and what is about to be sent is seen at the next look.
        let runs = link.state.owed_work() > 0;
        if runs {
            link.abandon();
        }
        runs
    }

    fn stop(&self, link: &Arc<Link>, who: Option<&WorkName>, reason: StopReason) {
        let work = who.map(ToString::to_string).unwrap_or_default();
        self.shared.events.tell(Event::Stopped { work, pid: link.state.pid(), reason });
        let link = Arc::clone(link);
        let limit = self.shared.plan.reclaim_timeout();
        self.shared.runtime.spawn(async move { link.stop(Instant::now() + limit, Extent::GivenUp).await });
    }

    fn return_limit(&self, link: &Arc<Link>) -> Option<Duration> {
        link.has_orphan().then(|| self.shared.plan.commit_grace())
    }

    fn abandon(&self, link: &Arc<Link>) {
        link.abort();
    }
}

/// A COMMIT that was dropped while under way has come to its end: says which.
fn tell_of_orphan(connection: &Connection, rest: ReturnState) {
    let Some(work) = connection.link.take_orphan() else { return };
    let outcome = match (rest, connection.link.state.last_tag().as_str()) {
        (ReturnState::Closed, _) => Outcome::Unknown,
        (_, "COMMIT") => Outcome::Committed,
        _ => Outcome::RolledBack,
    };
    connection.shared.events.tell(Event::CommitSettled { work, outcome });
}

fn discard(connection: &Connection, home: &Home<Postgres>, reason: &'static str) {
    let work = home.work().map(ToString::to_string);
    connection.shared.events.tell(Event::Discarded { work, pid: connection.pid(), reason });
}

/// Stops, rolls back, resets; then home, or away.
async fn clean(connection: Box<Connection>, home: Home<Postgres>) {
    let plan = &connection.shared.plan;
    let state = &connection.link.state;
    let found = Found {
        running: state.owed_work() > 0,
        transaction: !state.status().is_idle(),
        session_state: !state.residue().is_none(),
    };
    // A session behind a transaction pooler is not ours to reset: what was left in it already went to somebody.
    if connection.is_pooled_by_transaction() && found.session_state {
        discard(&connection, &home, "it left session state behind a transaction pooler");
        return;
    }
    let until = Instant::now() + plan.reclaim_timeout().saturating_sub(Duration::from_millis(50));
    match recycle::reclaim(&connection.client, &connection.link, &connection.session, until).await {
        Ok(()) => {
            let work = home.work().map(ToString::to_string).unwrap_or_default();
            connection.shared.events.tell(Event::Reclaimed { work, pid: connection.pid(), found });
            home.come_home(connection);
        }
        Err(Unfit::Closed) => discard(&connection, &home, "it ended while it was being made clean"),
        Err(Unfit::StillRunning) => {
            discard(&connection, &home, "what ran on it did not stop within the limit");
            connection.link.abort();
        }
        Err(Unfit::NotResettable) => {
            discard(&connection, &home, "what was done to its session cannot be undone")
        }
    }
}
