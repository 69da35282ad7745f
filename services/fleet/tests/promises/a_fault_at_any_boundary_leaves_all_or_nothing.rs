//! Whatever writes more than once does all of it or nothing: with a fault before, after and at the COMMIT of each of its
//! statements, one after the other, the tables are what they were. Under the role of the service, as always.

use crate::asking::{Ask, created, delete, patch, post};
use crate::boundaries::{all_or_nothing, install};
use crate::service::{self, Answer};
use fleet::credentials::TokenHash;
use fleet::devices::provision::{Provisioned, provision};
use fleet::devices::{DeviceId, SiteId};
use fleet::subscriptions::terms;
use fleet::tenants::TenantId;
use reqwest::Method;
use serde_json::json;

fn is_success(answer: &Answer) -> bool {
    (200..300).contains(&answer.status)
}

#[tokio::test]
async fn of_devices() {
    let fleet = service::start().await;
    for device in ["d1", "d2"] {
        created(&fleet, device).await;
    }
    install(&fleet).await;
    let body = json!({"device_id": "new", "name": "N", "tags": ["a", "b"]});
    let create = async || post(&fleet, "/customer/devices", &body).await;
    assert_eq!(all_or_nothing(&fleet, "create", is_success, create).await, 2 * 5 + 6);

    let body = json!({"name": "M", "tags": ["c"]});
    let update = async || patch(&fleet, "/customer/devices/new", &body).await;
    assert_eq!(all_or_nothing(&fleet, "update", is_success, update).await, 2 * 3 + 4);

    let untag = async || delete(&fleet, "/customer/devices/new/tags/c").await;
    assert_eq!(all_or_nothing(&fleet, "remove tag", is_success, untag).await, 3);

    let rotate = async || Ask::new(&fleet, Method::POST, "/customer/devices/d1/tokens/rotate").send().await;
    assert_eq!(all_or_nothing(&fleet, "rotate", is_success, rotate).await, 9);

    let tokens = fleet.device.get("/customer/devices/d1/tokens").await.body;
    let token = format!("/customer/devices/d1/tokens/{}", tokens["tokens"][0]["token_id"].as_str().unwrap());
    let revoke = async || delete(&fleet, &token).await;
    assert_eq!(all_or_nothing(&fleet, "revoke", is_success, revoke).await, 6);

    let aside = async || Ask::new(&fleet, Method::PATCH, "/customer/devices/d1/decommission").send().await;
    assert_eq!(all_or_nothing(&fleet, "decommission", is_success, aside).await, 9);

    let gone = async || delete(&fleet, "/customer/devices/d2").await;
    assert_eq!(all_or_nothing(&fleet, "delete", is_success, gone).await, 9);

    let file = "name,device_type,tags\nfrom-file,t,a\n";
    let import = async || Ask::new(&fleet, Method::POST, "/customer/devices/import").body(file).send().await;
    let is_imported = |answer: &Answer| answer.body["imported"] == 1;
    assert_eq!(all_or_nothing(&fleet, "a row of a file", is_imported, import).await, 15);
}

/// A first message's registration, below HTTP: the reading that came with it is a write of its own.
#[tokio::test]
async fn of_first_messages() {
    let fleet = service::start().await;
    install(&fleet).await;
    let db = fleet.running.service().unwrap().pools.ingest.clone();
    let (tenant, device) = (TenantId::parse("test").unwrap(), DeviceId::parse("new").unwrap());
    let (site, key) = (SiteId::default_site(), TokenHash::of("key"));
    let register = async || provision(&db, &tenant, &device, &site, &key).await.ok();
    let is_made = |done: &Option<Provisioned>| *done == Some(Provisioned::Made);
    assert_eq!(all_or_nothing(&fleet, "auto-provision", is_made, register).await, 9);
}

/// What the background turns, with the event that tells of it.
#[tokio::test]
async fn of_subscriptions_whose_end_has_come() {
    let fleet = service::start().await;
    let past = "UPDATE subscriptions SET term_start = now() - interval '2 days', term_end = now() - interval '1 day'";
    fleet.database.execute(past).await.unwrap();
    install(&fleet).await;
    let db = fleet.running.service().unwrap().pools.ops_worker.clone();
    let turn = async || terms::advance(&db).await.unwrap();
    assert_eq!(all_or_nothing(&fleet, "turn", |turned| *turned == 1, turn).await, 6);
}
