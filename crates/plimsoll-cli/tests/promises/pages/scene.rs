//! A server on which much is to be told: tables of odd names, a session that holds up another one, statements that were counted.

use crate::command::{Run, plimsoll, runs};
use crate::server_sessions::session;
use plimsoll_embedded::Cluster;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;
use tokio_postgres::Client;

/// A name that is markup where it is not escaped.
pub(crate) const MARKUP: &str = "<script>alert(1)</script>";
/// One that ends an attribute, and a string of SQL.
pub(crate) const QUOTES: &str = "it's \"odd\" & <b>";
/// A constant in what a session runs.
pub(crate) const CONSTANT: &str = "card-4111";
pub(crate) const PASSWORD: &str = "hunter2";

pub(crate) struct Scene {
    pub(crate) cluster: Cluster,
    /// The server, for a role with all rights and a password.
    pub(crate) url: String,
    folder: tempfile::TempDir,
    /// The session that the other one waits for.
    _holder: Client,
    waiter: JoinHandle<()>,
}

impl Drop for Scene {
    fn drop(&mut self) {
        self.waiter.abort();
    }
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

pub(crate) async fn scene() -> Scene {
    let cluster =
        Cluster::builder().setting("shared_preload_libraries", "pg_stat_statements").start().await.unwrap();
    let roles = format!(
        "CREATE ROLE admin LOGIN SUPERUSER PASSWORD '{PASSWORD}'; CREATE ROLE app LOGIN; CREATE ROLE plain LOGIN PASSWORD '{PASSWORD}'"
    );
    cluster.execute("postgres", &roles).await.unwrap();
    cluster.create_database("orders").await.unwrap();
    let mut tables =
        "CREATE EXTENSION pg_stat_statements; CREATE TABLE item (id int PRIMARY KEY, note text)".to_owned();
    for name in [MARKUP, QUOTES] {
        let name = quoted(name);
        tables.push_str(&format!(
            "; CREATE TABLE {name} (id int PRIMARY KEY, code int, parent int REFERENCES {name}); CREATE INDEX ON {name} (code); \
             CREATE INDEX ON {name} (code); INSERT INTO {name} SELECT n, n, n FROM generate_series(1, 5000) AS n; ANALYZE {name}"
        ));
    }
    tables.push_str("; INSERT INTO item VALUES (1, 'one')");
    cluster.execute("orders", &tables).await.unwrap();
    let url = format!("postgres://admin:{PASSWORD}@127.0.0.1:{}/orders", cluster.port());
    let (holder, waiter) = blocked(&url).await;
    Scene { cluster, url, folder: tempfile::tempdir().unwrap(), _holder: holder, waiter }
}

/// A session that holds a row, and another that waits for it, each with a constant in what it runs.
async fn blocked(url: &str) -> (Client, JoinHandle<()>) {
    let (holder, waiting) = (session(url, MARKUP).await, session(url, "waits").await);
    let update = format!("UPDATE item SET note = '{CONSTANT}' WHERE id = 1");
    holder.batch_execute(&format!("BEGIN; {update}")).await.unwrap();
    let waiter = tokio::spawn(async move { drop(waiting.batch_execute(&update).await) });
    (holder, waiter)
}

impl Scene {
    /// Waits until the second session waits for the first.
    pub(crate) async fn until_blocked(&self) {
        let waits = "SELECT count(*)::text AS n FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
        let end = Instant::now() + Duration::from_secs(15);
        while self.cluster.execute("postgres", waits).await.unwrap()[0]["n"] == "0" {
            assert!(Instant::now() < end, "no session waits");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a page of this server, and gives it.
    pub(crate) async fn report(&self, url: &str, arguments: &[&str]) -> (Run, String) {
        let file = self.file("page.html");
        let mut all = vec!["report", url, "--role", "app", "-o", file.to_str().unwrap()];
        all.extend(arguments);
        let run = runs(plimsoll(&all)).await;
        let page = std::fs::read_to_string(&file).unwrap_or_default();
        (run, page)
    }
}
