//! Whatever writes more than once does all of it or nothing: with a fault before, after and at the COMMIT of each of its
//! statements, one after the other, the tables are what they were. Under the role of the service, as always.

use crate::asking::{Ask, created, delete, patch, post};
use crate::boundaries::{all_or_nothing, install};
use crate::service::{self, Answer};
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
