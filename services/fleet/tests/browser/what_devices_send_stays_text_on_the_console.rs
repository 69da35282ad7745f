//! What devices and tenants have chosen (names, tags, metrics, texts of alerts, messages that were not taken) is shown as it is,
//! and never runs.

use crate::alerts::{cause, open};
use crate::asking::post;
use crate::browser::with_browser;
use crate::console::{enter, look_at, show_token};
use crate::service;
use fleet::alerts::Severity;
use serde_json::json;

const IMAGE: &str = "<img src=x onerror=window.pwned=1>";
const SCRIPT: &str = "<script>window.pwned=1</script>";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_each_view() {
    let fleet = service::start().await;
    let device = json!({ "device_id": "d1", "name": IMAGE, "notes": SCRIPT, "tags": [IMAGE, SCRIPT] });
    let made = post(&fleet, "/customer/devices", &device).await;
    let token = made.body["provision_token"].as_str().unwrap();
    let metrics = json!({ "metrics": { IMAGE: 1.5, SCRIPT: 2 } });
    let path = "/ingest/tenant/test/device/d1/telemetry";
    fleet.device.send_to(path, Some(token), metrics.to_string()).await.accepted();
    fleet.device.send_to(path, Some(token), SCRIPT).await.refused(400, "INVALID_JSON");
    open(&fleet, "test", &cause(IMAGE, Severity::High)).await;
    let schedule = json!({ "name": IMAGE, "description": SCRIPT, "layers": [{ "rotation": "daily", "responders": [SCRIPT] }] });
    assert_eq!(post(&fleet, "/customer/oncall/schedules", &schedule).await.status, 201);
    let policy = json!({ "name": SCRIPT, "description": IMAGE, "levels": [] });
    assert_eq!(post(&fleet, "/customer/escalation-policies", &policy).await.status, 201);
    with_browser(async |browser| {
        enter(browser, &fleet.device.url, &fleet.device.token).await;
        let says = |text: &str| format!("document.getElementById('view').textContent.includes('{text}')");
        let both = format!("{} && {}", says(IMAGE), says(SCRIPT));
        for hash in ["#/", "#/devices", "#/devices/d1", "#/alerts", "#/oncall"] {
            look_at(browser, hash, if hash == "#/alerts" { says(IMAGE) } else { both.clone() }.as_str())
                .await;
        }
        browser.value::<()>("location.hash = '#/devices/d1'").await;
        browser
            .until(
                "its curves are named so",
                &format!(
                    "[...document.querySelectorAll('.chart h3')].some((one) => one.textContent === '{IMAGE}')"
                ),
            )
            .await;
        browser.open(&format!("{}/console/operator#/quarantine", fleet.device.url)).await;
        show_token(browser, &fleet.device.operator).await;
        look_at(browser, "#/quarantine", &says(SCRIPT)).await;
        assert_eq!(
            browser.value::<u64>("return document.querySelectorAll('main img, main script').length").await,
            0
        );
        assert!(browser.value::<bool>("return window.pwned === undefined").await);
    })
    .await;
    fleet.running.stop().await;
}
