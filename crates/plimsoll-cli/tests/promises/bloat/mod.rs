//! `plimsoll bloat` tells how much of each table and index is waste, how that is known, and the SQL that rebuilds it.

mod the_weekly_run_is_a_timer;

use crate::command::{Run, is_the_screen, plimsoll_of};
use crate::server_sessions::session;
use plimsoll_embedded::test_server::{self, TestDatabase};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::io::Read;
use std::process::{Command, Stdio};
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// Above 30 % is a warning and above 99 % is trouble, however small it is.
const THRESHOLDS: [&str; 8] = ["--warn", "30", "--warn-mb", "0", "--crit", "99", "--crit-mb", "0"];

async fn bloat(url: &str, more: &[&str]) -> Run {
    plimsoll_of(&[&["bloat", "-d", url], more].concat()).await
}

fn json(run: &Run) -> Value {
    serde_json::from_str(&run.out).unwrap_or_else(|error| panic!("{error}: {run:?}"))
}

fn relation<'a>(found: &'a Value, kind: &str, table: &str) -> &'a Value {
    let all = found["relations"].as_array().unwrap();
    let fits = |it: &&Value| it["kind"] == kind && it["table"] == format!("public.{table}").as_str();
    all.iter().find(fits).unwrap_or_else(|| panic!("no {kind} of {table} in {found:#}"))
}

async fn number(url: &str, sql: &str) -> f64 {
    session(url, "counter").await.query_one(sql, &[]).await.unwrap().get(0)
}

/// A database with a table that lost nine tenths of its rows, and one that lost none.
pub(super) async fn database(extension: bool) -> TestDatabase {
    let db = test_server::database().await.unwrap();
    let client = session(&db.url(), "setup").await;
    let options = "WITH (autovacuum_enabled = off, toast.autovacuum_enabled = off)";
    let rows = "SELECT i AS id, repeat(md5(i::text), 3) AS body FROM generate_series(1, 40000) AS i";
    for step in [
        if extension { "CREATE EXTENSION pgstattuple" } else { "SELECT" },
        &format!("CREATE TABLE emptied {options} AS {rows}"),
        "CREATE INDEX emptied_id ON emptied (id)",
        &format!("CREATE TABLE full_one {options} AS {rows}"),
        "CREATE INDEX full_one_id ON full_one (id)",
        "SELECT pg_stat_force_next_flush()",
        "VACUUM (FULL, ANALYZE) full_one",
        "DELETE FROM emptied WHERE id % 10 <> 0",
        "SELECT pg_stat_force_next_flush()",
        "VACUUM (ANALYZE) emptied",
        "SELECT pg_stat_force_next_flush()",
    ] {
        client.batch_execute(step).await.unwrap();
    }
    db
}

#[tokio::test]
async fn estimate_count_and_rewrite_agree_and_the_rebuild_mends_it() {
    let db = database(true).await;
    let url = db.url();
    let plain = bloat(&url, &[&THRESHOLDS[..], &["--json"]].concat()).await;
    let exact = bloat(&url, &[&THRESHOLDS[..], &["--json", "--exact"]].concat()).await;
    let in_part = ["--json", "--exact", "--approx-above", "0"];
    let large = json(&bloat(&url, &[&THRESHOLDS[..], &in_part[..]].concat()).await);
    let method = relation(&large, "table", "emptied")["method"].as_str().unwrap();
    assert!(method.starts_with("counted by pgstattuple_approx"), "{method}");
    assert_eq!((plain.status, exact.status), (1, 1), "{plain:?} {exact:?}");
    assert!(plain.error.is_empty(), "nothing is read: {plain:?}");
    for says in ["reading table public.emptied (", "reading index public.emptied_id ("] {
        assert!(exact.error.contains(says), "{}", exact.error);
    }
    let (plain, exact) = (json(&plain), json(&exact));
    assert_eq!(plain["schema_version"], 1);
    // The index first: the rewrite of a table makes its indexes anew too.
    for (kind, name) in [("index", "emptied_id"), ("table", "emptied")] {
        let (guess, count) = (relation(&plain, kind, "emptied"), relation(&exact, kind, "emptied"));
        assert!(guess["method"].as_str().unwrap().starts_with("estimated from column statistics"), "{guess}");
        assert!(count["method"].as_str().unwrap().starts_with("counted by pgstat"), "{count}");
        let (guessed, counted) =
            (guess["wasted_percent"].as_f64().unwrap(), count["wasted_percent"].as_f64().unwrap());
        let large = relation(&large, kind, "emptied")["wasted_percent"].as_f64().unwrap();
        let size = format!("SELECT pg_relation_size('{name}')::float8");
        let before = number(&url, &size).await;
        assert_eq!(count["bytes"].as_f64(), Some(before));
        db.execute(count["run"].as_str().unwrap()).await.unwrap();
        let given_back = 100.0 * (1.0 - number(&url, &size).await / before);
        assert!(given_back > 80.0, "{given_back}");
        assert!((counted - given_back).abs() < 3.0, "{kind}: counted {counted}, given back {given_back}");
        assert!(
            (large - given_back).abs() < 10.0,
            "{kind}: counted in part {large}, given back {given_back}"
        );
        assert!((guessed - given_back).abs() < 10.0, "{kind}: guessed {guessed}, given back {given_back}");
    }
    let full = relation(&exact, "table", "full_one");
    assert_eq!((&full["state"], &full["run"]), (&"ok".into(), &Value::Null), "{full}");
    let after = bloat(&url, &THRESHOLDS).await;
    assert_eq!(after.status, 0, "{after:?}");
}

#[tokio::test]
async fn the_status_tells_on_which_side_of_the_thresholds_it_is() {
    let db = database(false).await;
    let url = db.url();
    for (arguments, status) in [
        (vec![], 0),
        (vec!["--warn-mb", "1"], 1),
        (vec!["--warn-mb", "1", "--warn", "95", "--crit", "95"], 0),
        (vec!["--warn-mb", "1", "--crit-mb", "1"], 2),
        (vec!["--warn-mb", "0", "--table", "full_one"], 0),
        (vec!["--warn-mb", "0", "--table", "public.emptied"], 1),
    ] {
        let run = bloat(&url, &arguments).await;
        assert_eq!(run.status, status, "{arguments:?}: {run:?}");
    }
    // What is not known is not well, where it is large enough to matter; and it is told what makes it known.
    db.execute("CREATE TABLE never WITH (autovacuum_enabled = off) AS SELECT generate_series(1, 90000) AS a")
        .await
        .unwrap();
    let end = Instant::now() + Duration::from_secs(20);
    loop {
        let unknown = bloat(&url, &["--table", "never", "--warn-mb", "0", "--json"]).await;
        if json(&unknown)["relations"] != Value::Array(Vec::new()) {
            let never = json(&unknown);
            let never = relation(&never, "table", "never");
            assert_eq!((unknown.status, &never["state"]), (3, &"unknown".into()), "{unknown:?}");
            assert_eq!(
                (&never["why_not"], &never["run"]),
                (&"it was never analyzed".into(), &"ANALYZE public.never".into())
            );
            break;
        }
        assert!(Instant::now() < end, "{unknown:?}");
    }
    assert_eq!(bloat(&url, &["--table", "never"]).await.status, 0, "it is smaller than what matters");
    db.execute("ANALYZE never").await.unwrap();
    assert_eq!(bloat(&url, &["--table", "never", "--warn-mb", "0"]).await.status, 0);
}

#[tokio::test]
async fn a_locked_table_holds_nothing_up() {
    let db = database(true).await;
    let url = db.url();
    let locker = session(&url, "locker").await;
    locker.batch_execute("BEGIN; LOCK TABLE emptied IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let began = Instant::now();
    let all = [&THRESHOLDS[..], &["--exact", "--table", "emptied", "--table", "full_one", "--json"]].concat();
    let run = bloat(&url, &all).await;
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    let found = json(&run);
    let locked = relation(&found, "table", "emptied");
    assert_eq!(locked["why_not"], "not counted: another session holds a lock that it needs", "{locked}");
    assert!(locked["method"].as_str().unwrap().starts_with("estimated"), "the estimate stays: {locked}");
    let free = relation(&found, "table", "full_one");
    assert!(free["method"].as_str().unwrap().starts_with("counted"), "the rest goes on: {free}");
}

#[tokio::test]
async fn a_locked_catalog_takes_away_one_part_and_leaves_the_other() {
    let db = database(false).await;
    let locker = session(&db.url(), "locker").await;
    locker.batch_execute("BEGIN; LOCK TABLE pg_collation IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let began = Instant::now();
    let run = bloat(&db.url(), &[]).await;
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    assert_eq!(run.status, 3, "{run:?}");
    assert!(run.out.contains("the indexes: another session holds a lock that it needs"), "{}", run.out);
    assert!(run.out.contains("table public.emptied"), "the tables are told: {}", run.out);
}

#[tokio::test]
async fn counting_ends_by_its_limit_and_holds_no_writer_up() {
    let db = database(true).await;
    let url = db.url();
    db.execute("UPDATE full_one SET id = -id").await.unwrap();
    let writer = session(&url, "writer").await;
    let ((), run) = tokio::join!(
        async {
            for _ in 0..20 {
                let write = writer.batch_execute("UPDATE full_one SET id = id + 1 WHERE id = -7");
                timeout(Duration::from_secs(5), write).await.expect("it is not held up").unwrap();
            }
        },
        async { bloat(&url, &["--exact", "--table", "full_one", "--exact-within", "1ms", "--json"]).await }
    );
    let found = json(&run);
    let why = relation(&found, "table", "full_one")["why_not"].as_str().unwrap();
    assert_eq!(why, "not counted: it took more than 0.001 s");
}

#[tokio::test]
async fn where_it_cannot_be_counted_or_estimated_that_is_said() {
    let db = database(false).await;
    let none = bloat(&db.url(), &["--exact"]).await;
    assert_eq!((none.status, none.out.as_str()), (3, ""), "{none:?}");
    assert!(none.error.contains("the extension pgstattuple is not installed in database"), "{}", none.error);
    db.execute("CREATE EXTENSION pgstattuple").await.unwrap();
    let long =
        "CREATE TABLE long AS SELECT string_agg(md5(i::text), '') AS body FROM generate_series(1, 3000) AS i";
    db.execute(long).await.unwrap();
    db.execute("VACUUM (ANALYZE) long").await.unwrap();
    let role = format!("{}_asker", db.name());
    db.execute(&format!("CREATE ROLE {role} LOGIN PASSWORD 'pw'")).await.unwrap();
    let url = format!("postgres://{role}:pw@{}:{}/{}", db.server().host(), db.server().port(), db.name());
    let blind = bloat(&url, &THRESHOLDS).await;
    assert_eq!(blind.status, 3, "nothing is wrongly well: {blind:?}");
    assert!(blind.out.contains("GRANT pg_read_all_data"), "{}", blind.out);
    let may_not = bloat(&url, &["--exact"]).await;
    assert!(may_not.status == 3 && may_not.error.contains("GRANT pg_stat_scan_tables"), "{may_not:?}");
    db.execute(&format!("GRANT pg_read_all_data, pg_stat_scan_tables TO {role}")).await.unwrap();
    let seeing = bloat(&url, &[&THRESHOLDS[..], &["--exact"]].concat()).await;
    assert_eq!(seeing.status, 1, "{seeing:?}");
    let toast = bloat(&url, &["--exact", "--table", "long", "--json"]).await;
    let toast = json(&toast);
    assert_eq!(relation(&toast, "toast", "long")["method"], "counted by pgstattuple", "{toast:#}");
    db.execute(&format!("DROP ROLE {role}")).await.unwrap();
    for (arguments, says) in [
        (vec!["--table", "no_such"], "there is no table no_such in this database"),
        (vec!["--warn", "50", "--crit", "40"], "have to be no less than --warn"),
    ] {
        let run = bloat(&db.url(), &arguments).await;
        assert_eq!((run.status, run.out.as_str()), (3, ""), "{run:?}");
        assert!(run.error.contains(says) && run.error.lines().count() == 1, "{says:?} in {}", run.error);
    }
}

/// A count that goes on stops with the command, on the server too.
#[tokio::test]
async fn an_interrupt_stops_the_count_and_tells_what_is_known() {
    let db = database(true).await;
    db.execute(SLOW_COUNT).await.unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_plimsoll"));
    command.args(["bloat", "-d", &db.url(), "--exact", "--table", "emptied"]);
    let mut command = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let busy = "SELECT count(*)::float8 FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'";
    let until = async |sessions: f64| {
        let end = Instant::now() + Duration::from_secs(15);
        while number(&db.url(), busy).await != sessions {
            assert!(Instant::now() < end, "{sessions} sessions count");
        }
    };
    until(1.0).await;
    kill_process(Pid::from_raw(command.id().cast_signed()).unwrap(), Signal::INT).unwrap();
    let (status, out) = tokio::task::spawn_blocking(move || {
        let mut out = String::new();
        command.stdout.take().unwrap().read_to_string(&mut out).unwrap();
        (command.wait().unwrap().code(), out)
    })
    .await
    .unwrap();
    assert_eq!(status, Some(130), "{out}");
    assert!(out.contains("table public.emptied") && out.contains("It was interrupted"), "{out}");
    until(0.0).await;
}

/// pgstattuple as it is on a table that takes a minute.
const SLOW_COUNT: &str = "CREATE OR REPLACE FUNCTION pgstattuple(reloid regclass, OUT table_len bigint, OUT tuple_count bigint, \
    OUT tuple_len bigint, OUT tuple_percent float8, OUT dead_tuple_count bigint, OUT dead_tuple_len bigint, \
    OUT dead_tuple_percent float8, OUT free_space bigint, OUT free_percent float8) LANGUAGE sql \
    AS 'SELECT 0::bigint, 0::bigint, 0::bigint, 0::float8, 0::bigint, 0::bigint, 0::float8, 0::bigint, 0::float8 FROM pg_sleep(60)'";

/// The screen of a made database is what it was, but for its name.
#[tokio::test]
async fn the_screen_is_what_it_was() {
    let db = database(true).await;
    let client = session(&db.url(), "setup").await;
    for step in [
        "CREATE INDEX unclear ON emptied (id, body) WHERE id > 20",
        "CREATE TABLE toasted (id int, body text) WITH (autovacuum_enabled = off, toast.autovacuum_enabled = off)",
        "INSERT INTO toasted SELECT i, string_agg(md5((i * n)::text), '') FROM generate_series(1, 300) i, generate_series(1, 400) n GROUP BY i",
        "SELECT pg_stat_force_next_flush()",
        "DELETE FROM toasted WHERE id % 2 = 0",
        "SELECT pg_stat_force_next_flush()",
        "VACUUM (ANALYZE) toasted",
        "DELETE FROM full_one WHERE id % 4 = 0",
        "SELECT pg_stat_force_next_flush()",
    ] {
        client.batch_execute(step).await.unwrap();
    }
    let thresholds = ["--warn", "30", "--warn-mb", "0.5", "--crit", "80", "--crit-mb", "0.5"];
    let text = bloat(&db.url(), &thresholds).await.out;
    for line in text.lines() {
        assert!(line.chars().count() <= 80, "{line:?}");
    }
    let counted = bloat(&db.url(), &[&thresholds[..], &["--exact", "--table", "emptied"]].concat()).await.out;
    let text =
        format!("{text}\n== with --exact --table emptied ==\n\n{counted}").replace(db.name(), "<name>");
    is_the_screen("bloat.txt", &text);
}
