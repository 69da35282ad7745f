//! Who presses "Freeze" sees the page turn red, and green again when it is over, with a word that nothing was lost.

use crate::breaking::Breakable;
use crate::browser::with_browser;

const FLOWS: &str = "Number(document.getElementById('acknowledged')?.textContent) >= 10 \
                     && document.body.dataset.level === 'well'";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn and_a_notice_says_that_it_is_away_and_that_it_is_back() {
    let fleet = Breakable::start().await;
    with_browser(async |browser| {
        browser.open(&format!("{}/", fleet.device.url)).await;
        browser.until("readings flow", FLOWS).await;
        let command = browser.text("#command").await;
        assert!(command.contains(&fleet.device.key) && command.contains(&fleet.device.url), "{command}");
        assert!(browser.text("#database").await.starts_with("PostgreSQL "));

        browser.click("[data-fault=freeze]").await;
        browser.until("it is red", "document.body.dataset.level === 'trouble'").await;
        assert_eq!(browser.matter().await, "frozen");
        browser.until("it is told", "document.getElementById('banner').dataset.kind === 'away'").await;
        let others =
            "[...document.querySelectorAll('[data-fault]')].filter((button) => button.disabled).length === 3";
        browser.until("one at a time", others).await;

        browser.until("it is back", "document.getElementById('banner').dataset.kind === 'back'").await;
        let told = browser.text("#banner").await;
        assert!(
            told.contains("The database is back, after") && told.contains("none is lost and none is doubled"),
            "{told}"
        );
        browser.until("it is green again", "document.body.dataset.level === 'well'").await;
        for tally in ["#lost", "#doubled"] {
            assert_eq!(browser.text(tally).await, "0", "{tally}");
        }
        assert_eq!(browser.complaints().await, [""; 0]);
    })
    .await;
    fleet.running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_one_is_told_and_its_button_ends_it() {
    let fleet = Breakable::start().await;
    with_browser(async |browser| {
        browser.open(&format!("{}/", fleet.device.url)).await;
        browser.until("readings flow", FLOWS).await;
        browser.click("[data-fault=slow]").await;
        browser.until("it is told", "document.getElementById('banner').dataset.kind === 'slow'").await;
        browser.click("[data-fault=slow]").await;
        browser.until("it is over", "document.getElementById('banner').dataset.kind === 'back'").await;
        let told = browser.text("#banner").await;
        assert!(told.contains("as fast as before"), "{told}");
        assert_eq!(browser.complaints().await, [""; 0]);
    })
    .await;
    fleet.running.stop().await;
}
