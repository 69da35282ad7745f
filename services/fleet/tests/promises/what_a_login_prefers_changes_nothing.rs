//! Whatever the login or the database says of dates, zones, paths and the like, readings are stored in the right table
//! and partition, with the right instants, numbers and tenants; and a partition holds its day of UTC and no other.

use crate::service::{self, Device};
use fleet::tenants::{TenantId, TenantTx, transaction};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};
use plimsoll::Database;
use plimsoll_embedded::{Cluster, PgBouncer, PoolMode, test_server};
use serde_json::json;

/// Tables and a function of the same names, where an unqualified name finds them first.
const EVIL: &str = "
    CREATE SCHEMA evil;
    CREATE TABLE evil.telemetry (tenant_id text, device_id text, time timestamptz, seq bigint, site_id text,
                                 msg_type text, metrics jsonb);
    CREATE TABLE evil.tenants (tenant_id text PRIMARY KEY, name text, status text, provision_key_hash text);
    CREATE TABLE evil.sites (tenant_id text, site_id text, name text);
    CREATE TABLE evil.device_registry (tenant_id text, device_id text, site_id text, subscription_id text,
                                       status text, provision_token_hash text, created_at timestamptz);
    CREATE TABLE evil.subscriptions (tenant_id text, subscription_id text, subscription_type text, status text);
    CREATE TABLE evil.tenant_access_tokens (tenant_id text, token_hash text, label text, revoked_at timestamptz);
    CREATE TABLE evil.service_keys (name text PRIMARY KEY, key text);
    CREATE FUNCTION evil.ensure_telemetry_partition(day date) RETURNS boolean LANGUAGE sql RETURN false;
    GRANT ALL ON SCHEMA evil TO PUBLIC;
    GRANT ALL ON ALL TABLES IN SCHEMA evil TO PUBLIC;";

/// What is preferred besides the style of dates and the zone.
const PREFERRED: [&str; 9] = [
    "IntervalStyle = 'sql_standard'",
    "search_path = 'evil, public'",
    "bytea_output = 'escape'",
    "extra_float_digits = -15",
    "standard_conforming_strings = off",
    "default_transaction_isolation = 'serializable'",
    "row_security = off",
    "app.tenant_id = 'somebody'",
    "synchronous_commit = off",
];

/// Styles in which a text is read back as another time: zones by an abbreviation that means another one, days and months
/// in the other order, zones that are no whole number of hours away.
const STYLES: [(&str, &str); 4] = [
    ("SQL, DMY", "Asia/Kathmandu"),
    ("SQL, MDY", "Asia/Kolkata"),
    ("Postgres, DMY", "Asia/Shanghai"),
    ("German, DMY", "America/Chicago"),
];

/// Says all of it for whatever `subject` is: `ROLE x`, `DATABASE x`.
fn preferring(subject: &str, (style, zone): (&str, &str)) -> Vec<String> {
    let dates = [format!("DateStyle = '{style}'"), format!("TimeZone = '{zone}'")];
    let others = PREFERRED.iter().map(|set| (*set).to_owned());
    // A path is a list of names and not one name.
    let sets = dates.into_iter().chain(others).map(|set| match set.split_once('=') {
        Some((name, path)) if name.trim() == "search_path" => format!("{name}= {}", path.replace('\'', "")),
        _ => set,
    });
    sets.map(|set| format!("ALTER {subject} SET {set}")).collect()
}

/// The server, asked in a session that prefers nothing of its own.
enum Asked<'a> {
    Own(&'a Cluster),
    Shared(&'a test_server::TestDatabase),
}

impl Asked<'_> {
    async fn rows(&self, sql: &str) -> Vec<plimsoll_embedded::Row> {
        match self {
            Asked::Own(cluster) => cluster.execute("fleet", sql).await.unwrap(),
            Asked::Shared(database) => database.execute(sql).await.unwrap(),
        }
    }

    async fn number(&self, sql: &str) -> i64 {
        let plain = "SET search_path = pg_catalog, public; SET TimeZone = 'UTC'; SET DateStyle = 'ISO, YMD';
                     SET row_security = on; ";
        self.rows(&format!("{plain}{sql}")).await[0]["n"].parse().unwrap()
    }
}

/// Readings around midnight of several days and in the middle of them, and where each of them belongs.
fn readings() -> Vec<(Timestamp, String)> {
    let midnight = Timestamp::now().to_zoned(TimeZone::UTC).start_of_day().unwrap().timestamp();
    let mut times = Vec::new();
    for days in [0, 1, 2, 20] {
        let day = midnight - SignedDuration::from_hours(24 * days);
        let before = day - SignedDuration::from_micros(1);
        times.extend([before, day, day + 5.hours() + 45.minutes(), day + 18.hours() + 30.minutes()]);
    }
    times.retain(|time| *time < Timestamp::now() + SignedDuration::from_hours(23));
    times.into_iter().map(|time| (time, format!("telemetry_{}", time.strftime("%Y%m%d")))).collect()
}

async fn all_is_where_it_belongs(device: &Device, asked: &Asked<'_>) {
    let readings = readings();
    for (n, (time, _)) in readings.iter().enumerate() {
        let body = json!({ "ts": time.to_string(), "seq": n, "metrics": { "t": 0.1, "n": n, "on": true } });
        device.send("d1", body.to_string()).await.accepted();
    }
    for (n, (time, table)) in readings.iter().enumerate() {
        let sql = format!(
            "SELECT count(*) AS n FROM ONLY public.{table}
             WHERE tenant_id = 'test' AND device_id = 'd1' AND site_id = 'default' AND seq = {n}
             AND extract(epoch FROM time) * 1000000 = {}
             AND metrics = '{{\"t\": 0.1, \"n\": {n}, \"on\": true}}'",
            time.as_microsecond()
        );
        assert_eq!(asked.number(&sql).await, 1, "reading {n} of {time} in {table}");
    }
    let all = i64::try_from(readings.len()).unwrap();
    assert_eq!(asked.number("SELECT count(*) AS n FROM public.telemetry").await, all);
    assert_eq!(asked.number("SELECT count(*) AS n FROM public.device_registry").await, 1);
    for table in ["telemetry", "tenants", "sites", "device_registry", "subscriptions", "service_keys"] {
        let strays = asked.number(&format!("SELECT count(*) AS n FROM evil.{table}")).await;
        assert_eq!(strays, 0, "evil.{table}");
    }
    let listed = device.get("/api/v1/customer/devices").await;
    assert_eq!(listed.body["devices"].as_array().map(Vec::len), Some(1), "{listed:?}");
    let since: Timestamp = listed.body["devices"][0]["created_at"].as_str().unwrap().parse().unwrap();
    assert!(Timestamp::now().duration_since(since).abs() < SignedDuration::from_mins(5), "{since}");
}

/// Each partition holds the day of its name, in UTC.
async fn partitions_hold_their_days(asked: &Asked<'_>) {
    let sql = "SELECT count(*) AS n FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
               WHERE i.inhparent = 'public.telemetry'::regclass AND pg_get_expr(c.relpartbound, c.oid) ";
    let right = "= format('FOR VALUES FROM (%L) TO (%L)',
                          to_date(right(c.relname, 8), 'YYYYMMDD') || ' 00:00:00+00',
                          to_date(right(c.relname, 8), 'YYYYMMDD') + 1 || ' 00:00:00+00')";
    assert!(asked.number(&format!("{sql}{right}")).await >= 6);
    let wrong = asked.number(&format!("{sql}<{}", &right.replacen('=', ">", 1))).await;
    assert_eq!(wrong, 0, "partitions with other bounds");
}

#[tokio::test]
async fn of_the_database() {
    for style in STYLES {
        println!("{style:?}");
        let database = test_server::database().await.unwrap();
        database.execute(EVIL).await.unwrap();
        for sql in preferring(&format!("DATABASE {}", database.name()), style) {
            database.execute(&sql).await.unwrap();
        }
        let folder = tempfile::tempdir().unwrap();
        let running = fleet::start(service::config(&database.url(), folder.path())).await.unwrap();
        let ready = tokio::time::timeout(service::PATIENCE, running.ready());
        let reached = ready.await.expect("it is ready in time").unwrap();
        let device = Device::of(running.url(), reached.demo.unwrap());
        let asked = Asked::Shared(&database);
        all_is_where_it_belongs(&device, &asked).await;
        partitions_hold_their_days(&asked).await;
        running.stop().await;
    }
}

#[tokio::test]
async fn of_both_logins() {
    let cluster = Cluster::start().await.unwrap();
    cluster.create_database("fleet").await.unwrap();
    cluster.execute("fleet", EVIL).await.unwrap();
    cluster.execute("fleet", "CREATE ROLE fleet_app LOGIN").await.unwrap();
    for role in ["fleet_app", cluster.superuser()] {
        for sql in preferring(&format!("ROLE {role}"), STYLES[0]) {
            cluster.execute("fleet", &sql).await.unwrap();
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let running = fleet::start(service::config(&cluster.url("fleet"), folder.path())).await.unwrap();
    let ready = tokio::time::timeout(service::PATIENCE, running.ready());
    let reached = ready.await.expect("it is ready in time").unwrap();
    let device = Device::of(running.url(), reached.demo.unwrap());
    let asked = Asked::Own(&cluster);
    all_is_where_it_belongs(&device, &asked).await;
    partitions_hold_their_days(&asked).await;
    running.stop().await;
}

/// The bounds of a day are right for this reason alone, whatever else is pinned: a function that writes a time as a text
/// is called in a session that prefers another zone and style.
#[tokio::test]
async fn a_day_is_made_right_in_whatever_session() {
    for (style, zone) in STYLES {
        let fleet = service::start().await;
        let day = (Timestamp::now() - SignedDuration::from_hours(24 * 20)).strftime("%Y-%m-%d").to_string();
        let sql = format!(
            "SET DateStyle = '{style}'; SET TimeZone = '{zone}'; SELECT ensure_telemetry_partition('{day}')"
        );
        fleet.database.execute(&sql).await.unwrap();
        partitions_hold_their_days(&Asked::Shared(&fleet.database)).await;
    }
}

/// Foreign keys and triggers that are off for a login would let in what does not belong together.
#[tokio::test]
async fn a_session_without_foreign_keys_stores_nothing() {
    let fleet = service::start().await;
    let off = format!(
        "ALTER ROLE fleet_app IN DATABASE {} SET session_replication_role = 'replica'",
        fleet.database.name()
    );
    fleet.database.execute(&off).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let running = fleet::start(service::config(&fleet.database.url(), folder.path())).await.unwrap();
    let reached = running.ready().await.unwrap();
    let device = Device::of(running.url(), reached.demo.unwrap());
    device.send("d1", r#"{"t": 1}"#).await.refused(500, "PL-TXN-05");
    assert_eq!(fleet.readings().await, 0);
}

/// Somebody froze all writing: that is told as what it is, and nothing is acknowledged.
#[tokio::test]
async fn a_database_that_is_frozen_for_writing_is_a_503() {
    let fleet = service::start().await;
    let name = fleet.database.name();
    let freeze = format!("ALTER ROLE fleet_app IN DATABASE {name} SET default_transaction_read_only = on");
    fleet.database.execute(&freeze).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let running = fleet::start(service::config(&fleet.database.url(), folder.path())).await.unwrap();
    let credentials = fleet::boot::demo::Credentials::of_folder(folder.path()).unwrap();
    let device = Device::of(running.url(), credentials);
    let answer = device.send("d1", r#"{"t": 1}"#).await;
    assert_eq!((answer.status, answer.retry_after.is_some()), (503, true), "{answer:?}");
    assert_eq!(fleet.readings().await, 0);
    running.stop().await;
}

/// Under `synchronous_commit = off` a crash takes rows that were acknowledged; what is stronger than ours is kept.
#[tokio::test]
async fn what_is_acknowledged_is_on_disk_whatever_the_login_says() {
    let fleet = service::start().await;
    let tenant = TenantId::parse("test").unwrap();
    for (said, meant) in
        [("off", "local"), ("local", "local"), ("on", "on"), ("remote_apply", "remote_apply")]
    {
        let options = format!("-c synchronous_commit={said}");
        let settings = fleet.reached.app_settings.clone().options(options).pool_min(1).pool_max(1);
        let db = Database::connect(settings).await.unwrap();
        let shown = async |tx: TenantTx| {
            let row = tx.query_one("SELECT current_setting('synchronous_commit')", &[]).await?;
            Ok(row.get::<_, String>(0))
        };
        assert_eq!(transaction::once(db.named("look"), &tenant, shown).await.unwrap(), meant);
        let row = db.query_one("SELECT current_setting('synchronous_commit')", &[]).await.unwrap();
        assert_eq!(row.get::<_, String>(0), said, "and the session is as it was");
    }
}

/// Behind a pooler nothing goes with start-up, so each transaction says what decides over its rows.
#[tokio::test]
async fn of_the_services_login_behind_a_pooler() {
    let cluster = Cluster::start().await.unwrap();
    cluster.create_database("fleet").await.unwrap();
    cluster.execute("fleet", EVIL).await.unwrap();
    cluster.execute("fleet", "CREATE ROLE fleet_app LOGIN PASSWORD 'said-to-both'").await.unwrap();
    for sql in preferring("ROLE fleet_app", STYLES[1]) {
        cluster.execute("fleet", &sql).await.unwrap();
    }
    let bouncer = PgBouncer::in_front_of(&cluster)
        .pool_mode(PoolMode::Transaction)
        .user(fleet::boot::role::NAME, "said-to-both")
        .setting("default_pool_size", "4");
    let bouncer = bouncer.start().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut config = service::config(&bouncer.url("fleet"), folder.path());
    config.app_password = Some("said-to-both".into());
    let running = fleet::start(config).await.unwrap();
    let ready = tokio::time::timeout(service::PATIENCE, running.ready());
    let reached = ready.await.expect("it is ready in time").unwrap();
    assert!(!reached.app_url.unwrap().contains("options"), "a pooler would refuse them");
    let device = Device::of(running.url(), reached.demo.unwrap());
    let asked = Asked::Own(&cluster);
    all_is_where_it_belongs(&device, &asked).await;
    partitions_hold_their_days(&asked).await;
    running.stop().await;
}

/// The owner's login, whose path leads elsewhere: the tables would be made there.
#[tokio::test]
async fn of_the_owners_login_behind_a_pooler_is_refused_with_what_to_do() {
    let cluster = Cluster::start().await.unwrap();
    cluster.create_database("fleet").await.unwrap();
    cluster.execute("fleet", EVIL).await.unwrap();
    let path = format!("ALTER ROLE {} SET search_path = evil, public", cluster.superuser());
    cluster.execute("fleet", &path).await.unwrap();
    let bouncer = PgBouncer::in_front_of(&cluster).pool_mode(PoolMode::Transaction).start().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let running = fleet::start(service::config(&bouncer.url("fleet"), folder.path())).await.unwrap();
    let ready = tokio::time::timeout(service::PATIENCE, running.ready());
    let error = ready.await.expect("it ends in time").err().expect("the schema is not made").to_string();
    assert!(error.contains("leads to evil") && error.contains("SET search_path = public"), "{error}");
    let made = cluster
        .execute("fleet", "SELECT count(*) AS n FROM pg_tables WHERE tablename = 'plimsoll_migrations'");
    assert_eq!(made.await.unwrap()[0]["n"], "0");
    running.stop().await;
}

/// A table that only has the name of a day takes that day's readings nowhere; the other days go on.
#[tokio::test]
async fn a_table_in_the_place_of_a_day_is_told_and_takes_no_other_day_along() {
    let fleet = service::start().await;
    let late = service::now() - SignedDuration::from_hours(24 * 20);
    let table = format!("telemetry_{}", late.strftime("%Y%m%d"));
    fleet.database.execute(&format!("CREATE TABLE {table} (LIKE telemetry)")).await.unwrap();
    let of = |time: Timestamp| format!(r#"{{"ts": "{time}", "metrics": {{"t": 1}}}}"#);
    fleet.device.send("d1", of(late)).await.refused(500, "PL-TXN-04");
    fleet.device.send("d1", of(service::now())).await.accepted();
    assert_eq!(fleet.readings().await, 1);
    fleet.database.execute(&format!("DROP TABLE {table}")).await.unwrap();
    fleet.device.send("d1", of(late)).await.accepted();
}
