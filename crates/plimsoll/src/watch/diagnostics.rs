//! What goes on with a database, for a report on a program that hangs.
//!
//! Such a report is made by a thread of its own while every worker of the runtime may be blocked, the pool exhausted and the
//! server frozen. So nothing here asks the server, needs the runtime or waits for a lock for longer than it is told. What is
//! locked for so long is left out and shows as `None`: that is worth knowing too.

use crate::call::breaker::BreakerStatus;
use crate::call::database::Database;
use crate::call::postgres::Postgres;
use crate::call::retry::RetryStatus;
use crate::call::server::Server;
use crate::moment::Moment;
use crate::pool::snapshot::{self, Seen};
use crate::pool::{LeaseStatus, Pool, PoolStatus};
use crate::rules::request::{Priority, Request};
use crate::rules::slots::Slots;
use crate::watch::budget::status::BudgetStatus;
use std::time::Duration;

/// Waiters that are told of one by one.
const MOST_WAITERS: usize = 1_000;

/// What goes on with a database: [`Database::diagnostics`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Diagnostics {
    /// The primary first, then the replicas in the order in which they were set.
    pub servers: Vec<ServerDiagnostics>,
    /// The retries, which all servers share. `None` if they were locked for too long.
    pub retries: Option<RetryStatus>,
    /// Listeners for notifications.
    pub listeners: usize,
}

/// What goes on with one server.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ServerDiagnostics {
    /// Where it is: its host and port, or several where the settings name several.
    pub hosts: String,
    /// Whether only reads go to it.
    pub is_replica: bool,
    /// The pool. `None` if its lock was held for too long.
    pub pool: Option<PoolDiagnostics>,
    /// How the last connect ended, and how long ago. `None` if that was locked for too long.
    pub last_connect: Option<String>,
    /// The breaker. `None` if it was locked for too long.
    pub breaker: Option<BreakerStatus>,
}

/// What goes on in a pool.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct PoolDiagnostics {
    /// Whether it was closed.
    pub is_closed: bool,
    /// Its numbers, and the leases, oldest first.
    pub status: PoolStatus,
    /// The callers that wait.
    pub waiting: Waiting,
    /// How many connections it may have, and why.
    pub budget: BudgetStatus,
}

/// The callers that wait for a connection.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Waiting {
    /// How many wait with the highest priority.
    pub high: usize,
    /// How many wait with the usual priority.
    pub normal: usize,
    /// How many wait with the lowest priority.
    pub low: usize,
    /// The thousand that have waited longest, that one first which has waited longest of all.
    pub oldest: Vec<WaiterStatus>,
}

/// One caller that waits for a connection.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct WaiterStatus {
    /// For which work, with the place in the source.
    pub work: String,
    /// The id of the request for which it works, if it has one.
    pub request_id: Option<String>,
    /// When it is served.
    pub priority: Priority,
    /// For how long it has waited.
    pub waited: Duration,
}

impl Database {
    /// What goes on with this database, for a report on a program that hangs: leases, waiters, the breaker, retries, listeners.
    /// It may be called from any thread, also one outside the runtime, while every worker is blocked. It asks the server
    /// nothing, and waits for each lock for `limit` at the longest.
    ///
    /// ```no_run
    /// # fn example(db: &plimsoll::Database) {
    /// let now = db.diagnostics(std::time::Duration::from_millis(100));
    /// let waiting = now.servers.iter().filter_map(|server| server.pool.as_ref()).map(|pool| pool.status.waiting);
    /// println!("{} callers wait for a connection", waiting.sum::<usize>());
    /// # }
    /// ```
    #[must_use]
    pub fn diagnostics(&self, limit: Duration) -> Diagnostics {
        let replicas = self.replicas.iter().flat_map(|replicas| &replicas.all);
        let replicas = replicas.map(|replica| look(&replica.pool, &replica.server, limit));
        Diagnostics {
            servers: std::iter::once(look(&self.pool, &self.server, limit)).chain(replicas).collect(),
            retries: self.retries.status_within(limit),
            listeners: self.server.closing.receiver_count(),
        }
    }
}

fn look(pool: &Pool<Postgres>, server: &Server, limit: Duration) -> ServerDiagnostics {
    let inner = &pool.inner;
    let hosts = server.plan.hosts().iter().map(ToString::to_string).collect::<Vec<_>>();
    ServerDiagnostics {
        hosts: server.place.as_ref().map_or_else(|| hosts.join(","), |place| place.hosts.to_string()),
        is_replica: server.is_replica(),
        pool: look_into(pool, server, limit),
        last_connect: inner.last_connect.try_lock_for(limit).map(|last| last.told(Moment::now())),
        breaker: server.breaker.status_within(limit),
    }
}

fn look_into(pool: &Pool<Postgres>, server: &Server, limit: Duration) -> Option<PoolDiagnostics> {
    let inner = &pool.inner;
    let (seen, waiting, mut told) = {
        let slots = inner.slots.try_lock_for(limit)?;
        let told = PoolDiagnostics {
            is_closed: slots.is_closed(),
            status: snapshot::numbers(&slots),
            waiting: Waiting::default(),
            budget: BudgetStatus::of(&slots, &server.plan),
        };
        (snapshot::leases(inner, &slots), waiters(&slots), told)
    };
    let now = Moment::now();
    told.status.leases = leases(seen, server, now, limit);
    for (priority, count) in waiting.counts {
        match priority {
            Priority::High => told.waiting.high = count,
            Priority::Normal => told.waiting.normal = count,
            Priority::Low => told.waiting.low = count,
        }
    }
    told.waiting.oldest = waiting.oldest.into_iter().map(|request| waiter(request, now)).collect();
    Some(told)
}

/// The leases, with their last statements if these can be looked up in time.
fn leases(seen: Vec<Seen>, server: &Server, now: Moment, limit: Duration) -> Vec<LeaseStatus> {
    let statements = server.monitor.statements.try_lock_for(limit);
    let known = |number| statements.as_ref()?.table.kind_of(number);
    seen.into_iter()
        .map(|lease| {
            let statement = known(lease.statement());
            lease.with_statement(statement, now)
        })
        .collect()
}

struct Queue {
    counts: [(Priority, usize); 3],
    oldest: Vec<Request>,
}

/// Those that wait, under the pool's lock: only what is told of is copied.
fn waiters<C, H>(slots: &Slots<C, H>) -> Queue {
    let mut all: Vec<&Request> = slots.waiters.requests().collect();
    let counts = [Priority::High, Priority::Normal, Priority::Low];
    let counts =
        counts.map(|priority| (priority, all.iter().filter(|request| request.priority == priority).count()));
    all.sort_unstable_by_key(|request| request.since);
    Queue { counts, oldest: all.into_iter().take(MOST_WAITERS).cloned().collect() }
}

fn waiter(request: Request, now: Moment) -> WaiterStatus {
    WaiterStatus {
        work: request.name.to_string(),
        request_id: request.id.map(|id| id.to_string()),
        priority: request.priority,
        waited: now.since(request.since),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;
    use std::time::Instant;

    const LIMIT: Duration = Duration::from_millis(20);

    /// What another thread sees, and how long it took.
    fn seen(db: &Database) -> (Diagnostics, Duration) {
        let began = Instant::now();
        let seen = std::thread::scope(|scope| scope.spawn(|| db.diagnostics(LIMIT)).join().unwrap());
        (seen, began.elapsed())
    }

    #[tokio::test]
    async fn what_is_locked_is_left_out_and_not_waited_for() {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let url = format!("postgres://nobody@127.0.0.1:{port}/nowhere?sslmode=disable");
        let settings = Settings::from_url(url.as_str()).unwrap().pool_min(0);
        let db = Database::connect(settings).await.unwrap();
        let (all, _) = seen(&db);
        let server = &all.servers[0];
        assert!(server.pool.is_some() && server.breaker.is_some() && server.last_connect.is_some());
        assert!(all.retries.is_some() && all.servers.len() == 1 && all.listeners == 0);
        assert_eq!(server.hosts, format!("127.0.0.1:{port}"));

        let (slots, last) = (db.pool.inner.slots.lock(), db.pool.inner.last_connect.lock());
        let (nothing, took) = seen(&db);
        let server = &nothing.servers[0];
        assert!(server.pool.is_none() && server.last_connect.is_none(), "{nothing:?}");
        assert!(server.breaker.is_some() && nothing.retries.is_some(), "{nothing:?}");
        assert!((2 * LIMIT..Duration::from_secs(5)).contains(&took), "{took:?}");
        drop((slots, last));

        db.server.breaker.while_locked(|| assert_eq!(seen(&db).0.servers[0].breaker, None));
        db.retries.while_locked(|| assert_eq!(seen(&db).0.retries, None));
        let statements = db.server.monitor.statements.lock();
        assert!(seen(&db).0.servers[0].pool.is_some(), "only the statements of leases are left out");
        drop(statements);
    }
}
