//! Mosquitto is there when it is asked for, lets in its one user alone, and comes back after a crash with what it held.

use plimsoll_embedded::Mosquitto;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

fn publish(url: &str, message: &str) -> bool {
    let mut command = Command::new("mosquitto_pub");
    command.args(["-V", "5", "-q", "1", "-L", &format!("{url}/a/b"), "-m", message]);
    command.stderr(Stdio::null()).status().unwrap().success()
}

/// What a client that was away is given, and what it was given of it within two seconds.
fn listen(url: &str, count: &str) -> String {
    let mut command = Command::new("mosquitto_sub");
    command.args(["-V", "311", "-c", "-i", "client", "-q", "1", "-L", &format!("{url}/a/b")]);
    let output = command.args(["-C", count, "-W", "2"]).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn after_a_crash_too_by_mosquitto() {
    let broker = Mosquitto::start().await.unwrap();
    assert!(broker.is_alive().await);
    // It is known from here on, and then away.
    listen(&broker.url(), "1");
    assert!(publish(&broker.url(), "kept"));
    let stranger = format!("mqtt://fleet:wrong@127.0.0.1:{}", broker.port());
    assert!(!publish(&stranger, "not let in"));
    let (port, pid, taken_at) = (broker.port(), broker.pid(), SystemTime::now());
    let end = Instant::now() + Duration::from_secs(10);
    while broker.saved_at().is_none_or(|at| at <= taken_at) {
        assert!(Instant::now() < end, "what it holds is not written");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    broker.kill().await;
    assert!(!broker.is_alive().await);
    broker.start_again().await.unwrap();
    assert!(broker.port() == port && broker.pid() != pid);
    assert_eq!(listen(&broker.url(), "1"), "kept\n");
    broker.stop().await.unwrap();
}

#[tokio::test]
async fn it_ends_with_its_owner_by_mosquitto() {
    let broker = Mosquitto::start().await.unwrap();
    let port = broker.port();
    drop(broker);
    let end = Instant::now() + Duration::from_secs(10);
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
        assert!(Instant::now() < end, "it still listens");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_misspelt_setting_is_named_by_mosquitto() {
    let error = Mosquitto::builder().setting("persistense", "true").start().await.unwrap_err().to_string();
    assert!(error.contains("misspelt") && error.contains("persistense"), "{error}");
}
