//! What the library offers for looking into a service is there: the endpoints, the dashboard and the report on SIGUSR1.

use crate::service;
use plimsoll_embedded::test_server;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{ChildStderr, Command};
use tokio::time::timeout;

#[tokio::test]
async fn over_http() {
    let fleet = service::start().await;
    let device = &fleet.device;
    for path in ["/livez", "/healthz", "/readyz", "/api/health/database"] {
        assert_eq!(device.get_as(path, None).await.status, 200, "{path}");
    }
    let ready = device.get_as("/readyz", None).await;
    assert_eq!((&ready.body["status"], &ready.body["schema_version"]), (&"ready".into(), &1.into()));

    // What tells more is for operators.
    for path in ["/metrics", "/api/metrics/database", "/api/metrics/queries", "/plimsoll/stream"] {
        device.get_as(path, None).await.refused(401, "OPERATOR_TOKEN_MISSING");
        device.get_as(path, Some(&device.token)).await.refused(401, "OPERATOR_TOKEN_INVALID");
    }
    let operator = Some(device.operator.as_str());
    let health = device.get_as("/operator/system/health", operator).await;
    assert_eq!(health.body["components"]["ingest"]["waiting"], 0, "{health:?}");
    assert_eq!(health.body["components"]["ingest"]["status"], "healthy", "{health:?}");
    assert_eq!(health.body["schema_version"], 1, "{health:?}");
    let of_database = device.get_as("/api/metrics/database", operator).await;
    assert_eq!(of_database.status, 200, "{of_database:?}");
}

#[tokio::test]
async fn on_a_page_that_marks_its_start() {
    let fleet = service::start().await;
    let device = &fleet.device;
    let page = device.http.get(format!("{}/plimsoll", device.url)).send().await.unwrap();
    assert_eq!(page.status(), 200);
    assert!(page.headers()["content-security-policy"].to_str().unwrap().contains("script-src 'self'"));
    let stream = device.http.get(format!("{}/plimsoll/stream", device.url)).bearer_auth(&device.operator);
    let mut stream = stream.send().await.unwrap();
    let mut greeting = String::new();
    while !greeting.contains('\n') {
        greeting += std::str::from_utf8(&stream.chunk().await.unwrap().unwrap()).unwrap();
    }
    let expected = format!("fleet {} started", env!("CARGO_PKG_VERSION"));
    assert!(greeting.contains(&expected), "{greeting}");
    for pool in ["ui", "ingest", "ops_worker", "system"] {
        assert!(greeting.contains(&format!("\"name\":\"{pool}\"")), "{pool}: {greeting}");
    }
}

async fn logged(log: &mut Lines<BufReader<ChildStderr>>, words: &str) {
    let reading = async { while !log.next_line().await.unwrap().unwrap().contains(words) {} };
    timeout(service::PATIENCE, reading).await.unwrap_or_else(|_| panic!("not logged: {words}"));
}

#[tokio::test]
async fn on_a_signal_unless_that_is_switched_off() {
    for (switch, expected) in [("on", "---- end of the report"), ("off", "its report is switched off")] {
        let (database, folder) = (test_server::database().await.unwrap(), tempfile::tempdir().unwrap());
        let mut command = Command::new(env!("CARGO_BIN_EXE_fleet"));
        command.env("DATABASE_URL", database.url()).env("FLEET_DATA", folder.path());
        command.env("FLEET_LISTEN", "127.0.0.1:0").env("FLEET_ENV_FILE", "off").env("FLEET_SIGUSR1", switch);
        command.env("RUST_LOG", "warn").stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut process = command.spawn().unwrap();
        let mut said = BufReader::new(process.stdout.take().unwrap()).lines();
        let listens = timeout(Duration::from_secs(20), said.next_line()).await.unwrap().unwrap().unwrap();
        assert!(listens.starts_with("fleet listens on "), "{listens}");
        let mut log = BufReader::new(process.stderr.take().unwrap()).lines();
        let pid = process.id().unwrap().to_string();
        assert!(Command::new("kill").args(["-USR1", &pid]).status().await.unwrap().success());
        logged(&mut log, expected).await;
        assert_eq!(process.try_wait().unwrap(), None, "the signal did not end it");
    }
}
