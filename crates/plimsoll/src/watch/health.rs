//! How the database is: an answer that is never older than what is known, and that never waits for the pool.
//!
//! Three questions that are often confused. *Live*: does this program run? The database must not matter there, or its
//! outage would restart every program. *Ready*: would a call go through now? This is answered from what the heartbeat
//! knows, without a request, so it can be asked often and is red within a second of a freeze. *Health*: what does the
//! database itself say? It is asked on the reserved connection, by one caller for all, and the answer is kept for a minute;
//! but the first connectivity fault or change of the breaker makes it void, and a bad answer is asked again after a second.
//! What the pool and the breaker report is added anew each time, since it costs nothing. An exhausted pool is not a
//! database that is down.

use crate::call::database::Database;
use crate::call::health::{Health, HealthState, LastHealth, Readiness};
use crate::deadline;
use crate::error::{Error, Outcome, Phase, Result};
use crate::event::{Event, POLLUTED};
use crate::fault::Fault;
use crate::moment::Moment;
use crate::name::WorkName;
use crate::pool::Ask;
use crate::rules::circuit::BreakerState;
use crate::wire::connect::timed_out;
use crate::wire::handshake::Opened;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};
use tokio_postgres::SimpleQueryMessage;

/// The longest that the question may take.
const LIMIT: Duration = Duration::from_secs(3);
/// After this long a silence, calls should not be sent to this instance any more.
const TOO_SILENT: Duration = Duration::from_millis(500);
/// More lent connections than this share are worth a warning.
const CROWDED: f64 = 0.9;

/// Reads only catalogs that every role may read; behind a pooler the answer still comes from the server.
const ASK: &str = "SELECT count(*), current_setting('max_connections') \
                   FROM pg_catalog.pg_stat_activity WHERE datname = current_database()";

impl Database {
    /// Whether a call would go through now, as far as that is known without a request: no I/O, no waiting. A paused pool is
    /// ready: its calls wait, and that is the purpose of the pause.
    #[must_use]
    pub fn readiness(&self) -> Readiness {
        let breaker = self.breaker();
        let not = |reason: String| Readiness { is_ready: false, reason: Some(reason) };
        if self.is_closed() {
            return not("the pool is closed".to_owned());
        }
        if let Some(reason) = self.demotion() {
            return not(reason);
        }
        match (breaker.state, breaker.silent_for) {
            (BreakerState::Open | BreakerState::Isolated, _) => {
                let lasts = breaker.open_for.unwrap_or_default().as_secs_f64();
                not(format!("the circuit breaker has been {} for {lasts:.1} s", breaker.state))
            }
            (_, Some(silent)) if silent >= TOO_SILENT => not(silence(silent)),
            _ => Readiness { is_ready: true, reason: None },
        }
    }

    /// The server that took writes takes them no more, and none was found yet that does.
    fn demotion(&self) -> Option<String> {
        let is_strict = self.server.demotions.is_strict(Moment::now());
        is_strict
            .then(|| "the server takes no writes any more, and no other that does was found yet".to_owned())
    }

    /// Why work that needs the database had better not begin now: the pool is closed, the breaker refuses calls, the pool is
    /// paused, or its queue is full. No I/O, no waiting. The error is the one that the first call would get, with
    /// [`Error::retry_after`]; where the pool is paused, it takes the place of a wait. Work that is refused early has not
    /// taken memory, and has not done half of what it does.
    ///
    /// `None` is no promise: what comes first is served first.
    #[must_use]
    #[track_caller]
    pub fn refusal(&self) -> Option<Error> {
        let work = WorkName::here();
        let by_breaker = if self.is_closed() { None } else { self.server.breaker.refusal(&work) };
        by_breaker.or_else(|| self.pool.foreseen_refusal(Ask::by(work)))
    }

    /// How the database is. A good answer is kept for 60 s, unless a connectivity fault or a change of the breaker makes it
    /// void, and a bad one for 1 s; with `force` an answer counts only if it came after this call. One caller asks for all
    /// that wait, on a connection of its own, past the breaker, within 3 s and the deadline of the scope. Where that must be
    /// opened first and it takes longer, a later call finds it open.
    ///
    /// # Cancel safety
    /// Dropped, another waiting caller asks.
    pub async fn health(&self, force: bool) -> Health {
        if self.is_closed() {
            return Health::down("the pool is closed".to_owned());
        }
        let now = Instant::now();
        match deadline::current() {
            None => self.found(force, now).await,
            Some(deadline) => {
                // An answer that this caller's deadline cut short proves nothing to others, so it is not kept.
                let found = timeout_at(deadline.instant(), self.found(force, now)).await;
                found.unwrap_or_else(|_| Health::down("no answer before the caller's deadline".to_owned()))
            }
        }
    }

    async fn found(&self, force: bool, now: Instant) -> Health {
        let server = &self.server;
        let health_cache = &server.observed.health;
        let kept = |last: &LastHealth, at| !force && last.is_good(server.breaker.changes(), at);
        if let Some(last) = health_cache.last().filter(|last| kept(last, now)) {
            return self.with_present_state(last);
        }
        let _asking = health_cache.asking.lock().await;
        // The question of another caller, which was out when this one began, has been answered since.
        let is_answered = |last: &LastHealth| last.ended >= now || kept(last, Instant::now());
        if let Some(last) = health_cache.last().filter(is_answered) {
            return self.with_present_state(last);
        }
        let (at, changes) = (Instant::now(), server.breaker.changes());
        let health = self.ask(now + LIMIT).await;
        let last = LastHealth { at, ended: Instant::now(), changes, health };
        *health_cache.last.lock() = Some(last.clone());
        self.with_present_state(last)
    }

    /// What the database said, together with what this program knows now.
    fn with_present_state(&self, last: LastHealth) -> Health {
        let mut health = Health { age: last.at.elapsed(), ..last.health };
        if health.state == HealthState::Healthy {
            health.reasons = self.warnings();
            if !health.reasons.is_empty() {
                health.state = HealthState::Degraded;
            }
        }
        health
    }

    async fn ask(&self, until: Instant) -> Health {
        let began = Instant::now();
        let mut health = Health::of(HealthState::Healthy, Vec::new());
        match self.question(until).await {
            Ok((connections, max_connections)) => {
                self.server.breaker.heard(Instant::now());
                health.latency = Some(began.elapsed());
                health.connections = connections;
                health.max_connections = max_connections;
            }
            Err(error) => {
                self.tell(Event::HealthCheckFailed { fault: error.fault(), reason: error.to_string() });
                let cause = error.fault().advice().cause;
                health = Health::down(format!("{} {cause}", error.code()));
            }
        }
        health
    }

    async fn question(&self, until: Instant) -> Result<(Option<u32>, Option<u32>)> {
        let late = || not_answered(&format!("the database gave no answer within {} s", LIMIT.as_secs()));
        let asked = async {
            let ready = self.reserve().await?;
            ready.client.simple_query(ASK).await.map_err(Error::from)
        };
        let messages = timeout_at(until, asked).await.map_err(|_| late())??;
        let number = |column| {
            messages.iter().find_map(|message| match message {
                SimpleQueryMessage::Row(row) => row.try_get(column).ok().flatten()?.parse().ok(),
                _ => None,
            })
        };
        Ok((number(0), number(1)))
    }

    /// A connection for this and the next question, where the heartbeat has none. One connect is out at a time, on a task
    /// of its own, and may take `connect_timeout`: where that is longer than a question may take, the next question finds
    /// the connection.
    async fn reserve(&self) -> Result<Arc<Opened>> {
        let connecting = &self.server.observed.health.connecting;
        loop {
            if let Some(ready) = self.reserved() {
                return Ok(ready);
            }
            let Ok(turn) = Arc::clone(connecting).try_lock_owned() else {
                drop(connecting.lock().await);
                continue;
            };
            let db = self.clone();
            let connect = self.pool().inner.runtime.spawn(async move {
                let _turn = turn;
                db.connect_reserved().await
            });
            return connect.await.unwrap_or_else(|_| Err(not_answered("the connect was given up")));
        }
    }

    /// The connection that is reserved for questions, if it has not ended.
    fn reserved(&self) -> Option<Arc<Opened>> {
        self.server.observed.reserved.lock().clone().filter(|ready| !ready.link.is_closed())
    }

    /// Opens it. Ends when the pool is closed, which keeps no connection.
    async fn connect_reserved(&self) -> Result<Arc<Opened>> {
        let inner = &self.pool().inner;
        let limit = self.plan().connect_timeout();
        let until = Instant::now() + limit;
        let connect = timeout_at(until, inner.manager.connector.connect(until));
        let ready = tokio::select! {
            biased;
            () = inner.closed() => return Err(not_answered("the pool was closed")),
            opened = connect => Arc::new(opened.map_err(|_| timed_out(limit))??),
        };
        *self.server.observed.reserved.lock() = Some(Arc::clone(&ready));
        Ok(ready)
    }

    fn warnings(&self) -> Vec<String> {
        let pool = self.pool_status();
        let mut reasons = Vec::new();
        if pool.is_paused {
            reasons.push("the pool is paused: calls wait until it is resumed".to_owned());
        }
        reasons.extend(self.demotion());
        let missing = self.server.observed.missing_guardrails.lock().join(", ");
        if !missing.is_empty() {
            reasons.push(format!("limits that the server does not keep: {missing}"));
        }
        if let Some(found) = &*self.server.observed.pollution.lock() {
            reasons.push(format!(
                "another client of this login has left {found} in the server's sessions; {POLLUTED}"
            ));
        }
        if pool.checked_out >= pool.maximum && pool.waiting > 0 {
            reasons.push(format!(
                "pool exhausted: {} of {} connections lent, {} callers waiting",
                pool.checked_out, pool.maximum, pool.waiting
            ));
        } else if pool.checked_out as f64 > CROWDED * pool.maximum as f64 {
            reasons.push(format!("{} of {} connections lent", pool.checked_out, pool.maximum));
        }
        let breaker = self.breaker();
        if let Some(silent) = breaker.silent_for.filter(|silent| *silent >= TOO_SILENT) {
            reasons.push(silence(silent));
        }
        if breaker.state != BreakerState::Closed {
            reasons.push(format!("the circuit breaker is {}", breaker.state));
        }
        reasons
    }
}

fn not_answered(why: &str) -> Error {
    Error::new(Fault::ConnectTimeout, Phase::Statement, Outcome::NotStarted, why.to_owned())
}

fn silence(lasts: Duration) -> String {
    format!("the database has given no answer for {:.1} s", lasts.as_secs_f64())
}
