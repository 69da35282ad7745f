//! `GET /console/pulse`: whether the database is there, in one word, for a page that asks each second.
//!
//! It is answered from memory, so it comes also while the database is frozen, and says no more than `/readyz` does to anyone: a
//! word and since when. So it needs no token, which could not be looked up just then. An answer that has not changed is 304.
//!
//! How fast the database is, is asked of it by one small transaction at a time, and only while a page is open: whatever the
//! number of pages, an instance asks about twice a second.

use super::speed::Speed;
use crate::http::page_file::tag_of;
use crate::service::{Ready, Service};
use axum::body::Body;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use plimsoll::{BreakerState, Database, Transaction, deadline};
use plimsoll_http::{Level, Matter, Verdict, verdict};
use serde::Serialize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::time::Instant;

/// Raised with every change of the form.
const SCHEMA_VERSION: u32 = 1;
/// A question is given up after this.
const LIMIT: Duration = Duration::from_secs(3);

/// What was refused while the database was away is counted for so long.
const LATELY: Duration = Duration::from_secs(7);

/// How the database is for those who wait for its answers, from the best to the worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
enum Condition {
    /// It answers.
    Well,
    /// It answers, and callers wait longer than usual.
    Slow,
    /// It was not reached since the service started.
    Starting,
    /// Nothing can be asked of it.
    Away,
}

/// What a page is told.
#[derive(Clone, Copy, Debug, Serialize)]
struct Told {
    schema_version: u32,
    database: Condition,
    /// Since when, in milliseconds since 1970.
    since: u64,
}

/// What is known of the database, for all pages together.
pub(super) struct Pulse {
    service: Service,
    speed: Mutex<Speed>,
    told: Mutex<Told>,
    /// When it was last seen to be away.
    away: Mutex<Option<Instant>>,
}

impl Pulse {
    pub(super) fn new(service: Service) -> Arc<Self> {
        let told = Told {
            schema_version: SCHEMA_VERSION,
            database: Condition::Starting,
            since: in_ms(SystemTime::now()),
        };
        Arc::new(Pulse { service, speed: Mutex::default(), told: Mutex::new(told), away: Mutex::default() })
    }

    /// What is to be told now. It waits for nothing.
    fn look(self: &Arc<Self>) -> Told {
        let now = Instant::now();
        let (condition, since) = match self.service.is_ready() {
            None => (Condition::Starting, None),
            Some(ready) => {
                self.ask_if_due(ready, now);
                let is_slow = of_lock(&self.speed).is_slow(now);
                of(ready, is_slow, self.was_away(now))
            }
        };
        if condition == Condition::Away {
            *of_lock(&self.away) = Some(now);
        }
        let mut told = of_lock(&self.told);
        if told.database != condition {
            told.database = condition;
            told.since = in_ms(since.unwrap_or_else(SystemTime::now));
        }
        *told
    }

    /// Whether it was away a moment ago. What was refused then is still counted among the latest.
    fn was_away(&self, now: Instant) -> bool {
        of_lock(&self.away).is_some_and(|away| now.saturating_duration_since(away) < LATELY)
    }

    /// Asks how fast the database is, if no question is out.
    fn ask_if_due(self: &Arc<Self>, ready: &Ready, now: Instant) {
        if !of_lock(&self.speed).ask_now(now) {
            return;
        }
        let (pulse, db) = (Arc::clone(self), ready.pools.system.clone());
        // A question ends by its limit, or when its pool is closed, and is asked twice at the most.
        tokio::spawn(async move {
            loop {
                let is_answered = deadline::within(LIMIT, ask(&db)).await;
                if !of_lock(&pulse.speed).ended(Instant::now(), is_answered) {
                    break;
                }
            }
        });
    }
}

/// A panic leaves nothing half done here.
fn of_lock<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether a transaction as small as any could be done.
async fn ask(db: &Database) -> bool {
    let call = db.named("how fast the database answers").read_only();
    let work = async |tx: Transaction| tx.query_one("SELECT 1", &[]).await.map(drop);
    // Why it could not is told by the pool's own events.
    call.transaction(work).await.is_ok()
}

/// The worst that is so for the pools on which a person's requests and the readings of devices depend, and since when.
fn of(ready: &Ready, is_slow: bool, was_away: bool) -> (Condition, Option<SystemTime>) {
    let pools = &ready.pools;
    let of_pool = |pool: &Database| {
        let told = verdict(pool);
        (condition(&told, pool.breaker().state, was_away), told.since.map(|since| since.0))
    };
    let all = [&pools.ui, &pools.ingest, &pools.system].map(of_pool);
    let (worst, since) =
        all.into_iter().max_by_key(|(condition, _)| *condition).unwrap_or((Condition::Well, None));
    if worst == Condition::Well && is_slow { (Condition::Slow, None) } else { (worst, since) }
}

/// What is the matter, for one who only wants answers. That statements fail or leases leak changes nothing for them, and how
/// slow the latest statements were is out of date where few come.
fn condition(told: &Verdict, breaker: BreakerState, was_away: bool) -> Condition {
    match told.matter {
        // A silence of half a second is worth a word to operators, and calls still go through.
        Matter::Frozen if breaker == BreakerState::Closed => Condition::Well,
        Matter::Frozen
        | Matter::Refused
        | Matter::Demoted
        | Matter::Isolated
        | Matter::Closed
        | Matter::Paused => Condition::Away,
        Matter::Starting if told.level == Level::Trouble => Condition::Away,
        Matter::Overloaded if was_away => Condition::Well,
        Matter::Exhausted | Matter::Overloaded | Matter::Queueing => Condition::Slow,
        Matter::LockPileUp if told.level == Level::Trouble => Condition::Slow,
        _ => Condition::Well,
    }
}

/// `GET /console/pulse`.
pub(super) async fn pulse(State(pulse): State<Arc<Pulse>>, headers: HeaderMap) -> Response {
    let told = pulse.look();
    // Every field is one that JSON has a form for.
    let body = serde_json::to_vec(&told).unwrap_or_default();
    let tag = tag_of(&body);
    let is_known = headers.get(IF_NONE_MATCH) == Some(&tag);
    let mut response = Response::new(if is_known { Body::empty() } else { Body::from(body) });
    if is_known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(ETAG, tag);
    response
}

fn in_ms(at: SystemTime) -> u64 {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
