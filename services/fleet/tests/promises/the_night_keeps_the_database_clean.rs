//! Once a night, whatever the number of instances: days of readings that are past go, the planner's statistics are renewed, and the
//! overview of the sites is worked out while it is being read. Nothing that a device may still send loses its place.

use crate::asking::{Ask, ask, ask_as, other_tenant};
use crate::service::{self, Fleet, now, until};
use fleet::hygiene::finished::{Forgotten, forget};
use fleet::hygiene::work::{Nightly, Work, drop_past_days, if_due};
use jiff::{Timestamp, ToSpan};
use plimsoll::Database;
use reqwest::Method;
use std::time::{Duration, Instant};

const NIGHT: Nightly = Nightly { hour: 2, keep_days: 90 };

fn background(fleet: &Fleet) -> &Database {
    &fleet.running.service().unwrap().pools.ops_worker
}

/// A day with a reading for each of the last forty, made as a service makes them.
async fn forty_days(fleet: &Fleet) {
    let sql = "
        SELECT count(ensure_telemetry_partition((now() AT TIME ZONE 'UTC')::date - n)) AS n FROM generate_series(0, 40) AS n;
        INSERT INTO telemetry (tenant_id, device_id, time, seq, site_id, msg_type, metrics)
        SELECT 'test', 'd1', date_trunc('day', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' - make_interval(days => n), 1, 'default',
               'telemetry', '{}' FROM generate_series(0, 40) AS n";
    for statement in sql.split(';') {
        fleet.database.execute(statement).await.unwrap();
    }
}

#[tokio::test]
async fn past_days_are_dropped_and_no_other() {
    let fleet = service::start().await;
    forty_days(&fleet).await;
    let dropped = drop_past_days(background(&fleet)).await.unwrap();
    assert_eq!(dropped.len(), 9, "days 32 to 40: {dropped:?}");
    assert_eq!(fleet.readings().await, 32);
    let oldest = "SELECT ((now() AT TIME ZONE 'UTC')::date - min((time AT TIME ZONE 'UTC')::date)) AS n FROM telemetry";
    assert_eq!(fleet.number(oldest).await, 31);
    assert_eq!(drop_past_days(background(&fleet)).await.unwrap(), []);
    // The oldest reading that a device may send still has its place.
    let month_ago = now().checked_sub(719.hours()).unwrap();
    fleet.device.send("d1", format!(r#"{{"ts": "{month_ago}", "metrics": {{"t": 1}}}}"#)).await.accepted();
}

#[tokio::test]
async fn a_day_that_is_being_read_waits_for_the_next_time_and_holds_up_no_reading() {
    let fleet = service::start().await;
    forty_days(&fleet).await;
    let owner = Database::connect(plimsoll::Settings::from_url(fleet.database.url()).unwrap()).await.unwrap();
    let reader = owner.begin().await.unwrap();
    reader.query("SELECT count(*) FROM telemetry", &[]).await.unwrap();
    let began = Instant::now();
    let dropping = drop_past_days(background(&fleet));
    let sending = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        fleet.device.send("d1", r#"{"t": 1}"#).await.accepted();
        began.elapsed()
    };
    let (dropped, heard) = tokio::join!(dropping, sending);
    assert_eq!(dropped.unwrap(), []);
    assert!(heard < Duration::from_secs(5), "a reading waited for {heard:?}");
    assert_eq!(fleet.readings().await, 42);
    reader.rollback().await;
    assert_eq!(drop_past_days(background(&fleet)).await.unwrap().len(), 9);
}

#[tokio::test]
async fn each_piece_of_work_is_done_once() {
    let fleet = service::start().await;
    let (now, night) = (Timestamp::now(), NIGHT);
    for work in Work::ALL {
        let tries = (0..8).map(|_| if_due(background(&fleet), work, now, night));
        let done = futures_util::future::join_all(tries).await;
        assert_eq!(done.iter().filter(|done| *done.as_ref().unwrap()).count(), 1, "{work:?}: {done:?}");
        assert!(!if_due(background(&fleet), work, now, night).await.unwrap());
        // A day later it is due again.
        let tomorrow = now.checked_add(24.hours()).unwrap();
        assert!(if_due(background(&fleet), work, tomorrow, night).await.unwrap(), "{work:?}");
    }
}

#[tokio::test]
async fn sites_show_what_was_counted_and_to_their_tenant_alone() {
    let fleet = service::start().await;
    other_tenant(&fleet).await;
    fleet.device.send("d1", r#"{"t": 1}"#).await.accepted();
    let yesterday = now().checked_sub(24.hours()).unwrap();
    fleet.device.send("d1", format!(r#"{{"ts": "{yesterday}", "metrics": {{"t": 1}}}}"#)).await.accepted();
    let path = "/api/v1/customer/sites";
    let before = ask(&fleet.device, "GET", path, None).await.body;
    assert_eq!(before["sites"][0]["site_id"], "default");
    assert!(before["sites"][0]["devices"].is_null() && before["sites"][0]["as_of"].is_null(), "{before}");

    assert!(if_due(background(&fleet), Work::Overview, Timestamp::now(), NIGHT).await.unwrap());
    let after = ask(&fleet.device, "GET", path, None).await.body;
    let site = &after["sites"][0];
    assert_eq!(
        (&site["devices"], &site["readings_yesterday"], &site["open_alerts"]),
        (&1.into(), &1.into(), &0.into())
    );
    assert!(site["as_of"].is_string(), "{after}");
    let other = Ask::new(&fleet, Method::GET, path).token(crate::asking::OTHER).send().await.body;
    assert_eq!(
        (&other["sites"][0]["devices"], other["sites"].as_array().unwrap().len()),
        (&0.into(), 1),
        "{other}"
    );
    assert_eq!(ask_as(&fleet.device, None, "GET", path, None).await.status, 401);
    // What lies behind has no row-level security, and so is not the service's to read.
    let refused = background(&fleet).query("SELECT * FROM public.site_overview", &[]).await.unwrap_err();
    assert_eq!(refused.as_db_error().map(|said| said.code().code()), Some("42501"), "{refused}");
    let seen = background(&fleet).query("SELECT * FROM public.own_site_overview", &[]).await.unwrap();
    assert!(seen.is_empty(), "outside of a tenant's transaction");
}

/// A reader whose transaction is open on the overview is not waited for, and is not stopped.
#[tokio::test]
async fn the_overview_is_worked_out_while_it_is_read() {
    let fleet = service::start().await;
    let owner = Database::connect(plimsoll::Settings::from_url(fleet.database.url()).unwrap()).await.unwrap();
    let reader = owner.begin().await.unwrap();
    reader.query("SELECT * FROM public.site_overview", &[]).await.unwrap();
    assert!(if_due(background(&fleet), Work::Overview, Timestamp::now(), NIGHT).await.unwrap());
    reader.query("SELECT * FROM public.site_overview", &[]).await.unwrap();
    reader.rollback().await;
}

#[tokio::test]
async fn statistics_are_renewed_after_an_import_and_at_night() {
    let fleet = service::start().await;
    // The server would do it by itself in a minute.
    let alone = "ALTER TABLE device_registry SET (autovacuum_enabled = off)";
    fleet.database.execute(alone).await.unwrap();
    let rows: String = (0..150).map(|n| format!("device {n},meter,dev-{n}\n")).collect();
    let import =
        Ask::new(&fleet, Method::POST, "/api/v1/customer/devices/import").header("Content-Type", "text/csv");
    let done = import.body(format!("name,device_type,device_id\n{rows}")).send().await;
    assert_eq!(done.body["imported"], 150, "{done:?}");
    let analyzed = "SELECT count(*) AS n FROM pg_stat_all_tables WHERE relname = 'device_registry' AND last_analyze IS NOT NULL";
    until("the registry is analyzed", async || fleet.number(analyzed).await == 1).await;

    forty_days(&fleet).await;
    let known = "SELECT count(*) AS n FROM pg_stats WHERE tablename = 'telemetry' AND inherited";
    assert_eq!(fleet.number(known).await, 0);
    // The first night may have been made up for already.
    let tomorrow = Timestamp::now().checked_add(24.hours()).unwrap();
    assert!(if_due(background(&fleet), Work::Statistics, tomorrow, NIGHT).await.unwrap());
    assert!(fleet.number(known).await > 0, "of the readings as a whole, which no autovacuum looks at");
}

/// What changes all day is vacuumed after hundreds of changes, and days of readings as they grow.
#[tokio::test]
async fn hot_tables_have_thresholds_of_their_own() {
    let fleet = service::start().await;
    for table in ["subscriptions", "device_registry", "fleet_alert", "quarantine_counters_minute"] {
        let sql = format!(
            "SELECT count(*) AS n FROM pg_class WHERE relname = '{table}' AND 'autovacuum_vacuum_scale_factor=0.02' = ANY(reloptions)"
        );
        assert_eq!(fleet.number(&sql).await, 1, "{table}");
    }
    let days =
        "FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid WHERE inhparent = 'telemetry'::regclass";
    let all = fleet.number(&format!("SELECT count(*) AS n {days}")).await;
    let own = format!(
        "SELECT count(*) AS n {days} AND 'autovacuum_vacuum_insert_scale_factor=0.05' = ANY(reloptions)"
    );
    assert!(all > 3 && fleet.number(&own).await == all);
}

/// The file that is run once a week proposes to rebuild what has more holes than rows, and leaves the rest alone.
#[tokio::test]
async fn and_once_a_week_what_is_bloated_is_named() {
    let database = plimsoll_embedded::test_server::database().await.unwrap();
    for sql in [
        "CREATE TABLE sound (id bigint PRIMARY KEY, text text)",
        "INSERT INTO sound SELECT n, repeat('x', 100) FROM generate_series(1, 20000) AS n",
        "CREATE TABLE full_of_holes (id bigint PRIMARY KEY, text text)",
        "INSERT INTO full_of_holes SELECT n, repeat('x', 100) FROM generate_series(1, 20000) AS n",
        "DELETE FROM full_of_holes WHERE id % 10 <> 0",
        "VACUUM full_of_holes",
    ] {
        database.execute(sql).await.unwrap();
    }
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/postgres/bloat.sql");
    let mut psql = tokio::process::Command::new("psql");
    psql.args([&database.url(), "-X", "-A", "-t", "-v", "ON_ERROR_STOP=1"]);
    let small = ["-v", "index_bytes=100000", "-v", "table_bytes=1000000", "-f", file];
    let done = psql.args(small).output().await.unwrap();
    let said = String::from_utf8(done.stdout).unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    assert!(said.contains("REINDEX INDEX CONCURRENTLY full_of_holes_pkey;"), "{said}");
    assert!(said.contains("VACUUM (FULL) full_of_holes;"), "{said}");
    assert!(!said.contains("sound"), "{said}");
}

/// Alerts in every state, each with two steps of an escalation that were told, one of them as `message` says.
const ALERTS: &str = "
    INSERT INTO fleet_alert (tenant_id, alert_type, fingerprint, status, summary, created_at, closed_at)
    SELECT tenant, 'THRESHOLD', tenant || ' ' || name, status, name, now() - interval '200 days', now() - make_interval(days => closed)
    FROM (VALUES ('open', 'OPEN', NULL), ('acknowledged', 'ACKNOWLEDGED', NULL), ('young', 'CLOSED', 89), ('old', 'CLOSED', 91),
                 ('pending', 'CLOSED', 91), ('told late', 'CLOSED', 91)) AS a (name, status, closed),
         (VALUES ('test'), ('other')) AS t (tenant);
    INSERT INTO escalation_outbox (tenant_id, alert_id, policy_id, level_number, created_at, sent_at)
    SELECT tenant_id, id, 1, level, created_at, created_at FROM fleet_alert, generate_series(1, 2) AS level;
    INSERT INTO delivery_jobs (tenant_id, alert_id, outbox_id, event, channel, target, payload, status, attempts, finished_at)
    SELECT o.tenant_id, o.alert_id, o.outbox_id, 'ESCALATED', 'email', 'a@example.com', '{}',
           CASE WHEN is_pending THEN 'PENDING' WHEN level_number = 1 THEN 'SENT' ELSE 'DEAD' END, 1,
           CASE WHEN is_pending THEN NULL WHEN a.summary = 'told late' THEN now() - interval '89 days'
                ELSE now() - interval '91 days' END
    FROM escalation_outbox o JOIN fleet_alert a ON a.id = o.alert_id,
         LATERAL (SELECT a.summary = 'pending' AND o.level_number = 2 AS is_pending) AS p;
    UPDATE delivery_jobs SET next_run_at = now() + interval '1 day' WHERE status = 'PENDING';
    INSERT INTO delivery_attempts (tenant_id, job_id, attempt) SELECT tenant_id, job_id, 1 FROM delivery_jobs";

async fn names(fleet: &Fleet, sql: &str) -> Vec<String> {
    let rows = fleet.database.execute(sql).await.unwrap();
    rows.iter().map(|row| row["name"].clone()).collect()
}

/// What was done with long ago goes; what is open, is still to be sent, or was done with lately stays, with all that belongs to it.
#[tokio::test]
async fn finished_alerts_and_messages_go_when_they_are_old_and_nothing_else() {
    let fleet = service::start().await;
    other_tenant(&fleet).await;
    for statement in ALERTS.split(';') {
        fleet.database.execute(statement).await.unwrap();
    }
    let gone = forget(background(&fleet), 90).await.unwrap();
    // Of each tenant: two messages of each of four alerts, one of `pending`; three steps; one alert.
    assert_eq!(gone, Forgotten { messages: 18, steps: 6, alerts: 2 });
    let alerts = "SELECT tenant_id || ' ' || summary AS name FROM fleet_alert ORDER BY 1";
    let left = ["acknowledged", "open", "pending", "told late", "young"];
    let both = |names: &[&str]| -> Vec<String> {
        ["other", "test"]
            .iter()
            .flat_map(|tenant| names.iter().map(move |name| format!("{tenant} {name}")))
            .collect()
    };
    assert_eq!(names(&fleet, alerts).await, both(&left));
    let steps = "SELECT o.tenant_id || ' ' || a.summary || ' ' || o.level_number AS name
                 FROM escalation_outbox o JOIN fleet_alert a ON a.id = o.alert_id ORDER BY 1";
    let left = [
        "acknowledged 1",
        "acknowledged 2",
        "open 1",
        "open 2",
        "pending 2",
        "told late 1",
        "told late 2",
        "young 1",
        "young 2",
    ];
    assert_eq!(names(&fleet, steps).await, both(&left));
    let messages = "SELECT j.tenant_id || ' ' || a.summary || ' ' || j.status AS name
                    FROM delivery_jobs j JOIN fleet_alert a ON a.id = j.alert_id JOIN delivery_attempts USING (job_id) ORDER BY 1";
    assert_eq!(names(&fleet, messages).await, both(&["pending PENDING", "told late DEAD", "told late SENT"]));
    assert_eq!(
        fleet.number("SELECT count(*) AS n FROM delivery_attempts").await,
        6,
        "the log of tries goes along"
    );
    assert_eq!(forget(background(&fleet), 90).await.unwrap(), Forgotten::default());

    // The service's role deletes no alert by itself, whatever its age.
    let refused = background(&fleet).execute("DELETE FROM public.fleet_alert", &[]).await.unwrap_err();
    assert_eq!(refused.as_db_error().map(|said| said.code().code()), Some("42501"), "{refused}");
}

/// Many go in parts, and as the setting says.
#[tokio::test]
async fn and_many_of_them_go_in_parts() {
    let fleet = service::start().await;
    let many = "INSERT INTO fleet_alert (tenant_id, alert_type, fingerprint, status, summary, created_at, closed_at)
                SELECT 'test', 'THRESHOLD', n::text, 'CLOSED', 'many', now(), now() - interval '8 days' FROM generate_series(1, 2500) n";
    fleet.database.execute(many).await.unwrap();
    let tomorrow = Timestamp::now().checked_add(24.hours()).unwrap();
    assert!(if_due(background(&fleet), Work::Finished, tomorrow, NIGHT).await.unwrap());
    let left = "SELECT count(*) AS n FROM fleet_alert";
    assert_eq!(fleet.number(left).await, 2500, "younger than ninety days");
    let week = Nightly { keep_days: 7, ..NIGHT };
    let later = tomorrow.checked_add(24.hours()).unwrap();
    assert!(if_due(background(&fleet), Work::Finished, later, week).await.unwrap());
    assert_eq!(fleet.number(left).await, 0);
}
