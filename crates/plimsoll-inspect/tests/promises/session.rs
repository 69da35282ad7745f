//! Sessions of a test, and waiting for a state that has a limit.

use plimsoll_embedded::test_server::TestDatabase;
use plimsoll_inspect::blocking::{BLOCKING, Blocking};
use std::time::Duration;
use tokio::time::{Instant, sleep};
use tokio_postgres::{Client, NoTls};

/// Longer than anything takes on a machine that is busy with other things.
const PATIENCE: Duration = Duration::from_secs(15);

/// A session under this application name, as the superuser or as another role.
pub(crate) async fn session(db: &TestDatabase, user: Option<&str>, name: &str) -> Client {
    session_at(&db.url(), user, name).await
}

/// The same at any server.
#[expect(clippy::disallowed_methods, reason = "this crate opens no connection, so its tests have to")]
pub(crate) async fn session_at(url: &str, user: Option<&str>, name: &str) -> Client {
    let mut config: tokio_postgres::Config = url.parse().unwrap();
    config.application_name(name);
    if let Some(user) = user {
        config.user(user).password("pw");
    }
    let (client, connection) = config.connect(NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// Asks who blocks whom until the answer is as wanted.
pub(crate) async fn blocking_until(
    asker: &Client,
    what: &str,
    is_wanted: impl Fn(&Blocking) -> bool,
) -> Blocking {
    let end = Instant::now() + PATIENCE;
    loop {
        let seen = Blocking::read(&asker.simple_query(BLOCKING).await.unwrap()).unwrap();
        if is_wanted(&seen) {
            return seen;
        }
        assert!(Instant::now() < end, "waited {PATIENCE:?} and it did not happen: {what}: {seen:#?}");
        sleep(Duration::from_millis(20)).await;
    }
}

/// The process id of a session.
pub(crate) async fn pid(client: &Client) -> i32 {
    client.query_one("SELECT pg_backend_pid()", &[]).await.unwrap().get(0)
}

/// Begins a statement that waits, on a task of its own.
pub(crate) fn begin(client: Client, sql: &'static str) -> tokio::task::JoinHandle<Client> {
    tokio::spawn(async move {
        client.batch_execute(sql).await.unwrap();
        client
    })
}
