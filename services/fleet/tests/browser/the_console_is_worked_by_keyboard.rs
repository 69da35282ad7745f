//! Everything on the console can be reached and done with the keyboard alone, and one sees where one is.

use crate::alerts::{cause, open};
use crate::browser::{Browser, with_browser};
use crate::console::{enter, look_at};
use crate::service;
use fleet::alerts::Severity;
use thirtyfour::Key;

/// Sends a key to what has the focus.
async fn key(browser: &Browser, key: Key) {
    let active = browser.driver.active_element().await.unwrap();
    active.send_keys(key + "").await.unwrap();
}

/// Goes on with the Tab key until this has the focus; each place on the way is seen.
async fn tab_to(browser: &Browser, css: &str) {
    for _ in 0..60 {
        key(browser, Key::Tab).await;
        if browser.value::<bool>("return document.activeElement === document.body").await {
            continue;
        }
        let outline: String =
            browser.value("return getComputedStyle(document.activeElement).outlineStyle").await;
        assert_ne!(outline, "none", "{} is not seen to have the focus", focused(browser).await);
        if browser.value::<bool>(&format!("return document.activeElement.matches('{css}')")).await {
            return;
        }
    }
    panic!("{css} is not reached by Tab");
}

async fn focused(browser: &Browser) -> String {
    browser.value("return document.activeElement.ariaLabel ?? document.activeElement.textContent").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_alert_is_acknowledged_silenced_and_closed() {
    let fleet = service::start().await;
    for (name, severity) in [("first", Severity::Low), ("second", Severity::Critical)] {
        open(&fleet, "test", &cause(name, severity)).await;
    }
    with_browser(async |browser| {
        enter(browser, &fleet.device.url, &fleet.device.token).await;
        look_at(browser, "#/alerts", "document.querySelectorAll('[data-act=acknowledge]').length === 2").await;
        tab_to(browser, "[data-act=acknowledge]").await;
        assert_eq!(focused(browser).await, "Acknowledge alert 2: second is not heard of");
        key(browser, Key::Enter).await;
        browser.until("it is done", "document.getElementById('told').textContent.includes('Alert 2 is acknowledged')").await;
        // It has left the list, and the next one is at hand.
        browser.until("the focus has moved on", "document.activeElement.ariaLabel?.startsWith('Acknowledge alert 1:')").await;
        let status = "SELECT count(*) AS n FROM fleet_alert WHERE id = 2 AND status = 'ACKNOWLEDGED'";
        assert_eq!(fleet.number(status).await, 1);

        tab_to(browser, "[data-act=silence]").await;
        key(browser, Key::Enter).await;
        browser.until("it asks for how long", "document.activeElement.id === 'minutes'").await;
        key(browser, Key::Escape).await;
        browser.until("it was left", "!document.getElementById('ask').open").await;
        assert!(focused(browser).await.starts_with("Silence alert 1"), "one is where one was");
        key(browser, Key::Enter).await;
        browser.until("it asks again", "document.activeElement.id === 'minutes'").await;
        key(browser, Key::Enter).await;
        tab_to(browser, "#ask-yes").await;
        key(browser, Key::Enter).await;
        browser.until("it is silent", "document.getElementById('told').textContent.includes('Alert 1 is silent until')").await;
        let silent = "SELECT count(*) AS n FROM fleet_alert WHERE id = 1 AND silenced_until BETWEEN now() + interval '55 min' AND now() + interval '61 min'";
        assert_eq!(fleet.number(silent).await, 1);

        tab_to(browser, "[data-act=close]").await;
        key(browser, Key::Enter).await;
        browser.until("it asks first", "document.getElementById('ask').open").await;
        assert_eq!(focused(browser).await, "Leave it", "what cannot be taken back is not done by a second Enter");
        tab_to(browser, "#ask-yes").await;
        key(browser, Key::Enter).await;
        browser.until("none is open", "document.getElementById('view').textContent.includes('No alert is open')").await;
        let closed = "SELECT count(*) AS n FROM fleet_alert WHERE id = 1 AND status = 'CLOSED'";
        service::until("the alert is closed", async || fleet.number(closed).await == 1).await;
        assert_eq!(browser.complaints().await, [""; 0]);
    })
    .await;
    fleet.running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_view_holds_the_focus() {
    let fleet = service::start().await;
    open(&fleet, "test", &cause("first", Severity::Low)).await;
    fleet.device.send("d1", r#"{"t": 1}"#).await.accepted();
    with_browser(async |browser| {
        enter(browser, &fleet.device.url, &fleet.device.token).await;
        for hash in ["#/devices", "#/devices/d1", "#/alerts", "#/oncall", "#/subscriptions", "#/"] {
            look_at(browser, hash, "document.querySelector('#view h1') && document.body.dataset.known === 'new'").await;
            browser.value::<()>("document.querySelector('.skip').focus()").await;
            tab_to(browser, "#leave").await;
            // And once round, to the beginning.
            tab_to(browser, ".skip").await;
            let landmarks = "return ['main', 'header', 'nav[aria-label]', 'h1', '[role=status][aria-live]'].every((css) => document.querySelector(css))";
            assert!(browser.value::<bool>(landmarks).await, "{hash}");
            let headers = "return [...document.querySelectorAll('table')].every((one) => [...one.querySelectorAll('th')].every((head) => head.scope === 'col' && head.textContent))";
            assert!(browser.value::<bool>(headers).await, "{hash}");
        }
    })
    .await;
    fleet.running.stop().await;
}
