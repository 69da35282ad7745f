//! The page loads without a complaint of the browser's, shows what goes on, and its numbers move with the work.

use crate::browser::{Browser, with_browser};
use crate::scene::Scene;
use crate::service::PATIENCE;
use plimsoll_http::{DashboardOptions, Operators};
use serde_json::json;
use std::time::Instant;

/// One that asks for no token.
async fn open_scene(options: DashboardOptions) -> Scene {
    let here = Operators::default().or_anyone_here(([127, 0, 0, 1], 80).into());
    Scene::start_with(options, &here, |settings| settings).await
}

async fn figure(browser: &Browser, name: &str) -> f64 {
    let script = format!("return document.querySelector('[data-figure={name}] .big')?.textContent ?? ''");
    let text: String = browser.value(&script).await;
    text.split(' ').next().unwrap().replace(',', "").parse().unwrap_or(f64::NAN)
}

#[tokio::test]
async fn under_load() {
    with_browser(async |browser| {
        let scene = open_scene(DashboardOptions::default().service("fleet").version("1.4.2")).await;
        browser.open(&format!("http://{}/plimsoll", scene.at)).await;
        browser.until("it shows the database", "document.body.dataset.level === 'well'").await;
        assert_eq!(browser.text("#service").await, "fleet");
        browser.until("its figures are there", "document.querySelector('[data-figure=statements] .big')").await;
        assert!(figure(browser, "statements").await < 5.0, "nothing is asked yet");
        let (db, began) = (scene.db.clone(), Instant::now());
        let work = tokio::spawn(async move {
            while began.elapsed() < PATIENCE {
                let _ = db.named("show device").query("SELECT 41 + 1", &[]).await;
                let _ = db.named("fails").query("SELECT 1 / 0", &[]).await;
            }
        });
        let is_counted = |name: &str| {
            format!("parseFloat(document.querySelector('[data-figure={name}] .big').textContent.replace(',', '')) > 5")
        };
        browser.until("statements are counted", &is_counted("statements")).await;
        browser.until("errors are counted", &is_counted("errors")).await;
        browser
            .until("the statement is listed", "document.getElementById('statements').textContent.includes('select ? + ?')")
            .await;
        let drawn = "[...document.querySelectorAll('.chart canvas')].length === 4 && document.querySelector('#strip canvas')";
        browser.until("the curves are drawn", drawn).await;
        work.abort();
        assert_eq!(browser.complaints().await, Vec::<String>::new());
        let asked: Vec<String> = browser
            .value("return performance.getEntriesByType('resource').map(entry => entry.name)")
            .await;
        let own = format!("http://{}/plimsoll/", scene.at);
        assert!(asked.len() > 10 && asked.iter().all(|url| url.starts_with(&own)), "{asked:?}");
        scene.end().await;
    })
    .await;
}

#[tokio::test]
async fn at_the_width_of_a_phone_nothing_is_cut_off() {
    with_browser(async |browser| {
        let scene = open_scene(DashboardOptions::default()).await;
        let phone = json!({"width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": true});
        browser.driver.cdp().send_raw("Emulation.setDeviceMetricsOverride", phone).await.unwrap();
        browser.open(&format!("http://{}/plimsoll", scene.at)).await;
        browser.until("it shows the database", "document.querySelector('[data-figure=breaker] .big')").await;
        let widths: [f64; 2] =
            browser.value("return [innerWidth, document.documentElement.scrollWidth]").await;
        assert_eq!(widths, [390.0, 390.0], "nothing is wider than the screen");
        scene.end().await;
    })
    .await;
}
