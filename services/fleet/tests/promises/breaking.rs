//! A service as `make run` starts it, on a PostgreSQL of its own, with the page that lets anyone break it.

use crate::service::{self, PATIENCE};
use fleet::boot::demo::Credentials;
use fleet::{Config, Running, Source};
use serde_json::Value;
use std::time::{Duration, Instant};
use tempfile::TempDir;

pub(crate) struct Breakable {
    pub(crate) running: Running,
    pub(crate) device: service::Device,
    pub(crate) folder: TempDir,
}

/// What the page is told, line by line.
pub(crate) struct Stream {
    response: reqwest::Response,
    rest: Vec<u8>,
}

impl Breakable {
    pub(crate) async fn start() -> Self {
        Breakable::start_with(|_| {}).await
    }

    /// The same, with a configuration that `change` has changed.
    pub(crate) async fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = service::config("postgresql://nobody@127.0.0.1/none", folder.path());
        config.database = Source::DevPostgres;
        config.pool_timeout_is_said = false;
        change(&mut config);
        let running = fleet::start(config).await.unwrap();
        running.ready().await.unwrap();
        let device = service::Device::of(running.url(), Credentials::of_folder(folder.path()).unwrap());
        Breakable { running, device, folder }
    }

    /// As the page reads it: on this machine, without a token.
    pub(crate) async fn watch(&self) -> Stream {
        // The stream has no end, so the client has no limit for it.
        let http = reqwest::Client::builder().build().unwrap();
        let response = http.get(format!("{}/stream", self.device.url)).send().await.unwrap();
        assert_eq!(response.status(), 200);
        Stream { response, rest: Vec::new() }
    }

    pub(crate) async fn press(&self, action: &str) -> service::Answer {
        let request = self.device.http.post(format!("{}/faults/{action}", self.device.url));
        service::Answer::of(request.header("X-Plimsoll-Action", action).send().await.unwrap()).await
    }
}

impl Stream {
    pub(crate) async fn next(&mut self) -> Value {
        loop {
            if let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.rest.drain(..=end).collect();
                return serde_json::from_slice(&line).unwrap();
            }
            self.rest.extend(self.response.chunk().await.unwrap().expect("the stream goes on"));
        }
    }

    /// Reads until this holds, and says how long that took.
    pub(crate) async fn until(&mut self, what: &str, is_so: impl Fn(&Value) -> bool) -> (Value, Duration) {
        let began = Instant::now();
        loop {
            let view = self.next().await;
            if is_so(&view) {
                return (view, began.elapsed());
            }
            assert!(began.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}; last {view}");
        }
    }
}
