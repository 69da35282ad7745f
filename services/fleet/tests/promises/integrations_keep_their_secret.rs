//! An integration is made, shown, changed and deleted by its tenant; its secret goes in and never comes out. What could not be
//! reached or would reach into the service's own network is refused when it is written.

use crate::asking::{OTHER, ask, ask_as, content, other_tenant};
use crate::boundaries::{all_or_nothing, install};
use crate::deliveries::{self, SECRET, integration, route};
use crate::log::Log;
use crate::service::{self, Answer};
use serde_json::{Value, json};

const PATH: &str = "/api/v1/customer/integrations";

fn body(config: Value) -> Value {
    json!({ "name": "i", "type": "webhook", "config": config })
}

#[tokio::test]
async fn through_their_whole_life() {
    let (log, _guard) = Log::everything("debug,tokio_postgres=warn");
    let fleet = service::start().await;
    let made = ask(
        &fleet.device,
        "POST",
        PATH,
        Some(body(json!({ "url": "https://example.com/a", "secret": SECRET }))),
    )
    .await;
    assert_eq!(made.status, 201, "{made:?}");
    assert_eq!(made.body["config"], json!({ "url": "https://example.com/a", "secret": "********" }));
    let own = format!("{PATH}/{}", made.body["integration_id"].as_str().unwrap());
    let shown = ask(&fleet.device, "GET", &own, None).await;
    assert_eq!(shown.body, made.body);
    assert_eq!(
        ask(&fleet.device, "GET", "/customer/integrations", None).await.body["integrations"],
        json!([made.body])
    );
    let secret = async || {
        fleet.database.execute("SELECT secret AS s FROM integrations").await.unwrap()[0]["s"].clone()
    };

    // What is read and written back keeps it; so does what does not speak of it.
    let change = async |config: Value| ask(&fleet.device, "PUT", &own, Some(body(config))).await;
    let same = change(shown.body["config"].clone()).await;
    assert_eq!((same.status, &same.body["config"]), (200, &made.body["config"]), "{same:?}");
    assert_eq!(change(json!({ "url": "https://example.com/b" })).await.body["config"]["secret"], "********");
    assert_eq!(secret().await, SECRET);
    let other = change(json!({ "url": "https://example.com/b", "secret": "another secret of it" })).await;
    assert_eq!((other.status, secret().await.as_str()), (200, "another secret of it"));
    let none = change(json!({ "url": "https://example.com/b", "secret": "" })).await;
    assert_eq!(none.body["config"], json!({ "url": "https://example.com/b" }));
    let mail = json!({ "name": "m", "type": "email", "enabled": false, "config": { "to": ["a@b.c"] } });
    let mail = ask(&fleet.device, "PUT", &own, Some(mail)).await;
    assert_eq!(
        (&mail.body["type"], &mail.body["enabled"], &mail.body["config"]),
        (&"email".into(), &false.into(), &json!({ "to": ["a@b.c"] }))
    );

    // Its routes go with it.
    route(&fleet, made.body["integration_id"].as_str().unwrap(), json!({})).await;
    assert_eq!(ask(&fleet.device, "DELETE", &own, None).await.status, 204);
    assert_eq!(fleet.number("SELECT count(*) AS n FROM integration_routes").await, 0);
    for (method, body) in
        [("GET", None), ("PUT", Some(body(json!({ "url": "https://example.com/a" })))), ("DELETE", None)]
    {
        ask(&fleet.device, method, &own, body).await.refused(404, "NOT_FOUND");
    }
    assert!(!log.text().contains(SECRET));
}

#[tokio::test]
async fn and_what_leads_inside_is_not_taken() {
    let fleet = service::start().await;
    for url in [
        "http://example.com/",
        "https://127.0.0.1/",
        "https://2130706433/",
        "https://0x7f.1/",
        "https://[::1]/",
        "https://[::ffff:169.254.169.254]/",
        "https://[fe80::1%25eth0]/",
        "https://10.1.2.3/",
        "https://user:pass@example.com/",
        "https://example.com:5432/",
        "file:///etc/passwd",
        "",
    ] {
        ask(&fleet.device, "POST", PATH, Some(body(json!({ "url": url }))))
            .await
            .refused(400, "INVALID_INTEGRATION");
    }
    for bad in [
        json!({ "name": "i", "type": "snmp", "config": {} }),
        json!({ "name": "", "type": "webhook", "config": { "url": "https://example.com/" } }),
        json!({ "name": "i", "type": "webhook", "config": { "url": "https://example.com/", "secret": "short" } }),
        json!({ "name": "i", "type": "webhook", "config": { "url": "https://example.com/", "more": 1 } }),
        json!({ "name": "i", "type": "email", "config": { "to": ["a@b.c\r\nBcc: d@e.f"] } }),
        json!({ "name": "i", "type": "email", "config": { "to": [] } }),
    ] {
        ask(&fleet.device, "POST", PATH, Some(bad)).await.refused(400, "INVALID_INTEGRATION");
    }
    for bad in ["1", "%00", "7f0c2a525d0e4c3e9d7b0c8f6a1b2c3d"] {
        ask(&fleet.device, "GET", &format!("{PATH}/{bad}"), None).await.refused(400, "INVALID_ID");
    }
    assert_eq!(fleet.number("SELECT count(*) AS n FROM integrations").await, 0);
}

#[tokio::test]
async fn and_another_tenants_are_not_there() {
    let fleet = service::start().await;
    other_tenant(&fleet).await;
    let id = integration(&fleet, "webhook", json!({ "url": "https://example.com/", "secret": SECRET })).await;
    let before = content(&fleet, &["integrations"]).await;
    let change = body(json!({ "url": "https://example.org/" })).to_string();
    for (method, body) in [("GET", None), ("PUT", Some(change)), ("DELETE", None)] {
        let asked = ask_as(&fleet.device, Some(OTHER), method, &format!("{PATH}/{id}"), body).await;
        asked.refused(404, "NOT_FOUND");
    }
    assert_eq!(ask_as(&fleet.device, Some(OTHER), "GET", PATH, None).await.body["integrations"], json!([]));
    assert_eq!(
        ask_as(&fleet.device, Some(OTHER), "GET", "/customer/deliveries", None).await.body["deliveries"],
        json!([])
    );
    assert_eq!(content(&fleet, &["integrations"]).await, before);
}

/// Its routes go in the same transaction.
#[tokio::test]
async fn and_go_whole() {
    let fleet = deliveries::start().await;
    let id = integration(&fleet, "webhook", json!({ "url": "https://example.com/" })).await;
    route(&fleet, &id, json!({})).await;
    install(&fleet).await;
    let is_done = |answer: &Answer| answer.status == 204;
    let delete = async || ask(&fleet.device, "DELETE", &format!("{PATH}/{id}"), None).await;
    assert_eq!(all_or_nothing(&fleet, "delete", is_done, delete).await, 6);
}

/// Characters are counted and not their bytes, as the sentence of the refusal says.
#[tokio::test]
async fn a_secret_has_16_to_256_characters() {
    let fleet = service::start().await;
    for (letters, status) in [(15, 400), (16, 201), (256, 201), (257, 400)] {
        let config = json!({ "url": "https://example.com/a", "secret": "\u{e4}".repeat(letters) });
        let answer = ask(&fleet.device, "POST", PATH, Some(body(config))).await;
        assert_eq!(answer.status, status, "{letters}: {answer:?}");
    }
}
