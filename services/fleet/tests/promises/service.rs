//! A fleet service in this process, on a database of its own, and a device to talk to it.

use fleet::boot::bring_up::BringUpResult;
use fleet::boot::delivery_config::DeliveryConfig;
use fleet::boot::demo::Credentials;
use fleet::boot::ingest_config::IngestConfig;
use fleet::boot::mqtt_config::{BrokerSource, MqttConfig};
use fleet::devices::state::{StateLimits, StateSettings};
use fleet::{Config, Running, Source};
use jiff::Timestamp;
use plimsoll::{Database, Settings, TransactionGuard};
use plimsoll_embedded::test_server::{self, TestDatabase};
use reqwest::{Client, Response};
use serde_json::Value;
use std::future::Future;
use std::path::Path;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long a state may take to come about.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// How long a request may wait for a connection.
const POOL_TIMEOUT: Duration = Duration::from_secs(14);

/// A running service with everything around it.
pub(crate) struct Fleet {
    pub(crate) running: Running,
    pub(crate) reached: BringUpResult,
    pub(crate) device: Device,
    pub(crate) database: TestDatabase,
    pub(crate) folder: TempDir,
}

/// Somebody who talks to a service over HTTP.
#[derive(Clone)]
pub(crate) struct Device {
    pub(crate) http: Client,
    pub(crate) url: String,
    pub(crate) key: String,
    pub(crate) token: String,
    pub(crate) operator: String,
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) kind: String,
    pub(crate) retry_after: Option<u64>,
    /// How somebody would be let in.
    pub(crate) challenge: Option<String>,
    /// How a body would be read.
    pub(crate) takes_encoding: Option<String>,
    pub(crate) body: Value,
}

pub(crate) fn config(url: &str, folder: &Path) -> Config {
    Config {
        listen: "127.0.0.1:0".parse().unwrap(),
        data: folder.to_owned(),
        // A machine that is busy with other tests takes its time; a request still has no more than its own.
        database: Source::Given(Box::new(Settings::from_url(url).unwrap().pool_timeout(POOL_TIMEOUT))),
        demo: true,
        auto_provision: true,
        operator_token: None,
        sigusr1: false,
        logs_every_request: true,
        env_file: None,
        migrate: true,
        app_password: None,
        pool_timeout_is_said: true,
        // What the tests send at once is more than a device may.
        ingest: without_limit(),
        // No device changes its state by itself while a test compares tables.
        device_state: StateSettings {
            limits: StateLimits { online: Duration::from_secs(3600), stale: Duration::from_secs(7200) },
            poll: Duration::from_secs(3600),
        },
        // Tests look by themselves, and count what they find.
        escalation_every: Duration::from_secs(3600),
        identity: Default::default(),
        delivery: DeliveryConfig::default(),
        mqtt: MqttConfig::of(BrokerSource::Off),
        request_deadline: Duration::from_secs(15),
        proxy_limit: None,
        grace: Duration::from_secs(20),
        hard_stop: Duration::from_secs(30),
        night_hour: 2,
        keep_days: 90,
    }
}

fn without_limit() -> IngestConfig {
    let mut ingest = IngestConfig::default();
    (ingest.rate.rate, ingest.rate.burst) = (1e6, 1e6);
    ingest
}

/// A service on a fresh database, ready.
pub(crate) async fn start() -> Fleet {
    start_with(|_| {}).await
}

/// The same, with a configuration that `change` has changed.
pub(crate) async fn start_with(change: impl FnOnce(&mut Config)) -> Fleet {
    let database = test_server::database().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(&database.url(), folder.path());
    change(&mut config);
    let running = fleet::start(config).await.unwrap();
    let reached = running.ready().await.unwrap();
    let device = Device::of(running.url(), reached.demo.clone().unwrap());
    Fleet { running, reached, device, database, folder }
}

impl Fleet {
    /// One number out of the database, asked as the superuser.
    pub(crate) async fn number(&self, sql: &str) -> i64 {
        number(&self.database, sql).await
    }

    pub(crate) async fn readings(&self) -> i64 {
        self.number("SELECT count(*) AS n FROM telemetry").await
    }

    /// Keeps every write to telemetry waiting until the guard is rolled back.
    pub(crate) async fn hold_writes(&self) -> TransactionGuard {
        hold_writes(&self.database).await
    }

    /// Waits until so many writes to telemetry wait for a lock.
    pub(crate) async fn until_writes_wait(&self, count: i64) {
        until_writes_wait(&self.database, count).await;
    }
}

/// Keeps every write to telemetry waiting until the guard is rolled back.
pub(crate) async fn hold_writes(database: &TestDatabase) -> TransactionGuard {
    let owner = Database::connect(Settings::from_url(database.url()).unwrap()).await.unwrap();
    let hold = owner.begin().await.unwrap();
    hold.batch_execute("LOCK TABLE telemetry IN SHARE MODE").await.unwrap();
    hold
}

/// Waits until so many writes to telemetry wait for a lock.
pub(crate) async fn until_writes_wait(database: &TestDatabase, count: i64) {
    let sql = "SELECT count(*) AS n FROM pg_stat_activity WHERE datname = current_database()
               AND wait_event_type = 'Lock' AND query LIKE '%INSERT INTO public.telemetry%'";
    until("a write waits", async || number(database, sql).await >= count).await;
}

pub(crate) async fn number(database: &TestDatabase, sql: &str) -> i64 {
    let rows = database.execute(sql).await.unwrap();
    rows[0]["n"].parse().unwrap()
}

/// The time as a device may send it, in whole microseconds.
pub(crate) fn now() -> Timestamp {
    Timestamp::from_microsecond(Timestamp::now().as_microsecond()).unwrap()
}

/// Waits for a state, and says which one did not come about.
pub(crate) async fn until<F: Future<Output = bool>>(what: &str, mut is_so: impl FnMut() -> F) {
    let end = Instant::now() + PATIENCE;
    while !is_so().await {
        assert!(Instant::now() < end, "not within {PATIENCE:?}: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

impl Device {
    pub(crate) fn of(url: String, credentials: Credentials) -> Self {
        let http = Client::builder().timeout(PATIENCE).build().unwrap();
        Device {
            http,
            url,
            key: credentials.provisioning_key,
            token: credentials.access_token,
            operator: credentials.operator_token,
        }
    }

    /// Sends a reading with the tenant's key, as JSON text.
    pub(crate) async fn send(&self, device: &str, body: impl Into<String>) -> Answer {
        self.send_to(&format!("/ingest/tenant/test/device/{device}/telemetry"), Some(&self.key), body.into())
            .await
    }

    pub(crate) async fn send_to(
        &self,
        path: &str,
        token: Option<&str>,
        body: impl Into<reqwest::Body>,
    ) -> Answer {
        let mut request = self.http.post(format!("{}{path}", self.url)).body(body);
        if let Some(token) = token {
            request = request.header("X-Provision-Token", token);
        }
        Answer::of(request.send().await.unwrap()).await
    }

    /// Sends a body with the tenant's key under these headers.
    pub(crate) async fn send_as(&self, headers: &[(&str, &str)], body: impl Into<reqwest::Body>) -> Answer {
        let path = "/ingest/v1/tenant/test/device/d1/telemetry";
        let mut request = self.http.post(format!("{}{path}", self.url)).body(body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Answer::of(request.header("X-Provision-Token", &self.key).send().await.unwrap()).await
    }

    /// Asks for something with the tenant's access token.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.get_as(path, Some(&self.token)).await
    }

    pub(crate) async fn get_as(&self, path: &str, token: Option<&str>) -> Answer {
        let mut request = self.http.get(format!("{}{path}", self.url));
        if let Some(token) = token {
            request = request.header("Authorization", format!("Bearer {token}"));
        }
        Answer::of(request.send().await.unwrap()).await
    }
}

impl Answer {
    pub(crate) async fn of(response: Response) -> Self {
        let header = |name| response.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        Answer {
            status: response.status().as_u16(),
            kind: header("content-type").unwrap_or_default(),
            challenge: header("www-authenticate"),
            takes_encoding: header("accept-encoding"),
            retry_after: header("retry-after").map(|seconds| seconds.parse().unwrap()),
            body: serde_json::from_str(&response.text().await.unwrap()).unwrap_or_default(),
        }
    }

    /// The code of a refusal.
    pub(crate) fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }

    #[track_caller]
    pub(crate) fn accepted(self) -> Value {
        assert_eq!(self.status, 202, "{self:?}");
        self.body
    }

    /// A refusal has its form, whatever it is about, and tells nothing of what is inside.
    #[track_caller]
    pub(crate) fn refused(&self, status: u16, code: &str) {
        assert_eq!((self.status, self.code()), (status, code), "{self:?}");
        assert_eq!(self.kind, "application/problem+json");
        assert_eq!(self.body["status"], status);
        for field in ["type", "title", "request_id"] {
            assert!(self.body[field].as_str().is_some_and(|text| !text.is_empty()), "{field} of {self:?}");
        }
        let text = self.body.to_string().to_lowercase();
        for inside in ["select", "insert", "sqlstate", "telemetry", "127.0.0.1"] {
            assert!(!text.contains(inside), "{inside} in {text}");
        }
    }
}
