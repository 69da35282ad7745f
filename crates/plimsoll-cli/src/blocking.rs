//! `plimsoll blocking`: who waits for a lock and who holds it; and with `--watch` the pile-ups one after another, for a stall that
//! is over by the time somebody looks.

use crate::connect::Target;
use crate::interrupts::Interrupts;
use crate::options::time::{pause, time};
use crate::show::{Format, Output, fields};
use crate::{Ended, show};
use anyhow::{Context, Result};
use clap::Args;
use plimsoll::DirectConnection;
use plimsoll::monitor::{LockEpisode, LockHistory};
use plimsoll_inspect::blocking::{BLOCKING, Blocking, Pile, Session};
use serde::Serialize;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use tokio_postgres::SimpleQueryMessage;

/// The options of `blocking`.
#[derive(Clone, Debug, Default, Args)]
pub struct Options {
    #[command(flatten)]
    target: Target,

    /// Go on looking, and tell of each pile-up when it is over; ^C ends it
    #[arg(long)]
    watch: bool,

    /// The pause between two looks
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = pause)]
    every: Duration,

    /// End after so long, with what is known by then; without it --watch goes on until ^C
    #[arg(long, value_name = "TIME", value_parser = time)]
    within: Option<Duration>,

    /// Keep what was seen in this file, as a line of JSON; of each pile-up, when it is over
    #[arg(long, value_name = "FILE")]
    keep: Option<PathBuf>,

    #[command(flatten)]
    output: Output,
}

/// How long one look may take: the question has a limit of its own, below a second.
const LOOK_LIMIT: Duration = Duration::from_secs(5);

#[derive(Debug, Serialize)]
struct Seen<'a> {
    schema_version: u32,
    #[serde(flatten)]
    blocking: &'a Blocking,
}

/// Looks once, or goes on looking.
///
/// # Errors
/// The server cannot be reached or refuses, or the file cannot be written.
pub async fn run(options: &Options) -> Result<Ended> {
    let connection = options.target.connect("blocking").await?;
    if options.watch {
        return watch(&connection, options).await;
    }
    let seen = look(&connection).await?;
    let found = Seen { schema_version: 1, blocking: &seen };
    options.output.print(&found, |_| text(&seen), || plain(&seen))?;
    Ok(match (seen.lock_waits, seen.sees_all) {
        (0, true) => Ended::Well,
        (0, false) => Ended::Unknown,
        _ => Ended::Warned,
    })
}

async fn look(connection: &DirectConnection) -> Result<Blocking> {
    let answer = timeout(LOOK_LIMIT, connection.client().simple_query(BLOCKING)).await;
    let answer = answer.context("the server did not say in time who waits for whom")?;
    let mut seen = Blocking::read(&answer.context("the server refuses to say who waits for whom")?)?;
    if seen.sessions.is_empty() {
        // Each row tells whether the role sees everything, and there is none.
        seen.sees_all = sees_all(connection).await?;
    }
    Ok(seen)
}

async fn sees_all(connection: &DirectConnection) -> Result<bool> {
    let question = "SELECT pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE')";
    let answer = timeout(LOOK_LIMIT, connection.client().simple_query(question)).await;
    let answer = answer.context("the server did not say in time what this role may see")??;
    Ok(answer.iter().any(|it| matches!(it, SimpleQueryMessage::Row(row) if row.get(0) == Some("t"))))
}

fn text(seen: &Blocking) -> String {
    let mut text = String::new();
    for pile in seen.piles() {
        let _ = writeln!(text, "{pile}");
        tree(&mut text, &pile);
    }
    if seen.lock_waits == 0 {
        text.push_str("No session of this database waits for a lock.\n");
    }
    if !seen.sees_all {
        text.push_str("Sessions of other roles are hidden from this one, so there may be more: GRANT pg_read_all_stats.\n");
    }
    text
}

/// A line for each session that waits or blocks.
fn plain(seen: &Blocking) -> String {
    let line = |session: &Session| {
        let (wait, blockers) = session.wait.as_ref().map_or((String::new(), String::new()), |wait| {
            let mode = wait.mode.as_deref().unwrap_or("a lock");
            let on = wait.object.as_ref().map_or(String::new(), |object| format!(" on {object}"));
            let pids: Vec<String> = wait.blockers.iter().map(i32::to_string).collect();
            (format!("{mode}{on}"), pids.join(" "))
        });
        let (pid, waited) = (session.pid.to_string(), session.waited().as_secs().to_string());
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        let (user, state, query) = (text(&session.user), text(&session.state), text(&session.query));
        fields(
            [&pid, &user, &session.application_name, &state, &waited, &wait, &blockers, &query]
                .map(String::as_str),
        )
    };
    seen.sessions.iter().map(line).collect()
}

/// Each session below the one it waits for.
fn tree(text: &mut String, pile: &Pile<'_>) {
    let mut below: HashMap<i32, Vec<&Session>> = HashMap::new();
    for waiter in &pile.waiters {
        let first = waiter.wait.as_ref().and_then(|wait| wait.blockers.first());
        below.entry(first.copied().unwrap_or_default()).or_default().push(waiter);
    }
    let mut left: Vec<(&Session, usize)> = pile.roots.iter().rev().map(|root| (*root, 0)).collect();
    let mut shown = Vec::new();
    while let Some((session, depth)) = left.pop() {
        // A session may wait for several: it is shown below the first of them.
        if shown.contains(&session.pid) {
            continue;
        }
        shown.push(session.pid);
        let wait = session.wait.as_ref();
        let what = wait.map_or(String::new(), |wait| {
            let mode = wait.mode.as_deref().unwrap_or("a lock");
            let on = wait.object.as_ref().map_or(String::new(), |object| format!(" on {object}"));
            format!(", waits {} s for {mode}{on}", session.waited().as_secs())
        });
        let _ = writeln!(text, "  {:indent$}{session}{what}", "", indent = depth * 2);
        let next = below.remove(&session.pid).unwrap_or_default();
        left.extend(next.into_iter().rev().map(|session| (session, depth + 1)));
    }
    let rest: Vec<&Session> =
        pile.waiters.iter().copied().filter(|waiter| !shown.contains(&waiter.pid)).collect();
    for session in rest {
        let _ = writeln!(text, "  ? {session}");
    }
}

async fn watch(connection: &DirectConnection, options: &Options) -> Result<Ended> {
    let mut file = open(options)?;
    let mut interrupts = Interrupts::listen()?;
    let mut history = LockHistory::default();
    let mut told = Told::default();
    let mut ticks = interval(options.every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let ends = options.within.map(|within| Instant::now() + within);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = interrupts.next() => return told.rest(options, &mut file).map(|()| Ended::Interrupted),
        }
        let seen = look(connection).await?;
        let episodes = history.look(&seen, Instant::now(), SystemTime::now());
        told.tell(&episodes, options, &mut file)?;
        if ends.is_some_and(|ends| Instant::now() >= ends) {
            told.rest(options, &mut file)?;
            return Ok(if told.count == 0 { Ended::Well } else { Ended::Warned });
        }
    }
}

fn open(options: &Options) -> Result<Option<File>> {
    let Some(path) = &options.keep else { return Ok(None) };
    let file = OpenOptions::new().create(true).append(true).open(path);
    Ok(Some(file.with_context(|| format!("{} cannot be written", path.display()))?))
}

/// What was told already.
#[derive(Debug, Default)]
struct Told {
    /// Those that go on.
    open: Vec<LockEpisode>,
    /// When the last one began that is over and told.
    over: Vec<String>,
    count: u64,
}

impl Told {
    fn tell(&mut self, episodes: &[LockEpisode], options: &Options, file: &mut Option<File>) -> Result<()> {
        for episode in episodes.iter().filter(|episode| episode.is_over) {
            let key = format!("{:?}", (&episode.began, &episode.object));
            if !self.over.contains(&key) {
                say(episode, options, file)?;
                self.count += 1;
                self.over.push(key);
            }
        }
        // As many as are kept at most.
        let too_many = self.over.len().saturating_sub(256);
        self.over.drain(..too_many);
        self.open = episodes.iter().filter(|episode| !episode.is_over).cloned().collect();
        Ok(())
    }

    /// Those that are not over at the end.
    fn rest(&mut self, options: &Options, file: &mut Option<File>) -> Result<()> {
        for episode in std::mem::take(&mut self.open) {
            say(&episode, options, file)?;
            self.count += 1;
        }
        Ok(())
    }
}

fn say(episode: &LockEpisode, options: &Options, file: &mut Option<File>) -> Result<()> {
    let line = serde_json::to_string(episode).context("an episode cannot be written as JSON")?;
    if let Some(file) = file {
        writeln!(file, "{line}").context("the file of pile-ups cannot be written any more")?;
    }
    let at = episode.began.to_string();
    match options.output.format() {
        Format::Json => {
            show::print(&format!("{line}\n"));
            return Ok(());
        }
        Format::Plain => {
            show::print(&fields([at.as_str(), &episode.to_string()]));
            return Ok(());
        }
        Format::Table => {}
    }
    show::print(&format!("{at}  {episode}\n"));
    for waiting in &episode.waiting {
        show::print(&format!(
            "    {} of {} waited\n",
            waiting.most,
            if waiting.name.is_empty() { "no name" } else { &waiting.name }
        ));
    }
    Ok(())
}
