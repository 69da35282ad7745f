//! Sessions of other programs, for the commands to find.

use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use tokio_postgres::{Client, Error, NoTls};

/// A session under this application name.
#[expect(clippy::disallowed_methods, reason = "the sessions that are stopped are not Plimsoll's")]
pub(crate) async fn session(url: &str, name: &str) -> Client {
    let mut config: tokio_postgres::Config = url.parse().unwrap();
    config.application_name(name);
    let (client, connection) = config.connect(NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// Begins a statement that goes on, and waits until it does.
pub(crate) async fn begin(url: &str, name: &str, sql: &'static str) -> JoinHandle<Result<(), Error>> {
    let (client, looker) = (session(url, name).await, session(url, "looker").await);
    let pid: i32 = client.query_one("SELECT pg_backend_pid()", &[]).await.unwrap().get(0);
    let running = tokio::spawn(async move { client.batch_execute(sql).await });
    let until = Instant::now() + Duration::from_secs(15);
    let question = "SELECT state = 'active' AND wait_event IS NOT NULL FROM pg_stat_activity WHERE pid = $1";
    while !looker.query_one(question, &[&pid]).await.unwrap().get::<_, Option<bool>>(0).unwrap_or(false) {
        assert!(Instant::now() < until, "{sql} goes on");
        sleep(Duration::from_millis(20)).await;
    }
    running
}
