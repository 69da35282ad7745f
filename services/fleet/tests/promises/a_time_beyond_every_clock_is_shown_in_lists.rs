//! A time that somebody wrote into a row by hand and that is none (`infinity`), or is beyond what a calendar shows, is
//! shown as a text in every list, and takes no other row along.

use crate::service;

#[tokio::test]
async fn in_the_list_of_devices() {
    let fleet = service::start().await;
    let stored = [
        ("d1", "infinity", "infinity"),
        ("d2", "-infinity", "-infinity"),
        ("d3", "294276-12-31 23:59:59.999999+00", "+294276-12-31T23:59:59.999999Z"),
        ("d4", "4714-11-24 00:00:00+00 BC", "-004713-11-24T00:00:00Z"),
        ("d5", "2025-06-15 12:00:00.5+00", "2025-06-15T12:00:00.5Z"),
    ];
    for (device, time, _) in stored {
        fleet.device.send(device, r#"{"t": 1}"#).await.accepted();
        let sql = format!(
            "UPDATE device_registry SET created_at = '{time}', updated_at = '{time}', \
                           decommissioned_at = '{time}' WHERE device_id = '{device}'"
        );
        fleet.database.execute(&sql).await.unwrap();
    }
    // The other tables that a request reads.
    fleet
        .database
        .execute(
            "UPDATE subscriptions SET term_start = '-infinity', term_end = 'infinity', \
                            created_at = 'infinity', updated_at = 'infinity', grace_end = 'infinity'",
        )
        .await
        .unwrap();
    fleet
        .database
        .execute("UPDATE tenants SET created_at = 'infinity', updated_at = 'infinity'")
        .await
        .unwrap();
    fleet.database.execute("UPDATE tenant_access_tokens SET created_at = 'infinity'").await.unwrap();
    for path in ["/api/v1/customer/devices", "/customer/devices?limit=1000"] {
        let listed = fleet.device.get(path).await;
        assert_eq!(listed.status, 200, "{listed:?}");
        for (n, (device, _, shown)) in stored.iter().enumerate() {
            let row = &listed.body["devices"][n];
            assert_eq!((&row["device_id"], &row["created_at"]), (&(*device).into(), &(*shown).into()));
        }
    }
    // A device that is new, and one that is known, are still taken.
    fleet.device.send("d6", r#"{"t": 1}"#).await.accepted();
    fleet.device.send("d1", r#"{"t": 1}"#).await.accepted();
}
