//! A tenant's person sees the devices with what they send, finds one, and gives it a new token, which is shown once.

use crate::alerts::{cause, open};
use crate::asking::post;
use crate::browser::with_browser;
use crate::console::{enter, look_at, show_token};
use crate::service::{self, Fleet};
use fleet::alerts::Severity;
use serde_json::json;

const ROWS: &str = "document.querySelectorAll('#view tbody tr').length";

/// Sixty devices of which one has sent, an alert, and somebody on call.
async fn busy() -> Fleet {
    let fleet = service::start().await;
    let sql = "INSERT INTO device_registry (tenant_id, device_id, site_id, status, name)
               SELECT 'test', 'pump-' || to_char(n, 'FM000'), 'default', 'ACTIVE', 'Pump ' || n FROM generate_series(1, 60) n;
               INSERT INTO device_tags (tenant_id, device_id, tag) VALUES ('test', 'pump-007', 'roof')";
    fleet.database.execute(sql).await.unwrap();
    for seq in 1..4 {
        let body = format!(r#"{{"seq": {seq}, "metrics": {{"temperature": 2{seq}.5, "humidity": 40}}}}"#);
        fleet.device.send("pump-007", body).await.accepted();
    }
    open(&fleet, "test", &cause("pump-007", Severity::Critical)).await;
    let schedule = json!({ "name": "Plant", "timezone": "UTC", "layers": [{ "rotation": "daily", "responders": ["anna@plant.example"] }] });
    assert_eq!(post(&fleet, "/customer/oncall/schedules", &schedule).await.status, 201);
    fleet
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_the_overview_to_one_device() {
    let fleet = busy().await;
    with_browser(async |browser| {
        enter(browser, &fleet.device.url, &fleet.device.token).await;
        browser.until("the tenant is named", "document.getElementById('tenant').textContent === 'test'").await;
        browser.until("an alert is counted", "document.querySelector('.counts')?.textContent === 'critical1'").await;
        assert!(browser.text(".worst").await.contains("pump-007 is not heard of"));
        assert!(browser.text(".board").await.contains("anna@plant.example"));
        browser.until("the one that sends is online", "document.querySelector('.figures a').textContent === '1'").await;

        look_at(browser, "#/devices", &format!("{ROWS} === 50")).await;
        browser.click("#more").await;
        browser.until("all are read", &format!("{ROWS} === 60 && document.getElementById('more').hidden")).await;
        browser.element("#tag").await.send_keys("roof").await.unwrap();
        browser.until("one has the tag", &format!("{ROWS} === 1")).await;
        let row = browser.text("#view tbody tr").await;
        for told in ["pump-007", "Pump 7", "online", "temperature 23.5", "roof"] {
            assert!(row.contains(told), "{told} in {row}");
        }
        assert_eq!(browser.value::<String>("return location.hash").await, "#/devices?tag=roof");

        browser.click("#view tbody a").await;
        browser.until("its metrics are drawn", "document.querySelectorAll('svg .band, svg .point').length >= 2").await;
        browser.until("its readings are there", "document.getElementById('view').textContent.includes('humidity 40, temperature 21.5')").await;
        let told: String = browser.value("return [...document.querySelectorAll('svg')].map((one) => one.ariaLabel).join('; ')").await;
        assert!(told.contains("temperature: at last") && told.contains("between 21.5 and 23.5"), "{told}");

        browser.click("#rotate").await;
        browser.until("it asks first", "document.getElementById('ask').open").await;
        browser.click("#ask-yes").await;
        browser.until("the token is shown", "document.getElementById('secret')").await;
        let secret = browser.text("#secret").await;
        let sent = fleet.device.send_to("/ingest/tenant/test/device/pump-007/telemetry", Some(&secret), r#"{"seq": 9, "metrics": {"t": 1}}"#);
        sent.await.accepted();
        let kept = "return JSON.stringify([location.href, ...Object.values(sessionStorage), ...Object.values(localStorage)])";
        assert!(!browser.value::<String>(kept).await.contains(&secret), "it is kept nowhere");
        look_at(browser, "#/", "document.querySelector('.board b')").await;
        browser.value::<()>("history.back()").await;
        browser.until("it is the device again", "document.getElementById('rotate')").await;
        assert_eq!(browser.value::<u64>("return document.querySelectorAll('#secret').length").await, 0, "once");
        assert_eq!(browser.complaints().await, [""; 0]);
    })
    .await;
    fleet.running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn and_with_another_tenants_token_nothing_of_it() {
    let fleet = busy().await;
    crate::asking::other_tenant(&fleet).await;
    with_browser(async |browser| {
        enter(browser, &fleet.device.url, &fleet.device.token).await;
        look_at(browser, "#/devices", &format!("{ROWS} === 50")).await;
        look_at(browser, "#/devices/pump-007", "document.querySelector('.state[data-state]')").await;
        browser.click("#leave").await;
        show_token(browser, "no.token").await;
        browser.until("it is refused", "document.getElementById('token-error').textContent !== ''").await;
        show_token(browser, crate::asking::OTHER).await;
        // What was known belongs to the one who has left.
        browser
            .until(
                "there is no such device",
                "document.getElementById('view').textContent.includes('There is no such device')",
            )
            .await;
        for (hash, shows) in [
            ("#/devices", "document.querySelector('#view .command')"),
            ("#/alerts", "document.getElementById('view').textContent.includes('No alert is open')"),
            ("#/oncall", "document.getElementById('view').textContent.includes('There is no schedule yet')"),
            (
                "#/subscriptions",
                "document.getElementById('view').textContent.includes('There is no subscription')",
            ),
            ("#/", "document.querySelector('#view .command')"),
        ] {
            look_at(browser, hash, shows).await;
            let all = browser.text("body").await;
            for foreign in ["pump-", "anna@", "SUB-", "Pump"] {
                assert!(!all.contains(foreign), "{foreign} at {hash}: {all}");
            }
        }
        assert_eq!(browser.text("#tenant").await, "other");
    })
    .await;
    fleet.running.stop().await;
}
