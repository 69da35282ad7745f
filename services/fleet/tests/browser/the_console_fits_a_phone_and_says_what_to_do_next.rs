//! At the width of a phone nothing of the console is cut off, with much on it and with nothing; and where there is nothing it
//! says what to do next.

use crate::alerts::{cause, open};
use crate::browser::{Browser, with_browser};
use crate::console::{as_a_phone, enter, look_at};
use crate::service;
use fleet::alerts::Severity;

async fn fits(browser: &Browser, view: &str) {
    let widths: [f64; 2] = browser.value("return [innerWidth, document.documentElement.scrollWidth]").await;
    assert_eq!(widths, [390.0, 390.0], "{view} is wider than the screen");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_nothing_on_it() {
    let fleet = service::start().await;
    with_browser(async |browser| {
        as_a_phone(browser).await;
        enter(browser, &fleet.device.url, &fleet.device.token).await;
        for (hash, says) in [
            ("#/", "/ingest/v1/tenant/test/device/d1/telemetry"),
            ("#/devices", "/ingest/v1/tenant/test/device/d1/telemetry"),
            ("#/alerts", "No alert is open"),
            ("#/oncall", "Make one with POST /customer/oncall/schedules"),
            ("#/subscriptions", "SUB-"),
        ] {
            look_at(
                browser,
                hash,
                &format!("document.getElementById('view').textContent.includes('{says}')"),
            )
            .await;
            fits(browser, hash).await;
        }
        // The command that it gives is one that works.
        look_at(browser, "#/devices", "document.querySelector('.command')").await;
        let command = browser.text(".command").await;
        assert!(command.contains(&fleet.device.url), "{command}");
        let run = tokio::process::Command::new("sh")
            .arg("-c")
            .arg(&command)
            .env("DEVICE_KEY", &fleet.device.key)
            .output();
        let said = run.await.unwrap();
        assert!(String::from_utf8_lossy(&said.stdout).starts_with("HTTP/1.1 202"), "{said:?}");
        browser
            .until("the device is there", "document.querySelector('#view tbody a')?.textContent === 'd1'")
            .await;
        assert_eq!(browser.complaints().await, [""; 0]);
    })
    .await;
    fleet.running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_long_words_on_it() {
    let fleet = service::start().await;
    let long = "d".repeat(128);
    let metrics = serde_json::json!({ "metrics": { "m".repeat(120): 123_456_789.123, "t": 1 } });
    fleet.device.send(&long, metrics.to_string()).await.accepted();
    let mut alert = cause(&"word".repeat(60), Severity::Critical);
    alert.device = Some(long.clone());
    open(&fleet, "test", &alert).await;
    let tag = format!(
        "INSERT INTO device_tags (tenant_id, device_id, tag) VALUES ('test', '{long}', '{}')",
        "t".repeat(64)
    );
    fleet.database.execute(&tag).await.unwrap();
    with_browser(async |browser| {
        as_a_phone(browser).await;
        enter(browser, &fleet.device.url, &fleet.device.token).await;
        for (hash, shows) in [
            ("#/".to_owned(), "document.querySelector('.worst li')"),
            ("#/devices".to_owned(), "document.querySelector('#view tbody a')"),
            (format!("#/devices/{long}"), "document.querySelector('svg .point, svg .band')"),
            ("#/alerts".to_owned(), "document.querySelector('[data-act]')"),
        ] {
            look_at(browser, &hash, shows).await;
            fits(browser, &hash).await;
        }
        browser.click("[data-act=close]").await;
        fits(browser, "the question").await;
    })
    .await;
    fleet.running.stop().await;
}
