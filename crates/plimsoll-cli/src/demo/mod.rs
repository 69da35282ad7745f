//! `plimsoll demo`: sixty seconds beside a plain pool.
//!
//! What a guarded pool is for shows only when something breaks, and nobody breaks their own database to see it. So this
//! brings a database of its own and breaks that: two lanes run side by side on one private server, each with 200
//! requests a second that come whether or not the earlier ones were answered; one uses a plain deadpool, the other
//! Plimsoll. Whoever watches freezes the server, kills it, slows the wire or cuts it. At the end the table in the
//! database is held against what the callers were told.
//!
//! It does the same without anybody watching, by a script; that is how it is tested, and how the table in the README is
//! made. Nothing is decided by who watches: [`show`] holds the lanes and the figures, [`screen`] and [`unattended`] only
//! differ in who says what breaks next.
//!
//! | file | what it holds |
//! |---|---|
//! | [`lane`] | what is known of a lane while it runs |
//! | [`request`] | one request of each lane, and what its caller may believe |
//! | [`words`] | what went wrong, in a few words |
//! | [`load`] | requests at fixed times |
//! | [`stage`] | the server, the wires, and what is done to them |
//! | [`options`] | what was asked for, and the script that is built in |
//! | [`table`] | the figures at the end |

mod lane;
mod load;
mod options;
mod request;
mod screen;
mod show;
mod stage;
mod table;
mod unattended;
mod words;

pub use options::Options;

use crate::Ended;
use crate::interrupts::Interrupts;
use anyhow::Result;
use show::Show;
use std::io::Write;
use std::time::Duration;

/// What `--help` says below the options.
pub(crate) const HELP: &str = "\
Examples:
  plimsoll demo                                  keys freeze, cut and kill; q ends it
  plimsoll demo --unattended --markdown          the table alone
  plimsoll demo --script night.txt --for 90s     break things by a script

It brings a private PostgreSQL of its own and touches no other.
";

/// What a request may take, with all that it waits for.
const DEADLINE: Duration = Duration::from_secs(2);

/// Runs the demo to its end, and prints what came of it.
///
/// Dropped before it is done, the server is thawed and stopped, and the terminal is as it was.
pub async fn run(options: &Options) -> Result<Ended> {
    let plan = options.plan()?;
    let mut interrupts = Interrupts::listen()?;
    let began = tokio::select! {
        began = Show::begin(&plan) => began?,
        () = interrupts.next() => return Ok(Ended::Interrupted),
    };
    let mut show = began;
    let was_interrupted = if plan.is_watched {
        screen::play(&mut show, &plan, &mut interrupts).await?
    } else {
        unattended::play(&mut show, &plan, &mut interrupts).await?
    };
    say("the load has ended: everything is healed, and the ledger is read");
    let figures = tokio::select! {
        figures = show.end() => figures?,
        () = interrupts.next() => return Ok(Ended::Interrupted),
    };
    let text = if plan.markdown { table::markdown(&figures) } else { table::text(&figures) };
    // A reader who has gone does not change what was found.
    let _ = write!(std::io::stdout(), "{text}");
    Ok(match figures.iter().find(|lane| lane.name == request::GUARDED) {
        _ if was_interrupted => Ended::Interrupted,
        Some(guarded) if guarded.verdict.is_true() => Ended::Well,
        _ => Ended::Badly,
    })
}

/// How it goes is told beside the table, so that a file with the output holds the table alone.
fn say(text: &str) {
    // Whoever closed it does not want to hear it.
    let _ = writeln!(std::io::stderr(), "{text}");
}
