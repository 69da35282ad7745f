//! Without a token the page shows nothing and asks; a wrong one is told and shows nothing; a right one is in no URL.

use crate::browser::with_browser;
use crate::scene::{Scene, TOKEN};
use plimsoll_http::DashboardOptions;

#[tokio::test]
async fn a_wrong_one_shows_an_error_and_no_data() {
    with_browser(async |browser| {
        let scene = Scene::start(DashboardOptions::default().service("secret service")).await;
        browser.open(&format!("http://{}/plimsoll", scene.at)).await;
        browser.until("it asks for the token", "!document.getElementById('token').hidden").await;
        assert_eq!(browser.text("#token-error").await, "", "nothing was wrong yet");
        browser.element("#token-field").await.send_keys("some-other-token-0123").await.unwrap();
        browser.click("#token-form button").await;
        let told = "document.getElementById('token-error').textContent.includes('no operator')";
        browser.until("it is told", told).await;
        assert!(browser.value::<bool>("return document.getElementById('content').hidden").await);
        let page: String = browser.value("return document.documentElement.textContent").await;
        assert!(!page.contains("secret service"), "{page}");
        assert_eq!(
            browser.value::<Option<String>>("return sessionStorage.getItem('plimsoll.token')").await,
            None
        );

        browser.element("#token-field").await.send_keys(TOKEN).await.unwrap();
        browser.click("#token-form button").await;
        browser.until("it shows the database", "document.body.dataset.level === 'well'").await;
        let kept = "return [JSON.stringify(localStorage), document.cookie, location.href, \
                    ...performance.getEntriesByType('resource').map(entry => entry.name)].join(' ')";
        let elsewhere: String = browser.value(kept).await;
        assert!(!elsewhere.contains(TOKEN), "{elsewhere}");
        browser.driver.refresh().await.unwrap();
        browser.until("the tab has kept it", "document.body.dataset.level === 'well'").await;
        scene.end().await;
    })
    .await;
}
