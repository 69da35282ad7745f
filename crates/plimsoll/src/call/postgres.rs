//! A connection to PostgreSQL, as the pool manages it: opened, checked, judged at its return, made clean.

use super::breaker::Permit;
use super::server::Server;
use super::statement::cache::{StatementCache, StatementTypes};
use crate::error::{Error, Outcome, Phase, Result};
use crate::event::{Event, Found, StopReason};
use crate::fault::Fault;
use crate::moment::Moment;
use crate::name::WorkName;
use crate::pool::{Home, Lease, LeaseState, Manage, Observed, Verdict};
use crate::rules::circuit::CallResult;
use crate::rules::slots::Closing;
use crate::sql::residue::Residue;
use crate::wire::connect::{Connector, Pooler};
use crate::wire::handshake::Session;
use crate::wire::link::{Link, ReturnState};
use crate::wire::naming::Links;
use crate::wire::recycle;
use crate::wire::recycle::Unfit;
use crate::wire::stop::Extent;
use crate::wire::transaction_status::TransactionStatus;
use crate::write_trail::WriteTrail;
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64};
use std::time::Duration;
use tokio::time::Instant;
use tokio_postgres::Client;

/// One connection: the driver's client, its link, and what is known of the session.
#[repr(C)]
pub(crate) struct Connection {
    // Read by every statement, so it comes first.
    pub(crate) link: Arc<Link>,
    pub(crate) server: Arc<Server>,
    is_pooled_by_transaction: bool,
    pub(crate) statements: StatementCache,
    /// The epoch of what `statements` holds: see [`StatementKnowledge`](super::statement::cache::StatementKnowledge).
    pub(crate) learned_in: AtomicU64,
    /// The types that were asked for last.
    pub(crate) last_types: Mutex<Option<Arc<StatementTypes>>>,
    pub(crate) client: Client,
    pub(crate) session: Session,
    /// What the present lease has written outside a transaction.
    pub(crate) write_trail: WriteTrail,
    /// The writes that are known already.
    pub(crate) audited: AtomicU32,
    /// All connections behind the same transaction pooler.
    pub(crate) pooled_links: Arc<Links>,
}

impl Connection {
    pub(crate) fn is_pooled_by_transaction(&self) -> bool {
        self.is_pooled_by_transaction
    }

    pub(crate) fn pid(&self) -> i32 {
        self.link.state.pid()
    }

    /// A statement with this text begins, if it is known. Gives the number that stands for it.
    #[inline]
    pub(crate) fn note_statement(&self, text: Option<&str>) -> u64 {
        let monitor = &self.server.monitor;
        if !monitor.is_on() {
            return 0;
        }
        let number = monitor.number(text, self.link.state.strings());
        self.link.note_statement(number);
        number
    }

    /// A write failed here because the server only reads. Unless it says that it takes writes, so that the work itself had
    /// wanted to read only, all connections to it are given up.
    #[cold]
    pub(crate) fn refused_a_write(&self) {
        self.link.doom();
        let is_demoted = self.is_pooled_by_transaction || self.link.state.writes() != Some(true);
        if is_demoted && !self.server.is_replica() {
            self.server.demoted(self.session.host, "it refused a write");
        }
    }
}

/// Stops with the connection what still runs on it: no backend outlives its slot in the pool by more than a return may
/// take.
impl Drop for Connection {
    fn drop(&mut self) {
        if self.link.is_poisoned() {
            self.link.abort();
        }
        if self.link.is_closed() || self.link.is_quiet() {
            return;
        }
        let link = Arc::clone(&self.link);
        let until = Instant::now() + self.server.plan.reclaim_timeout();
        self.server.runtime.spawn(async move { link.end_by(until).await });
    }
}

/// What the holder of a lease is told that did not use its connection for too long.
const TAKEN_BACK: &str = "the pool took the connection back, because its lease had done nothing with it for longer than \
    leak_reclaim_after; give connections back between pieces of work";

/// Opens, checks and reclaims PostgreSQL connections.
pub(crate) struct Postgres {
    pub(crate) connector: Connector,
    pub(crate) server: Arc<Server>,
}

impl Postgres {
    /// Whether its server was demoted since it was opened.
    #[inline]
    fn is_demoted(&self, link: &Link) -> bool {
        self.server.demotions.covers(link.origin.get().copied())
    }
}

impl Manage for Postgres {
    type Connection = Box<Connection>;
    type Handle = Arc<Link>;

    async fn connect(&self, until: Instant) -> Result<Box<Connection>> {
        let began = Instant::now();
        let breaker = &self.server.breaker;
        let ready = match self.connector.connect(until).await {
            Ok(ready) => ready,
            Err(error) => {
                breaker.connect_failed(error.fault(), error.sentence());
                return Err(error);
            }
        };
        breaker.heard(Instant::now());
        let events = &self.server.events;
        events.tell(Event::Connected { pid: ready.link.state.pid(), took: began.elapsed() });
        self.server.observed.missing_guardrails.lock().clone_from(&ready.session.degraded);
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
            write_trail: WriteTrail::default(),
            audited: AtomicU32::new(0),
            statements: StatementCache::new(self.server.plan.statement_cache()),
            last_types: Mutex::default(),
            learned_in: AtomicU64::new(self.server.statements.epoch()),
            server: Arc::clone(&self.server),
        }))
    }

    fn handle<'c>(&self, connection: &'c Box<Connection>) -> &'c Arc<Link> {
        &connection.link
    }

    fn is_dead(&self, link: &Arc<Link>) -> bool {
        link.is_closed() || link.is_doomed() || self.is_demoted(link)
    }

    fn is_swollen(&self, link: &Arc<Link>, now: Instant) -> bool {
        link.state.swelling.is_unused(|| now.into())
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
        connection.write_trail.clear();
        let link = &connection.link;
        link.end_lease();
        // Temporary objects come and go, and concern no other session.
        if link.state.take_altered_for_all() && !link.state.residue().contains(Residue::TEMPORARY) {
            self.server.statements.outdate();
        }
        if link.has_orphan() {
            return Verdict::Unsettled;
        }
        if link.is_closed() || link.is_doomed() || self.is_demoted(link) {
            return Verdict::Broken;
        }
        match link.return_state() {
            Some(ReturnState::Clean) if link.state.swelling.is_unused(Moment::now) => Verdict::Swollen,
            Some(ReturnState::Clean) => Verdict::Clean,
            Some(ReturnState::Closed) => Verdict::Broken,
            Some(ReturnState::Dirty) | None => Verdict::Unsettled,
        }
    }

    /// Most connections that come here need no help: the driver is in the middle of a poll, or a Close is on its way. They
    /// are parked, and the driver gives them back to the pool. Only a connection that comes to rest dirty gets a task.
    fn reclaim(&self, connection: Box<Connection>, home: Home<Self>) {
        let link = Arc::clone(&connection.link);
        link.park(Box::new(move |state| {
            tell_of_orphan(&connection, state);
            match state {
                ReturnState::Closed => discard(&connection, home, Closing::Broken, "it ended"),
                _ if connection.link.is_doomed()
                    || connection.server.demotions.covers(connection.link.origin.get().copied()) =>
                {
                    discard(&connection, home, Closing::Broken, "it was not to be lent again")
                }
                ReturnState::Clean => home.come_home(connection),
                ReturnState::Dirty => {
                    let runtime = connection.server.runtime.clone();
                    runtime.spawn(clean(connection, home));
                }
            }
        }));
    }

    fn ring(&self, link: &Arc<Link>, now: u64) -> u64 {
        link.ring(now)
    }

    fn begin_stop(&self, link: &Arc<Link>) -> bool {
        // A COMMIT is let finish. A request that is about to be sent is seen at the clock's next look.
        let runs = link.state.owed_work() > 0;
        if runs {
            link.abandon();
        }
        runs
    }

    fn stop(&self, link: &Arc<Link>, who: Option<&WorkName>, reason: StopReason) {
        let work = who.map(ToString::to_string).unwrap_or_default();
        self.server.events.tell(Event::Stopped { work, pid: link.state.pid(), reason });
        let link = Arc::clone(link);
        let limit = self.server.plan.reclaim_timeout();
        self.server.runtime.spawn(async move { link.stop(Instant::now() + limit, Extent::GivenUp).await });
    }

    fn observed(&self, link: &Arc<Link>) -> Observed {
        let state = match link.state.status() {
            _ if !link.is_answered() => LeaseState::Active,
            TransactionStatus::Idle | TransactionStatus::Unknown => LeaseState::Idle,
            TransactionStatus::InTransaction => LeaseState::IdleInTransaction,
            TransactionStatus::Failed => LeaseState::IdleInFailedTransaction,
        };
        // A pooler gives a number of its own for the process id.
        let is_direct = self.connector.pooler() == Some(Pooler::None);
        Observed {
            pid: is_direct.then(|| link.state.pid()),
            state,
            silent: link.state.silent_for(Moment::now()),
            statement: link.last_statement(),
            answered: link.state.settled(),
        }
    }

    fn statement(&self, number: u64) -> Option<(u64, String)> {
        self.server.monitor.statement(number)
    }

    fn take_back(&self, link: &Arc<Link>) {
        link.end_because(TAKEN_BACK);
    }

    fn return_limit(&self, link: &Arc<Link>) -> Option<Duration> {
        link.has_orphan().then(|| self.server.plan.commit_grace())
    }

    fn abandon(&self, link: &Arc<Link>) {
        link.abort();
    }
}

/// Tells the breaker whether a connection was lent, and later whether the server answered on it. The permit is dropped
/// after the lease.
pub(crate) fn report_to_breaker(
    permit: &mut Permit,
    acquired: Result<Lease<Postgres>>,
) -> Result<Lease<Postgres>> {
    match &acquired {
        Ok(lease) => permit.judged_by(|| {
            let link = Arc::clone(&lease.link);
            let before = link.state.answered();
            Box::new(move || match link.state.answered() {
                after if after > before => CallResult::Answered,
                // It answers, with a message that is too long.
                _ if link.ended().is_some_and(|ended| ended.fault == Fault::Usage) => CallResult::Answered,
                _ if link.is_closed() => CallResult::Failed,
                _ => CallResult::Unknown,
            })
        }),
        Err(error) => permit.failed(error),
    }
    acquired
}

/// Tells how a COMMIT has ended whose caller dropped it while it was under way.
fn tell_of_orphan(connection: &Connection, returned: ReturnState) {
    let Some((work, sent)) = connection.link.take_orphan() else { return };
    let state = &connection.link.state;
    // Behind a COMMIT its place in the log may have been asked for, which has a tag of its own.
    let has_committed = state.has_ended_since(sent) && state.has_committed();
    let outcome = match (returned, state.last_tag().as_str()) {
        (ReturnState::Closed, _) => Outcome::Unknown,
        _ if state.is_unreplicated_since(sent) => Outcome::Unknown,
        (_, "COMMIT") => Outcome::Committed,
        _ if has_committed => Outcome::Committed,
        _ => Outcome::RolledBack,
    };
    connection.server.events.tell(Event::CommitSettled { work, outcome });
}

fn discard(connection: &Connection, home: Home<Postgres>, why: Closing, reason: &'static str) {
    let work = home.work().map(ToString::to_string);
    connection.server.events.tell(Event::Discarded { work, pid: connection.pid(), reason });
    home.discard(why);
}

/// Stops what runs, rolls back, and resets the session; then gives the connection back to the pool, or discards it.
async fn clean(connection: Box<Connection>, home: Home<Postgres>) {
    let plan = &connection.server.plan;
    let state = &connection.link.state;
    let found = Found {
        running: state.owed_work() > 0,
        transaction: !state.status().is_idle(),
        session_state: !state.residue().is_none(),
    };
    // A session behind a transaction pooler cannot be reset from here: what was left in it is with another client by now.
    if connection.is_pooled_by_transaction() && found.session_state {
        discard(
            &connection,
            home,
            Closing::SessionState,
            "it left session state behind a transaction pooler",
        );
        return;
    }
    let until = Instant::now() + plan.reclaim_timeout().saturating_sub(Duration::from_millis(50));
    match recycle::reclaim(&connection.client, &connection.link, &connection.session, until).await {
        Ok(()) => {
            let work = home.work().map(ToString::to_string).unwrap_or_default();
            connection.server.events.tell(Event::Reclaimed { work, pid: connection.pid(), found });
            home.come_home(connection);
        }
        Err(Unfit::Closed) => {
            discard(&connection, home, Closing::Broken, "it ended while it was being made clean")
        }
        Err(Unfit::StillRunning) => {
            connection.link.abort();
            let sentence = "what ran on it did not stop within the limit";
            discard(&connection, home, Closing::StillRunning, sentence);
        }
        Err(Unfit::NotResettable) => {
            let sentence = "what was done to its session cannot be undone";
            discard(&connection, home, Closing::SessionState, sentence);
        }
    }
}
