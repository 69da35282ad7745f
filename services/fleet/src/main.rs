//! Starts the service, tells how to use it, and ends when it is told to.

use fleet::{Config, Running, bring_up::Reached, demo};
use std::error::Error;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

#[tokio::main]
async fn main() -> ExitCode {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let is_read_by_a_person = io::stderr().is_terminal();
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(is_read_by_a_person)
        .init();
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // If nobody reads it any more, the status still tells.
            let _ = writeln!(io::stderr(), "fleet: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Box<dyn Error>> {
    let mut interrupted = signal(SignalKind::interrupt())?;
    let mut terminated = signal(SignalKind::terminate())?;
    let running = tokio::select! {
        running = fleet::start(Config::from_env()?) => running?,
        _ = interrupted.recv() => return Ok(()),
        _ = terminated.recv() => return Ok(()),
    };
    say(&format!("fleet listens on {}", running.url()));
    let ended = tokio::select! {
        ended = tell_when_ready(&running) => ended,
        _ = interrupted.recv() => Ok(()),
        _ = terminated.recv() => Ok(()),
    };
    say("fleet stops: what was accepted is being written");
    tokio::select! {
        () = running.stop() => {}
        // Whoever asks twice does not want to wait; what was acknowledged is stored already.
        _ = interrupted.recv() => say("fleet leaves at once"),
    }
    Ok(ended?)
}

/// Comes back only with what waiting cannot heal.
async fn tell_when_ready(running: &Running) -> Result<(), fleet::StartError> {
    let reached = running.ready().await?;
    say(&welcome(running, &reached));
    std::future::pending().await
}

fn welcome(running: &Running, reached: &Reached) -> String {
    let url = running.url();
    let mut text = String::from("fleet is ready\n");
    if let Some(credentials) = &reached.demo {
        let (tenant, key, token) = (demo::TENANT, &credentials.provisioning_key, &credentials.access_token);
        text += &format!(
            "
  Tenant {tenant}, made for the first hour:
    provisioning key  {key}
    access token      {token}

  Send a reading; the first one registers the device:
    curl -i -H 'X-Provision-Token: {key}' -d '{{\"temperature\": 25}}' {url}/ingest/v1/tenant/{tenant}/device/d1/telemetry

  List the devices:
    curl -i -H 'Authorization: Bearer {token}' {url}/api/v1/customer/devices
"
        );
    }
    if let Some(url) = reached.app_url.as_ref().filter(|_| reached.demo.is_some()) {
        text += &format!(
            "
  The database as the service sees it; a tenant's rows are there once its name is set:
    export DATABASE_URL='{url}'
    psql \"$DATABASE_URL\" -c \"SET app.tenant_id = '{}'\" -c 'TABLE telemetry'
",
            demo::TENANT
        );
    }
    text
}

fn say(text: &str) {
    // Whoever closed our output does not want to hear it.
    let _ = writeln!(io::stdout(), "{text}");
}
