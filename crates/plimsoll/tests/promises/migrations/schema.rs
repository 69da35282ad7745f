//! A fresh database and a handle on it, and what is asked of the schema that is made there.

use crate::server;
use plimsoll::{Database, Settings};
use plimsoll_embedded::test_server::{self, TestDatabase};
use std::time::Duration;

/// An empty database, and a handle on it as a program makes it.
pub(super) async fn fresh() -> (TestDatabase, Database) {
    let database = test_server::database().await.unwrap();
    let db = Database::connect(Settings::from_url(database.url()).unwrap()).await.unwrap();
    (database, db)
}

/// The one value that this expression has, as text.
pub(super) async fn one(database: &TestDatabase, sql: &str) -> String {
    let rows = database.execute(&format!("SELECT ({sql})::text AS it")).await.unwrap();
    rows[0].get("it").cloned().unwrap_or_default()
}

/// Whether there is a table of this name.
pub(super) async fn exists(database: &TestDatabase, table: &str) -> bool {
    one(database, &format!("SELECT to_regclass('{table}') IS NOT NULL")).await == "true"
}

/// Waits until the query gives this text.
pub(super) async fn until(database: &TestDatabase, sql: &str, wanted: &str) {
    let what = format!("{sql} becomes {wanted}");
    server::until(&what, Duration::from_secs(20), async || one(database, sql).await == wanted).await;
}
