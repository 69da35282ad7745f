//! The demo with nobody watching: a script says what breaks, and a line now and then how it goes.
//!
//! Lines go to the standard error, so that the standard output holds the table alone. Steps have their time; a step that
//! takes long makes the next one late rather than lost, and the time that is printed is the one at which it was done.

use super::lane::Lane;
use super::options::Plan;
use super::say;
use super::show::Show;
use crate::interrupts::Interrupts;
use anyhow::Result;
use std::time::{Duration, Instant};
use tokio::time::{MissedTickBehavior, interval};

/// How finely steps are kept to their time.
const TICK: Duration = Duration::from_millis(20);
/// How often a line says how it goes.
const PROGRESS: Duration = Duration::from_secs(5);

/// Plays the script to the end of the load; says whether it was interrupted before.
///
/// Dropped before it is done, what is broken stays so until the show ends.
pub(super) async fn play(show: &mut Show, plan: &Plan, interrupts: &mut Interrupts) -> Result<bool> {
    say(&format!(
        "two lanes of {} requests a second for {} s, {} connections each",
        plan.rate,
        plan.span.as_secs(),
        plan.pool
    ));
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let (mut played, mut next_line) = (0, PROGRESS);
    while show.elapsed() < plan.span {
        tokio::select! {
            _ = ticks.tick() => {}
            () = interrupts.next() => return Ok(true),
        }
        for step in plan.script.due(played, show.elapsed()) {
            let what = show.stage.perform(&step.what).await?;
            tell(show.elapsed(), &what);
            played += 1;
        }
        let is_rush = plan.rush.is_some_and(|[from, until]| (from..until).contains(&show.elapsed()));
        if is_rush != show.is_rush() {
            let what = show.rushes(is_rush);
            tell(show.elapsed(), &what);
        }
        if let Some(what) = show.stage.tend().await? {
            tell(show.elapsed(), &what);
        }
        if show.elapsed() >= next_line {
            next_line += PROGRESS;
            tell(show.elapsed(), &progress(&show.lanes.each_ref().map(|lane| (*lane).as_ref())));
        }
    }
    Ok(false)
}

fn tell(at: Duration, what: &str) {
    say(&format!("{:6.1} s  {what}", at.as_secs_f64()));
}

fn progress(lanes: &[&Lane; 2]) -> String {
    let lanes = lanes.map(|lane| {
        let glance = lane.glance(Instant::now());
        let counts = glance.counts;
        let p99 = glance.p99.map_or_else(|| "-".to_owned(), |p99| format!("{p99:.0} ms"));
        format!(
            "{}: {} in flight, p99 {p99}, {} acknowledged, {} no, {} unknown",
            lane.name,
            glance.in_flight,
            counts.acknowledged,
            counts.refused + counts.failed,
            counts.unknown
        )
    });
    lanes.join(" | ")
}
