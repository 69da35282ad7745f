//! The dashboard with something to look at: three databases on private servers, one of them busy, one that is frozen now and
//! then, one that has nothing to do.
//!
//! ```sh
//! cargo run -p plimsoll-http --example dashboard            # http://127.0.0.1:8088/
//! cargo run -p plimsoll-http --example dashboard -- 9000    # on another port
//! ```
//!
//! `OPERATOR_TOKEN` makes it ask for that token, `RATE` says how many statements run each second (200), `KINDS` of how many
//! different texts (20).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use plimsoll::{Database, Settings};
use plimsoll_embedded::Cluster;
use plimsoll_faults::Process;
use plimsoll_http::{DashboardOptions, Databases, MarkKind, Marks, Operators, ServeOptions, dashboard};
use std::time::Duration;
use tokio::time::{interval, sleep};

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

async fn pool(cluster: &Cluster, name: &str) -> Database {
    let settings = Settings::from_url(cluster.url("postgres")).unwrap().pool_max(12).max_overflow(0);
    let settings = settings.application_name(name.to_owned()).leak_after(Duration::from_secs(20));
    Database::connect(settings).await.unwrap()
}

/// Statements of many kinds, some of which wait for a lock, fail, or take long.
fn work(db: &Database) {
    let (rate, kinds) = (number("RATE", 200), number("KINDS", 20));
    let every = Duration::from_nanos(1_000_000_000 / rate.max(1));
    let caller = db.clone();
    tokio::spawn(async move {
        let mut ticks = interval(every);
        for turn in 0_u64.. {
            ticks.tick().await;
            let db = caller.clone();
            tokio::spawn(async move {
                let kind = turn % kinds.max(1);
                let sql = format!("SELECT n AS column_{kind} FROM device WHERE id = $1");
                let id = i32::try_from(turn % 1_000).unwrap_or_default();
                let _ = match turn % 400 {
                    7 => db.named("broken report").query("SELECT 1 / $1", &[&0_i32]).await,
                    11 => db.named("nightly report").query("SELECT pg_sleep(1.3)", &[]).await,
                    _ => db.named("show device").query(sql.as_str(), &[&id]).await,
                };
            });
        }
    });
    // One transaction in a while holds a row for which others wait.
    let holder = db.clone();
    tokio::spawn(async move {
        loop {
            sleep(Duration::from_secs(25)).await;
            let _ = holder
                .named("import of devices")
                .transaction(async |tx| {
                    tx.execute("UPDATE device SET n = n + 1 WHERE id = 1", &[]).await?;
                    sleep(Duration::from_secs(6)).await;
                    Ok(())
                })
                .await;
        }
    });
    let waiter = db.clone();
    tokio::spawn(async move {
        let mut ticks = interval(Duration::from_millis(1_700));
        loop {
            ticks.tick().await;
            let db = waiter.clone();
            let sql = "UPDATE device SET n = n - 1 WHERE id = 1 /* <script>window.__pwned = 1</script> */";
            tokio::spawn(async move { db.named("adjust device").execute(sql, &[]).await });
        }
    });
}

#[tokio::main]
async fn main() {
    let port = std::env::args().nth(1).and_then(|port| port.parse().ok()).unwrap_or(8088);
    let (cluster, frail) = (Cluster::start().await.unwrap(), Cluster::start().await.unwrap());
    let table = "CREATE TABLE device AS SELECT id, 0 AS n FROM generate_series(1, 1000) AS id; \
                 ALTER TABLE device ADD PRIMARY KEY (id)";
    for one in [&cluster, &frail] {
        one.execute("postgres", table).await.unwrap();
    }
    let (busy, frozen, idle) =
        (pool(&cluster, "busy").await, pool(&frail, "frail").await, pool(&cluster, "idle").await);
    idle.query_one("SELECT 1", &[]).await.unwrap();
    work(&busy);
    work(&frozen);
    let leaked = busy.named("a job that forgot it").acquire().await.unwrap();
    leaked.query_one("SELECT 'kept'", &[]).await.unwrap();
    std::mem::forget(leaked);
    let marks = Marks::default();
    let told = marks.clone();
    let server = Process::attach_tree(frail.pid().unwrap()).unwrap();
    tokio::spawn(async move {
        loop {
            sleep(Duration::from_secs(number("FREEZE_EVERY", 45))).await;
            told.add(MarkKind::Fault, "the second server is frozen on purpose");
            server.freeze().await.unwrap();
            sleep(Duration::from_secs(number("FREEZE_FOR", 15))).await;
            server.thaw().unwrap();
        }
    });
    let databases = Databases::new().and("busy", &busy).and("frail", &frozen).and("idle", &idle);
    let at: std::net::SocketAddr = ([127, 0, 0, 1], port).into();
    let operators = match std::env::var("OPERATOR_TOKEN") {
        Ok(token) => {
            Operators::default().token("anna", &token.into()).expect("a token that cannot be guessed")
        }
        Err(_) => Operators::default().or_anyone_here(at),
    };
    let options = DashboardOptions::default().service("example").version("1.4.2").marks(&marks);
    let listener = tokio::net::TcpListener::bind(at).await.unwrap();
    println!("http://{at}/");
    let router: axum::Router = dashboard(&databases, &operators, options);
    let options = ServeOptions { databases: vec![busy, frozen, idle], ..ServeOptions::default() };
    plimsoll_http::serve(listener, router, options).await.unwrap();
}
