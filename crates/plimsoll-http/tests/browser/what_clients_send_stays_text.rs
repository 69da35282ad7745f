//! What clients of the database have chosen (SQL, names of work, `application_name`, what a service marks) is shown as it is, and
//! never runs.

use crate::browser::with_browser;
use crate::scene::serve;
use crate::service::{has_its_heartbeat, settings, until};
use axum::Router;
use plimsoll::Database;
use plimsoll_embedded::test_server;
use plimsoll_http::{DashboardOptions, Databases, MarkKind, Marks, Operators, dashboard};
use std::time::Duration;

const SCRIPT: &str = "<script>window.__pwned=1</script>";
const IMAGE: &str = "<img src=x onerror=window.__pwned=2>";

#[tokio::test]
async fn a_planted_script_is_shown_and_does_not_run() {
    let fresh =
        test_server::database_from("planted", "CREATE TABLE device (id int); INSERT INTO device VALUES (1)");
    let fresh = fresh.await.unwrap();
    let db = Database::connect(settings(&fresh).await).await.unwrap();
    has_its_heartbeat(&db, &fresh).await;
    let other = settings(&fresh).await.application_name(IMAGE.to_owned());
    let other = Database::connect(other).await.unwrap();
    let marks = Marks::default();
    marks.add(MarkKind::Fault, &format!("marked {SCRIPT}"));
    let options = DashboardOptions::default().service(IMAGE).version(SCRIPT).marks(&marks);
    let here = Operators::default().or_anyone_here(([127, 0, 0, 1], 80).into());
    let databases = Databases::new().and("main", &db).and(SCRIPT, &other);
    let router: Router = dashboard(&databases, &here, options);
    let (at, stop) = serve(router).await;

    let sql = format!("SELECT id AS \"{SCRIPT}\" FROM device");
    db.named(format!("work {IMAGE}")).query(sql.as_str(), &[]).await.unwrap();
    let lease = db.named(format!("holds {SCRIPT}")).acquire().await.unwrap();
    lease.query(sql.as_str(), &[]).await.unwrap();
    // A session of another program blocks one of ours.
    let blocker = other.named(format!("blocks {IMAGE}")).begin().await.unwrap();
    blocker.execute("UPDATE device SET id = 2", &[]).await.unwrap();
    let waiter = tokio::spawn({
        let db = db.clone();
        // By its own limit it would not wait for long.
        let name = format!("waits {SCRIPT}");
        async move {
            let call = db
                .named(name)
                .lock_timeout(Duration::from_secs(60))
                .statement_timeout(Duration::from_secs(60));
            call.execute("UPDATE device SET id = 3", &[]).await
        }
    });
    until("it is known who waits", async || !db.monitor().lock_episodes().is_empty()).await;
    with_browser(async |browser| {
        browser.open(&format!("http://{at}/")).await;
        for (place, text) in [
            ("#service", IMAGE.to_owned()),
            ("#version", SCRIPT.to_owned()),
            ("#databases", SCRIPT.to_owned()),
            ("#leases", format!("holds {SCRIPT}")),
            ("#statements", sql.to_lowercase()),
            ("#locks", "<img src=x onerror".to_owned()),
            ("#locks", format!("waits {SCRIPT}")),
            ("#marks", format!("marked {SCRIPT}")),
        ] {
            let is_shown = format!(
                "document.querySelector('{place}').textContent.toLowerCase().includes({})",
                serde_json::to_string(&text.to_lowercase()).unwrap()
            );
            browser.until(&format!("{place} shows {text}"), &is_shown).await;
        }
        let foreign = "return document.querySelectorAll('script:not([src]), img, [onerror]').length";
        assert_eq!(browser.value::<u64>(foreign).await, 0);
        assert!(browser.value::<bool>("return window.__pwned === undefined").await);
        assert_eq!(browser.complaints().await, Vec::<String>::new(), "nothing was tried that had to be refused");
        // Were a script to get in all the same, the policy would not let it run.
        let planted = "const node = document.createElement('div'); let refused = false; \
                       try { node.innerHTML = '<img src=x onerror=\"window.__pwned=3\">'; } catch { refused = true; } \
                       document.body.append(node); return refused";
        assert!(browser.value::<bool>(planted).await, "the browser makes no markup of a text here");
        assert!(browser.value::<bool>("return window.__pwned === undefined").await);
    })
    .await;
    blocker.rollback().await;
    waiter.await.unwrap().unwrap();
    drop(lease);
    stop.stop();
    other.close().await;
    db.close().await;
}
