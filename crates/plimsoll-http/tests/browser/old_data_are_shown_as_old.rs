//! Data that are older than three seconds are dimmed, with their age: also while the stream is open and says nothing, which looks
//! like a database of which nothing changes.

use crate::browser::with_browser;
use crate::scene::Scene;
use plimsoll_faults::Proxy;
use plimsoll_http::{DashboardOptions, Operators};
use std::time::Duration;

#[tokio::test]
async fn while_the_stream_hangs_and_no_longer() {
    with_browser(async |browser| {
        let here = Operators::default().or_anyone_here(([127, 0, 0, 1], 80).into());
        let scene = Scene::start_with(DashboardOptions::default(), &here, |settings| settings).await;
        let proxy = Proxy::in_front_of(scene.at).await.unwrap();
        browser.open(&format!("http://{}/plimsoll", proxy.addr())).await;
        browser.until("it is live", "document.getElementById('fresh').dataset.state === 'live'").await;
        proxy.stall_all();
        let took = browser.until("it is stale", "document.body.classList.contains('stale')").await;
        assert!((Duration::from_secs(2)..Duration::from_secs(5)).contains(&took), "{took:?}");
        let told = browser.text("#fresh-text").await;
        assert!(told.starts_with("data are 3"), "{told}");
        let dimmed: f64 = browser
            .value("return parseFloat(getComputedStyle(document.getElementById('figures')).opacity)")
            .await;
        assert!(dimmed < 1.0, "{dimmed}");
        proxy.resume();
        browser.until("it is live again", "!document.body.classList.contains('stale')").await;
        // An end is noticed by itself, and the page comes back when the service does.
        proxy.cut_all();
        browser
            .until("it has connected again", "document.getElementById('fresh').dataset.state === 'live'")
            .await;
        scene.end().await;
    })
    .await;
}
