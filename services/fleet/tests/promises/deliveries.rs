//! A service that may send to receivers on this machine, with pauses that a test can wait for, and what it takes to have
//! something sent.

use crate::asking::ask;
use crate::service::{self, Fleet};
use fleet::boot::delivery_config::DeliveryConfig;
use fleet::delivery::address::Networks;
use fleet::delivery::retry::RetrySettings;
use serde_json::{Value, json};
use std::time::Duration;

/// What the messages of these tests are signed with.
pub(crate) const SECRET: &str = "a secret of the receivers";

pub(crate) fn quick() -> DeliveryConfig {
    let retry = RetrySettings {
        first: Duration::from_millis(20),
        longest: Duration::from_millis(100),
        attempts: 4,
        limit: Duration::from_secs(2),
    };
    DeliveryConfig { allow: Networks::parse("127.0.0.0/8").unwrap(), relay: None, retry }
}

pub(crate) async fn start() -> Fleet {
    service::start_with(|config| config.delivery = quick()).await
}

/// An integration of this kind; gives its id.
pub(crate) async fn integration(fleet: &Fleet, kind: &str, config: Value) -> String {
    let body = json!({ "name": "i", "type": kind, "config": config });
    let made = ask(&fleet.device, "POST", "/customer/integrations", Some(body)).await;
    assert_eq!(made.status, 201, "{made:?}");
    made.body["integration_id"].as_str().unwrap().to_owned()
}

/// A route to this integration; `more` says what is not as usual.
pub(crate) async fn route(fleet: &Fleet, integration: &str, more: Value) -> String {
    let mut body = json!({ "integration_id": integration, "name": "r" });
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    let made = ask(&fleet.device, "POST", "/customer/integration-routes", Some(body)).await;
    assert_eq!(made.status, 201, "{made:?}");
    made.body["route_id"].as_str().unwrap().to_owned()
}

/// A webhook to this address, with a route for everything.
pub(crate) async fn webhook(fleet: &Fleet, url: &str) -> String {
    let id = integration(fleet, "webhook", json!({ "url": url, "secret": SECRET })).await;
    route(fleet, &id, json!({ "deliver_on": ["OPEN", "ACKNOWLEDGED", "CLOSED"] })).await;
    id
}

/// The messages, the newest first.
pub(crate) async fn listed(fleet: &Fleet, query: &str) -> Vec<Value> {
    let listed = ask(&fleet.device, "GET", &format!("/customer/deliveries{query}"), None).await;
    assert_eq!(listed.status, 200, "{listed:?}");
    listed.body["deliveries"].as_array().unwrap().clone()
}

/// Waits until so many messages are in this state.
pub(crate) async fn until_there_are(fleet: &Fleet, count: i64, status: &str) {
    let sql = format!("SELECT count(*) AS n FROM delivery_jobs WHERE status = '{status}'");
    service::until(&format!("{count} messages are {status}"), async || fleet.number(&sql).await == count)
        .await;
}

/// Lets the leases of all senders end, and the pauses too.
pub(crate) async fn let_leases_end(fleet: &Fleet) {
    fleet
        .database
        .execute("UPDATE delivery_jobs SET next_run_at = now() WHERE status = 'PENDING'")
        .await
        .unwrap();
}
