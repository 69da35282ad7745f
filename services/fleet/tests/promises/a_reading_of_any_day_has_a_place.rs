//! A reading is stored on the day that it belongs to, also where nobody had made a partition for that day.

use crate::service;
use jiff::SignedDuration;

fn sent_late(days: i64, seq: i64) -> (String, String) {
    let time = service::now() - SignedDuration::from_hours(24 * days);
    let table = format!("telemetry_{}", time.strftime("%Y%m%d"));
    (format!(r#"{{"ts":"{time}","seq":{seq},"metrics":{{"t":1}}}}"#), table)
}

#[tokio::test]
async fn and_waits_for_no_clock() {
    let fleet = service::start().await;
    for days in [0, 1, 2, 20, 29] {
        let (body, table) = sent_late(days, days);
        fleet.device.send("d1", body).await.accepted();
        assert_eq!(fleet.number(&format!("SELECT count(*) AS n FROM {table}")).await, 1, "{days} days late");
    }
}

#[tokio::test]
async fn a_partition_that_somebody_dropped_is_made_again() {
    let fleet = service::start().await;
    let (body, table) = sent_late(20, 1);
    fleet.device.send("d1", body).await.accepted();
    fleet.database.execute(&format!("DROP TABLE {table}")).await.unwrap();
    let (body, _) = sent_late(20, 2);
    fleet.device.send("d1", body).await.accepted();
    assert_eq!(fleet.number(&format!("SELECT count(*) AS n FROM {table}")).await, 1);
}

#[tokio::test]
async fn the_role_cannot_make_days_without_end() {
    let fleet = service::start().await;
    let db = &fleet.running.service().unwrap().pools.ops_worker;
    let error = db.query("SELECT ensure_telemetry_partition('2999-01-01')", &[]).await.unwrap_err();
    assert_eq!(error.fault(), plimsoll::Fault::Data, "{error}");
}
