//! `plimsoll top`: what every session does now, who waits for whom, how full the server is; and a session can be stopped, after what
//! would be lost was shown.
//!
//! | file | what it holds |
//! |---|---|
//! | [`state`] | what is known and shown, and how answers change it, pure |
//! | [`keys`] | what a key does, pure |
//! | [`rows`] | which sessions in which order, their waits, the tree, pure |
//! | [`picture`] | the screen as lines, pure |
//! | [`draw`] | lines on a terminal |
//! | [`look`] | asks the server, on one connection that is made anew when it was lost |
//! | [`service`] | asks services for their pool and breaker |
//! | [`play`] | the terminal: keys in, pictures out |
//! | `once` | one screen as text or JSON |

mod draw;
mod keys;
mod look;
#[cfg(test)]
mod made;
mod once;
mod picture;
mod play;
pub(crate) mod rows;
mod service;
mod state;

use crate::connect::Target;
use crate::sessions::audit::Audit;
use crate::show::Output;
use crate::{Ended, endpoint};
use anyhow::{Result, anyhow};
use clap::Args;
use jiff::Timestamp;
use plimsoll::DirectConnection;
use service::Service;
use state::{Answer, State};
use std::path::PathBuf;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep};

/// The options of `top`.
#[derive(Clone, Debug, Default, Args)]
pub struct Options {
    #[command(flatten)]
    target: Target,

    /// The pause between two looks
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = crate::options::time::pause)]
    every: Duration,

    /// A service, by its address; one on Plimsoll, whose pool and breaker are shown: http://HOST:PORT; may be given more than once
    #[arg(long = "service", value_name = "URL")]
    services: Vec<String>,

    /// The file with the token for the service; those on Plimsoll know an operator by it
    #[arg(long, value_name = "FILE")]
    service_token_file: Option<PathBuf>,

    /// Show only sessions that hold this text
    #[arg(long, value_name = "TEXT", default_value = "")]
    filter: String,

    /// Add a line for each stop to this file
    #[arg(long, value_name = "FILE")]
    audit: Option<PathBuf>,

    /// Print one screen and end; so it is with --format plain and --json too
    #[arg(long)]
    once: bool,

    #[command(flatten)]
    output: Output,
}

/// Between two looks, by which transactions per second are known. The server counts them up to a second late.
const BETWEEN: Duration = Duration::from_millis(1_100);

/// As many answers wait to be shown.
const ANSWERS: usize = 64;

/// As many stops wait for their turn.
const ORDERS: usize = 4;

/// Shows it until it is left, or once.
///
/// # Errors
/// The server cannot be reached at the start, an option is wrong, or the terminal cannot be drawn on.
pub async fn run(options: &Options) -> Result<Ended> {
    let services = services(options)?;
    let audit = Audit::open(options.audit.as_deref())?;
    let connection = options.target.connect("top").await?;
    let names = services.iter().map(|service| service.name.clone());
    let mut state = State::new(connection.host().to_string(), names);
    state.filter.clone_from(&options.filter);
    if options.once || !options.output.is_table() {
        return once(&mut state, &connection, &services, options).await;
    }
    let (answer, answers) = mpsc::channel(ANSWERS);
    let (orders, order) = mpsc::channel(ORDERS);
    // Dropped at the end, they end with it.
    let mut tasks = JoinSet::new();
    tasks.spawn(look::ask(
        Some(connection),
        options.target.clone(),
        options.every,
        order,
        answer.clone(),
        audit,
    ));
    for (index, service) in services.into_iter().enumerate() {
        tasks.spawn(ask_service(index, service, options.every, answer.clone()));
    }
    drop(answer);
    let has_colours = std::env::var_os("NO_COLOR").is_none_or(|said| said.is_empty());
    play::play(&mut state, answers, orders, has_colours).await
}

fn services(options: &Options) -> Result<Vec<Service>> {
    let token = endpoint::token(options.service_token_file.as_deref())?;
    options.services.iter().map(|url| Service::new(url, token.as_deref())).collect()
}

async fn once(
    state: &mut State,
    connection: &DirectConnection,
    services: &[Service],
    options: &Options,
) -> Result<Ended> {
    let look = async || look::look(connection).await.map_err(|error| anyhow!(error.why));
    let first = look().await?;
    state.answer(Answer::Looked(Box::new(first)), Timestamp::now());
    for (index, service) in services.iter().enumerate() {
        let result = service.ask().await.map(Box::new).map_err(|error| format!("{error:#}"));
        state.answer(Answer::Service(index, result), Timestamp::now());
    }
    sleep(BETWEEN).await;
    let second = look().await?;
    state.answer(Answer::Looked(Box::new(second)), Timestamp::now());
    once::print(state, &options.output, Timestamp::now())
}

/// Asks one service again and again, until the reader of the answers is gone.
async fn ask_service(index: usize, service: Service, every: Duration, answers: mpsc::Sender<Answer>) {
    let mut ticks = interval(every.max(Duration::from_secs(1)));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let result = service.ask().await.map(Box::new).map_err(|error| format!("{error:#}"));
        if answers.send(Answer::Service(index, result)).await.is_err() {
            return;
        }
    }
}
