//! Outages of a kind that has happened to many, played in small on a private server: two clients do the same work side by side,
//! one on Plimsoll and one as such clients are usually written, and both are held against the same promises.
//!
//! The guarded client has to hold all of them; what becomes of the other shows what the guards are for, and counts for nothing.
//!
//! | file | what it holds |
//! |---|---|
//! | `lane` | calls at fixed times, and what came of them |
//! | `clients` | the two clients |
//! | `index` | an index is built on a hot table without CONCURRENTLY |
//! | `switchover` | the server turns read-only while `SELECT 1` is still answered |
//! | `reconnect` | every client connects again at the same moment |
//! | `screen`, `page` | the verdicts as text and as HTML |

mod clients;
mod index;
mod lane;
mod page;
mod reconnect;
mod screen;
mod switchover;

use super::options::Options;
use super::promises::Judgement;
use crate::interrupts::Interrupts;
use crate::page::PageFile;
use crate::{Ended, show};
use anyhow::Result;
use clap::ValueEnum;
use lane::{Call, Lane};
use plimsoll_inspect::span::rough;
use serde::Serialize;
use std::time::Duration;

/// An outage that can be played.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Replay {
    /// An index is built on a hot table without CONCURRENTLY: writers queue, and hold the connections that all others need
    IndexWithoutConcurrently,
    /// After a switchover every write fails as read-only on the old connections, while SELECT 1 is answered
    ReadOnlySwitchover,
    /// Every client loses its connection and comes back at the same moment
    EveryoneReconnects,
}

/// What was played, what came of it.
#[derive(Debug, Serialize)]
pub(super) struct Outcome {
    /// What happened, in a few sentences.
    story: String,
    /// When the trouble began and ended, in seconds since the load began.
    began: f64,
    ended: f64,
    guarded: Played,
    unguarded: Played,
    promises: Vec<Judged>,
}

/// One of the two clients.
#[derive(Debug, Serialize)]
pub(super) struct Played {
    /// How it is made.
    client: &'static str,
    /// Numbers beside the calls.
    notes: Vec<String>,
    /// Attempts to connect in each second: when it ended, since the load began, and how many. Empty where they are not counted.
    attempts: Vec<(f64, u64)>,
    calls: Vec<Call>,
}

/// One promise, held against both.
#[derive(Debug, Serialize)]
pub(super) struct Judged {
    said: String,
    guarded: Found,
    unguarded: Found,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Found {
    held: Judgement,
    told: String,
}

#[derive(Debug, Serialize)]
struct Report<'a> {
    schema_version: u32,
    replay: &'static str,
    held: Judgement,
    #[serde(flatten)]
    outcome: &'a Outcome,
}

impl Replay {
    /// As it is written on the command line.
    fn name(self) -> &'static str {
        match self {
            Replay::IndexWithoutConcurrently => "index-without-concurrently",
            Replay::ReadOnlySwitchover => "read-only-switchover",
            Replay::EveryoneReconnects => "everyone-reconnects",
        }
    }

    async fn play(self) -> Result<Outcome> {
        match self {
            Replay::IndexWithoutConcurrently => index::play().await,
            Replay::ReadOnlySwitchover => switchover::play().await,
            Replay::EveryoneReconnects => reconnect::play().await,
        }
    }
}

impl Outcome {
    /// Whether the guarded client held all.
    fn held(&self) -> Judgement {
        let is_broken = self.promises.iter().any(|promise| promise.guarded.held == Judgement::Broken);
        if is_broken { Judgement::Broken } else { Judgement::Held }
    }
}

/// Plays one.
///
/// # Errors
/// The private server cannot be started, or a client cannot begin.
///
/// # Cancel safety
/// Dropped, the server is stopped and its folder removed.
pub(super) async fn run(replay: Replay, options: &Options) -> Result<Ended> {
    let file = options.html.as_deref().map(PageFile::at).transpose()?;
    let mut interrupts = Interrupts::listen()?;
    let progress = show::progress::Progress::begin();
    progress.is_at(format!("{} is played on a private server", replay.name()));
    let outcome = tokio::select! {
        outcome = replay.play() => outcome?,
        () = interrupts.next() => return Ok(Ended::Interrupted),
    };
    drop(progress);
    let held = outcome.held();
    let report = Report { schema_version: 1, replay: replay.name(), held, outcome: &outcome };
    let plain = || show::fields([replay.name(), if held == Judgement::Held { "held" } else { "broken" }]);
    options.output.print(&report, |_| screen::text(replay.name(), &outcome), plain)?;
    if let Some(file) = file {
        file.write(&page::page(replay.name(), &outcome))?;
    }
    Ok(if held == Judgement::Held { Ended::Well } else { Ended::Badly })
}

/// What a promise says of one client.
fn found(is_held: bool, told: String) -> Found {
    Found { held: if is_held { Judgement::Held } else { Judgement::Broken }, told }
}

/// Both clients against one promise.
fn both(said: String, lanes: [&Lane; 2], judge: impl Fn(&[Call]) -> Found) -> Judged {
    let [guarded, unguarded] = lanes.map(|lane| judge(&lane.calls()));
    Judged { said, guarded, unguarded }
}

/// Every call has its answer within a time, whatever it says.
fn answered_within(lanes: [&Lane; 2], limit: Duration) -> Judged {
    let said = format!("every call is answered within {}", rough(limit));
    both(said, lanes, |calls| {
        let late = calls.iter().filter(|call| call.took > limit).count();
        let slowest = calls.iter().map(|call| call.took).max().unwrap_or_default();
        let slowest = rough(slowest);
        match late {
            0 => found(true, format!("{} calls, the slowest {slowest}", calls.len())),
            late => found(false, format!("{late} of {} had none; the longest waited {slowest}", calls.len())),
        }
    })
}

/// From so long after the end of the trouble on, every call of this kind is served.
fn served_after(what: &'static str, ended: Duration, within: Duration) -> impl Fn(&[Call]) -> Found {
    move |calls| {
        let after = || calls.iter().filter(|call| call.what == what && call.at >= ended);
        let Some(last) = after().filter(|call| !call.is_served()).map(|call| call.at).max() else {
            return found(after().count() > 0, "all were served at once".to_owned());
        };
        let later = rough(last.saturating_sub(ended));
        let bad = after().filter(|call| !call.is_served()).count();
        let why = after().rfind(|call| !call.is_served()).map_or("", Call::why);
        let told = format!(
            "the last that was not was asked {later} after ({why}); {bad} of {} were not",
            after().count()
        );
        found(last <= ended + within, told)
    }
}
