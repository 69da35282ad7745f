//! The service on a database of its own.

use crate::started::{Started, until};
use plimsoll_embedded::test_server::{self, TestDatabase};

pub(crate) struct Content {
    pub(crate) started: Started,
    pub(crate) database: TestDatabase,
}

pub(crate) async fn start() -> Content {
    let database = test_server::database().await.unwrap();
    let started =
        Started::with(env!("CARGO_BIN_EXE_content"), &[("DATABASE_URL", database.url().as_str())]).await;
    Content { started, database }
}

impl Content {
    /// How many statements sleep on the server for a client of the service.
    pub(crate) async fn sleeping(&self) -> String {
        let sql = "SELECT count(*)::text AS n FROM pg_stat_activity WHERE datname = current_database() \
                   AND state = 'active' AND pid <> pg_backend_pid() AND query LIKE '%pg_sleep(%'";
        crate::started::first(&self.database, sql).await
    }

    pub(crate) async fn until_sleeping(&self, count: usize) {
        let wanted = count.to_string();
        until(&format!("{count} statements sleep"), async || self.sleeping().await == wanted).await;
    }

    pub(crate) async fn end(self) {
        assert!(self.started.stop().await.success());
    }
}
