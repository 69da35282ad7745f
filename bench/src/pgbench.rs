//! PostgreSQL's own load generator: C, no pool, nothing shared between its connections. What it reaches is what the
//! server can do with this statement.

use crate::peers::Place;
use anyhow::{Context, Result, bail};
use plimsoll_embedded::Binaries;
use std::path::PathBuf;
use std::process::Stdio;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// The program beside the server's own, else one on the path; none where neither answers.
pub fn find() -> Option<PathBuf> {
    let beside = Binaries::find().ok().map(|binaries| binaries.folder().join("pgbench"));
    let answers = |program: &PathBuf| {
        std::process::Command::new(program).arg("--version").stdout(Stdio::null()).status().is_ok()
    };
    beside.into_iter().chain([PathBuf::from("pgbench")]).find(answers)
}

/// What it is to run.
#[derive(Clone, Copy)]
pub struct Script {
    pub text: &'static str,
    pub clients: usize,
    /// By each client.
    pub times: usize,
}

/// Runs in a second, connecting not counted.
pub async fn rate(program: &PathBuf, place: &Place, script: Script) -> Result<f64> {
    let (clients, times) = (script.clients.to_string(), script.times.to_string());
    let mut child = Command::new(program)
        .args(["-n", "-M", "prepared", "-j", "2", "-f", "-", "-c", &clients, "-t", &times])
        .args(["-h", &place.host, "-p", &place.port.to_string(), "-U", &place.user, "postgres"])
        .env("PGPASSWORD", &place.password)
        .env("PGSSLMODE", "disable")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .context("pgbench could not be started")?;
    if let Some(mut input) = child.stdin.take() {
        input.write_all(script.text.as_bytes()).await?;
    }
    let output = child.wait_with_output().await?;
    let said = String::from_utf8_lossy(&output.stdout);
    let rate = said
        .lines()
        .filter_map(|line| line.strip_prefix("tps = "))
        .find_map(|rest| rest.split_whitespace().next()?.parse().ok());
    match rate {
        Some(rate) if output.status.success() => Ok(rate),
        _ => bail!("pgbench told no rate: {said}{}", String::from_utf8_lossy(&output.stderr)),
    }
}
