//! `plimsoll chaos`: a fault on purpose, for a service in any language, its database, and a promise each that is held or broken.
//!
//! What a service does when its database is slow, locked, full or away is known either from an outage or from a drill. A drill says
//! beforehand what it does and what must hold, asks, brings the fault on for a few seconds, watches the service and the database
//! from outside, ends the fault whatever happens, and says for each promise whether it was held, with the numbers.
//!
//! | file | what it holds |
//! |---|---|
//! | `options` | the command line, and what of it cannot be |
//! | `drill` | the drills: what each does, how it ends, what it says to the server |
//! | `promises`, `judge` | what must hold, and whether it did (pure) |
//! | `production` | whether a database looks like one in production (pure) |
//! | `record` | what was seen |
//! | `ask_service` | one question to the service |
//! | `server` | the database: what is known of it, and who is connected |
//! | `watch` | questions at fixed times, and looks at the sessions |
//! | `fault` | brings a fault on and ends it |
//! | `screen`, `page` | the plan and the verdicts as text, the verdicts as HTML |
//! | `replay` | well-known outages in small, on a private server |

mod ask_service;
mod drill;
mod fault;
mod judge;
mod options;
mod page;
mod production;
mod promises;
mod record;
mod replay;
mod screen;
mod server;
mod watch;

pub use options::Options;

use crate::interrupts::Interrupts;
use crate::page::PageFile;
use crate::{Ended, endpoint, prompt, show};
use anyhow::{Context, Result, bail, ensure};
use ask_service::Place;
use drill::Drill;
use fault::Means;
use plimsoll_faults::Proxy;
use promises::{Expected, Judgement, Verdict, all_held};
use record::Seen;
use serde::Serialize;
use server::{Known, Server};
use std::time::Duration;
use tokio::time::{Instant, sleep};
use watch::{Watch, Watched};

/// How much longer than the promise the service is watched after the fault.
const AFTER: Duration = Duration::from_secs(2);

const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// How long an answer is waited for, of a service that may not have begun.
const ASKED: Duration = Duration::from_secs(1);

/// What came of one drill.
#[derive(Debug, Serialize)]
struct Played {
    drill: &'static str,
    /// `null` where it could not be played.
    held: Option<Judgement>,
    /// Why it could not be played.
    could_not: Option<String>,
    /// What was done.
    done: String,
    verdicts: Vec<Verdict>,
    seen: Seen,
}

#[derive(Debug, Serialize)]
struct Report<'a> {
    schema_version: u32,
    service: String,
    database: &'a str,
    drills: &'a [Played],
}

/// Plays the drills, or a replay.
///
/// # Errors
/// Something that is needed was not said, the server cannot be reached, or there is no terminal to ask at.
///
/// # Cancel safety
/// Dropped, the fault is given up with the sessions that hold it.
pub async fn run(options: &Options) -> Result<Ended> {
    if let Some(replay) = options.replay {
        return replay::run(replay, options).await;
    }
    options.check()?;
    let file = options.html.as_deref().map(PageFile::at).transpose()?;
    let mut interrupts = Interrupts::listen()?;
    let stage = tokio::select! {
        stage = Stage::set(options) => stage?,
        () = interrupts.next() => return Ok(Ended::Interrupted),
    };
    let plan = screen::plan(options, &stage);
    if !options.consent.does() {
        let json = screen::plan_json(options, &stage);
        let table = |_| {
            format!(
                "{plan}\nNothing was done: this was the plan. --run asks and does it, --yes does not ask.\n"
            )
        };
        options
            .output
            .print(&json, table, || show::rows(&json, &[("/drills", &["drill", "does", "ends"])]))?;
        return Ok(Ended::Well);
    }
    if !options.output.is_table() {
        // The standard output is the result's alone.
        plan.lines().for_each(show::tell);
    } else {
        show::print(&plan);
    }
    let signs = &stage.signs;
    ensure!(
        signs.is_empty() || options.allow_production,
        "this looks like production ({}), so nothing was done; --allow-production says that it is meant",
        signs.join("; ")
    );
    if !agreed(options, &mut interrupts).await? {
        show::tell("nothing was done");
        return Ok(Ended::Unknown);
    }
    let proxy = stage.proxy().await?;
    let played = tokio::select! {
        came = comes_through(proxy.as_ref(), &stage) => {
            came?;
            play_all(&stage, proxy.as_ref(), &mut interrupts).await
        }
        () = interrupts.next() => return Ok(Ended::Interrupted),
    };
    let Some(played) = played else {
        show::tell("interrupted: the fault has ended");
        return Ok(Ended::Interrupted);
    };
    told(options, &stage, &played)?;
    if let Some(file) = file {
        file.write(&page::page(&stage, &played))?;
    }
    until_pointed_back(proxy.as_ref(), options, &mut interrupts).await?;
    Ok(ended(&played))
}

/// Broken wins over what could not be found out.
fn ended(played: &[Played]) -> Ended {
    if played.iter().any(|drill| drill.held == Some(Judgement::Broken)) {
        Ended::Badly
    } else if played.iter().all(|drill| drill.held == Some(Judgement::Held)) {
        Ended::Well
    } else {
        Ended::Unknown
    }
}

fn told(options: &Options, stage: &Stage<'_>, played: &[Played]) -> Result<()> {
    let service = stage.watched.service.name();
    let report = Report { schema_version: 1, service, database: &stage.server.place, drills: played };
    let plain = || show::rows(&report, &[("/drills", &["drill", "held", "done", "could_not"])]);
    options.output.print(&report, |_| screen::verdicts(played), plain)
}

async fn agreed(options: &Options, interrupts: &mut Interrupts) -> Result<bool> {
    if options.consent.yes {
        return Ok(true);
    }
    if !prompt::is_there() {
        bail!(
            "--run asks before the database is hurt, and there is no terminal to ask at: say --yes, or look without both"
        );
    }
    tokio::select! {
        said = prompt::ask("Bring these faults on?", false) => Ok(said? == prompt::Said::Yes),
        () = interrupts.next() => Ok(false),
    }
}

/// Everything that a drill is played on.
pub(super) struct Stage<'a> {
    options: &'a Options,
    watched: Watched,
    server: Server,
    known: Known,
    signs: Vec<String>,
}

impl<'a> Stage<'a> {
    async fn set(options: &'a Options) -> Result<Self> {
        let token = endpoint::token(options.service_token_file.as_deref())?;
        let service = options.service.as_deref().context("--service was not said")?;
        let service = Place::new("--service", service, token.as_deref())?;
        let health = options.health.as_deref().map(|url| Place::new("--health", url, token.as_deref()));
        let health = health.transpose()?;
        let server = Server::at(&options.target()?)?;
        let known = server.known(options.table.as_ref()).await?;
        ensure!(
            !known.is_standby,
            "{} is a standby: a drill is for the server that takes writes",
            server.place
        );
        if let Some(table) = options.table.as_ref().filter(|_| !known.has_table) {
            bail!("{table} is no table of {}", server.place);
        }
        let mut facts = known.facts.clone();
        facts.names.push(service.name());
        let signs = production::signs(&facts);
        let watched = Watched {
            service,
            health,
            server: server.clone(),
            rate: options.questions,
            answer_within: options.answer_within,
        };
        Ok(Stage { options, watched, server, known, signs })
    }

    fn expected(&self, drill: Drill) -> Expected {
        Expected {
            answer_within: self.options.answer_within,
            recover_within: self.options.recover_within,
            unready_within: self.options.unready_within,
            connections: self.options.sessions_after,
            health: self.watched.health.as_ref().map(|_| drill.health(self.options)),
        }
    }

    /// What stands in front of the database, if that was asked for.
    async fn proxy(&self) -> Result<Option<Proxy>> {
        let Some(listen) = self.options.proxy else { return Ok(None) };
        let place = self.server.address.clone();
        let (host, port) =
            place.context("a proxy cannot lead to a Unix socket: name the database by host and port")?;
        let proxy = Proxy::listening_at(listen, (host.as_str(), port)).await;
        proxy.with_context(|| format!("the proxy cannot listen at {listen}")).map(Some)
    }
}

/// Waits until the service has come to the proxy. It is asked meanwhile: many pools connect only when they are.
async fn comes_through(proxy: Option<&Proxy>, stage: &Stage<'_>) -> Result<()> {
    let options = stage.options;
    let needs = options.drills().iter().any(|drill| drill.needs_proxy(options));
    let Some(proxy) = proxy.filter(|_| needs) else { return Ok(()) };
    show::tell(&format!("listening at {}: point the service there in place of its database", proxy.addr()));
    let until = Instant::now() + options.wait;
    while proxy.connections() == 0 {
        if Instant::now() > until {
            bail!("the service did not come to {} within {} s", proxy.addr(), options.wait.as_secs());
        }
        // What it answers does not matter yet.
        let _ = stage.watched.service.ask(ASKED).await;
        sleep(LOOK_AGAIN).await;
    }
    Ok(())
}

/// The proxy goes with this command: at a terminal it stays until the service has another way.
async fn until_pointed_back(
    proxy: Option<&Proxy>,
    options: &Options,
    interrupts: &mut Interrupts,
) -> Result<()> {
    let Some(proxy) = proxy.filter(|proxy| proxy.connections() > 0) else { return Ok(()) };
    let many = proxy.connections();
    if options.consent.yes || !prompt::is_there() {
        show::tell(&format!("the proxy at {} ends, and {many} connections with it", proxy.addr()));
        return Ok(());
    }
    show::tell(&format!(
        "{many} connections still go through {}: point the service back, then press Enter",
        proxy.addr()
    ));
    tokio::select! {
        line = prompt::line() => line.map(drop),
        () = interrupts.next() => Ok(()),
    }
}

/// Plays one after another; `None` where it was interrupted.
async fn play_all(
    stage: &Stage<'_>,
    proxy: Option<&Proxy>,
    interrupts: &mut Interrupts,
) -> Option<Vec<Played>> {
    let mut all = Vec::new();
    for drill in &stage.options.drills() {
        let mut played = Played {
            drill: drill.name(),
            held: None,
            could_not: None,
            done: String::new(),
            verdicts: Vec::new(),
            seen: Seen::default(),
        };
        match play(stage, *drill, proxy, interrupts, &mut played).await {
            Ok(true) => {}
            Ok(false) => return None,
            Err(error) => played.could_not = Some(crate::in_one_line(&error)),
        }
        all.push(played);
    }
    Some(all)
}

/// One drill; `false` where it was interrupted.
async fn play(
    stage: &Stage<'_>,
    drill: Drill,
    proxy: Option<&Proxy>,
    interrupts: &mut Interrupts,
    played: &mut Played,
) -> Result<bool> {
    let options = stage.options;
    let session = tokio::select! {
        session = stage.server.session() => session?,
        () = interrupts.next() => return Ok(false),
    };
    let progress = show::progress::Progress::begin();
    progress.is_at(format!("{}: watching the service as it is", drill.name()));
    let watch = Watch::begin(&stage.watched, session);
    tokio::select! {
        () = sleep(options.before) => is_well(&watch.record.seen())?,
        () = interrupts.next() => return Ok(false),
    }
    let means = Means { options, server: &stage.server, known: &stage.known, proxy };
    let record = watch.record.clone();
    let mut fault = tokio::select! {
        fault = means.bring_on(drill) => fault?,
        () = interrupts.next() => return Ok(false),
    };
    record.write(|seen| seen.began = record.epoch.elapsed());
    progress.is_at(format!("{}: {}", drill.name(), fault.done));
    played.done.clone_from(&fault.done);
    let (is_over, was_interrupted) = tokio::select! {
        is_over = fault.until_over() => (is_over, false),
        () = interrupts.next() => (Ok(()), true),
    };
    fault.end().await;
    record.write(|seen| seen.ended = record.epoch.elapsed());
    is_over?;
    if was_interrupted {
        return Ok(false);
    }
    progress.is_at(format!("{}: the fault has ended; watching how the service comes back", drill.name()));
    tokio::select! {
        () = sleep(options.recover_within + AFTER) => {}
        () = interrupts.next() => return Ok(false),
    }
    let seen = tokio::select! {
        seen = watch.end() => seen,
        () = interrupts.next() => return Ok(false),
    };
    played.verdicts = stage.expected(drill).judge(&seen);
    played.held = Some(all_held(&played.verdicts));
    played.seen = seen;
    Ok(true)
}

/// A service that is not well beforehand shows nothing in a drill.
fn is_well(seen: &Seen) -> Result<()> {
    let unserved = seen.probes.iter().find(|probe| !probe.answer.is_served());
    if let Some(probe) = unserved {
        bail!(
            "the service was not well before the fault, which was not brought on: {}",
            screen::answer(&probe.answer)
        );
    }
    ensure!(!seen.probes.is_empty(), "the service gave no answer before the fault, which was not brought on");
    if let Some(probe) = seen.health.iter().find(|probe| !probe.answer.is_served()) {
        bail!(
            "the service was not ready before the fault, which was not brought on: {}",
            screen::answer(&probe.answer)
        );
    }
    Ok(())
}
