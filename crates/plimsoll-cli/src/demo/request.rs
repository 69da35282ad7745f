//! One request, as each of the two lanes makes it, and what its caller may believe afterwards.
//!
//! Both do the same: take a connection, begin, put the id down, commit, within two seconds. The plain lane is written as
//! most services write it, with a time limit around the whole, since that is all that there is. The guarded one asks for
//! its transaction's id, so that a lost answer to COMMIT can be settled, and for another try of what was rolled back for
//! certain; it has both because that is what it is there to show. Nobody hands the plain lane a retry: without knowing
//! what was rolled back, a retry is how writes are doubled.
//!
//! What a plain caller may believe is read off the place where it stopped, and generously: before COMMIT was sent
//! nothing can stay, whatever the error; after that only an error of the server itself says no, and not one that says
//! that the server is going away.

use super::DEADLINE;
use super::lane::Told;
use anyhow::{Context, Result};
use deadpool_postgres::{Manager, ManagerConfig, Pool, PoolError, RecyclingMethod};
use plimsoll::settings::PoolerMode;
use plimsoll::{Database, Fault, Outcome, Settings};
use plimsoll_embedded::Cluster;
use plimsoll_faults::ledger::End;
use std::borrow::Cow;
use std::future::Future;
use std::sync::atomic::{AtomicU8, Ordering};
use tokio::time::timeout;
use tokio_postgres::NoTls;

/// The columns of both statements below.
pub(super) const TABLE: &str = "create table ledger (id bigint not null, lane text not null)";
const INSERT: &str = "insert into ledger (id, lane) values ($1, $2)";

/// The name of the plain lane in the table.
pub(super) const PLAIN: &str = "deadpool";
/// The name of the guarded lane in the table.
pub(super) const GUARDED: &str = "plimsoll";

/// A pool, and one request on it.
pub(super) trait Caller: Clone + Send + Sync + 'static {
    /// Makes the request. Dropped half-way, what became of it is not known.
    fn request(&self, id: i64) -> impl Future<Output = Told> + Send;

    /// Lets go of its connections. Dropped before it is done, they end with the pool.
    fn close(&self) -> impl Future<Output = ()> + Send;
}

/// Plimsoll as it comes, apart from its size, and from a queue no longer than what can be served within the deadline:
/// as many as come in four fifths of it.
pub(super) async fn guarded(cluster: &Cluster, port: u16, size: usize, rate: u32) -> Result<Database> {
    let waiting = (f64::from(rate) * DEADLINE.as_secs_f64() * 0.8) as usize;
    let settings = Settings::default()
        .hosts(format!("{}:{port}", cluster.host()))
        .user(cluster.superuser())
        .password(cluster.password())
        .dbname("postgres")
        .pooler(PoolerMode::None)
        .pool_min(size)
        .pool_max(size)
        .max_overflow(0)
        .max_waiting(waiting.max(size));
    Database::connect(settings).await.context("the pool of plimsoll")
}

/// deadpool as it comes, apart from its size.
pub(super) fn plain(cluster: &Cluster, port: u16, size: usize) -> Result<Pool> {
    let mut driver = tokio_postgres::Config::new();
    driver.host(cluster.host()).port(port).user(cluster.superuser()).password(cluster.password());
    driver.dbname("postgres");
    let manager =
        Manager::from_config(driver, NoTls, ManagerConfig { recycling_method: RecyclingMethod::Fast });
    Pool::builder(manager).max_size(size).build().context("the pool of deadpool")
}

impl Caller for Database {
    async fn request(&self, id: i64) -> Told {
        let work = self.named("request").within(DEADLINE).resolvable();
        match work.retrying(async |tx| tx.execute(INSERT, &[&id, &GUARDED]).await).await {
            Ok(_) => Told::acknowledged(),
            Err(error) => {
                let end = match error.outcome() {
                    Outcome::Committed => End::Acknowledged,
                    Outcome::NotStarted => End::Refused,
                    Outcome::RolledBack => End::Failed,
                    // Whatever else there may be one day is no certainty.
                    _ => End::Unknown,
                };
                Told::not(end, in_a_word(&error))
            }
        }
    }

    async fn close(&self) {
        Database::close(self).await;
    }
}

/// The faults that a broken wire and a broken server bring, as the plain lane calls them; any other by its code.
fn in_a_word(error: &plimsoll::Error) -> Cow<'static, str> {
    Cow::Borrowed(match error.fault() {
        Fault::DeadlinePassed => "deadline",
        Fault::PoolExhausted => "pool exhausted",
        Fault::QueueFull => "queue full",
        Fault::Unreachable | Fault::ConnectTimeout => "server away",
        Fault::NotAccepting => "server not ready",
        Fault::ConnectionLost => "connection lost",
        Fault::ServerShutdown => "server shut down",
        _ => error.code(),
    })
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
    async fn request(&self, id: i64) -> Told {
        let at = AtomicU8::new(Place::Waiting as u8);
        match timeout(DEADLINE, attempt(self, id, &at)).await {
            Ok(Ok(())) => Told::acknowledged(),
            Ok(Err(PoolError::Backend(error))) => {
                let says_no = error.code().is_some_and(|code| !is_going_away(code.code()));
                let place = Place::of(&at);
                let end = if says_no && place == Place::Committing { End::Failed } else { place.end() };
                Told::not(end, word_of(&error, place))
            }
            Ok(Err(_)) => Told::not(Place::of(&at).end(), "no connection"),
            Err(_) => Told::not(Place::of(&at).end(), "deadline"),
        }
    }

    async fn close(&self) {
        Pool::close(self);
    }
}

async fn attempt(pool: &Pool, id: i64, at: &AtomicU8) -> Result<(), PoolError> {
    let mut client = pool.get().await?;
    at.store(Place::Open as u8, Ordering::Relaxed);
    let statement = client.prepare_cached(INSERT).await?;
    let tx = client.transaction().await?;
    tx.execute(&statement, &[&id, &PLAIN]).await?;
    at.store(Place::Committing as u8, Ordering::Relaxed);
    tx.commit().await?;
    Ok(())
}

/// Classes 08, 57 and XX: the server or the connection ends, at a moment that may be after the COMMIT.
fn is_going_away(code: &str) -> bool {
    ["08", "57", "XX"].iter().any(|class| code.starts_with(class))
}

fn word_of(error: &tokio_postgres::Error, place: Place) -> Cow<'static, str> {
    match error.code().map(|code| code.code()) {
        Some("57P03") => "server not ready".into(),
        Some("57P01" | "57P02") => "server shut down".into(),
        Some(code) => code.to_owned().into(),
        None if place == Place::Waiting => "server away".into(),
        None => "connection lost".into(),
    }
}
