//! What the tests of the pool begin with: a database of their own, settings that fit it, and ways to wait for a state
//! that end by themselves.
//!
//! Nobody here sleeps for a time in which something should have come about: a state is looked at until it is there,
//! an event is awaited, and either wait has a limit and says what it waited for.

use plimsoll::event::Event;
use plimsoll::{Database, Settings};
use plimsoll_embedded::test_server::TestDatabase;
use std::time::Duration;
use tokio::sync::broadcast::{Receiver, error::RecvError};
use tokio::time::{Instant, sleep, timeout};

/// Longer than anything takes on a machine that is busy with other things, and short enough to be waited for.
pub(crate) const PATIENCE: Duration = Duration::from_secs(15);

/// How long a test goes on that is about what does not happen: three seconds, or as many as `PLIMSOLL_SECONDS` says.
pub(crate) fn span() -> Duration {
    Duration::from_secs(number("PLIMSOLL_SECONDS", 3))
}

/// A number that the environment says, such as how many seeds are to be played. What is no number ends the test, which
/// would else play less than was asked for and pass.
pub(crate) fn number(name: &str, default: u64) -> u64 {
    let said = std::env::var(name).ok();
    said.map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name}={text} is not a number")))
}

/// The memory of this process that is in use, in kB.
pub(crate) fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Settings for this database: five connections at the most, none kept open for nothing.
pub(crate) async fn settings_for(db: &TestDatabase) -> Settings {
    settings(&db.url())
}

/// The same for any server.
pub(crate) fn settings(url: &str) -> Settings {
    Settings::from_url(url)
        .expect("a URL of plimsoll-embedded")
        .pool_min(0)
        .pool_max(5)
        .max_overflow(0)
        .pool_timeout(Duration::from_secs(12))
}

/// A pool on this database.
pub(crate) async fn database(db: &TestDatabase) -> Database {
    Database::connect(settings_for(db).await).await.expect("a pool on the test's database")
}

/// Looks until the check says yes; fails after the limit.
pub(crate) async fn until(what: &str, limit: Duration, mut check: impl AsyncFnMut() -> bool) {
    let end = Instant::now() + limit;
    while !check().await {
        assert!(Instant::now() < end, "waited {limit:?} and it did not happen: {what}");
        sleep(Duration::from_millis(5)).await;
    }
}

/// Awaits the first event that `wanted` makes something of.
pub(crate) async fn event<T>(
    what: &str,
    events: &mut Receiver<Event>,
    mut wanted: impl FnMut(&Event) -> Option<T>,
) -> T {
    let found = timeout(PATIENCE, async {
        loop {
            match events.recv().await {
                Ok(event) => {
                    if let Some(found) = wanted(&event) {
                        return found;
                    }
                }
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => panic!("the pool is gone, and there was no event: {what}"),
            }
        }
    });
    found.await.unwrap_or_else(|_| panic!("waited {PATIENCE:?} for an event: {what}"))
}

/// A session that nothing guards, for what a guarded one would refuse or repair.
pub(crate) async fn bare(url: &str) -> tokio_postgres::Client {
    bare_with_driver(url).await.0
}

/// The same where being refused is an answer.
#[expect(clippy::disallowed_methods, reason = "somebody else's connection, which may not come about")]
pub(crate) async fn try_bare(url: &str) -> Result<tokio_postgres::Client, tokio_postgres::Error> {
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

/// The same, with the task that moves its bytes: aborting that is what a killed program does to its socket.
#[expect(clippy::disallowed_methods, reason = "some promises are about what a bare driver would do")]
pub(crate) async fn bare_with_driver(url: &str) -> (tokio_postgres::Client, tokio::task::JoinHandle<()>) {
    let (client, connection) =
        tokio_postgres::connect(url, tokio_postgres::NoTls).await.expect("a bare session");
    (client, tokio::spawn(async move { drop(connection.await) }))
}

/// The first value that a bare session answers, as text.
pub(crate) async fn first(
    client: &tokio_postgres::Client,
    sql: &str,
) -> Result<String, tokio_postgres::Error> {
    let messages = client.simple_query(sql).await?;
    let found = messages.iter().find_map(|message| match message {
        tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
        _ => None,
    });
    Ok(found.unwrap_or_default())
}

/// The first column of the first row, as text.
pub(crate) async fn text(db: &TestDatabase, sql: &str) -> String {
    let rows = db.execute(sql).await.expect(sql);
    rows.first().and_then(|row| row.values().next().cloned()).unwrap_or_default()
}
