//! The Python programs of `docs/guides/without-rust.md`, as they stand there, through PgBouncer in transaction mode: what they hang
//! on is ended by the limits that `plimsoll apply` has set, and leaves nothing behind.
//!
//! `make test` leaves these tests out where the clients cannot be had, by `by_python` in their name; `PLIMSOLL_TEST_PYTHON` names
//! another Python than the one that `scripts/setup` has made.

use crate::apply::scene::Scene;
use plimsoll_embedded::{PgBouncer, PgBouncerVersion, PoolMode};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

const LOCKED: &str = "the lock was not to be had: 409, may be sent again\n";
const TOO_LONG: &str = "it took too long: 504\n";
const ENDED: &str = "the session was ended: 503, rolled back unless it was at its COMMIT\n";

const TAKE: &str = "UPDATE account SET balance = balance - 1 WHERE id = 1";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn python() -> PathBuf {
    let made = root().join("target/python-clients/bin/python");
    std::env::var_os("PLIMSOLL_TEST_PYTHON").map_or(made, PathBuf::from)
}

/// The guide's program under this heading.
fn program(heading: &str) -> String {
    let guide = std::fs::read_to_string(root().join("docs/guides/without-rust.md")).unwrap();
    let (_, section) = guide.split_once(&format!("\n## {heading}\n")).unwrap();
    let (_, code) = section.split_once("```python\n").unwrap();
    code.split_once("```\n").unwrap().0.to_owned()
}

struct Play {
    scene: Scene,
    bouncer: PgBouncer,
    url: String,
}

impl Play {
    /// A server that was told by `plimsoll apply`, with limits that a test can wait for, and a pooler with one connection.
    async fn start(version: PgBouncerVersion) -> Self {
        let scene = Scene::start().await;
        scene
            .sql(
                "CREATE TABLE account (id int PRIMARY KEY, balance int); INSERT INTO account VALUES (1, 100)",
            )
            .await;
        scene.sql("GRANT SELECT, UPDATE ON account TO app").await;
        let bouncer = PgBouncer::in_front_of(&scene.server).version(version).pool_mode(PoolMode::Transaction);
        let bouncer = bouncer.user("app", "app").setting("default_pool_size", "3").start().await.unwrap();
        let url = format!("postgresql://app:app@{}:{}/shop", bouncer.host(), bouncer.port());
        let limits = ["idle_in_transaction_session_timeout=1s", "lock_timeout=500ms", "statement_timeout=2s"];
        let set = limits.iter().flat_map(|limit| ["--set", limit]);
        let arguments = ["--profile", "service", "--through", &url, "--yes"].into_iter().chain(set);
        let arguments: Vec<&str> = arguments.collect();
        // As the guide has it: what the pooler has open is of before, and is renewed.
        scene.apply(&arguments).with(2).says("7 done").says("RECONNECT in its console");
        bouncer.admin("RECONNECT").await.unwrap();
        let ended = scene.apply(&arguments).with(1).says("0 to change, 8 so already");
        ended.says("statement_timeout, role app in database shop: read back on the application's own path: 2s (database user)");
        Play { scene, bouncer, url }
    }

    fn spawn(&self, heading: &str, statement: &str, pause: &str) -> std::process::Child {
        let mut command = Command::new(python());
        command.args(["-c", &program(heading), statement, pause]).env("DATABASE_URL", &self.url);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}; scripts/setup test makes it", python().display()))
    }

    /// Runs the guide's program, and what it says.
    async fn says(&self, heading: &str, statement: &str, pause: &str) -> String {
        said(self.spawn(heading, statement, pause)).await
    }

    async fn one(&self, sql: &str) -> String {
        self.scene.sql(sql).await[0]["one"].clone()
    }

    /// No session of the application works or holds a transaction.
    async fn is_quiet(&self) {
        let until = Instant::now() + Duration::from_secs(10);
        while self
            .one("SELECT count(*) AS one FROM pg_stat_activity WHERE usename = 'app' AND state <> 'idle'")
            .await
            != "0"
        {
            assert!(Instant::now() < until, "a session is left: {}", self.bouncer.log_tail());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

async fn said(child: std::process::Child) -> String {
    let output: Output =
        tokio::task::spawn_blocking(move || child.wait_with_output().unwrap()).await.unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Everything that the guide says of one client.
async fn a_client_is_protected(version: PgBouncerVersion, heading: &str) {
    let play = Play::start(version).await;
    assert_eq!(play.says(heading, TAKE, "0").await, "done\n");
    assert_eq!(play.one("SELECT balance AS one FROM account").await, "99");

    // Idle in a transaction, with a lock: 8 s if it were for the program.
    let begun = Instant::now();
    let idle = play.spawn(heading, TAKE, "8");
    let until = Instant::now() + Duration::from_secs(20);
    while play
        .one("SELECT count(*) AS one FROM pg_locks WHERE relation = 'account'::regclass AND granted")
        .await
        == "0"
    {
        assert!(Instant::now() < until, "it holds the row");
    }
    // The row is free again long before the program is back.
    play.scene.sql("SET lock_timeout = 0; UPDATE account SET balance = balance + 10").await;
    assert!(begun.elapsed() < Duration::from_secs(7), "{:?}", begun.elapsed());
    assert_eq!(said(idle).await, ENDED);
    assert_eq!(
        play.one("SELECT balance AS one FROM account").await,
        "109",
        "the transaction was rolled back"
    );

    // Waits for a lock that another session holds.
    let url = play.scene.server.url("shop");
    let holder = "BEGIN; SELECT * FROM account FOR UPDATE; SELECT pg_sleep(100)";
    let mut holder =
        Command::new("psql").args([&url, "-X", "-q", "-c", holder]).stdout(Stdio::null()).spawn().unwrap();
    while play.one("SELECT count(*) AS one FROM pg_stat_activity WHERE wait_event = 'PgSleep'").await == "0" {
        assert!(Instant::now() < until + Duration::from_secs(20), "it holds the row");
    }
    assert_eq!(play.says(heading, TAKE, "0").await, LOCKED);
    play.scene
        .sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'")
        .await;
    holder.wait().unwrap();

    // Runs for long.
    assert_eq!(play.says(heading, "SELECT pg_sleep(100)", "0").await, TOO_LONG);
    play.is_quiet().await;
    assert_eq!(play.says(heading, TAKE, "0").await, "done\n");
    assert_eq!(play.one("SELECT balance AS one FROM account").await, "108");
}

async fn asyncpg_by_python(version: PgBouncerVersion) {
    a_client_is_protected(version, "asyncpg").await;
}

async fn sqlalchemy_by_python(version: PgBouncerVersion) {
    a_client_is_protected(version, "SQLAlchemy").await;
}

plimsoll_embedded::on_each_pgbouncer!(asyncpg_by_python, sqlalchemy_by_python);
