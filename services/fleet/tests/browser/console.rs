//! A console in a browser, entered as a person does.

use crate::browser::Browser;
use serde_json::json;

/// What is waited for before anything is looked at.
const ENTERED: &str = "!document.getElementById('content').hidden && document.querySelector('#view h1')";

/// Enters the console of a tenant with its token, typed in.
pub(crate) async fn enter(browser: &Browser, url: &str, token: &str) {
    browser.open(&format!("{url}/console")).await;
    show_token(browser, token).await;
    browser.until("the console is entered", ENTERED).await;
}

/// Types a token in and sends it.
pub(crate) async fn show_token(browser: &Browser, token: &str) {
    browser.until("a token is asked for", "!document.getElementById('token').hidden").await;
    browser.element("#token-field").await.send_keys(token).await.unwrap();
    browser.click("#token-form button").await;
}

/// Goes to a view, and waits until this holds there.
pub(crate) async fn look_at(browser: &Browser, hash: &str, shows: &str) {
    browser.value::<()>(&format!("location.hash = '{hash}'")).await;
    browser.until(&format!("{hash} shows what it should: {shows}"), shows).await;
}

/// What the notice at the top is about: empty where there is none.
pub(crate) async fn notice(browser: &Browser) -> String {
    let notice = "const it = document.getElementById('notice'); return it.hidden ? '' : it.dataset.kind";
    browser.value(notice).await
}

/// Remembers each thing that the page learns of the database.
pub(crate) async fn remember_health(browser: &Browser) {
    let script = "window.learned = []; document.addEventListener('console:health', \
                  (event) => window.learned.push(event.detail.state))";
    browser.value::<()>(script).await;
}

/// Makes the window as wide as that of a phone.
pub(crate) async fn as_a_phone(browser: &Browser) {
    let phone = json!({ "width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": true });
    browser.driver.cdp().send_raw("Emulation.setDeviceMetricsOverride", phone).await.unwrap();
}
