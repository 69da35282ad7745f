//! The states of a device are the same in the tables and in the code.

use crate::service::{self, Fleet};
use fleet::devices::DeviceStatus;
use fleet::devices::state::DeviceState;

/// The words of a check of this name, in its order.
async fn of_table(fleet: &Fleet, check: &str) -> Vec<String> {
    let sql =
        format!("SELECT pg_get_constraintdef(oid) AS text FROM pg_constraint WHERE conname = '{check}'");
    let rows = fleet.database.execute(&sql).await.unwrap();
    // CHECK ((status = ANY (ARRAY['PENDING'::text, ..]))): every second piece is a quoted word.
    rows[0]["text"].split('\'').skip(1).step_by(2).map(str::to_owned).collect()
}

#[tokio::test]
async fn of_devices() {
    let fleet = service::start().await;
    assert_eq!(of_table(&fleet, "device_registry_status").await, DeviceStatus::ALL.map(DeviceStatus::as_str));
    for status in DeviceStatus::ALL {
        assert_eq!(DeviceStatus::parse(status.as_str()), Some(status));
    }
    assert_eq!(of_table(&fleet, "device_state_noted").await, DeviceState::ALL.map(DeviceState::as_str));
}
