//! While the database is away the console says so within two seconds, goes on showing what it knew, and does nothing that would
//! need it; within a second after that, it says that it is back. One that is slow is told as slow, and never as away.

use crate::breaking::Breakable;
use crate::browser::{Browser, with_browser};
use crate::console::{look_at, notice, remember_health};
use crate::service::{self, Answer, Device};
use fleet::boot::demo::Credentials;
use plimsoll::{Database, Settings};
use plimsoll_embedded::Cluster;
use plimsoll_faults::Process;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

const TOLD: Duration = Duration::from_secs(2);
const BACK: Duration = Duration::from_secs(1);

fn is(kind: &str) -> String {
    format!(
        "!document.getElementById('notice').hidden && document.getElementById('notice').dataset.kind === '{kind}'"
    )
}

/// In development no token is typed.
async fn enter_as_the_first_tenant(browser: &Browser, url: &str) {
    browser.open(&format!("{url}/console")).await;
    browser.until("a way in is offered", "!document.getElementById('open').hidden").await;
    browser.click("#open-tenants [data-tenant=test]").await;
    browser.until("it is entered", "document.querySelector('#view h1')").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_freeze_and_its_thaw() {
    let fleet = Breakable::start().await;
    let device = &fleet.device;
    device.send("d1", r#"{"metrics": {"t": 1}}"#).await.accepted();
    with_browser(async |browser| {
        enter_as_the_first_tenant(browser, &device.url).await;
        look_at(browser, "#/devices/d1", "document.querySelector('.state[data-state]')").await;
        assert_eq!(notice(browser).await, "", "all is well");

        assert_eq!(fleet.press("freeze").await.status, 200);
        let took = browser.until("it is told", &is("away")).await;
        assert!(took < TOLD, "told after {took:?}");
        assert!(browser.text("#live").await.contains("The database is away"), "and read out");
        assert!(browser.text("#notice-text").await.contains("What you see is of "));
        assert_eq!(browser.text("#view h1").await, "d1");
        assert_eq!(browser.text(".details dd").await, "default", "what was known is still shown");
        browser.until("its button waits", "document.getElementById('rotate').ariaDisabled === 'true'").await;
        browser.click("#rotate").await;
        let told = browser.text("#told").await;
        assert!(told.contains("until the database is back"), "{told}");
        assert!(!browser.value::<bool>("return document.getElementById('ask').open").await);
        // What was looked at before is known, and what was not is said to be unknown.
        look_at(browser, "#/", "document.querySelector('.board, .figures')").await;

        let pressed = Instant::now();
        fleet.press("end").await;
        browser.until("it is back", &is("back")).await;
        assert!(pressed.elapsed() < BACK, "told {:?} after the thaw", pressed.elapsed());
        browser
            .until(
                "it is read anew",
                "document.getElementById('notice-text').textContent.includes('read anew at')",
            )
            .await;
        look_at(browser, "#/devices/d1", "document.getElementById('rotate')?.ariaDisabled !== 'true'").await;
        browser.click("#notice-close").await;
        assert_eq!(notice(browser).await, "");
    })
    .await;
    fleet.running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_one_is_not_called_away() {
    let fleet = Breakable::start().await;
    with_browser(async |browser| {
        enter_as_the_first_tenant(browser, &fleet.device.url).await;
        browser.until("it is known", "document.body.dataset.db === 'well'").await;
        remember_health(browser).await;
        assert_eq!(fleet.press("slow").await.status, 200);
        let took = browser.until("it is told", &is("slow")).await;
        assert!(took < TOLD + Duration::from_secs(1), "told after {took:?}");
        // Its answers come, and what changes something is not held back.
        look_at(browser, "#/subscriptions", "document.querySelector('#view tbody tr')").await;
        fleet.press("end").await;
        browser.until("it is over", &is("back")).await;
        let learned: Vec<String> = browser.value("return window.learned").await;
        assert_eq!(learned, ["slow", "well"]);
        assert!(browser.text("#notice-title").await.contains("as fast as before"));
        assert_eq!(browser.complaints().await, [""; 0]);
    })
    .await;
    fleet.running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_did_not_come_in_time() {
    let fleet = service::start_with(|config| config.request_deadline = Duration::from_secs(2)).await;
    let owner = Database::connect(Settings::from_url(fleet.database.url()).unwrap()).await.unwrap();
    with_browser(async |browser| {
        crate::console::enter(browser, &fleet.device.url, &fleet.device.token).await;
        let lock = owner.begin().await.unwrap();
        lock.batch_execute("LOCK TABLE subscriptions IN ACCESS EXCLUSIVE MODE").await.unwrap();
        remember_health(browser).await;
        look_at(browser, "#/subscriptions", &is("slow")).await;
        let told =
            "document.getElementById('notice-title').textContent === 'An answer did not come in time.'";
        browser.until("what did not come is told", told).await;
        let text = browser.text("#notice-text").await;
        assert!(text.contains("(request "), "with what it is called in the log: {text}");
        lock.rollback().await;
        browser.until("it has come", "document.querySelector('#view tbody tr')").await;
        browser.until("and nothing is told any more", "document.getElementById('notice').hidden").await;
        let learned: Vec<String> = browser.value("return window.learned").await;
        assert!(!learned.contains(&"away".to_owned()), "{learned:?}");
    })
    .await;
    fleet.running.stop().await;
}

/// What five hundred devices share.
#[derive(Default)]
struct Sending {
    acknowledged: AtomicUsize,
    is_over: AtomicBool,
}

impl Sending {
    /// Waits until so many more readings are acknowledged.
    async fn goes_on(&self, count: usize) {
        let enough = self.acknowledged.load(Ordering::Relaxed) + count;
        let is_so = async || self.acknowledged.load(Ordering::Relaxed) >= enough;
        service::until("more readings are acknowledged", is_so).await;
    }
}

/// A device that sends once a second, each reading until it is acknowledged; the numbers of those that were.
async fn keep_sending(device: Device, name: String, sending: Arc<Sending>) -> Vec<String> {
    let mut acknowledged = Vec::new();
    for seq in 1.. {
        let ts = service::now();
        let body = format!(r#"{{"ts": "{ts}", "seq": {seq}, "metrics": {{"t": {seq}}}}}"#);
        loop {
            if sending.is_over.load(Ordering::Relaxed) {
                return acknowledged;
            }
            let path = format!("{}/ingest/tenant/test/device/{name}/telemetry", device.url);
            let request = device.http.post(path).header("X-Provision-Token", &device.key).body(body.clone());
            // A connection that was idle may end just then: as with any device, it is sent again.
            let Ok(response) = request.send().await else { continue };
            let answer = Answer::of(response).await;
            if answer.status == 202 {
                acknowledged.push(format!("{name} {seq}"));
                sending.acknowledged.fetch_add(1, Ordering::Relaxed);
                break;
            }
            assert_eq!(answer.status, 503, "{answer:?}");
            let after = answer.retry_after.expect("when to come again");
            tokio::time::sleep(Duration::from_secs(after)).await;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    acknowledged
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_seconds_while_five_hundred_devices_send() {
    let cluster = Cluster::start().await.unwrap();
    cluster.create_database("fleet").await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut config = service::config(&cluster.url("fleet"), folder.path());
    config.pool_timeout_is_said = false;
    let running = fleet::start(config).await.unwrap();
    let reached = running.ready().await.unwrap();
    let credentials: Credentials = reached.demo.unwrap();
    let device = Device::of(running.url(), credentials);
    // They are registered one after the other: five hundred at once would wait for each other's places in the subscription.
    for number in 0..500 {
        device.send(&format!("d{number:03}"), r#"{"t": 0}"#).await.accepted();
    }
    let (shared, mut sending) = (Arc::new(Sending::default()), JoinSet::new());
    for number in 0..500 {
        sending.spawn(keep_sending(device.clone(), format!("d{number:03}"), Arc::clone(&shared)));
    }
    let server = Process::attach_tree(cluster.pid().unwrap()).unwrap();
    with_browser(async |browser| {
        crate::console::enter(browser, &device.url, &device.token).await;
        look_at(browser, "#/devices", "document.querySelectorAll('#view tbody tr').length === 50").await;
        browser.until("all is well", "document.body.dataset.db === 'well'").await;
        shared.goes_on(1_000).await;
        server.freeze().await.unwrap();
        let frozen = Instant::now();
        browser.until("it is told", &is("away")).await;
        assert!(frozen.elapsed() < TOLD, "told after {:?}", frozen.elapsed());
        // The promise is about this very time.
        tokio::time::sleep(Duration::from_secs(10).saturating_sub(frozen.elapsed())).await;
        assert_eq!(notice(browser).await, "away");
        assert_eq!(
            browser.value::<u64>("return document.querySelectorAll('#view tbody tr').length").await,
            50
        );
        server.thaw().unwrap();
        let thawed = Instant::now();
        browser.until("it is back", &is("back")).await;
        assert!(thawed.elapsed() < BACK, "told {:?} after the thaw", thawed.elapsed());
        shared.goes_on(1_000).await;
    })
    .await;
    shared.is_over.store(true, Ordering::Relaxed);
    let acknowledged: Vec<String> = sending.join_all().await.into_iter().flatten().collect();
    let rows = cluster.execute("fleet", "SELECT device_id || ' ' || seq AS n FROM telemetry").await.unwrap();
    let stored: BTreeSet<_> = rows.iter().map(|row| row["n"].clone()).collect();
    assert_eq!(stored.len(), rows.len(), "none is stored twice");
    let lost: Vec<_> = acknowledged.iter().filter(|one| !stored.contains(*one)).collect();
    assert!(lost.is_empty(), "acknowledged and not stored: {lost:?}");
    running.stop().await;
}
