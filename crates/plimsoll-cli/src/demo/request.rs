//! One request, as each of the two lanes makes it, and what its caller may believe afterwards.
//!
//! Both do the same: take a connection, begin, put the id down, commit, within two seconds. The plain lane is written as
//! most services write it, with a time limit around the whole, since that is all that there is. The guarded one asks for
//! its transaction's id, so that a lost answer to COMMIT can be settled, and for another try of what was rolled back for
//! certain; it has both because that is what it is there to show. The plain lane tries again as resilience guides tell
//! services to: up to three times what failed with the connection, after half a second and after a second, as long as
//! the two seconds last. Without knowing what was rolled back, that is how writes are doubled.
//!
//! What a plain caller may believe is read off the place where it stopped, and generously: before COMMIT was sent
//! nothing can stay, whatever the error; after that only an error of the server itself says no, and not one that says
//! that the server is going away. And if an earlier try may have happened, the caller does not say that it failed.

use super::DEADLINE;
use super::lane::Told;
use super::words;
use crate::private_server;
use anyhow::{Context, Result};
use deadpool_postgres::{Pool, PoolError, RecyclingMethod};
use plimsoll::{Database, Outcome};
use plimsoll_embedded::Cluster;
use plimsoll_faults::ledger::End;
use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// The columns of both statements below.
pub(super) const TABLE: &str = "create table ledger (id bigint not null, lane text not null)";
const INSERT: &str = "insert into ledger (id, lane) values ($1, $2)";

const LABOUR: &str = "select pg_sleep($1)";

/// How long the plain lane waits before it tries again, and how often it does.
const AGAIN_AFTER: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(1)];

/// The name of the plain lane in the table.
pub(super) const PLAIN: &str = "deadpool";
/// The name of the guarded lane in the table.
pub(super) const GUARDED: &str = "plimsoll";

/// A pool, and one request on it.
pub(super) trait Caller: Clone + Send + Sync + 'static {
    /// Makes the request, which keeps the server busy for a while if it is told to. Dropped half-way, what became of it is not known.
    fn request(&self, id: i64, labour: Option<Duration>) -> impl Future<Output = Told> + Send;

    /// Lets go of its connections. Dropped before it is done, they end with the pool.
    fn close(&self) -> impl Future<Output = ()> + Send;
}

/// Plimsoll as it comes, apart from its size, and from a queue no longer than what can be served within the deadline:
/// as many as come in four fifths of it.
pub(super) async fn guarded(cluster: &Cluster, port: u16, size: usize, rate: u32) -> Result<Database> {
    let waiting = (f64::from(rate) * DEADLINE.as_secs_f64() * 0.8) as usize;
    let settings = private_server::settings(cluster, port, size).max_waiting(waiting.max(size));
    Database::connect(settings).await.context("the pool of plimsoll")
}

/// deadpool as it comes, apart from its size.
pub(super) fn plain(cluster: &Cluster, port: u16, size: usize) -> Result<Pool> {
    private_server::plain(cluster, port, size, RecyclingMethod::Fast)
}

impl Caller for Database {
    async fn request(&self, id: i64, labour: Option<Duration>) -> Told {
        let work = self.named("request").within(DEADLINE).resolvable();
        let labour = labour.map(|labour| labour.as_secs_f64());
        let put = async |tx: plimsoll::Transaction| {
            if let Some(labour) = labour {
                tx.execute(LABOUR, &[&labour]).await?;
            }
            tx.execute(INSERT, &[&id, &GUARDED]).await
        };
        match work.retrying(put).await {
            Ok(_) => Told::acknowledged(),
            Err(error) => {
                let end = match error.outcome() {
                    Outcome::Committed => End::Acknowledged,
                    Outcome::NotStarted => End::Refused,
                    Outcome::RolledBack => End::Failed,
                    // Whatever else there may be one day is no certainty.
                    _ => End::Unknown,
                };
                Told::not(end, words::of_guarded(&error))
            }
        }
    }

    async fn close(&self) {
        Database::close(self).await;
    }
}

/// How far a plain request has come.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Place {
    Waiting,
    Open,
    Committing,
}

impl Place {
    fn of(at: &AtomicU8) -> Self {
        match at.load(Ordering::Relaxed) {
            0 => Place::Waiting,
            1 => Place::Open,
            _ => Place::Committing,
        }
    }

    /// What a caller may believe who got no answer of the server here.
    fn end(self) -> End {
        match self {
            Place::Waiting => End::Refused,
            Place::Open => End::Failed,
            Place::Committing => End::Unknown,
        }
    }
}

impl Caller for Pool {
    async fn request(&self, id: i64, labour: Option<Duration>) -> Told {
        let tries = Tries::default();
        match timeout(DEADLINE, again_and_again(self, id, labour, &tries)).await {
            Ok(Ok(())) => Told::acknowledged(),
            Ok(Err(told)) => told,
            Err(_) => Told::not(tries.end_so_far(), words::OUT_OF_TIME),
        }
    }

    async fn close(&self) {
        Pool::close(self);
    }
}

/// What is known of the tries of one request.
#[derive(Default)]
struct Tries {
    at: AtomicU8,
    may_have_happened: AtomicBool,
}

impl Tries {
    /// What the caller may believe where a try without an answer stops; an earlier one may have happened.
    fn end_so_far(&self) -> End {
        self.all(Place::of(&self.at).end())
    }

    fn all(&self, last: End) -> End {
        if self.may_have_happened.load(Ordering::Relaxed) { End::Unknown } else { last }
    }
}

/// The prescribed tries: of what failed with the connection, and of nothing else.
async fn again_and_again(pool: &Pool, id: i64, labour: Option<Duration>, tries: &Tries) -> Result<(), Told> {
    let mut pauses = AGAIN_AFTER.iter();
    loop {
        tries.at.store(Place::Waiting as u8, Ordering::Relaxed);
        let Err(error) = attempt(pool, id, labour, &tries.at).await else { return Ok(()) };
        let place = Place::of(&tries.at);
        let code = match &error {
            PoolError::Backend(error) => error.code().map(|code| code.code()),
            _ => None,
        };
        let says_no = code.is_some_and(|code| !is_going_away(code));
        let end = if says_no && place == Place::Committing { End::Failed } else { place.end() };
        let may_have_happened = end == End::Unknown;
        tries.may_have_happened.fetch_or(may_have_happened, Ordering::Relaxed);
        // Between two tries there is nothing under way but what an earlier one has left behind.
        tries.at.store(Place::Waiting as u8, Ordering::Relaxed);
        match pauses.next().filter(|_| !says_no) {
            Some(pause) => sleep(*pause).await,
            None => {
                let word = match &error {
                    PoolError::Backend(error) => words::of_plain(error, place != Place::Waiting),
                    _ => "no connection".into(),
                };
                return Err(Told::not(tries.all(end), word));
            }
        }
    }
}

async fn attempt(pool: &Pool, id: i64, labour: Option<Duration>, at: &AtomicU8) -> Result<(), PoolError> {
    let mut client = pool.get().await?;
    at.store(Place::Open as u8, Ordering::Relaxed);
    let statement = client.prepare_cached(INSERT).await?;
    let tx = client.transaction().await?;
    if let Some(labour) = labour {
        let statement = tx.prepare_cached(LABOUR).await?;
        tx.execute(&statement, &[&labour.as_secs_f64()]).await?;
    }
    tx.execute(&statement, &[&id, &PLAIN]).await?;
    at.store(Place::Committing as u8, Ordering::Relaxed);
    tx.commit().await?;
    Ok(())
}

/// Classes 08, 57 and XX: the server or the connection ends, at a moment that may be after the COMMIT.
fn is_going_away(code: &str) -> bool {
    ["08", "57", "XX"].iter().any(|class| code.starts_with(class))
}
