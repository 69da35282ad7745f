//! The page of `plimsoll report`, with tables of hostile names and a session that holds up another one.

use crate::browser::with_browser;
use crate::looked_at::is_fine;
use crate::scene::scene;

#[tokio::test(flavor = "multi_thread")]
async fn with_much_to_tell() {
    let scene = scene().await;
    scene.until_blocked().await;
    let (run, page) = scene.report(&scene.url, &["--assume", "request=15s"]).await;
    assert_eq!(run.status, 2, "{run:?}");
    with_browser(async |browser| {
        is_fine(browser, "report", page).await;
        assert!(browser.value::<bool>("return document.querySelectorAll('script').length === 1").await);
        let pictures: Vec<u64> =
            browser.value("return [...document.images].map((it) => it.naturalWidth)").await;
        assert_eq!(pictures, [1_120], "the drawing of the limits is there");
    })
    .await;
}
