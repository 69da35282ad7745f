//! An action on the page asks first, does nothing if it is left, and is done when it is confirmed.

use crate::browser::{Browser, with_browser};
use crate::scene::{Scene, TOKEN};
use crate::service::until;
use plimsoll::Fault;
use plimsoll_http::DashboardOptions;

async fn log_in(browser: &Browser, scene: &Scene) {
    browser.open(&format!("http://{}/plimsoll", scene.at)).await;
    browser.until("it asks for the token", "!document.getElementById('token').hidden").await;
    browser.element("#token-field").await.send_keys(TOKEN).await.unwrap();
    browser.click("#token-form button").await;
    browser.until("it shows the database", "document.body.dataset.level === 'well'").await;
    // That the page had to ask for a token is a failed request to the browser.
    let complaints = browser.complaints().await;
    assert!(complaints.iter().all(|complaint| complaint.contains("401 (Unauthorized)")), "{complaints:?}");
}

#[tokio::test]
async fn pause_and_resume() {
    with_browser(async |browser| {
        let scene = Scene::start(DashboardOptions::default()).await;
        log_in(browser, &scene).await;
        browser.click("[data-action=pause]").await;
        browser.until("it asks", "document.getElementById('ask').open").await;
        browser.click("#ask-no").await;
        browser.until("it is left", "!document.getElementById('ask').open").await;
        assert!(!scene.db.is_paused());
        browser.click("[data-action=pause]").await;
        browser.click("#ask-yes").await;
        browser
            .until("it is done", "document.getElementById('ask-outcome').textContent.startsWith('Done: ')")
            .await;
        assert!(scene.db.is_paused());
        browser.click("#ask-no").await;
        browser.until("it is shown", "document.body.dataset.matter === 'paused'").await;
        browser.click("[data-action=resume]").await;
        browser.click("#ask-yes").await;
        until("it goes on", async || !scene.db.is_paused()).await;
        browser.until("it is shown", "document.body.dataset.level === 'well'").await;
        assert_eq!(browser.complaints().await, Vec::<String>::new());
        scene.end().await;
    })
    .await;
}

#[tokio::test]
async fn a_statement_is_cancelled() {
    with_browser(async |browser| {
        let scene = Scene::start(DashboardOptions::default()).await;
        log_in(browser, &scene).await;
        let db = scene.db.clone();
        let sleeping = tokio::spawn(async move { db.named("sleeper").query("SELECT pg_sleep(60)", &[]).await });
        // The page must have seen it after it was prepared.
        let is_seen = "[...document.querySelectorAll('#leases tr')].some(row => row.textContent.includes('sleeper') \
                       && row.firstChild.textContent.endsWith(' s'))";
        browser.until("it is shown for a second", is_seen).await;
        browser.click("#leases button.small").await;
        browser.click("#ask-yes").await;
        let done = "document.getElementById('ask-outcome').textContent === 'Done: the statement was cancelled.'";
        browser.until("it is done", done).await;
        assert_eq!(sleeping.await.unwrap().unwrap_err().fault(), Fault::CancelledByOther);
        scene.end().await;
    })
    .await;
}

#[tokio::test]
async fn where_it_is_read_only_none_is_offered() {
    with_browser(async |browser| {
        let scene = Scene::start(DashboardOptions::default().read_only()).await;
        log_in(browser, &scene).await;
        assert!(browser.value::<bool>("return document.getElementById('acts').hidden").await);
        scene.end().await;
    })
    .await;
}
