//! A slow statement is in the log, at the target `plimsoll::slow`, with all that is needed to act upon it: what it was,
//! with which parameters, who ran it, for which request, on which backend, and how it ended. Of a kind that is slow again
//! and again one line is written in a minute, and then how many more there were.

use crate::log::Log;
use crate::server::{self, settings_for, until};
use bytes::BytesMut;
use futures_util::{FutureExt, StreamExt};
use plimsoll::request_id::{RequestId, within};
use plimsoll::settings::SlowParameters;
use plimsoll::tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};
use plimsoll::{Database, Settings};
use plimsoll_embedded::test_server::{self, TestDatabase};
use std::error::Error as StdError;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tracing::Level;

/// Every statement of these tests sleeps for longer.
const SHORT: Duration = Duration::from_millis(10);
const SLOW: &str = "plimsoll::slow: slow statement, ";

async fn started(change: impl FnOnce(Settings) -> Settings) -> (TestDatabase, Database) {
    let fresh = test_server::database().await.unwrap();
    let settings = change(settings_for(&fresh).await.slow_log_after(SHORT));
    let db = Database::connect(settings).await.unwrap();
    (fresh, db)
}

/// The only line with this in it.
fn line(log: &Log, part: &str) -> String {
    let lines = log.lines(&[SLOW, part]);
    assert_eq!(lines.len(), 1, "{part:?} in {}", log.text());
    lines[0].clone()
}

/// Whether the line has all of these parts.
fn has(line: &str, parts: &[&str]) {
    for part in parts {
        assert!(line.contains(part), "{part:?} is missing in {line}");
    }
}

#[tokio::test]
async fn with_all_that_is_needed_to_act_upon_it() {
    let (_fresh, db) = started(|settings| settings).await;
    let (log, _guard) = Log::start();
    let lease = db.named("nightly report").acquire().await.unwrap();
    let pid = lease.backend_pid();
    let work = lease
        .query("SELECT 'planted', $1::int FROM generate_series(1, 3), pg_sleep(0.02) -- planted", &[&4711]);
    within(RequestId::parse("r-17").unwrap(), work).await.unwrap();
    let line = line(&log, "nightly report");
    assert!(line.contains(" WARN plimsoll::slow: slow statement, answered after 0."), "{line}");
    has(
        &line,
        &[
            "work=nightly report ",
            "a_slow_statement_is_logged_with_its_parameters.rs:",
            "request=r-17 ",
            &format!("pid={pid} "),
            "rows=3 ",
            "statement=select ?, ?::int from generate_series(?, ?), pg_sleep(?)",
            "parameters=\"$1 = 4711\"",
        ],
    );
    let ms: u64 = line.split(" ms=").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
    assert!((20..30_000).contains(&ms), "{line}");
    let fingerprint = line.split("fingerprint=").nth(1).unwrap().split(' ').next().unwrap();
    let kinds = db.monitor().query_performance(usize::MAX);
    assert!(kinds.iter().any(|kind| kind.query_hash == fingerprint), "{fingerprint} in {kinds:#?}");
}

#[tokio::test]
async fn and_how_it_ended() {
    let (_fresh, db) = started(|settings| settings).await;
    let (log, _guard) = Log::start();
    let limited = db.named("limited").statement_timeout(Duration::from_millis(100));
    limited.query("SELECT pg_sleep(60)", &[]).await.unwrap_err();
    let line_of = line(&log, "limited");
    has(&line_of, &["failed after ", "outcome=rolled back "]);
    assert!(line_of.contains(&format!("code=\"{}\"", plimsoll::Fault::StatementTimeout.code())), "{line_of}");
    assert!(!line_of.contains("rows="), "{line_of}");

    let dropped = db.named("dropped").query("SELECT 1, pg_sleep(60)", &[]).boxed();
    assert!(tokio::time::timeout(Duration::from_millis(100), dropped).await.is_err());
    has(&line(&log, "dropped after "), &["work=dropped "]);

    db.named("fails").query("SELECT 1 / (0 * length(pg_sleep(0.02)::text))", &[]).await.unwrap_err();
    has(
        &line(&log, "work=fails "),
        &["failed after ", "statement=select ? / (? * length(pg_sleep(?)::text))"],
    );
}

#[tokio::test]
async fn whatever_way_it_takes() {
    let (_fresh, db) = started(|settings| settings).await;
    let (log, _guard) = Log::start();
    let lease = db.acquire().await.unwrap();
    let prepared = lease.prepare("SELECT $1::int, pg_sleep(0.02)").await.unwrap();
    lease.query(&prepared, &[&17]).await.unwrap();
    has(&line(&log, "$1 = 17"), &["statement=\"a statement that the caller prepared\""]);
    {
        let mut rows = lease.query_stream("SELECT $1::int, pg_sleep(0.02), 1", &[&18]).await.unwrap();
        while let Some(row) = rows.next().await {
            row.unwrap();
        }
    }
    has(&line(&log, "$1 = 18"), &["statement=select ?::int, pg_sleep(?), ?", "rows=1 "]);
    lease.batch_execute("SELECT pg_sleep(0.02); SET LOCAL app.token TO planted").await.unwrap();
    line(&log, "statement=select pg_sleep(?); set local app.token to ?");
    drop(lease);
    db.named("single").read_only().query("SELECT $1::int, 2, pg_sleep(0.02)", &[&19]).await.unwrap();
    has(&line(&log, "work=single "), &["$1 = 19"]);
    for _ in 0..2 {
        // The second travels with its BEGIN, since it is prepared then.
        let reading = db.named("reading").read_only();
        reading
            .transaction(async |tx| tx.query("SELECT $1::int, 3, 3, pg_sleep(0.02)", &[&20]).await)
            .await
            .unwrap();
    }
    has(&line(&log, "work=reading "), &["$1 = 20"]);
    db.named("writing")
        .transaction(async |tx| tx.query_one("SELECT $1::int, pg_sleep(0.02), 4, 4, 4", &[&21]).await)
        .await
        .unwrap();
    has(&line(&log, "work=writing "), &["$1 = 21"]);
}

#[tokio::test]
async fn further_ones_of_the_same_kind_are_counted_and_told() {
    let (_fresh, db) = started(|settings| settings).await;
    let (log, _guard) = Log::start();
    for number in 0..5 {
        db.query(&format!("SELECT {number}, pg_sleep(0.02)"), &[]).await.unwrap();
    }
    let first = line(&log, "select ?, pg_sleep(?)");
    db.query("SELECT 1, 1, pg_sleep(0.02)", &[]).await.unwrap();
    line(&log, "select ?, ?, pg_sleep(?)");
    assert!(!log.text().contains(" more in the last minute"), "{}", log.text());
    db.close().await;
    until("the rest was told", server::PATIENCE, async || log.text().contains("more in the last minute"))
        .await;
    let fingerprint = first.split("fingerprint=").nth(1).unwrap().split(' ').next().unwrap();
    let more = log.lines(&["plimsoll::slow: and ", "more in the last minute"]);
    assert_eq!(more.len(), 1, "the other kind was slow once only: {more:?}");
    has(&more[0], &["and 4 more in the last minute", fingerprint, "count=4 ", "longest_ms="]);
}

#[tokio::test]
async fn a_statement_that_is_not_slow_is_not_and_none_is_where_the_log_is_off() {
    for limit in [Some(Duration::from_secs(3_000)), None] {
        let (_fresh, db) = started(|settings| settings.slow_log_after(limit)).await;
        let (log, _guard) = Log::start();
        db.query("SELECT pg_sleep(0.1)", &[]).await.unwrap();
        db.query("SELECT 1 / 0", &[]).await.unwrap_err();
        assert!(!log.text().contains("plimsoll::slow"), "{}", log.text());
    }
    let plan = Settings::from_url("postgres://app@localhost/app").unwrap().check().unwrap();
    assert_eq!(plan.slow_log_after(), Some(Duration::from_millis(500)), "unless something else is said");
    assert_eq!(plan.slow_log_parameters(), SlowParameters::ByType);
    assert!(!plan.slow_log_plan());
}

#[tokio::test]
async fn it_goes_on_while_the_monitor_is_off() {
    let (_fresh, db) = started(|settings| settings.monitoring(false)).await;
    let (log, _guard) = Log::start();
    db.query("SELECT pg_sleep(0.02), $1::int", &[&5]).await.unwrap();
    has(&line(&log, "pg_sleep(?), ?::int"), &["$1 = 5"]);
    assert_eq!(db.snapshot().statements.executed, 0);
}

#[tokio::test]
async fn parameters_are_shown_by_their_type() {
    let (_fresh, db) = started(|settings| settings).await;
    let (log, _guard) = Log::start();
    // Each value is made by the server from a text, so that what is shown can be held against what was meant.
    for (number, (ty, value, wanted)) in [
        ("bool", "true", "true"),
        ("int2", "-5", "-5"),
        ("int4", "2147483647", "2147483647"),
        ("int8", "-9223372036854775808", "-9223372036854775808"),
        ("oid", "4294967295", "4294967295"),
        ("float4", "1.5", "1.5"),
        ("float8", "-0.001", "-0.001"),
        ("numeric", "12345678.90", "12345678.90"),
        ("numeric", "-0.00012", "-0.00012"),
        ("numeric", "1000000", "1000000"),
        ("numeric", "0", "0"),
        ("numeric", "NaN", "NaN"),
        ("uuid", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
        ("timestamptz", "2026-02-28 23:59:59.5+00", "2026-02-28T23:59:59.5Z"),
        ("timestamp", "1999-12-31 00:00:01", "1999-12-31T00:00:01"),
        ("date", "1996-02-29", "1996-02-29"),
        ("time", "13:30:01.25", "13:30:01.25"),
        ("timestamptz", "infinity", "timestamptz(8 bytes)"),
        ("text", "planted", "text(7 bytes)"),
        ("varchar", "planted", "varchar(7 bytes)"),
        ("bytea", "planted", "bytea(7 bytes)"),
        ("json", "{\"planted\": 1}", "json(14 bytes)"),
        ("int4[]", "{1,2}", "_int4(36 bytes)"),
        ("interval", "1 day", "interval(16 bytes)"),
        ("numeric", &format!("1{}", "0".repeat(100)), "numeric(10 bytes)"),
    ]
    .into_iter()
    .enumerate()
    {
        let sent = match ty {
            "int4[]" => "array_send".to_owned(),
            "timestamptz" | "timestamp" | "date" | "time" | "bool" | "uuid" | "json" | "oid" | "bytea"
            | "text" | "varchar" | "numeric" | "interval" | "int2" | "int4" | "int8" | "float4"
            | "float8" => format!(
                "{}{}send",
                ty,
                if matches!(
                    ty,
                    "timestamptz" | "timestamp" | "date" | "time" | "uuid" | "json" | "numeric" | "interval"
                ) {
                    "_"
                } else {
                    ""
                }
            ),
            other => panic!("{other}"),
        };
        let bytes: Vec<u8> =
            db.query_one(&format!("SELECT {sent}('{value}'::{ty})"), &[]).await.unwrap().get(0);
        let sql = format!("SELECT $1::{ty} IS NULL, {}pg_sleep(0.02)", "1, ".repeat(number));
        db.named(format!("case {number}")).query(&sql, &[&Bytes(bytes)]).await.unwrap();
        let line = line(&log, &format!("work=case {number} "));
        assert!(line.ends_with(&format!("parameters=\"$1 = {wanted}\"")), "{ty} {value}: {line}");
    }
    assert!(!log.text().contains("planted"), "{}", log.text());
    let many: Vec<&(dyn ToSql + Sync)> = vec![&None::<i32>; 25];
    let asked: Vec<String> = (1..=25).map(|number| format!("${number}::int IS NULL")).collect();
    db.named("many").query(&format!("SELECT {}, pg_sleep(0.02)", asked.join(", ")), &many).await.unwrap();
    let line = line(&log, "work=many ");
    assert!(line.ends_with("$19 = null, $20 = null and 5 more\""), "{line}");
}

#[tokio::test]
async fn no_parameter_is_shown_where_none_is_wanted() {
    let (_fresh, db) = started(|settings| settings.slow_log_parameters(SlowParameters::None)).await;
    let (log, _guard) = Log::start();
    db.query("SELECT pg_sleep(0.02), $1::int", &[&4711]).await.unwrap();
    let lease = db.acquire().await.unwrap();
    lease.query_stream("SELECT pg_sleep(0.02), $1::int, 1", &[&4711]).await.unwrap().count().await;
    assert_eq!(log.lines(&[SLOW]).len(), 2, "{}", log.text());
    assert!(!log.text().contains("4711"), "{}", log.text());
}

/// A value in the form in which the server sends it.
#[derive(Debug)]
struct Bytes(Vec<u8>);

impl ToSql for Bytes {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn StdError + Sync + Send>> {
        out.extend_from_slice(&self.0);
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

/// Sends itself so many times; then it fails, or panics.
#[derive(Debug)]
struct Runs {
    left: AtomicU32,
    panics: bool,
}

impl ToSql for Runs {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn StdError + Sync + Send>> {
        let left = self.left.load(Ordering::Relaxed);
        if left == 0 {
            assert!(!self.panics, "a parameter's own code, planted");
            return Err("planted".into());
        }
        self.left.store(left - 1, Ordering::Relaxed);
        out.extend_from_slice(&7_i32.to_be_bytes());
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

#[tokio::test]
async fn a_parameter_whose_own_code_fails_or_panics_is_a_question_mark() {
    let (_fresh, db) = started(|settings| settings).await;
    let (log, _guard) = Log::start();
    for panics in [false, true] {
        let sql = format!("SELECT $1::int, $2::int, pg_sleep(0.02), {}", if panics { "1" } else { "1, 1" });
        let once = Runs { left: AtomicU32::new(1), panics };
        db.query(&sql, &[&once, &3]).await.unwrap();
        // While the panic of a parameter goes up, its code is not called again.
        let never = Runs { left: AtomicU32::new(0), panics };
        let slow = "SELECT $1::int, 1, 1, 1, pg_sleep(0.02)";
        let _ = AssertUnwindSafe(db.query(slow, &[&never])).catch_unwind().await;
        assert_eq!(db.query_one("SELECT 1", &[]).await.unwrap().get::<_, i32>(0), 1);
    }
    let lines = log.lines(&[SLOW, "parameters=\"$1 = ?, $2 = 3\""]);
    assert_eq!(lines.len(), 2, "{}", log.text());
    assert!(!log.lines(&[SLOW]).join("").contains("planted"), "{}", log.text());
}

#[tokio::test]
async fn no_text_from_elsewhere_begins_a_line_of_its_own() {
    let (_fresh, db) = started(|settings| settings).await;
    let (log, _guard) = Log::start();
    db.named("a\nWARN plimsoll: forged").query("SELECT pg_sleep(0.02) AS \"a\nforged\"", &[]).await.unwrap();
    has(&line(&log, "pg_sleep(?) as \"a forged\""), &["work=a WARN plimsoll: forged "]);
    assert!(!log.has(Level::WARN, "forged"), "{}", log.text());
    assert!(!log.text().lines().any(|line| line.starts_with("forged")), "{}", log.text());
}
