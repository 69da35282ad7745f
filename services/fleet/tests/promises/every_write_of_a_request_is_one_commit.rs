//! No request writes twice without a transaction around both: what the service does for devices and for people is watched
//! while they use it, and nothing is found.

use crate::asking::{Ask, delete, patch, post};
use crate::service::{self, Fleet};
use fleet::Source;
use jiff::SignedDuration;
use plimsoll::request_id::{self, RequestId};
use plimsoll::settings::Enforcement;
use reqwest::Method;
use serde_json::json;

/// How many requests and leases have written twice outside a transaction.
fn found(fleet: &Fleet) -> u64 {
    let pools = &fleet.running.service().unwrap().pools;
    pools.all().iter().map(|(_, pool)| pool.snapshot().statements.unwrapped_multi_writes).sum()
}

/// Each route that writes, once.
async fn what_people_change(fleet: &Fleet) {
    let devices = "/customer/devices";
    let told = post(fleet, devices, &json!({"device_id": "p1", "tags": ["a", "b"]})).await;
    assert_eq!(told.status, 201, "{told:?}");
    let import =
        Ask::new(fleet, Method::POST, "/customer/devices/import").body("name,device_type\np2,t\np3,t\n");
    assert_eq!(import.send().await.body["imported"], 2);
    assert_eq!(patch(fleet, "/customer/devices/p1", &json!({"name": "n", "tags": ["c"]})).await.status, 200);
    assert_eq!(delete(fleet, "/customer/devices/p1/tags/c").await.status, 204);
    let rotated = Ask::new(fleet, Method::POST, "/customer/devices/p1/tokens/rotate").send().await;
    assert_eq!(rotated.status, 201);
    let token = format!("/customer/devices/p1/tokens/{}", rotated.body["token_id"].as_str().unwrap());
    assert_eq!(delete(fleet, &token).await.status, 204);
    let aside = Ask::new(fleet, Method::PATCH, "/customer/devices/p2/decommission").send().await;
    assert_eq!(aside.status, 200);
    assert_eq!(delete(fleet, "/customer/devices/p1").await.status, 200);
    let subscription = told.body["subscription_id"].clone();
    let renewal =
        json!({"subscription_id": subscription, "devices_to_deactivate": ["p3"], "new_device_limit": 9});
    let renew = Ask::new(fleet, Method::POST, "/subscription/renew").header("Idempotency-Key", "k");
    assert_eq!(renew.body(renewal.to_string()).send().await.body["devices_deactivated"], 1);
}

#[tokio::test]
async fn whatever_is_asked_of_the_service() {
    let fleet = service::start_with(|config| {
        let Source::Given(settings) = &mut config.database else { panic!("the database is given") };
        **settings = settings.clone().write_audit(Enforcement::On);
    })
    .await;
    let device = &fleet.device;
    for number in 0..3 {
        // The second belongs to another day, which has a place of its own.
        let earlier = service::now() - SignedDuration::from_hours(20 * 24);
        for body in [
            r#"{"temperature": 21}"#.to_owned(),
            format!(r#"{{"ts": "{earlier}", "metrics": {{"temperature": 22}}}}"#),
        ] {
            device.send(&format!("d{number}"), body).await.accepted();
        }
    }
    device.send("d1", "{").await;
    device.send_to("/ingest/tenant/test/device/d9/telemetry", Some("test.wrong"), r#"{"t": 1}"#).await;
    for path in ["/health", "/customer/devices", "/customer/devices?limit=1"] {
        device.get(path).await;
    }
    for path in ["/operator/system/health", "/operator/system/capacity"] {
        device.get_as(path, Some(&device.operator)).await;
    }
    assert_eq!(fleet.readings().await, 6);
    what_people_change(&fleet).await;
    assert_eq!(found(&fleet), 0);

    // It would have been seen: the same on a pool of the service.
    let pool = fleet.running.service().unwrap().pools.all()[0].1.clone();
    request_id::within(RequestId::random(), async {
        let lease = pool.acquire().await.unwrap();
        lease.batch_execute("CREATE TEMP TABLE twice (n int)").await.unwrap();
        for _ in 0..2 {
            lease.execute("INSERT INTO twice VALUES (1)", &[]).await.unwrap();
        }
    })
    .await;
    assert_eq!(found(&fleet), 1);
}
