//! ^C ends the service within `FLEET_HARD_STOP`, whatever clients and the database do, and what was not stored was not
//! acknowledged.

use crate::process::Process;
use crate::service;
use fleet::Config;
use plimsoll_embedded::Cluster;
use plimsoll_faults::Process as Server;
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

const READING: &str = r#"{"temperature": 25}"#;

/// Clients that say nothing, or half of something.
async fn strangers(process: &Process) -> Vec<TcpStream> {
    let mut all = Vec::new();
    for beginning in
        ["", "GET /healthz HT", "POST /ingest/tenant/test/device/d1/telemetry HTTP/1.1\r\nHost: x\r\n"]
    {
        let mut stream = process.connect().await;
        stream.write_all(beginning.as_bytes()).await.unwrap();
        all.push(stream);
    }
    all
}

#[test]
fn the_limits_are_twenty_and_thirty_seconds_unless_others_are_said() {
    let limits = |said: &[(&str, &str)]| {
        let variable = |name: &str| {
            let found = said.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        Config::from_env_with(variable).map(|config| (config.grace.as_secs(), config.hard_stop.as_secs()))
    };
    assert_eq!(limits(&[]).unwrap(), (20, 30));
    assert_eq!(limits(&[("FLEET_GRACE", "5s"), ("FLEET_HARD_STOP", "1min")]).unwrap(), (5, 60));
    for (name, value) in [("FLEET_GRACE", "soon"), ("FLEET_HARD_STOP", "30"), ("FLEET_GRACE", "off")] {
        let error = limits(&[(name, value)]).unwrap_err().to_string();
        assert!(error.contains(name) && error.contains(value) && error.contains("allowed"), "{error}");
    }
}

#[tokio::test]
async fn a_grace_beyond_the_hard_stop_is_told_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = service::config("postgresql://a:b@127.0.0.1:1/c", folder.path());
    config.grace = Duration::from_secs(40);
    let error = fleet::start(config).await.err().expect("it cannot be kept").to_string();
    assert!(error.contains("FLEET_GRACE") && error.contains("40s") && error.contains("30s"), "{error}");
}

#[tokio::test]
async fn strangers_before_a_frozen_database_do_not_hold_it() {
    let cluster = Cluster::start().await.unwrap();
    cluster.create_database("fleet").await.unwrap();
    // Just frozen, and known to be away.
    for (is_known, device) in [(false, "d1"), (true, "d2")] {
        let mut process = Process::start(&cluster.url("fleet"), &[]).await;
        process.device.send(device, READING).await.accepted();
        let server = Server::attach_tree(cluster.pid().unwrap()).unwrap();
        server.freeze().await.unwrap();
        if is_known {
            service::until("readings are refused before they are read", async || {
                process.device.send(device, READING).await.code() == "PL-BRK-01"
            })
            .await;
        }
        let _strangers = strangers(&process).await;
        process.interrupt().await;
        let (status, took) = process.ended().await;
        server.thaw().unwrap();
        println!("it took {took:?}");
        // No request is under way, so neither the grace nor the hard stop is needed.
        assert!(status.success() && took < Duration::from_secs(8), "{status} after {took:?}");
    }
}

#[tokio::test]
async fn a_request_before_a_frozen_database_is_cut_and_the_hard_stop_holds() {
    let cluster = Cluster::start().await.unwrap();
    cluster.create_database("fleet").await.unwrap();
    let limits = [("FLEET_REQUEST_DEADLINE", "60s"), ("FLEET_GRACE", "2s"), ("FLEET_HARD_STOP", "8s")];
    let mut process = Process::start(&cluster.url("fleet"), &limits).await;
    process.device.send("d1", READING).await.accepted();
    let _strangers = strangers(&process).await;
    let slow = "CREATE FUNCTION waits() RETURNS trigger LANGUAGE plpgsql
                AS 'BEGIN PERFORM pg_sleep(60); RETURN NEW; END';
                CREATE TRIGGER waits BEFORE INSERT ON telemetry FOR EACH ROW EXECUTE FUNCTION waits()";
    cluster.execute("fleet", slow).await.unwrap();
    let device = process.device.clone();
    let sending = tokio::spawn(async move {
        let url = format!("{}/ingest/tenant/test/device/d1/telemetry", device.url);
        let request = device.http.post(url).header("X-Provision-Token", &device.key).body(READING);
        request.send().await.is_ok_and(|answer| answer.status().as_u16() == 202)
    });
    let running = "SELECT count(*)::text AS n FROM pg_stat_activity WHERE query LIKE '%INSERT INTO public.telemetry%' \
                   AND wait_event = 'PgSleep'";
    service::until("the reading is being written", async || {
        cluster.execute("fleet", running).await.unwrap()[0]["n"] == "1"
    })
    .await;
    let server = Server::attach_tree(cluster.pid().unwrap()).unwrap();
    server.freeze().await.unwrap();
    let began = Instant::now();
    process.interrupt().await;
    let (status, _) = process.ended().await;
    let took = began.elapsed();
    println!("it took {took:?}");
    server.thaw().unwrap();
    assert!(status.success(), "{status}");
    assert!(took >= Duration::from_secs(2) && took < Duration::from_millis(9_500), "{took:?}");
    assert!(!sending.await.unwrap(), "it was not stored, and nobody said that it was");
    let sessions = "SELECT count(*)::text AS n FROM pg_stat_activity WHERE application_name LIKE 'fleet%'";
    service::until("its sessions are gone", async || {
        cluster.execute("fleet", sessions).await.unwrap()[0]["n"] == "0"
    })
    .await;
    assert_eq!(
        cluster.execute("fleet", "SELECT count(*)::text AS n FROM telemetry").await.unwrap()[0]["n"],
        "1"
    );
}
