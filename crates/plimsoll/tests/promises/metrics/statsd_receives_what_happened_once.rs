//! What a program hands on by the `metrics` facade arrives over StatsD: each thing that happened is counted once, however
//! often the counters are published, and gauges have their present value.

use crate::scrape::Scrape;
use crate::server::{PATIENCE, database, settings_for, until};
use metrics_exporter_dogstatsd::DogStatsDBuilder;
use plimsoll::Database;
use plimsoll_embedded::test_server;
use std::collections::BTreeMap;
use std::net::UdpSocket;
use std::time::Duration;

const STATEMENTS: &str = "plimsoll_statements_total";

/// What has arrived: the sum of each counter, and the last value of each gauge, by name and tags.
#[derive(Default)]
struct Received {
    counters: BTreeMap<String, u64>,
    gauges: BTreeMap<String, f64>,
}

impl Received {
    /// Takes what lies in the socket: lines such as `name:1:2|c|#pool:a,reason:idle`.
    fn take(&mut self, socket: &UdpSocket) {
        let mut buffer = vec![0; 65_536];
        while let Ok(length) = socket.recv(&mut buffer) {
            for line in std::str::from_utf8(&buffer[..length]).unwrap().lines() {
                let mut parts = line.split('|');
                let mut values = parts.next().unwrap().split(':');
                let name = values.next().unwrap();
                let kind = parts.next().unwrap();
                let tags = parts.find_map(|part| part.strip_prefix('#')).unwrap_or_default();
                let series = format!("{name} {tags}");
                for value in values {
                    match kind {
                        "c" => {
                            *self.counters.entry(series.clone()).or_default() += value.parse::<u64>().unwrap()
                        }
                        "g" => {
                            self.gauges.insert(series.clone(), value.parse().unwrap());
                        }
                        other => panic!("{other} in {line}"),
                    }
                }
            }
        }
    }
}

/// A receiver, and a recorder that sends to it.
fn receiver() -> (UdpSocket, metrics_exporter_dogstatsd::DogStatsDRecorder) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_nonblocking(true).unwrap();
    let address = socket.local_addr().unwrap().to_string();
    let builder = DogStatsDBuilder::default().with_remote_address(address).unwrap();
    let recorder =
        builder.with_telemetry(false).with_flush_interval(Duration::from_millis(50)).build().unwrap();
    (socket, recorder)
}

#[tokio::test]
async fn over_udp() {
    let fresh = test_server::database().await.unwrap();
    let db = Database::connect(settings_for(&fresh).await.pool_name("a").pool_max(1)).await.unwrap();
    let (socket, recorder) = receiver();
    let publish = || metrics::with_local_recorder(&recorder, || db.monitor().publish());
    for _ in 0..3 {
        db.query("SELECT 1", &[]).await.unwrap();
    }
    let lease = db.acquire().await.unwrap();
    assert!(tokio::time::timeout(Duration::from_millis(50), db.acquire()).await.is_err());
    (0..5).for_each(|_| publish());

    let mut received = Received::default();
    let statements = &format!("{STATEMENTS} pool:a");
    until("three statements have arrived", PATIENCE, async || {
        received.take(&socket);
        received.counters.get(statements) == Some(&3)
    })
    .await;
    let left = "plimsoll_acquire_given_up_total pool:a,reason:dropped";
    until("the rest has arrived", PATIENCE, async || {
        received.take(&socket);
        received.counters.contains_key(left) && received.gauges.contains_key("pool_utilization_pct pool:a")
    })
    .await;
    assert_eq!(received.counters.get(left), Some(&1));
    assert_eq!(
        received
            .counters
            .get("plimsoll_acquire_given_up_total pool:a,reason:timed_out")
            .copied()
            .unwrap_or(0),
        0
    );
    assert!((received.gauges["pool_utilization_pct pool:a"] - 100.0).abs() < 1e-9);

    drop(lease);
    db.query("SELECT 1", &[]).await.unwrap();
    (0..5).for_each(|_| publish());
    until("the fourth has arrived, and the gauge", PATIENCE, async || {
        received.take(&socket);
        received.counters.get(statements) == Some(&4) && received.gauges["pool_utilization_pct pool:a"] < 1.0
    })
    .await;
    // Silence: nothing more comes of publishing what was published.
    (0..5).for_each(|_| publish());
    std::thread::sleep(Duration::from_millis(200));
    received.take(&socket);
    assert_eq!((received.counters[statements], received.counters[left]), (4, 1));
    let scrape = Scrape::of(&db);
    let rendered =
        [STATEMENTS, r#"plimsoll_acquire_given_up_total{reason="dropped"}"#].map(|name| scrape.get(name));
    assert_eq!(rendered, [4.0, 1.0], "what is rendered is the same");
    let is_time = |series: &String| series.contains("seconds") && !series.contains("timestamp");
    assert!(
        !received.counters.keys().chain(received.gauges.keys()).any(is_time),
        "histograms are rendered instead"
    );
}

#[tokio::test]
async fn by_itself_each_second() {
    // The recorder of the whole program, so other tests' pools may be seen too: this one has a name of its own.
    let (socket, recorder) = receiver();
    metrics::set_global_recorder(recorder).expect("no other test of this program sets it");
    let fresh = test_server::database().await.unwrap();
    let db = database(&fresh).await;
    db.query("SELECT 1", &[]).await.unwrap();
    let name = db.monitor().prometheus();
    let name = name.split("pool=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let mut received = Received::default();
    until("the sampler has published", PATIENCE, async || {
        received.take(&socket);
        received.counters.get(&format!("plimsoll_statements_total pool:{name}")) == Some(&1)
    })
    .await;
}
