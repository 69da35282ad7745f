//! A browser of a test's own. Tests of other crates that have a page begin with it too.

use crate::service::PATIENCE;
use futures_util::FutureExt;
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::process::Stdio;
use std::time::{Duration, Instant};
use thirtyfour::{
    By, ChromiumLikeCapabilities, DesiredCapabilities, LoggingPrefsLogLevel, WebDriver, WebElement,
};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

/// A browser with one tab.
pub(crate) struct Browser {
    pub(crate) driver: WebDriver,
}

/// Runs a test with a browser of its own, which is gone when the test has ended, however it has.
pub(crate) async fn with_browser(test: impl AsyncFnOnce(&Browser)) {
    let (mut process, port) = chromedriver().await;
    let driver = WebDriver::new(format!("http://127.0.0.1:{port}"), capabilities()).await.expect("a browser");
    driver.set_implicit_wait_timeout(Duration::ZERO).await.unwrap();
    let browser = Browser { driver };
    let ended = AssertUnwindSafe(test(&browser)).catch_unwind().await;
    let _ = timeout(PATIENCE, browser.driver.quit()).await;
    process.kill().await.unwrap();
    if let Err(panic) = ended {
        resume_unwind(panic);
    }
}

/// Starts the driver on a port that it chooses.
async fn chromedriver() -> (Child, u16) {
    let program = std::env::var("PLIMSOLL_TEST_CHROMEDRIVER").unwrap_or("chromedriver".to_owned());
    let mut process = Command::new(&program)
        .arg("--port=0")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap_or_else(|error| panic!("{program} could not be started ({error}): run scripts/setup test"));
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
    let port = timeout(PATIENCE, async {
        while let Some(line) = lines.next_line().await.unwrap() {
            if let Some((_, port)) = line.rsplit_once("started successfully on port ") {
                return port.trim_end_matches('.').parse::<u16>().unwrap();
            }
        }
        panic!("{program} has ended without saying its port");
    });
    let port = port.await.expect("the driver's port");
    // What it says later must go somewhere.
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    (process, port)
}

fn capabilities() -> thirtyfour::ChromeCapabilities {
    let mut capabilities = DesiredCapabilities::chrome();
    for argument in ["--headless=new", "--disable-gpu", "--disable-dev-shm-usage", "--window-size=1280,1000"]
    {
        capabilities.add_arg(argument).unwrap();
    }
    // Its sandbox does not work for root, as in a container.
    if rustix::process::geteuid().is_root() {
        capabilities.add_arg("--no-sandbox").unwrap();
    }
    if let Ok(program) = std::env::var("PLIMSOLL_TEST_CHROMIUM") {
        capabilities.set_binary(&program).unwrap();
    }
    capabilities.set_browser_log_level(LoggingPrefsLogLevel::All).unwrap();
    capabilities
}

impl Browser {
    pub(crate) async fn open(&self, url: &str) {
        self.driver.goto(url).await.unwrap();
    }

    /// What a script gives.
    pub(crate) async fn value<T: serde::de::DeserializeOwned>(&self, script: &str) -> T {
        self.driver.execute(script.to_owned(), Vec::new()).await.unwrap().convert().unwrap()
    }

    pub(crate) async fn element(&self, css: &str) -> WebElement {
        self.driver.find(By::Css(css)).await.unwrap_or_else(|error| panic!("{css}: {error}"))
    }

    pub(crate) async fn text(&self, css: &str) -> String {
        self.value(&format!("return document.querySelector('{css}')?.textContent ?? ''")).await
    }

    /// What is the matter, in the page's own word.
    pub(crate) async fn matter(&self) -> String {
        self.value("return document.body.dataset.matter ?? ''").await
    }

    pub(crate) async fn level(&self) -> String {
        self.value("return document.body.dataset.level").await
    }

    /// Waits until this holds in the page, and gives how long that took.
    pub(crate) async fn until(&self, what: &str, script: &str) -> Duration {
        let began = Instant::now();
        while !self.value::<bool>(&format!("return Boolean({script})")).await {
            assert!(began.elapsed() < PATIENCE, "waited {PATIENCE:?} and it did not happen: {what}");
            sleep(Duration::from_millis(20)).await;
        }
        began.elapsed()
    }

    pub(crate) async fn click(&self, css: &str) {
        self.element(css).await.click().await.unwrap_or_else(|error| panic!("{css}: {error}"));
    }

    /// What the browser has complained about.
    pub(crate) async fn complaints(&self) -> Vec<String> {
        let log = self.driver.browser_log().await.unwrap();
        let bad = log.into_iter().filter(|entry| matches!(entry.level.as_str(), "SEVERE" | "WARNING"));
        bad.map(|entry| entry.message).collect()
    }
}
