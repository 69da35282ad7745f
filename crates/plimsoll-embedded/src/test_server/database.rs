//! A database of one's own for one test.

use super::server::TestServer;
use super::template::plain;
use crate::error::Result;
use crate::sql::{self, Row, Target};
use std::cell::RefCell;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

/// How long the end of a test's thread waits for its database to be dropped.
const DROP_PATIENCE: Duration = Duration::from_secs(10);

/// A fresh database on the run's shared server. Dropped, it takes the database with it, and every session that is still connected: soon,
/// and before the thread has ended that dropped it.
#[derive(Debug)]
pub struct TestDatabase {
    server: Arc<TestServer>,
    name: String,
}

impl TestDatabase {
    pub(super) async fn copy_of(template: &str, server: Arc<TestServer>) -> Result<Self> {
        // The test's name, to be recognised in pg_stat_activity and in the log; and chance, to be alone.
        let thread = std::thread::current();
        let test = thread.name().unwrap_or("test").rsplit("::").next().unwrap_or_default();
        let name = format!("t_{}_{:08x}", plain(test, 45), fastrand::u32(..));
        // Copying files beats logging every block of them, on a server that need not survive; 15 has to be told.
        let strategy = if server.version() >= 15 { " STRATEGY file_copy" } else { "" };
        let create =
            format!("CREATE DATABASE {} TEMPLATE {}{strategy}", sql::name(&name), sql::name(template));
        server.socket().run("postgres", &create, "make a database for a test").await?;
        Ok(Self { server, name })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A connection URL for the superuser.
    pub fn url(&self) -> String {
        self.server.url(&self.name)
    }

    /// The server that it is in.
    pub fn server(&self) -> &TestServer {
        &self.server
    }

    /// Runs SQL in it as the superuser, as one simple query, and returns its rows as text. Dropped before it is done,
    /// the statement may or may not have happened.
    pub async fn execute(&self, sql: &str) -> Result<Vec<Row>> {
        self.server.socket().run(&self.name, sql, "run a statement in the test's database").await
    }
}

impl Drop for TestDatabase {
    /// A test ends in a runtime that is about to go, or that was never entered; so a thread of its own does it.
    ///
    /// The end of the caller's thread waits for it, and not this call: where a runtime has but the caller's thread,
    /// nothing else moves in it meanwhile, and a login that is under way stays half done. `DROP DATABASE` waits until
    /// every process of the server has taken note of it, those in the midst of a login included, and those take note of
    /// nothing before the client's answer; so here the two would wait for each other, and every other test with them.
    fn drop(&mut self) {
        let (target, name) = (self.server.socket(), self.name.clone());
        let thread = std::thread::spawn(move || {
            let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
                return;
            };
            // If it cannot be dropped, it goes with the server.
            let _best_effort =
                runtime.block_on(async { tokio::time::timeout(DROP_PATIENCE, remove(&target, &name)).await });
        });
        // At the end of a thread that has already waited for its own, the process is about to end as well.
        let _best_effort = REMOVALS.try_with(|removals| removals.begun(thread));
    }
}

thread_local! {
    static REMOVALS: Removals = Removals::default();
}

/// The removals that this thread has begun; its end, which comes after that of its runtime, waits for them.
#[derive(Default)]
struct Removals(RefCell<Vec<JoinHandle<()>>>);

impl Removals {
    fn begun(&self, removal: JoinHandle<()>) {
        let mut begun = self.0.borrow_mut();
        begun.retain(|removal| !removal.is_finished());
        begun.push(removal);
    }
}

impl Drop for Removals {
    fn drop(&mut self) {
        for removal in self.0.take() {
            let _best_effort = removal.join();
        }
    }
}

/// `DROP DATABASE` that meets a session, even one that is just leaving, looks again only after 100 ms. Most tests have
/// closed their connections a moment ago; so the last of them is seen out first, which takes a few milliseconds.
async fn remove(target: &Target, name: &str) -> Result<()> {
    let doing = "drop a test's database";
    let literal = sql::literal(name);
    let see_out = format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = {literal}");
    for _ in 0..10 {
        if target.run("postgres", &see_out, doing).await?.is_empty() {
            break;
        }
    }
    let drop = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", sql::name(name));
    target.run("postgres", &drop, doing).await.map(std::mem::drop)
}
