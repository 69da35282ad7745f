//! In development nobody has to type a token: the console offers the tenant whose devices send all the time, and after it the one
//! that waits for the newcomer's own.

use crate::breaking::Breakable;
use crate::browser::with_browser;
use crate::service;

const OFFERED: &str =
    "return [...document.querySelectorAll('#open-tenants button')].map((one) => one.textContent)";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn and_the_living_one_comes_first() {
    let fleet = Breakable::start().await;
    with_browser(async |browser| {
        browser.open(&format!("{}/console", fleet.device.url)).await;
        browser.until("the tenants are offered", "!document.getElementById('open').hidden").await;
        assert_eq!(browser.value::<Vec<String>>(OFFERED).await, ["Enter as made-up", "Enter as test"]);
        browser.click("#open-tenants button").await;
        browser.until("it is entered", "document.getElementById('tenant').textContent === 'made-up'").await;
        browser.value::<()>("location.hash = '#/devices'").await;
        browser
            .until("its devices are there", "document.querySelectorAll('#view tbody tr').length >= 3")
            .await;

        browser.click("#leave").await;
        browser
            .until(
                "it is left",
                "!document.getElementById('open').hidden && !document.getElementById('token').hidden",
            )
            .await;
        browser.click("[data-tenant=test]").await;
        browser
            .until("the other is entered", "document.getElementById('tenant').textContent === 'test'")
            .await;
        browser
            .until(
                "nothing was sent to it",
                "document.querySelector('#view .command')?.textContent.includes('tenant/test')",
            )
            .await;
        assert_eq!(browser.complaints().await, [""; 0]);
    })
    .await;
    fleet.running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn and_elsewhere_none_is() {
    let fleet = service::start().await;
    with_browser(async |browser| {
        browser.open(&format!("{}/console", fleet.device.url)).await;
        browser.until("a token is asked for", "!document.getElementById('token').hidden").await;
        let asked = "performance.getEntriesByType('resource').some((one) => one.name.endsWith('/open-tenants') && one.responseEnd > 0)";
        browser.until("it was asked which are open", asked).await;
        assert!(browser.value::<bool>("return document.getElementById('open').hidden").await);
        assert_eq!(browser.value::<Vec<String>>(OFFERED).await, [""; 0]);
    })
    .await;
    fleet.running.stop().await;
}
