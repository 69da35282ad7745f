//! A page that is open shows a frozen database within two seconds of the freeze, and that it is over.

use crate::browser::with_browser;
use crate::scene::serve;
use crate::service::{PATIENCE, until};
use axum::Router;
use plimsoll::{Database, Settings, deadline};
use plimsoll_embedded::Cluster;
use plimsoll_faults::Process;
use plimsoll_http::{DashboardOptions, Databases, Operators, dashboard};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn within_two_seconds_and_green_again_after() {
    let cluster = Cluster::start().await.unwrap();
    let settings = Settings::from_url(cluster.url("postgres")).unwrap().pool_max(4);
    let db = Database::connect(settings).await.unwrap();
    db.query_one("SELECT 1", &[]).await.unwrap();
    let heartbeats = "SELECT count(*)::text AS n FROM pg_stat_activity \
                      WHERE application_name LIKE '%(heartbeat)' AND state = 'idle' AND query_start IS NOT NULL";
    until("the heartbeat has a connection", async || {
        cluster.execute("postgres", heartbeats).await.unwrap()[0]["n"] == "1"
    })
    .await;
    let here = Operators::default().or_anyone_here(([127, 0, 0, 1], 80).into());
    let router: Router = dashboard(&Databases::from(&db), &here, DashboardOptions::default());
    let (at, stop) = serve(router).await;
    let server = Process::attach_tree(cluster.pid().unwrap()).unwrap();
    let load = tokio::spawn({
        let db = db.clone();
        async move {
            loop {
                let _ = deadline::within(PATIENCE, db.query_one("SELECT 1", &[])).await;
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    });
    with_browser(async |browser| {
        browser.open(&format!("http://{at}/")).await;
        browser.until("it is well", "document.body.dataset.level === 'well'").await;
        // When it turns red is noted by the page's own clock, which is this machine's: asking it takes a while on a busy one.
        let watch = "new MutationObserver(() => { if (document.body.dataset.level === 'trouble') window.redAt ??= Date.now(); }) \
                     .observe(document.body, {attributes: true}); return true";
        assert!(browser.value::<bool>(watch).await);
        server.freeze().await.unwrap();
        let frozen_at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        browser.until("it is red", "window.redAt").await;
        let red_at = Duration::from_millis(browser.value("return window.redAt").await);
        let took = red_at.saturating_sub(frozen_at);
        println!("red {took:?} after the freeze");
        assert!(took < Duration::from_secs(2), "{took:?}");
        assert_eq!(browser.matter().await, "frozen");
        browser
            .until(
                "the sentence says since when",
                "document.getElementById('since').textContent.startsWith('since ')",
            )
            .await;
        let said = browser.text("#sentence").await;
        assert!(said.starts_with("The database"), "{said}");
        browser
            .until(
                "the figure says so too",
                "document.querySelector('[data-figure=breaker] .big').textContent === 'open'",
            )
            .await;
        assert!(browser.value::<String>("return document.title").await.starts_with("■ "));
        server.thaw().unwrap();
        browser.until("it is green again", "document.body.dataset.level === 'well'").await;
        let happened = "document.getElementById('marks').textContent.includes('the database answers again')";
        browser.until("it is told what happened", happened).await;
        assert_eq!(browser.level().await, "well");
    })
    .await;
    load.abort();
    stop.stop();
    db.close().await;
}
