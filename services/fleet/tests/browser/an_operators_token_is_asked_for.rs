//! Where the database is somebody else's, the page shows nothing until an operator's token was given, and then no button.

use crate::browser::with_browser;
use crate::service;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn and_then_the_page_has_no_button() {
    let fleet = service::start().await;
    with_browser(async |browser| {
        browser.open(&format!("{}/", fleet.device.url)).await;
        browser.until("a token is asked for", "!document.getElementById('token').hidden").await;
        assert!(browser.value::<bool>("return document.getElementById('content').hidden").await);
        browser.element("#token-field").await.send_keys("a wrong token").await.unwrap();
        browser.click("#token-form button").await;
        browser.until("it is refused", "document.getElementById('token-error').textContent !== ''").await;
        browser.element("#token-field").await.send_keys(fleet.device.operator.as_str()).await.unwrap();
        browser.click("#token-form button").await;
        browser
            .until(
                "it is well",
                "document.body.dataset.level === 'well' && !document.getElementById('content').hidden",
            )
            .await;
        assert_eq!(browser.value::<u64>("return document.querySelectorAll('[data-fault]').length").await, 0);
        let command = browser.text("#command").await;
        assert!(command.contains("$DEVICE_KEY") && !command.contains(&fleet.device.key), "{command}");
    })
    .await;
    fleet.running.stop().await;
}
