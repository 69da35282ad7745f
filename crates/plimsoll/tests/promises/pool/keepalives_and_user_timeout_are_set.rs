//! Both ends of a connection watch for a peer that has silently gone: the server by what start-up tells it, this side
//! by what its kernel was told.

use crate::server::{self, settings_for};
use plimsoll::Database;
use plimsoll::settings::Limit;
use plimsoll_embedded::test_server;
use std::time::Duration;

/// The server's own watch on this session.
async fn watch(db: &Database) -> Vec<String> {
    let sql = "SELECT current_setting('tcp_keepalives_idle'), current_setting('tcp_keepalives_interval'), \
               current_setting('tcp_keepalives_count'), current_setting('tcp_user_timeout')";
    let row = db.query_one(sql, &[]).await.unwrap();
    (0..4).map(|column| row.get(column)).collect()
}

#[tokio::test]
async fn the_server_watches_its_client() {
    let server = test_server::database().await.unwrap();
    let db = Database::connect(settings_for(&server).await).await.unwrap();
    assert_eq!(watch(&db).await, ["30", "10", "3", "10000"]);
    let settings = settings_for(&server)
        .await
        .keepalives_idle(Duration::from_secs(77))
        .keepalives_interval(Duration::from_secs(7))
        .keepalives_count(5)
        .tcp_user_timeout(Duration::from_secs(4));
    let db = Database::connect(settings).await.unwrap();
    assert_eq!(watch(&db).await, ["77", "7", "5", "4000"]);
}

/// When the kernel will ask whether the other side is there, for each of our connections to this port.
#[cfg(target_os = "linux")]
fn keepalive_timers(port: u16) -> Vec<Option<Duration>> {
    let table = std::fs::read_to_string("/proc/self/net/tcp").unwrap();
    let remote = format!(":{port:04X}");
    let mut timers = Vec::new();
    for line in table.lines().skip(1) {
        let fields: Vec<&str> = line.split_whitespace().collect();
        // Established, and ours is the side whose remote port is the server's.
        if fields[3] != "01" || !fields[2].ends_with(&remote) {
            continue;
        }
        let (kind, ticks) = fields[5].split_once(':').unwrap();
        let hundredths = u64::from_str_radix(ticks, 16).unwrap();
        timers.push((kind == "02").then(|| Duration::from_millis(hundredths * 10)));
    }
    timers
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn this_side_watches_the_server() {
    // A server of one's own, so that nobody else is connected to its port.
    let cluster = plimsoll_embedded::Cluster::start().await.unwrap();
    let settings = server::settings(&cluster.url("postgres")).pool_max(1);
    let soon = settings.clone().keepalives_idle(Duration::from_secs(40));
    let never = settings.keepalives_idle(Limit::Off);
    for (settings, is_watched) in [(soon, true), (never, false)] {
        let db = Database::connect(settings).await.unwrap();
        db.query_one("SELECT 1", &[]).await.unwrap();
        server::until("the kernel has set its timer", server::PATIENCE, async || {
            // A timer for an acknowledgement may stand in its place for a moment.
            let timers = keepalive_timers(cluster.port());
            assert_eq!(timers.len(), 1, "one connection");
            timers[0].is_some() == is_watched
        })
        .await;
        if is_watched {
            let left = keepalive_timers(cluster.port())[0].unwrap();
            assert!(left > Duration::from_secs(20) && left <= Duration::from_secs(40), "{left:?}");
        }
        db.close().await;
        server::until("the connection has gone", server::PATIENCE, async || {
            keepalive_timers(cluster.port()).is_empty()
        })
        .await;
    }
}
