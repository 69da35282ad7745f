//! A pool that is exhausted, and a pooler that is paused.

use super::guide::{Scene, folder, steps};
use plimsoll::secret::Secret;
use plimsoll::{Database, Settings};
use plimsoll_embedded::{Cluster, PgBouncer, PoolMode};
use plimsoll_http::{EndpointOptions, Operators, endpoints};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

const TOKEN: &str = "a-token-of-an-operator-that-is-long-enough";

/// A transaction that does something else until it is told to end.
async fn forgets(db: &Database) -> oneshot::Sender<()> {
    let (end, ends) = oneshot::channel::<()>();
    let (begun, has_begun) = oneshot::channel();
    let db = db.clone();
    tokio::spawn(async move {
        let work = async move |tx: plimsoll::Transaction| {
            tx.execute("SELECT 1", &[]).await?;
            let _ = begun.send(());
            let _ = ends.await;
            Ok(())
        };
        let _ = db.transaction(work).await;
    });
    has_begun.await.unwrap();
    end
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_pool_is_exhausted() {
    let cluster = Cluster::start().await.unwrap();
    let url = cluster.url("postgres");
    let settings = Settings::from_url(url.as_str()).unwrap().pool_min(0).pool_max(2).max_overflow(0);
    let db = Database::connect(settings).await.unwrap();
    let operators = Operators::default().token("anna", &Secret::from(TOKEN)).unwrap();
    let router = axum::Router::new().merge(endpoints(&db, &operators, EndpointOptions::default()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    let held = [forgets(&db).await, forgets(&db).await];
    let waiting = tokio::spawn({
        let db = db.clone();
        async move { db.acquire().await.map(drop) }
    });
    let folder = folder();
    std::fs::write(folder.path().join("token"), format!("{TOKEN}\n")).unwrap();
    let places = [("10.0.0.3:8080", at.as_str()), ("15s", "1ms")];
    let scene = Scene { url: &url, places: &places, folder: folder.path().to_owned() };
    let runs = scene.plays("The pool is exhausted", 3).await;
    assert!(runs.iter().all(|run| run.status == 0), "{runs:?}");
    // The program learns of it when it goes on; then its leases come back.
    drop(held);
    waiting.await.unwrap().expect("the caller that waited has a connection");
}

#[tokio::test]
async fn the_pooler_is_in_the_way() {
    let cluster = Cluster::start().await.unwrap();
    let url = cluster.url("postgres");
    cluster.execute("postgres", "CREATE ROLE app").await.unwrap();
    let bouncer = PgBouncer::in_front_of(&cluster).pool_mode(PoolMode::Transaction).start().await.unwrap();
    bouncer.admin("PAUSE").await.unwrap();
    let (through, console) = (bouncer.url("postgres"), bouncer.url("pgbouncer"));
    let folder = folder();
    let places = [
        ("postgres://app@db1:5432/orders", url.as_str()),
        ("postgres://app@pooler:6432/orders", &through),
        ("postgres://admin@pooler:6432/pgbouncer", &console),
    ];
    let scene = Scene { url: &url, places: &places, folder: folder.path().to_owned() };
    let runs = scene.plays("The pooler is in the way", 5).await;
    assert_eq!((runs[0].status, runs[1].status), (0, 3), "{runs:?}");
    assert_eq!((runs[2].status, runs[4].status), (0, 0), "psql answers: {runs:?}");
    // Resumed, it answers as the server does.
    let over =
        Scene { places: &[("postgres://app@pooler:6432/orders", &through)], url: &url, folder: scene.folder };
    let second = over.runs_alone(&steps("The pooler is in the way")[1]).await;
    assert_eq!(second.status, 0, "{second:?}");
}
