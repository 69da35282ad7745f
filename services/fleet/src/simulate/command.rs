//! `fleet simulate`: a fleet from a terminal, its progress, and its end.

use super::figures::Figures;
use super::options::{SimulateArguments, Simulation};
use super::words::{self, About};
use super::{Account, Fleet};
use crate::boot::env_file;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, sleep};

/// Where people look on: the line is written anew.
const ON_A_TERMINAL: Duration = Duration::from_secs(1);
/// Elsewhere it is a line more.
const ELSEWHERE: Duration = Duration::from_secs(10);

const FILE: &str = ".env.fleet";

/// What makes no sense.
const USAGE: u8 = 2;

/// The numbers of a fleet whose account no one keeps: one after another, from the present microsecond on, so that none is one of an
/// earlier run.
struct Numbers {
    first: i64,
    acknowledged: Vec<AtomicI64>,
}

impl Account for Numbers {
    fn number(&self, device: usize, _made: Timestamp) -> i64 {
        let count = self.acknowledged.get(device).map_or(0, |count| count.load(Ordering::Relaxed));
        self.first.saturating_add(count)
    }

    fn acknowledged(&self, device: usize) {
        if let Some(count) = self.acknowledged.get(device) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Runs it to its end, and says how that was: 0 where nothing waits, 1 where something does, 2 where an option makes no sense.
///
/// # Cancel safety
/// Dropped, no device sends any more.
pub async fn run(arguments: SimulateArguments) -> ExitCode {
    let simulation = match arguments.checked(known()) {
        Ok(simulation) => simulation,
        Err(why) => {
            tell(&format!("fleet simulate: {why}\n"));
            return ExitCode::from(USAGE);
        }
    };
    match simulate(simulation).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => {
            tell(&format!("fleet simulate: {why}\n"));
            ExitCode::FAILURE
        }
    }
}

/// The environment, and behind it the file of a service that was started here. That one is left alone where `FLEET_ENV_FILE` says
/// another, or `off`.
fn known() -> impl Fn(&str) -> Option<String> {
    let environment = |name: &str| std::env::var(name).ok().filter(|said| !said.is_empty());
    let file = environment("FLEET_ENV_FILE").unwrap_or_else(|| FILE.to_owned());
    let of_file = match file.as_str() {
        "off" => BTreeMap::new(),
        file => env_file::read(Path::new(file)).unwrap_or_default(),
    };
    move |name| environment(name).or_else(|| of_file.get(name).cloned())
}

/// Whether each reading was acknowledged or given up for want of room.
async fn simulate(simulation: Simulation) -> Result<bool, String> {
    let Simulation { plan, rate, time, drain } = simulation;
    let mut signals = Signals::new().map_err(|error| format!("Ctrl-C cannot be heard: {error}"))?;
    let acknowledged = plan.names.iter().map(|_| AtomicI64::new(0)).collect();
    let account = Arc::new(Numbers { first: Timestamp::now().as_microsecond(), acknowledged });
    let figures = Arc::new(Figures::default());
    let mut about = About {
        tenant: plan.tenant.clone(),
        devices: plan.devices(),
        rate,
        keep: plan.keep,
        made_for: Duration::ZERO,
    };
    let (stop, stopped) = watch::channel(false);
    let (_rate_stays, rate) = watch::channel(rate);
    let began = Instant::now();
    let fleet = Fleet { plan, account, figures: Arc::clone(&figures), rate };
    let mut running = std::pin::pin!(super::run(fleet, stopped, drain));
    let mut progress = Progress::new();
    let mut every = interval(progress.every());
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    every.tick().await;
    let mut over = std::pin::pin!(sleep(time.unwrap_or(Duration::MAX)));
    let ended = loop {
        tokio::select! {
            ended = &mut running => break ended,
            _ = every.tick() => progress.tell(&words::line(&figures.view(Instant::now()))),
            () = &mut over, if about.made_for.is_zero() => {}
            () = signals.come() => {
                if !about.made_for.is_zero() {
                    break Ok(());
                }
                progress.say("no more readings are made; those that wait are sent (Ctrl-C again leaves at once)");
            }
        }
        let is_over = over.is_elapsed() || signals.have_come;
        if is_over && about.made_for.is_zero() {
            about.made_for = began.elapsed();
            stop.send_replace(true);
        }
    };
    ended?;
    if about.made_for.is_zero() {
        about.made_for = began.elapsed();
    }
    progress.end();
    let view = figures.view(Instant::now());
    // The status still tells where the output is closed.
    let _ = write!(io::stdout(), "{}", words::summary(&view, &about));
    Ok(view.is_clean())
}

/// What ends it in order.
struct Signals {
    interrupted: Signal,
    terminated: Signal,
    have_come: bool,
}

impl Signals {
    fn new() -> io::Result<Self> {
        let (interrupted, terminated) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        Ok(Signals { interrupted, terminated, have_come: false })
    }

    async fn come(&mut self) {
        tokio::select! {
            _ = self.interrupted.recv() => {}
            _ = self.terminated.recv() => {}
        }
        self.have_come = true;
    }
}

/// A line on the error output, in the place of the one before where that is a terminal.
struct Progress {
    is_terminal: bool,
    is_begun: bool,
}

impl Progress {
    fn new() -> Self {
        Progress { is_terminal: io::stderr().is_terminal(), is_begun: false }
    }

    fn every(&self) -> Duration {
        if self.is_terminal { ON_A_TERMINAL } else { ELSEWHERE }
    }

    fn tell(&mut self, line: &str) {
        match self.is_terminal {
            // To the line's beginning; what was longer is wiped out.
            true => tell(&format!("\r{line}\x1b[K")),
            false => tell(&format!("{line}\n")),
        }
        self.is_begun = true;
    }

    fn say(&mut self, text: &str) {
        self.end();
        tell(&format!("{text}\n"));
    }

    /// What comes next begins on a line of its own.
    fn end(&mut self) {
        if self.is_terminal && self.is_begun {
            tell("\n");
        }
        self.is_begun = false;
    }
}

fn tell(text: &str) {
    // If it is not read any more, the status still tells.
    let _ = write!(io::stderr(), "{text}");
}
