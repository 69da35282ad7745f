//! A page as it is looked at: on a screen, light and dark, on a phone, and on paper.

use crate::browser::Browser;
use axum::Router;
use axum::extract::Request;
use axum::response::Html;
use serde_json::json;
use std::sync::{Arc, Mutex};

/// The page at an address, and what a browser has asked for there.
pub(crate) struct Served {
    pub(crate) url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

pub(crate) async fn serve(page: String) -> Served {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&asked);
    let answer = move |request: Request| {
        kept.lock().unwrap().push(request.uri().to_string());
        std::future::ready(Html(page.clone()))
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/page.html", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(answer)).await });
    Served { url, asked }
}

/// Looks at it on a screen and on a phone, in light and dark: nothing is asked for but the page, the browser complains of nothing, nothing
/// is wider than the screen, and words stand out from what is behind them. `PLIMSOLL_TEST_SCREENSHOTS` names a folder for pictures.
pub(crate) async fn is_fine(browser: &Browser, name: &str, page: String) {
    let served = serve(page).await;
    for (scheme, ground) in [("light", "rgb(246, 246, 243)"), ("dark", "rgb(18, 21, 24)")] {
        for width in [1_280, 400] {
            look_as(browser, scheme, width).await;
            browser.open(&served.url).await;
            let shown: String = browser.value("return getComputedStyle(document.body).backgroundColor").await;
            assert_eq!(shown, ground, "{scheme}");
            let wide: Vec<f64> =
                browser.value("return [innerWidth, document.documentElement.scrollWidth]").await;
            assert!(wide[1] <= wide[0], "{name} is wider than a screen of {width}: {wide:?}");
            let cut: Vec<String> = browser.value(CUT).await;
            assert_eq!(cut, [""; 0], "cut off at {width}");
            take_a_picture(browser, &format!("{name}-{scheme}-{width}")).await;
        }
    }
    is_printed_in_black_on_white(browser, name).await;
    assert_eq!(*served.asked.lock().unwrap(), ["/page.html"; 4], "nothing else was asked for");
    assert_eq!(browser.complaints().await, [""; 0]);
}

/// On paper, also of a browser that is dark: the paper is white, and nothing is left at the side of it.
async fn is_printed_in_black_on_white(browser: &Browser, name: &str) {
    look_as(browser, "dark", 720).await;
    let media =
        json!({ "media": "print", "features": [{ "name": "prefers-color-scheme", "value": "dark" }] });
    browser.driver.cdp().send_raw("Emulation.setEmulatedMedia", media).await.unwrap();
    let shown: Vec<String> = browser
        .value("const it = getComputedStyle(document.body); return [it.backgroundColor, it.color]")
        .await;
    assert_eq!(shown, ["rgb(255, 255, 255)", "rgb(26, 33, 41)"]);
    let wide: Vec<f64> = browser.value("return [innerWidth, document.documentElement.scrollWidth]").await;
    assert!(wide[1] <= wide[0], "{name} is wider than a sheet: {wide:?}");
    take_a_picture(browser, &format!("{name}-print")).await;
    browser
        .driver
        .cdp()
        .send_raw("Emulation.setEmulatedMedia", json!({ "media": "", "features": [] }))
        .await
        .unwrap();
}

/// Words that lie outside of the screen, though nothing there can be scrolled.
const CUT: &str = "
    const scrolls = (it) => it && (getComputedStyle(it).overflowX === 'auto' || scrolls(it.parentElement));
    return [...document.querySelectorAll('h1, h2, h3, p, td, th, dd, dt, li, a:not(.skip), code')]
      .filter((it) => it.getClientRects().length > 0 && it.getBoundingClientRect().right > innerWidth + 1 && !scrolls(it))
      .map((it) => it.textContent.slice(0, 60))";

pub(crate) async fn look_as(browser: &Browser, scheme: &str, width: u32) {
    let cdp = browser.driver.cdp();
    let screen = json!({ "width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600 });
    cdp.send_raw("Emulation.setDeviceMetricsOverride", screen).await.unwrap();
    let media = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
    cdp.send_raw("Emulation.setEmulatedMedia", media).await.unwrap();
}

async fn take_a_picture(browser: &Browser, name: &str) {
    let Some(folder) = std::env::var_os("PLIMSOLL_TEST_SCREENSHOTS") else { return };
    let all = json!({ "format": "png", "captureBeyondViewport": true });
    let picture = browser.driver.cdp().send_raw("Page.captureScreenshot", all).await.unwrap();
    let png =
        base64::Engine::decode(&base64::engine::general_purpose::STANDARD, picture["data"].as_str().unwrap());
    std::fs::write(std::path::Path::new(&folder).join(format!("{name}.png")), png.unwrap()).unwrap();
}
