//! The four tests of the database baseline, against `TEST_DATABASE_URL`, or a private server where that is not set:
//! `make p0`. Each says what it measured; the last line is `Total: 4/4 tests passed`, and anything less is a failure.
//!
//! Nothing that exists is touched: the tests work in a database of their own beside the one that is named, or, where
//! the role may not create one, in a schema of their own; both are dropped at the end.
//!
//! It is a program of its own, with a `main` and without the test harness, so that its output is its own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use plimsoll::migrate::Migrations;
use plimsoll::pool::PoolStatus;
use plimsoll::{Database, Error, Fault, Settings};
use std::error::Error as _;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

type Outcome = Result<String, Box<dyn std::error::Error + Send + Sync>>;

static MIGRATIONS: Migrations = plimsoll::migrations!("tests/migrations/001_initial_schema.sql");
const TABLES: [&str; 9] = [
    "alert_preferences",
    "alerts_sent",
    "community_submissions",
    "exploits",
    "payments",
    "sources",
    "subscription_changes",
    "user_reputation",
    "users",
];

/// Fails with a sentence.
macro_rules! want {
    ($condition:expr, $($text:tt)+) => {
        if !$condition {
            return Err(format!($($text)+).into());
        }
    };
}

fn main() {
    // What runs tests asks first which there are: one, this whole program.
    let arguments: Vec<String> = std::env::args().collect();
    if arguments.iter().any(|argument| argument == "--list") {
        if !arguments.iter().any(|argument| argument == "--ignored") {
            println!("p0: test");
        }
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let passed = runtime.block_on(all());
    if passed < 4 {
        std::process::exit(1);
    }
}

async fn all() -> usize {
    let place = match Place::make().await {
        Ok(place) => place,
        Err(why) => {
            println!("FAIL  no place to work in: {why}\nTotal: 0/4 tests passed");
            return 0;
        }
    };
    println!("working in {}", place.said);
    let mut passed = 0;
    passed += usize::from(report("schema initialisation", schema_initialisation(&place)).await);
    passed += usize::from(report("pool exhaustion and recovery", pool_exhaustion(&place)).await);
    passed += usize::from(report("tracking of the pool", pool_tracking(&place)).await);
    passed += usize::from(report("20 workers, 100 queries each", concurrent_workers(&place)).await);
    place.remove().await;
    println!("Total: {passed}/4 tests passed");
    passed
}

async fn report(name: &str, test: impl Future<Output = Outcome>) -> bool {
    let began = Instant::now();
    let outcome = tokio::time::timeout(Duration::from_secs(60), test).await;
    let seconds = began.elapsed().as_secs_f64();
    match &outcome {
        Ok(Ok(measured)) => println!("PASS  {name} ({seconds:.2} s): {measured}"),
        Ok(Err(why)) => println!("FAIL  {name} ({seconds:.2} s): {why}"),
        Err(_) => println!("FAIL  {name}: no end after 60 s"),
    }
    matches!(outcome, Ok(Ok(_)))
}

/// Where the tests work.
struct Place {
    settings: Settings,
    said: String,
    owner: Database,
    drop: String,
    _private: Option<plimsoll_embedded::test_server::TestDatabase>,
}

impl Place {
    async fn make() -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let given = std::env::var("TEST_DATABASE_URL").ok().filter(|url| !url.is_empty());
        let (url, private, server) = match given {
            Some(url) => (url, None, "the server of TEST_DATABASE_URL"),
            None => {
                let private = plimsoll_embedded::test_server::database().await?;
                (private.url(), Some(private), "a private server (TEST_DATABASE_URL is not set)")
            }
        };
        let settings = Settings::from_url(url)?;
        let owner = Database::connect(settings.clone().pool_min(0).pool_max(2)).await?;
        owner.acquire().await?;
        let name = format!("plimsoll_p0_{}_{:08x}", std::process::id(), fastrand::u32(..));
        match owner.execute(&format!("CREATE DATABASE {name}"), &[]).await {
            Ok(_) => {
                let drop = format!("DROP DATABASE {name} WITH (FORCE)");
                let said = format!("database {name} on {server}; it is dropped at the end");
                Ok(Place { settings: settings.dbname(name), said, owner, drop, _private: private })
            }
            Err(error) if error.fault() == Fault::Privilege => {
                owner.execute(&format!("CREATE SCHEMA {name}"), &[]).await?;
                let drop = format!("DROP SCHEMA {name} CASCADE");
                let said = format!(
                    "schema {name} on {server}, where no database may be made; it is dropped at the end"
                );
                let settings = settings.options(format!("-c search_path={name}"));
                Ok(Place { settings, said, owner, drop, _private: private })
            }
            Err(error) => Err(error.into()),
        }
    }

    /// A pool of its own, so that each test counts its own.
    async fn pool(&self, max: usize) -> Result<Database, Error> {
        let settings = self.settings.clone().pool_min(0).pool_max(max).max_overflow(0);
        Database::connect(settings.pool_timeout(Duration::from_secs(3))).await
    }

    async fn remove(self) {
        if let Err(error) = self.owner.execute(&self.drop, &[]).await {
            println!("left behind: {} ({error})", self.drop);
        }
        self.owner.close().await;
    }
}

/// A fresh database gets all nine tables, and running it again is harmless.
async fn schema_initialisation(place: &Place) -> Outcome {
    let db = place.pool(3).await?;
    let made = "SELECT relname::text FROM pg_class WHERE relnamespace = current_schema()::regnamespace \
                AND relkind = 'r' AND relname <> 'plimsoll_migrations' ORDER BY 1";
    let tables = async || -> Result<Vec<String>, Error> {
        Ok(db.query(made, &[]).await?.iter().map(|row| row.get(0)).collect())
    };
    want!(tables().await?.is_empty(), "the place is not empty");
    let began = Instant::now();
    let first = db.migrate(&MIGRATIONS).await?;
    let took = began.elapsed();
    want!(first.applied.len() == 1, "{first:?}");
    want!(tables().await? == TABLES, "there are {:?}", tables().await?);

    db.execute("INSERT INTO sources (name, url) VALUES ('kept', 'https://example.org')", &[]).await?;
    let again = db.migrate(&MIGRATIONS).await?;
    want!(again.applied.is_empty() && again.already == 1, "{again:?}");
    // And the file by itself, without the history's protection.
    for file in MIGRATIONS.files().map_err(|problems| problems.join("; "))? {
        db.acquire().await?.batch_execute(&file.sql).await?;
    }
    want!(tables().await? == TABLES, "after a second run there are {:?}", tables().await?);
    let kept: i64 = db.query_one("SELECT count(*) FROM sources", &[]).await?.get(0);
    want!(kept == 1, "{kept} rows were kept instead of 1");
    db.close().await;
    Ok(format!("9 tables in {} ms; three runs, nothing lost", took.as_millis()))
}

/// Holds a connection in a task of its own until it is told to give it back.
async fn hold(db: &Database) -> Result<(oneshot::Sender<()>, tokio::task::JoinHandle<()>), Error> {
    let (release, released) = oneshot::channel();
    let connection = db.acquire().await?;
    let task = tokio::spawn(async move {
        let _ = released.await;
        drop(connection);
    });
    Ok((release, task))
}

/// What the pool counts once everything that was lent is back; a return may take the driver one more turn.
async fn settled(db: &Database) -> PoolStatus {
    let began = Instant::now();
    loop {
        let status = db.pool_status();
        if status.checked_out == 0 || began.elapsed() > Duration::from_secs(5) {
            return status;
        }
        tokio::task::yield_now().await;
    }
}

/// A pool of two, both lent: the third waits for three seconds, is told why, and is served after a release.
async fn pool_exhaustion(place: &Place) -> Outcome {
    let db = place.pool(2).await?;
    let (first, first_task) = hold(&db).await?;
    let (second, second_task) = hold(&db).await?;
    let began = Instant::now();
    let refused = db.acquire().await;
    let waited = began.elapsed();
    let Err(error) = refused else { return Err("a third connection was lent".into()) };
    let text = error.to_string();
    want!(text.contains("Failed to acquire database connection after 3s"), "the error says: {text}");
    want!(error.fault() == Fault::PoolExhausted, "the fault is {:?}", error.fault());
    want!(
        (Duration::from_secs(3)..=Duration::from_millis(3100)).contains(&waited),
        "it gave up after {waited:?} instead of 3.0 to 3.1 s"
    );
    let _ = first.send(());
    first_task.await?;
    let began = Instant::now();
    let served = db.acquire().await?;
    let recovery = began.elapsed();
    let one: i32 = served.query_one("SELECT 1", &[]).await?.get(0);
    want!(one == 1, "it answered {one}");
    drop(served);
    let _ = second.send(());
    second_task.await?;
    db.close().await;
    Ok(format!(
        "gave up after {:.3} s, served {:.1} ms after a release",
        waited.as_secs_f64(),
        recovery.as_secs_f64() * 1e3
    ))
}

/// What the pool counts is what happened, exactly.
async fn pool_tracking(place: &Place) -> Outcome {
    let db = place.pool(2).await?;
    // Both connections are there, so that nobody waits for one to be opened.
    let both = (db.acquire().await?, db.acquire().await?);
    drop(both);
    let before = settled(&db).await;
    for n in 0..25_i64 {
        let row = db.query_one("SELECT $1::bigint * 2", &[&n]).await?;
        want!(row.get::<_, i64>(0) == 2 * n, "a wrong answer");
        settled(&db).await;
    }
    let error = db.query("SELECT 1 / 0", &[]).await.expect_err("divided by zero");
    want!(error.sqlstate().is_some_and(|state| state.code() == "22012"), "{error}");
    let plain = settled(&db).await;
    want!(plain.acquired - before.acquired == 26, "{} lent instead of 26", plain.acquired - before.acquired);
    want!(plain.failed == before.failed && plain.waited == before.waited, "{plain:?}");

    let (first, first_task) = hold(&db).await?;
    let (second, second_task) = hold(&db).await?;
    let held = db.pool_status();
    want!(held.checked_out == 2 && held.leases.len() == 2, "{held:?}");
    want!(held.leases.iter().all(|lease| lease.work.contains("p0.rs")), "{:?}", held.leases);
    for _ in 0..3 {
        let refused = db.named("too many").acquire_within(Duration::from_millis(20)).acquire().await;
        want!(refused.is_err(), "a third connection was lent");
    }
    let waiter = tokio::spawn({
        let db = db.clone();
        async move { db.acquire().await.map(drop) }
    });
    while db.pool_status().waiting == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let _ = first.send(());
    first_task.await?;
    waiter.await??;
    let _ = second.send(());
    second_task.await?;

    let after = settled(&db).await;
    let counted = (after.acquired - plain.acquired, after.failed - plain.failed, after.waited - plain.waited);
    want!(counted == (3, 3, 1), "acquired, failed, waited are {counted:?} instead of (3, 3, 1)");
    want!(after.checked_out == 0 && after.waiting == 0, "{after:?}");
    want!(after.maximum == 2 && after.total_connections <= 2, "{after:?}");
    want!(after.wait_longest > Duration::ZERO && after.wait_longest <= after.wait_total, "{after:?}");
    db.close().await;
    Ok("29 lent, 3 refused, 1 waited for, 2 leases named: each counted".to_owned())
}

/// Twenty workers on ten connections, a hundred queries each, and no failure.
async fn concurrent_workers(place: &Place) -> Outcome {
    let db = place.pool(10).await?;
    let began = Instant::now();
    let workers: Vec<_> = (0..20_i64)
        .map(|worker| {
            let db = db.clone();
            tokio::spawn(async move {
                let mut slowest = Duration::ZERO;
                for query in 0..100_i64 {
                    let began = Instant::now();
                    let row =
                        db.named("worker").query_one("SELECT $1::bigint", &[&(worker * 100 + query)]).await?;
                    slowest = slowest.max(began.elapsed());
                    if row.get::<_, i64>(0) != worker * 100 + query {
                        return Err(Error::abort("somebody else's answer"));
                    }
                }
                Ok(slowest)
            })
        })
        .collect();
    let mut slowest = Duration::ZERO;
    let mut failures = Vec::new();
    for worker in workers {
        match worker.await? {
            Ok(span) => slowest = slowest.max(span),
            Err(error) => failures.push(format!("{error} {:?}", error.source())),
        }
    }
    let took = began.elapsed();
    want!(failures.is_empty(), "{} of 20 workers failed, the first: {}", failures.len(), failures[0]);
    let recorded = db.snapshot().statements.executed;
    want!(recorded == 2000, "{recorded} statements were recorded instead of 2000");
    let monitor = recording(&db);
    let all = monitor * 2000;
    let share = all.as_secs_f64() / took.as_secs_f64();
    // Measured on one thread at a time, and of the time that went by, not of all processors' time: so it is no less.
    want!(all < took / 2, "the monitor took {:.1} % of the time", share * 100.0);
    let status = settled(&db).await;
    want!(status.acquired == 2000 && status.failed == 0, "{status:?}");
    want!(status.checked_out == 0 && status.total_connections <= 10, "{status:?}");
    db.close().await;
    Ok(format!(
        "2000 queries in {:.2} s ({:.0}/s), the slowest {:.1} ms, no failure; the monitor's share {:.2} % ({:.1} us a query)",
        took.as_secs_f64(),
        2000.0 / took.as_secs_f64(),
        slowest.as_secs_f64() * 1e3,
        share * 100.0,
        monitor.as_secs_f64() * 1e6
    ))
}

/// What the monitor takes for one query: the record of its acquisition and that of its statement.
fn recording(db: &Database) -> Duration {
    const TIMES: u32 = 20_000;
    let began = Instant::now();
    for _ in 0..TIMES {
        db.monitor().record_acquisition(Duration::from_micros(10), true);
        db.monitor().record_query_execution("SELECT $1::bigint", Duration::from_micros(100), false);
    }
    began.elapsed() / TIMES
}
