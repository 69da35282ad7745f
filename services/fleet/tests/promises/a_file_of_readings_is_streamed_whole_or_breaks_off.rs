//! A file of readings has all of its range, each reading once, whatever its length; no name in it is run by a spreadsheet; a
//! client that leaves stops its statement; and one that breaks off is not taken for whole.

use crate::asking::created;
use crate::service::{self, Fleet, until};
use plimsoll::{Database, Settings};
use std::time::Duration;

const PATH: &str = "/customer/devices/d1/telemetry/export";

async fn with_readings(count: i64, metric: &str) -> Fleet {
    let fleet = service::start().await;
    created(&fleet, "d1").await;
    let sql = format!(
        "SELECT ensure_telemetry_partition(((now() - interval '1 day') AT TIME ZONE 'UTC')::date);
         INSERT INTO telemetry (tenant_id, device_id, time, seq, site_id, msg_type, metrics)
         SELECT 'test', 'd1', now() - make_interval(secs => (n / 3)), n, 'default', 'telemetry',
                jsonb_build_object('{metric}', n)
         FROM generate_series(1, {count}) AS n"
    );
    fleet.database.execute(&sql).await.unwrap();
    fleet
}

async fn file(fleet: &Fleet, query: &str) -> reqwest::Response {
    let request = fleet.device.http.get(format!("{}{PATH}{query}", fleet.device.url));
    request.bearer_auth(&fleet.device.token).send().await.unwrap()
}

/// Several parts, and several readings of one time at their borders.
#[tokio::test]
async fn each_reading_is_in_it_once() {
    let fleet = with_readings(5_000, "t").await;
    let response = file(&fleet, "?format=csv").await;
    assert_eq!(response.status(), 200);
    assert!(response.headers()["content-type"].to_str().unwrap().starts_with("text/csv"));
    assert_eq!(response.headers()["content-disposition"], "attachment; filename=\"telemetry-d1.csv\"");
    let text = response.text().await.unwrap();
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("ts,seq,metric,value"));
    let places: Vec<(&str, i64)> = lines
        .map(|line| {
            let fields: Vec<&str> = line.split(',').collect();
            assert_eq!((fields.len(), fields[2], fields[1]), (4, "t", fields[3]), "{line}");
            (fields[0], fields[1].parse().unwrap())
        })
        .collect();
    assert!(places.windows(2).all(|two| two[0].0 <= two[1].0), "the oldest first");
    let mut seqs: Vec<i64> = places.iter().map(|(_, seq)| *seq).collect();
    seqs.sort_unstable();
    assert_eq!(seqs, (1..=5_000).collect::<Vec<_>>());

    let text = file(&fleet, "?format=ndjson").await.text().await.unwrap();
    let mut seqs: Vec<i64> = text
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["seq"].as_i64().unwrap())
        .collect();
    seqs.sort_unstable();
    assert_eq!(seqs, (1..=5_000).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_name_that_a_device_chose_is_run_by_no_spreadsheet() {
    let fleet = with_readings(1, "=HYPERLINK(\"http://evil\",\"x\")").await;
    let text = file(&fleet, "").await.text().await.unwrap();
    let mut read = csv_fields(&text);
    assert_eq!(read.remove(6), "'=HYPERLINK(\"http://evil\",\"x\")");
}

/// The fields of a file with one reading, whose third is quoted.
fn csv_fields(text: &str) -> Vec<String> {
    let (head, line) = text.split_once("\r\n").unwrap();
    let (before, quoted) = line.split_once(",\"").unwrap();
    let (name, value) = quoted.rsplit_once("\",").unwrap();
    let mut fields: Vec<String> = head.split(',').chain(before.split(',')).map(str::to_owned).collect();
    fields.extend([name.replace("\"\"", "\""), value.trim().to_owned()]);
    fields
}

/// Under way is what waits for this lock.
const READS: &str = "SELECT count(*) AS n FROM pg_stat_activity WHERE datname = current_database()
                     AND wait_event_type = 'Lock' AND query LIKE '%FROM public.telemetry%'";

#[tokio::test]
async fn a_client_that_leaves_stops_its_statement() {
    let fleet = with_readings(2_000, "t").await;
    let owner = Database::connect(Settings::from_url(fleet.database.url()).unwrap()).await.unwrap();
    let hold = owner.begin().await.unwrap();
    hold.batch_execute("LOCK TABLE telemetry IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let request =
        fleet.device.http.get(format!("{}{PATH}", fleet.device.url)).bearer_auth(&fleet.device.token);
    let client = tokio::spawn(request.send());
    until("the file is being read", async || fleet.number(READS).await == 1).await;
    client.abort();
    until("its statement is stopped", async || fleet.number(READS).await == 0).await;
    hold.rollback().await;
}

/// The first part is at the client and the second fails: the transfer is no whole one.
#[tokio::test]
async fn a_file_that_breaks_off_is_not_taken_for_whole() {
    let fleet =
        with_readings(200_000, "a metric with a long name, so that the file does not fit on the way").await;
    let mut response = file(&fleet, "").await;
    assert_eq!(response.status(), 200);
    assert!(response.chunk().await.unwrap().is_some());
    // What is read after this moment fails: the table is not what it was.
    fleet.database.execute("REVOKE SELECT ON telemetry FROM fleet_app").await.unwrap();
    let end = tokio::time::timeout(Duration::from_secs(60), async {
        loop {
            match response.chunk().await {
                Ok(Some(_)) => {}
                other => return other,
            }
        }
    });
    assert!(end.await.unwrap().is_err(), "a file without its end was taken for whole");
}
