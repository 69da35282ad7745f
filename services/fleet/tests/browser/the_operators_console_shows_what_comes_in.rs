//! Operators see what comes in, whose it is, what was not taken and why, and how each part of the service is; without an
//! operator's token they see nothing, also with a tenant's.

use crate::browser::with_browser;
use crate::console::{as_a_phone, look_at, show_token};
use crate::service;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn and_nothing_to_a_tenants_token() {
    let fleet = service::start().await;
    for seq in 1..4 {
        fleet.device.send("d1", format!(r#"{{"seq": {seq}, "metrics": {{"t": 1}}}}"#)).await.accepted();
    }
    fleet.device.send("d1", "{ not json").await.refused(400, "INVALID_JSON");
    let counted = "SELECT count(*) AS n FROM quarantine_events";
    service::until("it is kept", async || fleet.number(counted).await == 1).await;
    with_browser(async |browser| {
        browser.open(&format!("{}/console/operator", fleet.device.url)).await;
        show_token(browser, &fleet.device.token).await;
        browser.until("it is refused", "document.getElementById('token-error').textContent !== ''").await;
        assert!(browser.value::<bool>("return document.getElementById('content').hidden").await);
        show_token(browser, &fleet.device.operator).await;
        browser
            .until(
                "what came in is counted",
                "document.querySelector('[data-figure=total] .big')?.textContent === '3'",
            )
            .await;
        browser
            .until("why it was not taken", "document.querySelector('.bars')?.textContent.includes('1')")
            .await;
        look_at(
            browser,
            "#/tenants",
            "document.querySelector('#view tbody tr')?.textContent.includes('test')",
        )
        .await;
        let row = browser.text("#view tbody tr").await;
        assert!(row.contains("active") && row.contains("1,000"), "{row}");
        look_at(browser, "#/quarantine", "document.querySelector('.payload')?.textContent === '{ not json'")
            .await;
        look_at(browser, "#/health", "document.querySelectorAll('.parts > div').length >= 2").await;
        assert!(browser.text(".parts").await.contains("postgres healthy"));
        browser.until("the pools are told", "document.querySelectorAll('#view tbody tr').length === 4").await;
        as_a_phone(browser).await;
        for hash in ["#/", "#/tenants", "#/quarantine", "#/health"] {
            look_at(
                browser,
                hash,
                "document.body.dataset.known === 'new' && document.querySelector('#view h1')",
            )
            .await;
            let widths: [f64; 2] =
                browser.value("return [innerWidth, document.documentElement.scrollWidth]").await;
            assert_eq!(widths, [390.0, 390.0], "{hash} is wider than the screen");
        }
        browser.click("#nav .out").await;
        browser
            .until(
                "it leads to the dashboard, which asks for no other token",
                "document.body.dataset.level === 'well'",
            )
            .await;
    })
    .await;
    fleet.running.stop().await;
}
