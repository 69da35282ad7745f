//! `fleet simulate` as its own process, as somebody starts it in a terminal.

use crate::service;
use std::path::Path;
use std::process::Stdio;
use tokio::process::{Child, Command};

/// One that runs.
pub(crate) struct Simulation(Child);

/// One that has ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: Option<i32>,
    pub(crate) summary: String,
    pub(crate) progress: String,
}

impl Simulation {
    /// Starts it with these options and variables, and none of those that say where a service is.
    pub(crate) fn start(options: &str, variables: &[(&str, &str)]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fleet"));
        for name in ["FLEET_URL", "MQTT_URL", "TENANT_ID", "DEVICE_KEY"] {
            command.env_remove(name);
        }
        command.arg("simulate").args(options.split_whitespace()).env("FLEET_ENV_FILE", "off");
        command.envs(variables.iter().copied()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Simulation(command.kill_on_drop(true).spawn().unwrap())
    }

    /// The same for the tenant `test` with this key.
    pub(crate) fn of_test(key: &str, options: &str) -> Self {
        Simulation::start(options, &[("TENANT_ID", "test"), ("DEVICE_KEY", key)])
    }

    /// The same with what this file says.
    pub(crate) fn of_file(file: &Path, options: &str) -> Self {
        Simulation::start(options, &[("FLEET_ENV_FILE", file.to_str().unwrap())])
    }

    pub(crate) async fn interrupt(&self) {
        let pid = self.0.id().unwrap().to_string();
        assert!(Command::new("kill").args(["-INT", &pid]).status().await.unwrap().success());
    }

    pub(crate) async fn ended(self) -> Ended {
        let ended = tokio::time::timeout(service::PATIENCE * 2, self.0.wait_with_output()).await;
        let ended = ended.expect("it did not end").unwrap();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        Ended { status: ended.status.code(), summary: text(&ended.stdout), progress: text(&ended.stderr) }
    }
}

impl Ended {
    /// A number of the summary.
    pub(crate) fn number(&self, name: &str) -> i64 {
        let line = self.summary.lines().find(|line| line.trim_start().starts_with(name));
        let number = line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok());
        number.unwrap_or_else(|| panic!("{name} in {self:?}"))
    }

    /// Each reading was acknowledged.
    #[track_caller]
    pub(crate) fn is_clean(&self) {
        assert_eq!(self.status, Some(0), "{self:?}");
        assert_eq!(self.number("acknowledged"), self.number("made"), "{self:?}");
        let others = ["waiting", "dropped", "refused"].map(|name| self.number(name));
        assert_eq!(others, [0, 0, 0], "{self:?}");
    }
}
