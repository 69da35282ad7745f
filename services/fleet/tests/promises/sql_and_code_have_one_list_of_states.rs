//! The states of a device are the same in the table and in the code.

use crate::service;
use fleet::devices::DeviceStatus;

#[tokio::test]
async fn of_devices() {
    let fleet = service::start().await;
    let sql = "SELECT pg_get_constraintdef(oid) AS text FROM pg_constraint WHERE conname = 'device_registry_status'";
    let rows = fleet.database.execute(sql).await.unwrap();
    // CHECK ((status = ANY (ARRAY['PENDING'::text, ..]))): every second piece is a quoted word.
    let of_table: Vec<&str> = rows[0]["text"].split('\'').skip(1).step_by(2).collect();
    assert_eq!(of_table, DeviceStatus::ALL.map(DeviceStatus::as_str));
    for status in DeviceStatus::ALL {
        assert_eq!(DeviceStatus::parse(status.as_str()), Some(status));
    }
}
