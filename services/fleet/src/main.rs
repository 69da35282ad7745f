//! Starts the service, tells how to use it, and ends when it is told to.

use clap::{Parser, Subcommand};
use fleet::boot::bring_up::BringUpResult;
use fleet::boot::{demo, env_file, prepare};
use fleet::identity::development::{self, Tokens};
use fleet::simulate::command;
use fleet::simulate::options::SimulateArguments;
use fleet::{Config, Running};
use std::error::Error;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// An IoT fleet service on PostgreSQL. What it is told, it reads from variables; docs/guides/fleet.md lists them.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Starts the service; the same as no command.
    Serve,
    /// Makes or updates the role and the schema, with the owner's login in DATABASE_URL, and ends. The service then needs only
    /// its own role: FLEET_MIGRATE=off.
    Migrate,
    Simulate(Box<SimulateArguments>),
}

#[tokio::main]
async fn main() -> ExitCode {
    let command = Arguments::parse().command;
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    // The driver writes the texts of statements and their parameters at DEBUG, passwords and readings among them.
    let filter = match "tokio_postgres=warn".parse() {
        Ok(quiet) => filter.add_directive(quiet),
        Err(_) => filter,
    };
    let is_read_by_a_person = io::stderr().is_terminal();
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(is_read_by_a_person)
        .init();
    let done = match command {
        Some(Command::Migrate) => migrate().await,
        Some(Command::Simulate(arguments)) => return command::run(*arguments).await,
        Some(Command::Serve) | None => run().await,
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // If nobody reads it any more, the status still tells.
            let _ = writeln!(io::stderr(), "fleet: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn migrate() -> Result<(), Box<dyn Error>> {
    say(&prepare::prepare(&Config::from_env()?).await?);
    Ok(())
}

async fn run() -> Result<(), Box<dyn Error>> {
    let mut interrupted = signal(SignalKind::interrupt())?;
    let mut terminated = signal(SignalKind::terminate())?;
    let config = Config::from_env()?;
    let (env_file, logs_every_request) = (config.env_file.clone(), config.logs_every_request);
    let running = tokio::select! {
        running = fleet::start(config) => running?,
        _ = interrupted.recv() => return Ok(()),
        _ = terminated.recv() => return Ok(()),
    };
    say(&format!("fleet listens on {}", running.url()));
    say(&format!("  its live page, for a browser: {}/", running.url()));
    let ended = tokio::select! {
        ended = tell_when_ready(&running, env_file, logs_every_request) => ended,
        _ = interrupted.recv() => Ok(()),
        _ = terminated.recv() => Ok(()),
    };
    say("fleet stops: what was accepted is being written");
    tokio::select! {
        () = running.stop() => {}
        // Whoever asks twice does not want to wait; what was acknowledged is stored already.
        _ = interrupted.recv() => say("fleet leaves at once"),
        _ = terminated.recv() => say("fleet leaves at once"),
    }
    Ok(ended?)
}

/// So that what is said above stays on the screen.
const QUIET_LOG: &str = "
  Of requests, only those that fail or take 1 s and more are logged below, one in 10 s; to see each: RUST_LOG=info make run
";

/// Comes back only with what waiting cannot heal.
async fn tell_when_ready(
    running: &Running,
    env_file: Option<PathBuf>,
    logs_every_request: bool,
) -> Result<(), fleet::StartError> {
    let reached = running.ready().await?;
    let written = env_file.filter(|file| keep(file, running, &reached));
    say(&welcome(running, &reached, written.as_deref()));
    if !logs_every_request {
        say(QUIET_LOG);
    }
    std::future::pending().await
}

/// Writes down for shells how to use the service, if there is a tenant for it; whether that was done.
fn keep(file: &Path, running: &Running, reached: &BringUpResult) -> bool {
    let Some(credentials) = &reached.demo else { return false };
    let url = reached.app_url.as_deref();
    let tokens = signed_tokens(running, reached);
    let broker = running.broker_url();
    match env_file::write(file, &running.url(), url, broker.as_deref(), credentials, tokens.as_ref()) {
        Ok(()) => true,
        Err(error) => {
            tracing::warn!("{} could not be written: {error}", file.display());
            false
        }
    }
}

/// Those of the first hour, where no identity provider was named.
fn signed_tokens(running: &Running, reached: &BringUpResult) -> Option<Tokens> {
    let is_of_the_first_hour = running.shared().identity().is_of_the_first_hour();
    let credentials = reached.demo.as_ref().filter(|_| is_of_the_first_hour)?;
    development::tokens(credentials).ok()
}

fn welcome(running: &Running, reached: &BringUpResult, env_file: Option<&Path>) -> String {
    let url = running.url();
    let mut text = format!("fleet is ready\n{}", pages(&url, reached));
    let Some(credentials) = &reached.demo else { return text };
    let signed = signed_tokens(running, reached).map(|tokens| {
        format!("    signed token      {}\n    an operator's     {}\n", tokens.tenant, tokens.operator)
    });
    let signed = signed.unwrap_or_default();
    let (tenant, key, token) = (demo::TENANT, &credentials.provisioning_key, &credentials.access_token);
    text += &format!(
        "
  Tenant {tenant}, made for the first hour:
    provisioning key  {key}
    access token      {token}
{signed}
  Send a reading; the first one registers the device:
    curl -i -H 'X-Provision-Token: {key}' -d '{{\"temperature\": 25}}' {url}/ingest/v1/tenant/{tenant}/device/d1/telemetry

  List the devices:
    curl -i -H 'Authorization: Bearer {token}' {url}/api/v1/customer/devices
"
    );
    if let Some(broker) = running.broker_url() {
        let topics = format!("{broker}/tenant/{tenant}/device/d1");
        text += &format!(
            "
  The same over MQTT; what becomes of it is told on the topic that ends with ack:
    mosquitto_sub -C 1 -W 10 -L '{topics}/ack' & sleep 1
    mosquitto_pub -q 1 -L '{topics}/telemetry' -m '{{\"provision_token\": \"{key}\", \"temperature\": 25}}'
"
        );
    }
    if let Some(url) = &reached.app_url {
        text += &format!(
            "
  The database as the service sees it, and of that the rows of tenant {tenant}:
    export DATABASE_URL='{url}'
    psql \"$DATABASE_URL\" -c 'TABLE telemetry'
"
        );
    }
    if let Some(file) = env_file {
        // Without a folder before it, a shell would look for it among the programs.
        let here = Path::new(".").join(file);
        let file = if file.is_absolute() { file } else { &here }.display();
        text += &format!(
            "
  All of these are in {file}, and the operators' token with them; in another shell:
    set -a; . {file}; set +a
    curl -i -H \"Authorization: Bearer $OPERATOR_TOKEN\" \"$FLEET_URL/operator/system/health\"
"
        );
    }
    text
}

/// What there is to look at.
fn pages(url: &str, reached: &BringUpResult) -> String {
    let mut text = format!(
        "
  To look at in a browser:
    start page        {url}/
    console           {url}/console
    dashboard         {url}/plimsoll
"
    );
    if let Some(token) = &reached.made_up_token {
        text += &format!(
            "
  A made-up fleet sends readings over HTTP, and over MQTT where there is a broker. Its console asks for this token:
    {token}
  Devices of the tenant test besides, from another shell in this folder:
    cargo run --bin fleet -- simulate
"
        );
    }
    text
}

fn say(text: &str) {
    // Whoever closed our output does not want to hear it.
    let _ = writeln!(io::stdout(), "{text}");
}
