//! The service as its own process, as somebody starts it in a terminal.

use crate::service::{self, Device};
use fleet::boot::demo::Credentials;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

pub(crate) struct Process {
    pub(crate) child: Child,
    pub(crate) device: Device,
    folder: Arc<TempDir>,
}

impl Process {
    /// Starts it on this database, with these variables, and waits until it is ready.
    pub(crate) async fn start(database: &str, variables: &[(&str, &str)]) -> Self {
        Process::start_as(Command::new(env!("CARGO_BIN_EXE_fleet")), database, variables, folder()).await
    }

    /// Starts another instance of the same service on the same database.
    pub(crate) async fn start_beside(&self, database: &str, variables: &[(&str, &str)]) -> Self {
        let folder = Arc::clone(&self.folder);
        Process::start_as(Command::new(env!("CARGO_BIN_EXE_fleet")), database, variables, folder).await
    }

    /// The same where no more than so many descriptors are to be had.
    pub(crate) async fn start_with_descriptors(count: u32, database: &str) -> Self {
        let mut command = Command::new("bash");
        command.arg("-c").arg(format!("ulimit -n {count}; exec {}", env!("CARGO_BIN_EXE_fleet")));
        Process::start_as(command, database, &[], folder()).await
    }

    async fn start_as(
        mut command: Command,
        database: &str,
        variables: &[(&str, &str)],
        folder: Arc<TempDir>,
    ) -> Self {
        command.env("DATABASE_URL", database).env("FLEET_DATA", folder.path());
        command
            .env("FLEET_LISTEN", "127.0.0.1:0")
            .env("FLEET_DEMO", "on")
            .env("FLEET_RATE_LIMIT_BURST", "1000")
            .env("FLEET_ENV_FILE", "off")
            .env("AUTO_PROVISION", "on")
            .env("RUST_LOG", "warn")
            .envs(variables.iter().copied());
        let mut child = command.stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        let mut said = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut url = None;
        let ready = async {
            while let Some(line) = said.next_line().await.unwrap() {
                match line.strip_prefix("fleet listens on ") {
                    Some(found) => url = Some(found.to_owned()),
                    None if line == "fleet is ready" => return,
                    None => {}
                }
            }
            panic!("it ended before it was ready");
        };
        tokio::time::timeout(service::PATIENCE, ready).await.unwrap();
        // Read on, or the last words would find nobody and the next but one would block.
        tokio::spawn(async move { while let Ok(Some(_)) = said.next_line().await {} });
        let device = Device::of(url.unwrap(), Credentials::of_folder(folder.path()).unwrap());
        Process { child, device, folder }
    }

    pub(crate) async fn interrupt(&self) {
        let pid = self.child.id().unwrap().to_string();
        assert!(Command::new("kill").args(["-INT", &pid]).status().await.unwrap().success());
    }

    /// Waits until it has ended, and says how and after how long.
    pub(crate) async fn ended(&mut self) -> (ExitStatus, Duration) {
        let began = Instant::now();
        let status = tokio::time::timeout(service::PATIENCE, self.child.wait()).await.unwrap().unwrap();
        (status, began.elapsed())
    }

    /// A socket to it.
    pub(crate) async fn connect(&self) -> TcpStream {
        connect(&self.device).await
    }
}

/// Nothing is said to it of what its caller's environment says of databases.
pub(crate) fn without_a_database(command: &mut Command) {
    for (name, _) in std::env::vars() {
        let is_of_a_database =
            ["PG", "POSTGRES", "DATABASE", "FLEET", "AUTO_"].iter().any(|of| name.starts_with(of))
                || (name.starts_with("PLIMSOLL") && name != "PLIMSOLL_PG_BIN");
        if is_of_a_database {
            command.env_remove(name);
        }
    }
}

fn folder() -> Arc<TempDir> {
    Arc::new(tempfile::tempdir().unwrap())
}

/// A socket to a service.
pub(crate) async fn connect(device: &Device) -> TcpStream {
    TcpStream::connect(device.url.strip_prefix("http://").unwrap()).await.unwrap()
}
