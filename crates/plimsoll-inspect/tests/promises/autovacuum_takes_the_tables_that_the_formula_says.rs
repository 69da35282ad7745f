//! Autovacuum takes the tables that the formula says, and no others: tables just below and just above each limit are told
//! beforehand, and then a real autovacuum runs.

use crate::session::session_at;
use plimsoll_embedded::Cluster;
use plimsoll_inspect::autovacuum::{AUTOVACUUM, Candidate, Due};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::{Instant, sleep};
use tokio_postgres::Client;

/// Each table begins with a thousand rows that are vacuumed and analyzed; then this is done with it. An analyze tells autovacuum that
/// a table has fewer rows now, which brings a vacuum in the next round; so those that are to have none get no analyze.
const TABLES: [(&str, &str, &str); 12] = [
    ("dead_below", "autovacuum_analyze_threshold = 9999", "DELETE FROM {} WHERE id <= 250"),
    ("dead_above", "autovacuum_analyze_threshold = 9999", "DELETE FROM {} WHERE id <= 251"),
    ("inserted_below", "", "INSERT INTO {} SELECT 0 FROM generate_series(1, 1200)"),
    ("inserted_above", "", "INSERT INTO {} SELECT 0 FROM generate_series(1, 1201)"),
    ("changed_below", "", "UPDATE {} SET id = 0 WHERE id <= 150"),
    ("changed_above", "", "UPDATE {} SET id = 0 WHERE id <= 151"),
    (
        "own_below",
        "autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10",
        "DELETE FROM {} WHERE id <= 10",
    ),
    (
        "own_above",
        "autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10",
        "DELETE FROM {} WHERE id <= 11",
    ),
    (
        "no_inserts",
        "autovacuum_vacuum_insert_threshold = -1",
        "INSERT INTO {} SELECT 0 FROM generate_series(1, 5000)",
    ),
    ("switched_off", "autovacuum_enabled = off", "DELETE FROM {}"),
    // Since 18 what is frozen does not count, so that fewer rows bring a vacuum.
    ("frozen", "", "VACUUM (FREEZE) {}; INSERT INTO {} SELECT 0 FROM generate_series(1, 1100)"),
    ("untouched", "", "SELECT"),
];

/// What became of each table: how often autovacuum vacuumed and analyzed it.
async fn done(client: &Client) -> BTreeMap<String, Due> {
    let sql = "SELECT CASE WHEN c.relkind = 't' THEN 'toast of ' || o.relname ELSE c.relname END,
                      s.autovacuum_count > 0, s.autoanalyze_count > 0
               FROM pg_stat_all_tables s JOIN pg_class c ON c.oid = s.relid LEFT JOIN pg_class o ON o.reltoastrelid = c.oid
               WHERE 'public'::regnamespace IN (c.relnamespace, o.relnamespace)";
    let rows = client.query(sql, &[]).await.unwrap();
    rows.iter().map(|row| (row.get(0), Due { vacuum: row.get(1), analyze: row.get(2) })).collect()
}

/// Waits until autovacuum has done at least this.
async fn until(client: &Client, what: &BTreeMap<String, Due>) -> BTreeMap<String, Due> {
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        let done = done(client).await;
        let is_done = |(name, due): (&String, &Due)| {
            let so_far = done[name];
            (so_far.vacuum || !due.vacuum) && (so_far.analyze || !due.analyze)
        };
        if what.iter().all(is_done) {
            return done;
        }
        assert!(Instant::now() < end, "autovacuum did not come: {what:#?}, but {done:#?}");
        sleep(Duration::from_millis(100)).await;
    }
}

/// Has the counters of all that this session has done so far be seen, and not added to what a vacuum has set to nothing.
async fn settle(client: &Client) {
    client.batch_execute("SELECT pg_stat_force_next_flush()").await.unwrap();
}

/// What the formula says.
async fn told(client: &Client, question: &str) -> BTreeMap<String, Due> {
    let answer = client.simple_query(question).await.unwrap();
    let all = Candidate::read(&answer).unwrap();
    let ours = all.iter().filter_map(|table| {
        let name = table.table().strip_prefix("public.")?;
        let toast = if table.owner.is_some() { "toast of " } else { "" };
        Some((format!("{toast}{name}"), table.due()))
    });
    ours.collect()
}

/// A table of a thousand rows that has been vacuumed and analyzed, and what is done with it then.
async fn makes(client: &Client, name: &str, options: &str, then: &str) {
    let options = if options.is_empty() { String::new() } else { format!("WITH ({options})") };
    client.batch_execute(&format!("CREATE TABLE {name} (id int) {options}")).await.unwrap();
    client.batch_execute(&format!("INSERT INTO {name} SELECT generate_series(1, 1000)")).await.unwrap();
    settle(client).await;
    client.batch_execute(&format!("VACUUM (ANALYZE) {name}")).await.unwrap();
    for step in then.split("; ") {
        client.batch_execute(&step.replace("{}", name)).await.unwrap();
    }
}

/// Two tables whose TOAST tables lose fifteen chunks each. A TOAST table goes by the options of its table, unless it has some of
/// its own.
async fn makes_toast(client: &Client) {
    let options = "autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5";
    for (name, own) in [("fat", ""), ("fat_own", ", toast.autovacuum_vacuum_threshold = 500")] {
        client.batch_execute(&format!("CREATE TABLE {name} (v text) WITH ({options}{own})")).await.unwrap();
        client.batch_execute(&format!("ALTER TABLE {name} ALTER v SET STORAGE EXTERNAL")).await.unwrap();
        let rows = format!("INSERT INTO {name} SELECT repeat('x', 4000) FROM generate_series(1, 9)");
        client.batch_execute(&rows).await.unwrap();
        client.batch_execute(&format!("DELETE FROM {name} WHERE ctid <= '(0,5)'")).await.unwrap();
    }
}

#[tokio::test]
async fn just_below_and_just_above_each_limit() {
    let naps = Cluster::builder().setting("autovacuum", "off").setting("autovacuum_naptime", "1s");
    let server = naps.start().await.unwrap();
    let client = session_at(&server.url("postgres"), None, "asker").await;
    for (name, options, then) in TABLES {
        makes(&client, name, options, then).await;
    }
    // What has never been analyzed is taken to have no rows.
    for (name, rows) in [("new_below", 50), ("new_above", 51)] {
        let make = format!("CREATE TABLE {name} AS SELECT generate_series(1, {rows}) AS id");
        client.batch_execute(&make).await.unwrap();
    }
    makes_toast(&client).await;
    let since_18 = server.version() >= 18;
    if since_18 {
        let ceiling = "autovacuum_vacuum_max_threshold = 20";
        makes(&client, "ceiling_below", ceiling, "DELETE FROM {} WHERE id <= 20").await;
        makes(&client, "ceiling_above", ceiling, "DELETE FROM {} WHERE id <= 21").await;
    }
    settle(&client).await;
    assert!(told(&client, AUTOVACUUM).await.values().all(|due| *due == Due::default()), "autovacuum is off");
    // As it will be once the server's switch is on.
    let switch = "CASE name WHEN 'autovacuum' THEN 'autovacuum=on' ELSE name || '=' || setting END";
    let question = AUTOVACUUM.replacen("name || '=' || setting", switch, 1);
    let expected = told(&client, &question).await;
    let due = |name: &str| (expected[name].vacuum, expected[name].analyze);
    assert_eq!((due("dead_below"), due("dead_above")), ((false, false), (true, false)));
    // On 18 the table may be frozen in part, so both may be due there.
    assert_eq!(
        (due("inserted_below"), due("inserted_above")),
        ((since_18 && due("inserted_below").0, true), (true, true))
    );
    assert_eq!((due("changed_below"), due("changed_above")), ((false, false), (false, true)));
    assert_eq!((due("own_below"), due("own_above")), ((false, false), (true, false)));
    assert_eq!((due("no_inserts"), due("switched_off")), ((false, true), (false, false)));
    assert_eq!(due("frozen"), (since_18, true));
    assert_eq!((due("new_below"), due("new_above")), ((false, false), (false, true)));
    assert_eq!((due("toast of fat").0, due("toast of fat_own").0), (true, false));
    if since_18 {
        assert_eq!((due("ceiling_below").0, due("ceiling_above").0), (false, true));
    }

    client.batch_execute("ALTER SYSTEM SET autovacuum = on").await.unwrap();
    client.batch_execute("SELECT pg_reload_conf()").await.unwrap();
    until(&client, &expected).await;
    // One that comes due after all others were done: when it is done too, each table has been looked at and left alone.
    client.batch_execute("CREATE TABLE last AS SELECT generate_series(1, 100) AS id").await.unwrap();
    let last = BTreeMap::from([("last".to_owned(), Due { vacuum: false, analyze: true })]);
    let done = until(&client, &last).await;
    for (name, done) in done.iter().filter(|(name, _)| *name != "last") {
        assert_eq!(*done, expected.get(name).copied().unwrap_or_default(), "{name}");
    }
}
