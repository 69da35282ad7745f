//! Twenty workers on a small pool, a hundred queries each: all answered, first come first served, nothing left over.

use crate::server;
use plimsoll_embedded::test_server;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_failure() {
    let fresh = test_server::database().await.unwrap();
    let db = plimsoll::Database::connect(server::settings_for(&fresh).await.pool_max(4)).await.unwrap();
    let mut workers = tokio::task::JoinSet::new();
    for worker in 0..20i64 {
        let db = db.clone();
        workers.spawn(async move {
            for n in 0..100i64 {
                let row = db.query_one("select $1::int8 * 1000 + $2::int8", &[&worker, &n]).await?;
                assert_eq!(row.get::<_, i64>(0), worker * 1000 + n);
            }
            Ok::<(), plimsoll::Error>(())
        });
    }
    while let Some(done) = workers.join_next().await {
        done.unwrap().expect("no query fails");
    }
    let status = db.pool_status();
    assert_eq!((status.acquired, status.failed), (2000, 0), "{status:?}");
    assert!(status.opened <= 4, "{status:?}");
    server::until("all are home", server::PATIENCE, async || db.pool_status().checked_out == 0).await;
}
