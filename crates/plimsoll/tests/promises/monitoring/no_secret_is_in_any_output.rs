//! No secret reaches a log: passwords, parameters and constants that were planted are looked for in everything that comes
//! out of a pool at work and in trouble: each line of the log down to TRACE, each error with all its causes, each event,
//! the snapshot, and whatever can be printed with `{:?}`.
//!
//! What all tests of this repository print is looked through for planted passwords as well: see `scripts/planted`.

use crate::log::Log;
use crate::server::{self, settings_for, until};
use bytes::Bytes;
use futures_util::StreamExt;
use plimsoll::event::Event;
use plimsoll::migrate::Migrations;
use plimsoll::secret::Password;
use plimsoll::{Database, Error, Fault, Settings, deadline};
use plimsoll_embedded::test_server::{self, TestDatabase};
use std::error::Error as StdError;
use std::fmt::{Debug, Write};
use std::process::Command;
use std::time::Duration;
use tokio::sync::broadcast::Receiver;

/// Each secret has this in it, and a word that says what it was.
const PLANTED: &str = "hiddenword";

/// Everything that came out.
#[derive(Default)]
struct Output(String);

impl Output {
    fn print(&mut self, what: &str, value: &dyn Debug) {
        let _ = writeln!(self.0, "{what}: {value:?} {value:#?}");
    }

    /// An error as loggers print it: with all its causes.
    fn error(&mut self, what: &str, error: &Error) {
        self.print(what, error);
        let mut cause: Option<&(dyn StdError + 'static)> = Some(error);
        while let Some(error) = cause {
            let _ = writeln!(self.0, "{what}: {error} {error:?} {error:#?}");
            cause = error.source();
        }
    }

    /// The error of what was to fail.
    fn failed<T>(&mut self, what: &str, result: Result<T, Error>) -> Error {
        let Err(error) = result else { panic!("{what} was to fail") };
        self.error(what, &error);
        error
    }

    fn events(&mut self, events: &mut Receiver<Event>) {
        while let Ok(event) = events.try_recv() {
            self.print("event", &event);
        }
    }

    #[track_caller]
    fn holds_nothing(&self) {
        let found: Vec<&str> = self.0.lines().filter(|line| line.contains(PLANTED)).collect();
        assert!(found.is_empty(), "{} lines hold a secret:\n{}", found.len(), found.join("\n"));
    }
}

/// A database, and a login with a planted password that owns it.
async fn planted() -> (TestDatabase, Settings, String) {
    let fresh = test_server::database().await.unwrap();
    let role = format!("keeps_a_secret_{:08x}", fastrand::u32(..));
    let password = format!("{PLANTED}-password");
    let made = format!(
        "CREATE ROLE {role} LOGIN CREATEROLE PASSWORD '{password}'; GRANT ALL ON SCHEMA public TO {role}"
    );
    fresh.execute(&made).await.unwrap();
    let settings = settings_for(&fresh).await.user(&role).password(password.as_str());
    let settings = settings
        .slow_log_after(Duration::from_millis(1))
        .slow_log_plan(true)
        .leak_after(Duration::from_millis(50))
        .application_name("keeps a secret");
    (fresh, settings, role)
}

/// What succeeds: constants and parameters in every form.
async fn works(db: &Database, role: &str, out: &mut Output) {
    let secret = format!("{PLANTED}-parameter");
    db.execute("CREATE TABLE person (id int PRIMARY KEY, email text UNIQUE, age int CHECK (age > 0))", &[])
        .await
        .unwrap();
    let insert = "INSERT INTO person SELECT $1, $2, 1 FROM pg_sleep(0.01)";
    db.named("insert").execute(insert, &[&1, &secret]).await.unwrap();
    let lease = db.acquire().await.unwrap();
    lease
        .batch_execute(&format!(
            "ALTER ROLE {role} PASSWORD '{PLANTED}-password'; SET app.token TO {PLANTED}; SELECT pg_sleep(0.01);
             NOTIFY a, '{PLANTED}-payload'; COMMENT ON TABLE person IS $$ {PLANTED} $$; -- {PLANTED}-comment
             DO $a$ BEGIN PERFORM '{PLANTED}', pg_sleep(0.01); RAISE DEBUG '{PLANTED}'; END $a$"
        ))
        .await
        .unwrap();
    let sql = format!(
        "SELECT '{PLANTED}', E'\\'{PLANTED}', U&'{PLANTED}', $b${PLANTED}$b$ /* {PLANTED} /* {PLANTED} */ */, \
         $1::text, $2::bytea, $3::json::text, pg_sleep(0.01) FROM person WHERE email <> '{PLANTED}'"
    );
    let json = JsonText(format!("{{\"{PLANTED}\": \"{PLANTED}\"}}"));
    let given: [&(dyn plimsoll::tokio_postgres::types::ToSql + Sync); 3] =
        [&secret, &secret.as_bytes(), &json];
    let prepared = lease.prepare(&sql).await.unwrap();
    lease.query(&prepared, &given).await.unwrap();
    lease.query(&sql, &given).await.unwrap();
    lease.query_stream(&sql, &given).await.unwrap().count().await;
    let mut copy = lease.copy_in("COPY person FROM STDIN").await.unwrap();
    copy.send(Bytes::from(format!("7\t{PLANTED}-row\t7\n"))).await.unwrap();
    copy.finish().await.unwrap();
    lease.copy_out("COPY person TO STDOUT").await.unwrap().count().await;
    db.named("reading").read_only().query(&sql, &given).await.unwrap();
    db.transaction(async |tx| {
        tx.savepoint(async |inner| inner.query(&sql, &given).await).await?;
        tx.batch_execute(&format!("SET LOCAL app.token = '{PLANTED}'; SELECT '{PLANTED}'")).await
    })
    .await
    .unwrap();
    until("a lease is held for long", server::PATIENCE, async || {
        !db.monitor().detect_connection_leaks(Duration::from_millis(50)).is_empty()
    })
    .await;
    out.print("the lease", &lease);
    out.print("leaks", &db.monitor().detect_connection_leaks(Duration::ZERO));
}

/// What fails: the server quotes constants, parameters and rows in its errors.
async fn fails(db: &Database, out: &mut Output) {
    let secret = format!("{PLANTED}-parameter");
    let lease = db.acquire().await.unwrap();
    for sql in [
        "INSERT INTO person VALUES (2, $1, 2)",
        "INSERT INTO person VALUES (3, $1, -1)",
        "SELECT $1::text::int",
        "SELECT $1::text::date",
        "SELECT $1::text::json",
        "SELECT $1::text::uuid",
        "SELECT set_config('timezone', $1, true)",
        "SELECT to_date($1, 'YYYY')",
        "SELECT ($1::text)::int4range",
        "INSERT INTO person (email) VALUES ($1)",
    ] {
        let email = if sql.contains("(2,") { format!("{PLANTED}-row") } else { secret.clone() };
        out.failed(sql, lease.query(sql, &[&email]).await);
        out.failed(sql, db.transaction(async |tx| tx.query(sql, &[&email]).await).await);
    }
    for sql in [
        format!("SELECT '{PLANTED}"),
        format!("SELECT 1 '{PLANTED}'"),
        format!("SELECT 1 E'{PLANTED}'"),
        format!("ALTER ROLE CURRENT_USER '{PLANTED}'"),
        format!("SELECT $a${PLANTED}"),
        format!("SELECT 1 /* {PLANTED}"),
        format!("SELECT '{PLANTED}'::int"),
        format!("SELECT U&'\\{PLANTED}'"),
        format!("SELECT pg_sleep(0.01); SELECT '{PLANTED}'::date"),
        format!("SET timezone TO {PLANTED}"),
        format!("COPY person FROM '/{PLANTED}' (FORMAT '{PLANTED}')"),
        format!("CREATE ROLE CURRENT_USER PASSWORD '{PLANTED}'"),
        format!("GRANT pg_monitor TO CURRENT_USER /* {PLANTED} */; SELECT '{PLANTED}' FROM nowhere"),
    ] {
        out.failed("a text", lease.batch_execute(&sql).await);
        out.failed("a query", lease.query(&sql, &[]).await);
    }
    out.failed("a wrong type", lease.query("SELECT $1::int", &[&secret]).await);
    out.failed("wrong columns", lease.query_one("SELECT 1 WHERE $1::text = ''", &[&secret]).await);
    let row = lease.query_one("SELECT $1::text", &[&secret]).await.unwrap();
    let unread = row.try_get::<_, i32>(0).map_err(Error::from);
    out.failed("a column of another type", unread);
    let mut copy = lease.copy_in("COPY person FROM STDIN").await.unwrap();
    copy.send(Bytes::from(format!("{PLANTED}\t{PLANTED}\n"))).await.unwrap();
    out.failed("a row", copy.finish().await);
    drop(lease);
    let sleeps = format!("SELECT pg_sleep(60), '{PLANTED}', $1::text");
    let limited = db.named("limited").statement_timeout(Duration::from_millis(50));
    let error = out.failed("a limit", limited.query(&sleeps, &[&secret]).await);
    assert_eq!(error.fault(), Fault::StatementTimeout);
    let late = deadline::within(Duration::from_millis(50), db.query(&sleeps, &[&secret])).await;
    out.failed("a deadline", late);
    let dropped = async { db.query(&sleeps, &[&secret]).await };
    assert!(tokio::time::timeout(Duration::from_millis(50), dropped).await.is_err());
    let raised =
        format!("DO $$ BEGIN PERFORM 1 FROM person WHERE email = '{PLANTED}' AND id = 'x{PLANTED}'; END $$");
    out.failed("in a function", db.execute(&raised, &[]).await);
}

async fn migrates(db: &Database, out: &mut Output) {
    for (name, sql) in [
        ("001_good.sql", format!("CREATE TABLE kept (a text DEFAULT '{PLANTED}'); -- {PLANTED}")),
        ("002_bad.sql", format!("INSERT INTO kept VALUES ('{PLANTED}'); SELECT '{PLANTED}'::int")),
    ] {
        let file: &'static (&str, &str) = Box::leak(Box::new((name, &*sql.leak())));
        let migrations: &'static Migrations =
            Box::leak(Box::new(Migrations::embedded(std::slice::from_ref(file))));
        match db.migrate(migrations).await {
            Ok(report) => out.print("a migration", &report),
            Err(error) => out.error("a migration", &error),
        }
    }
}

/// Text that is sent as JSON.
#[derive(Debug)]
struct JsonText(String);

impl plimsoll::tokio_postgres::types::ToSql for JsonText {
    fn to_sql(
        &self,
        ty: &plimsoll::tokio_postgres::types::Type,
        out: &mut bytes::BytesMut,
    ) -> Result<plimsoll::tokio_postgres::types::IsNull, Box<dyn StdError + Sync + Send>> {
        self.0.to_sql(ty, out)
    }

    fn accepts(_: &plimsoll::tokio_postgres::types::Type) -> bool {
        true
    }

    plimsoll::tokio_postgres::types::to_sql_checked!();
}

#[tokio::test]
async fn not_of_a_pool_at_work_and_in_trouble() {
    // The driver itself writes texts and parameters at DEBUG: see the promise below.
    let (log, _guard) = Log::everything("trace,tokio_postgres=info");
    let mut out = Output::default();
    let (fresh, settings, role) = planted().await;
    out.print("settings", &settings);
    out.print("plan", &settings.clone().check().unwrap());
    let db = Database::connect(settings.clone()).await.unwrap();
    let mut events = db.events();
    works(&db, &role, &mut out).await;
    out.events(&mut events);
    fails(&db, &mut out).await;
    out.events(&mut events);
    migrates(&db, &mut out).await;
    until("plans were told", server::PATIENCE, async || log.text().contains("plan of a slow statement"))
        .await;
    until("all are home", server::PATIENCE, async || db.pool_status().checked_out == 0).await;
    out.print("handle", &db);
    out.print("health", &db.health(true).await);
    out.print("capacity", &db.capacity().await);
    out.print("status", &db.pool_status());
    out.print("snapshot", &db.snapshot());
    out.print("kinds", &db.monitor().query_performance(usize::MAX));
    out.print("json", &serde_json::to_string(&db.snapshot()).unwrap());
    out.print("shutdown", &db.close().await);
    out.events(&mut events);

    for wrong in [
        settings.clone().password(format!("{PLANTED}-wrong")),
        settings.clone().password(Password::asked_of(async || {
            Err::<String, _>(std::io::Error::other("the vault is sealed"))
        })),
        settings.clone().dbname("nowhere"),
        settings.clone().hosts("127.0.0.1:1"),
    ] {
        out.print("wrong settings", &wrong);
        match Database::connect(wrong.pool_timeout(Duration::from_millis(200)).tcp_user_timeout(None)).await {
            Ok(db) => {
                out.failed("away", db.query(&format!("SELECT '{PLANTED}'"), &[]).await);
            }
            Err(error) => out.error("wrong", &error),
        }
    }
    let text = log.text();
    assert!(text.contains("plimsoll::slow") && text.contains("TRACE plimsoll: a statement failed"), "{text}");
    out.0.push_str(&text);
    assert!(out.0.lines().count() > 500, "there is enough to be looked through");
    out.holds_nothing();
    fresh.execute(&format!("DROP OWNED BY {role}; DROP ROLE {role}")).await.unwrap();
}

/// So the search can fail: what is printed on purpose is found, in each of the ways in which it looks.
#[tokio::test]
async fn and_what_is_printed_on_purpose_is_found() {
    let (log, _guard) = Log::everything("trace");
    tracing::trace!(target: "plimsoll", "a line with {PLANTED}");
    tracing::debug!(target: "elsewhere", secret = PLANTED, "a line");
    assert_eq!(log.lines(&[PLANTED]).len(), 2, "{}", log.text());
    for print in [
        |out: &mut Output| out.print("a value", &PLANTED),
        |out: &mut Output| out.error("an error", &Error::abort(PLANTED)),
        |out: &mut Output| {
            let inner = Error::abort(std::io::Error::other(std::io::Error::other(PLANTED)));
            out.error("a cause", &inner);
        },
    ] {
        let mut out = Output::default();
        print(&mut out);
        let found = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| out.holds_nothing()));
        assert!(found.is_err(), "it was not found in {}", out.0);
    }
}

/// A program that lets the driver's own DEBUG lines through has texts and parameters in its log. That is not ours to
/// change; it is here so that the advice to keep `tokio_postgres` at INFO goes once it is no longer needed.
#[tokio::test]
async fn the_driver_itself_writes_parameters_at_debug() {
    let fresh = test_server::database().await.unwrap();
    for (filter, is_found) in [("trace", true), ("trace,tokio_postgres=info", false)] {
        let (log, _guard) = Log::everything(filter);
        let db = server::database(&fresh).await;
        db.query(&format!("SELECT '{PLANTED}', $1::text"), &[&PLANTED]).await.unwrap();
        let lines = log.lines(&[PLANTED]);
        assert_eq!(!lines.is_empty(), is_found, "{filter}: {lines:?}");
        assert!(lines.iter().all(|line| line.contains("DEBUG tokio_postgres::")), "{lines:?}");
    }
}

/// What all tests print is kept in a file, and `make test` looks through it for the passwords of the servers that they
/// start. This sentence has to be in the file, or the file is not what it should be.
#[test]
fn what_every_test_prints_is_looked_through() {
    println!("this sentence is looked for by scripts/planted");
    let folder = tempfile::tempdir().unwrap();
    let search = |text: Option<&str>| {
        let file = folder.path().join("printed");
        let _ = std::fs::remove_file(&file);
        if let Some(text) = text {
            std::fs::write(&file, text).unwrap();
        }
        let program = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/planted");
        Command::new(program).arg(file).output().unwrap().status.code()
    };
    let kept = "<system-out>this sentence is looked for by scripts/planted</system-out>\n";
    // Put together here, so that it is not in this program's own output.
    let password = ["never", "printed", "0123"].concat();
    assert_eq!(search(Some(kept)), Some(0));
    assert_eq!(search(Some(&format!("{kept}postgresql://a:{password}@b\n"))), Some(1));
    assert_eq!(search(Some("something else\n")), Some(2));
    assert_eq!(search(Some("")), Some(2));
    assert_eq!(search(None), Some(2));
}

/// The passwords of the servers that tests start are what the search looks for, and they are in use: no session begins without one.
#[tokio::test]
async fn and_the_servers_of_the_tests_have_passwords_that_it_would_find() {
    let fresh = test_server::database().await.unwrap();
    let word = ["never", "printed"].concat();
    assert!(fresh.server().password().starts_with(&word));
    assert!(fresh.url().contains(&word));
    let cluster = plimsoll_embedded::Cluster::start().await.unwrap();
    assert!(cluster.password().starts_with(&word));
    cluster.stop().await.unwrap();
}
