//! Two thousand devices send readings over MQTT, each again until it is told what became of it. Meanwhile the database and the
//! broker are killed, or one of two instances. In the end each reading is stored, once; and with the database alone killed,
//! nothing is lost that was sent but once, since the broker holds it.

use crate::mqtt::{self, Ack, Devices, reading_with, telemetry};
use crate::process::Process;
use crate::service::{self, Device};
use fleet::Running;
use fleet::ingest::mqtt::standing::Count;
use plimsoll_embedded::{Cluster, Mosquitto};
use plimsoll_faults::Process as Server;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::task::JoinSet;

/// How long all of it may take on a machine that is busy with other tests.
const WHOLE: Duration = Duration::from_secs(300);

/// A device that has not been told within the first time sends again; and if it is not told then either, after twice the
/// time, up to the second.
type Pauses = (Duration, Duration);

const PATIENT: Pauses = (Duration::from_secs(2), Duration::from_secs(16));

/// The broker goes on giving a killed instance its share: every second message comes to nothing, and the last of some
/// hundred is sent eight times or more.
const IMPATIENT: Pauses = (Duration::from_millis(500), Duration::from_secs(2));

const CLIENTS: u64 = 4;

/// Everything around one service.
struct Whole {
    cluster: Cluster,
    broker: Mosquitto,
    running: Running,
    key: String,
    _folder: TempDir,
}

impl Whole {
    async fn start(devices: u64) -> Whole {
        let (cluster, broker) = (Cluster::start().await.unwrap(), Mosquitto::start().await.unwrap());
        cluster.create_database("fleet").await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let mut config = service::config(&cluster.url("fleet"), folder.path());
        mqtt::with_broker(&mut config, &broker, "one");
        let running = fleet::start(config).await.unwrap();
        let demo = running.ready().await.unwrap().demo.unwrap();
        let device = Device::of(running.url(), demo);
        // One registers by itself, and the others are registered like it.
        device.send("d0", r#"{"t": 1}"#).await.accepted();
        let others = format!(
            "UPDATE subscriptions SET device_limit = 100000; DELETE FROM telemetry;
             INSERT INTO device_registry SELECT (jsonb_populate_record(d, jsonb_build_object('device_id', 'd' || n))).*
             FROM device_registry d, generate_series(1, {devices}) n WHERE d.device_id = 'd0'"
        );
        cluster.execute("fleet", &others).await.unwrap();
        service::until("the broker is reached", async || running.shared().mqtt().is_connected()).await;
        Whole { cluster, broker, running, key: device.key, _folder: folder }
    }

    async fn kill_the_database(&self) {
        let server = Server::attach_tree(self.cluster.pid().unwrap()).unwrap();
        server.kill().await.unwrap();
        self.cluster.start_again().await.unwrap();
    }

    /// Readings and different readings that are stored.
    async fn stored(&self) -> (u64, u64) {
        let sql =
            "SELECT count(*) AS all, count(DISTINCT (device_id, time, seq)) AS different FROM telemetry";
        let rows = self.cluster.execute("fleet", sql).await.unwrap();
        (rows[0]["all"].parse().unwrap(), rows[0]["different"].parse().unwrap())
    }

    /// Sends so many readings of each device, and waits until each was told.
    fn send(&self, devices: u64, readings: u64, pauses: Pauses, told: &Arc<AtomicU64>) -> JoinSet<()> {
        let mut sending = JoinSet::new();
        for client in 0..CLIENTS {
            let own: Vec<_> = (0..devices).filter(|n| n % CLIENTS == client).collect();
            let (key, told) = (self.key.clone(), Arc::clone(told));
            sending.spawn(send_until_told(self.broker.url(), key, own, readings, pauses, told));
        }
        sending
    }
}

/// The readings of some devices, over one connection.
async fn send_until_told(
    broker: String,
    key: String,
    devices: Vec<u64>,
    readings: u64,
    (again, longest): Pauses,
    told: Arc<AtomicU64>,
) {
    let client = devices[0] % CLIENTS;
    let mut connection = Devices::connect_to(&broker, mqtt::ALL_ACKS).await;
    let ts = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:00:00Z").to_string();
    let mut waiting: HashMap<(String, u64), (Instant, Duration)> = HashMap::new();
    let mut unsent: Vec<_> =
        devices.iter().flat_map(|n| (0..readings).map(move |seq| (format!("d{n}"), seq))).collect();
    let is_own = |device: &str| device[1..].parse::<u64>().unwrap() % CLIENTS == client;
    let end = Instant::now() + WHOLE;
    while !(unsent.is_empty() && waiting.is_empty()) {
        assert!(
            Instant::now() < end,
            "{} readings were never told, {} never sent",
            waiting.len(),
            unsent.len()
        );
        // Open loop up to so many at once, so that it takes as long as it takes to kill something.
        while waiting.len() < 50 {
            let Some((device, seq)) = unsent.pop() else { break };
            if connection.try_publish(&telemetry(&device), reading_with(&key, &ts, seq, seq)).is_err() {
                unsent.push((device, seq));
                break;
            }
            waiting.insert((device, seq), (Instant::now(), again));
        }
        for ((device, seq), (since, pause)) in waiting.iter_mut() {
            let is_late = since.elapsed() > *pause;
            if is_late
                && connection.try_publish(&telemetry(device), reading_with(&key, &ts, *seq, *seq)).is_ok()
            {
                (*since, *pause) = (Instant::now(), (*pause * 2).min(longest));
            }
        }
        let mut next = connection.told_within(Duration::from_millis(100)).await;
        while let Some(Ack { device, told: what }) = next {
            if is_own(&device) && waiting.remove(&(device, what["seq"].as_u64().unwrap())).is_some() {
                assert!(matches!(what["status"].as_str(), Some("stored" | "duplicate")), "{what}");
                told.fetch_add(1, Ordering::Relaxed);
            }
            next = connection.told_already();
        }
    }
}

async fn until_told(told: &AtomicU64, count: u64) {
    let end = Instant::now() + WHOLE;
    while told.load(Ordering::Relaxed) < count {
        assert!(Instant::now() < end, "{told:?} of {count} were told");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn all_end(sending: &mut JoinSet<()>) {
    while let Some(ended) = sending.join_next().await {
        ended.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_database_and_the_broker_by_mosquitto() {
    let (devices, readings) = (2_000, 1);
    let whole = Whole::start(devices).await;
    let told = Arc::new(AtomicU64::new(0));
    let mut sending = whole.send(devices, readings, PATIENT, &told);
    until_told(&told, devices * readings / 4).await;
    whole.kill_the_database().await;
    until_told(&told, devices * readings / 2).await;
    whole.broker.kill().await;
    whole.broker.start_again().await.unwrap();
    all_end(&mut sending).await;
    assert_eq!(told.load(Ordering::Relaxed), devices * readings);
    assert_eq!(whole.stored().await, (devices * readings, devices * readings));
    assert!(whole.running.shared().mqtt().count(Count::Lost) >= 1, "the broker was lost");
    whole.running.stop().await;
}

/// No device sends again; each reading is sent while the database is there or while it is not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_database_alone_loses_nothing_that_the_broker_holds_by_mosquitto() {
    let whole = Whole::start(200).await;
    let mut devices = Devices::connect(&whole.broker, mqtt::ALL_ACKS).await;
    let ts = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:00:00Z").to_string();
    let send = async |from: u64, to: u64| {
        for n in from..to {
            devices.send(&format!("d{}", n % 200), reading_with(&whole.key, &ts, n, n)).await;
        }
    };
    send(0, 1_000).await;
    let standing = whole.running.shared().mqtt();
    service::until("some are stored", async || standing.count(Count::Stored) > 100).await;
    let server = Server::attach_tree(whole.cluster.pid().unwrap()).unwrap();
    server.kill().await.unwrap();
    send(1_000, 2_000).await;
    service::until("messages are tried again", async || standing.count(Count::TriedAgain) > 10).await;
    assert!(standing.under_way() <= 32, "the window bounds what is here");
    whole.cluster.start_again().await.unwrap();
    let mut told = std::collections::BTreeSet::new();
    while told.len() < 2_000 {
        let ack = devices.told().await;
        assert!(matches!(ack.status(), "stored" | "duplicate"), "{ack:?}");
        told.insert(ack.told["seq"].as_u64().unwrap());
    }
    assert_eq!(whole.stored().await, (2_000, 2_000));
    assert!(standing.is_connected() && standing.count(Count::Lost) == 0, "the broker was there all the time");
    whole.running.stop().await;
}

/// The broker gives each of two its share. One is killed; what it was given comes again, since its devices send again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_two_instances_by_mosquitto() {
    let (devices, readings) = (200, 5);
    let whole = Whole::start(devices).await;
    let url = whole.broker.url();
    let variables = [
        ("FLEET_MQTT_URL", url.as_str()),
        ("FLEET_MQTT_CLIENT_ID", "two"),
        ("FLEET_RATE_LIMIT_RPS", "1000000"),
    ];
    let mut other = Process::start(&whole.cluster.url("fleet"), &variables).await;
    let told = Arc::new(AtomicU64::new(0));
    let mut sending = whole.send(devices, readings, IMPATIENT, &told);
    until_told(&told, devices * readings / 2).await;
    let health = other.device.get_as("/operator/system/health", Some(&other.device.operator)).await;
    let theirs = health.body["components"]["mqtt"]["stored"].as_u64().unwrap();
    let ours = whole.running.shared().mqtt().count(Count::Stored);
    assert!(ours > 100 && theirs > 100, "{ours} came to the one and {theirs} to the other");
    other.child.kill().await.unwrap();
    all_end(&mut sending).await;
    assert_eq!(told.load(Ordering::Relaxed), devices * readings);
    assert_eq!(whole.stored().await, (devices * readings, devices * readings));
    whole.running.stop().await;
}
