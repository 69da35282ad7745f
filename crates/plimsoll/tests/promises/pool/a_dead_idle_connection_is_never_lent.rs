//! Connections that died while they were idle are noticed before they are lent: those that were closed at once, those
//! that fell silent by a check after idleness.

use crate::server;
use plimsoll::Database;
use plimsoll_embedded::test_server;
use plimsoll_faults::Proxy;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_the_server_ended_it() {
    let fresh = test_server::database().await.unwrap();
    let db = Database::connect(server::settings_for(&fresh).await.pool_max(3)).await.unwrap();
    for _ in 0..10 {
        let leases = [db.acquire().await.unwrap(), db.acquire().await.unwrap(), db.acquire().await.unwrap()];
        let pids: Vec<_> = leases.iter().map(|lease| lease.backend_pid()).collect();
        drop(leases);
        for pid in &pids {
            fresh.execute(&format!("select pg_terminate_backend({pid})")).await.unwrap();
        }
        server::until("the backends are gone", server::PATIENCE, async || {
            let list = pids.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
            server::text(
                &fresh,
                &format!("select count(*)::text from pg_stat_activity where pid in ({list})"),
            )
            .await
                == "0"
        })
        .await;
        for _ in 0..3 {
            let lease = db.acquire().await.unwrap();
            assert!(!pids.contains(&lease.backend_pid()) || lease.query("select 1", &[]).await.is_ok());
            lease.query("select 1", &[]).await.expect("a dead connection was lent");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_it_fell_silent() {
    let fresh = test_server::database().await.unwrap();
    let proxy = Proxy::in_front_of(("127.0.0.1", fresh.server().port())).await.unwrap();
    let settings = server::settings(&fresh.url())
        .hosts(format!("127.0.0.1:{}", proxy.port()))
        .pool_max(1)
        .check_after_idle(Duration::from_millis(20));
    let db = Database::connect(settings).await.unwrap();
    db.query("select 1", &[]).await.unwrap();
    tokio::time::sleep(Duration::from_millis(60)).await; // idleness itself is what is tested
    proxy.stall_all();
    let lease = tokio::spawn({
        let db = db.clone();
        async move { db.acquire().await.map(|lease| lease.backend_pid()) }
    });
    server::until("the silent one is turned away", server::PATIENCE, async || db.pool_status().closed >= 1)
        .await;
    proxy.resume();
    lease.await.unwrap().expect("a fresh one is lent");
    db.query("select 1", &[]).await.unwrap();
}
