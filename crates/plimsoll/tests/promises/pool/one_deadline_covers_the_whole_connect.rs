//! A connect ends within its limit, however far it had come: a server that accepts and says nothing, one that stops
//! half-way, a list whose first host is frozen.

use crate::server::{self, PATIENCE, until};
use plimsoll::settings::TargetSessionAttrs;
use plimsoll::{Database, Fault, Settings};
use plimsoll_embedded::test_server::{self, TestDatabase};
use plimsoll_faults::{At, Direction, Fault as Broken, Proxy, Since};
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_millis(600);

async fn settings(server: &TestDatabase) -> Settings {
    server::settings_for(server)
        .await
        .connect_timeout(LIMIT)
        .pool_timeout(Duration::from_millis(1_500))
        .tcp_user_timeout(Duration::from_secs(1))
        .deadlock_after(Duration::from_millis(500))
}

async fn proxy(server: &TestDatabase) -> Proxy {
    Proxy::in_front_of((server.server().host(), server.server().port())).await.unwrap()
}

#[tokio::test]
async fn a_server_that_accepts_and_says_nothing_is_given_up() {
    let server = test_server::database().await.unwrap();
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    for (mode, stage) in [("prefer", "negotiating TLS"), ("disable", "starting up and authenticating")] {
        let url = format!("postgres://app:secret@127.0.0.1:{port}/app?sslmode={mode}");
        let settings = settings(&server).await.url(url).hosts(format!("127.0.0.1:{port}"));
        let began = Instant::now();
        let db = Database::connect(settings).await.expect("a handle that heals");
        let took = began.elapsed();
        assert!(took >= LIMIT && took < LIMIT + Duration::from_secs(1), "{took:?}");
        let error = db.named("next").acquire_within(Duration::from_millis(20)).acquire().await.unwrap_err();
        assert_eq!(error.fault(), Fault::ConnectTimeout, "{error}");
        assert!(error.to_string().contains(stage), "{error}");
    }
}

#[tokio::test]
async fn a_server_that_stops_anywhere_in_the_handshake_is_given_up_and_leaves_nothing_open() {
    let server = test_server::database().await.unwrap();
    let proxy = proxy(&server).await;
    // How long a whole handshake is.
    let db = Database::connect(settings(&server).await.hosts(format!("127.0.0.1:{}", proxy.port())))
        .await
        .unwrap();
    let whole = proxy.wires()[0].to_client.bytes;
    drop(db);
    tokio::time::timeout(PATIENCE, proxy.until_connections(0)).await.unwrap();
    // The last byte of the handshake is that of the limits read back.
    for bytes in [0, 1, 2, 20, 60, whole / 2, whole - 40, whole - 1] {
        proxy.set(Broken::stall(Direction::ToClient, At::AfterBytes(bytes)).since(Since::Connected));
        let settings = settings(&server).await.hosts(format!("127.0.0.1:{}", proxy.port()));
        let began = Instant::now();
        let db = Database::connect(settings).await.expect("a handle that heals");
        assert!(began.elapsed() < LIMIT + Duration::from_secs(1), "{:?} at byte {bytes}", began.elapsed());
        let error = db.named("next").acquire_within(Duration::from_millis(20)).acquire().await.unwrap_err();
        assert_eq!(error.fault(), Fault::ConnectTimeout, "at byte {bytes} of {whole}: {error}");
        db.close().await;
        drop(db);
        // The wire to this side is still silent: only this side can have ended the session.
        let sessions = format!(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = '{}' AND application_name <> 'plimsoll-embedded'",
            server.name()
        );
        until(&format!("a session that was given up at byte {bytes} ends"), PATIENCE, async || {
            server::text(&server, &sessions).await == "0"
        })
        .await;
        proxy.clear();
        proxy.resume();
        tokio::time::timeout(PATIENCE, proxy.until_connections(0)).await.unwrap();
    }
}

#[tokio::test]
async fn a_frozen_first_host_does_not_use_up_the_time_of_the_second() {
    let server = test_server::database().await.unwrap();
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let frozen = silent.local_addr().unwrap().port();
    let hosts = format!("127.0.0.1:{frozen},127.0.0.1:{}", server.server().port());
    let settings = settings(&server).await.hosts(hosts).connect_timeout(Duration::from_secs(2));
    let began = Instant::now();
    let db = Database::connect(settings).await.unwrap();
    assert_eq!(db.query_one("SELECT 1", &[]).await.unwrap().get::<_, i32>(0), 1);
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_server_of_the_wrong_kind_is_turned_away() {
    let server = test_server::database().await.unwrap();
    let read_only = settings(&server).await.target_session_attrs(TargetSessionAttrs::ReadOnly);
    let db = Database::connect(read_only).await.expect("the role of a server may change");
    let error = db.acquire().await.unwrap_err();
    assert_eq!(error.fault(), Fault::ReadOnlyServer, "{error}");
    for part in ["is read-write", "target_session_attrs=read-only"] {
        assert!(error.to_string().contains(part), "{part:?} is missing: {error}");
    }
    let read_write = settings(&server).await.target_session_attrs(TargetSessionAttrs::ReadWrite);
    Database::connect(read_write).await.unwrap().query_one("SELECT 1", &[]).await.unwrap();
}
