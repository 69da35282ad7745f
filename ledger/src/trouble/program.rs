//! Troubles of the program itself.
//!
//! For one that is killed or stopped the callers live in programs of their own, one for each lane, which say on their standard
//! output what they ask before they ask it and what they were told as soon as they were. A pipe keeps what was written
//! to it when the writer is killed, so that log is whole.

use super::Scene;
use crate::client::{Lane, Place};
use crate::op::Op;
use crate::stage::{Stage, Track};
use crate::work::{AFTER_A_NO, Desk};
use anyhow::{Context, Result, bail};
use futures_util::future::join_all;
use parking_lot::Mutex;
use plimsoll_faults::Process;
use plimsoll_faults::ledger::End;
use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::task::JoinSet;
use tokio::time::sleep;

/// Blocks every thread of the runtime: more tasks than threads, each of which sleeps without giving way.
pub(super) async fn stalls(scene: &Scene<'_>) {
    let mut dice = scene.dice();
    while !scene.is_over() {
        scene.pause(&mut dice, 100..500).await;
        let still = Duration::from_millis(dice.u64(100..1_500));
        let threads = tokio::runtime::Handle::current().metrics().num_workers();
        let mut stalled = JoinSet::new();
        for _ in 0..threads {
            stalled.spawn(async move { std::thread::sleep(still) });
        }
        while stalled.join_next().await.is_some() {}
    }
}

/// Closes every lane's pool in the middle of everything, and opens another.
pub(super) async fn shuts_its_pools_down(scene: &Scene<'_>) -> Result<()> {
    let mut dice = scene.dice();
    while !scene.is_over() {
        scene.pause(&mut dice, 200..700).await;
        opens_other_pools(scene).await?;
    }
    Ok(())
}

/// The login has another password and the server another address. The pools find that out first: the old password is
/// refused, or nobody is there any more at the old address. Then the program is told and opens other pools.
pub(super) async fn moves_on(scene: &Scene<'_>) -> Result<()> {
    let mut dice = scene.dice();
    while !scene.is_over() {
        scene.pause(&mut dice, 200..700).await;
        scene.stage.change_password(&format!("password{}", dice.u32(..))).await?;
        let old = scene.stage.move_away().await?;
        let is_gone = dice.bool();
        for wire in &old {
            if is_gone {
                wire.set(plimsoll_faults::Fault::Refuse);
            }
            wire.cut_all();
        }
        scene.pause(&mut dice, 30..300).await;
        opens_other_pools(scene).await?;
    }
    Ok(())
}

async fn opens_other_pools(scene: &Scene<'_>) -> Result<()> {
    for (track, desk) in scene.stage.tracks.iter().zip(scene.desks) {
        let another = track.lane.open(&scene.stage.place(track)).await?;
        let old = std::mem::replace(&mut *desk.client.write(), another);
        // Some of its callers are still in the middle of their work.
        old.close().await;
    }
    Ok(())
}

/// Each lane's callers are a program that is killed and started again.
pub(super) async fn is_killed(scene: &Scene<'_>) -> Result<()> {
    let mut dice = scene.dice();
    while !scene.is_over() {
        let span = Duration::from_millis(dice.u64(400..1_200));
        let seed = dice.u64(..);
        let lives = scene.stage.tracks.iter().zip(scene.desks).map(async |(track, desk)| {
            Life::of(scene.program, scene.stage, track, desk, seed)?.until(scene.lives, sleep(span)).await
        });
        for lived in join_all(lives).await {
            lived?;
        }
    }
    Ok(())
}

/// Each lane's callers are a program that is stopped and goes on.
pub(super) async fn stands_still(scene: &Scene<'_>) -> Result<()> {
    let mut dice = scene.dice();
    while !scene.is_over() {
        scene.pause(&mut dice, 200..600).await;
        let programs = scene.lives.0.lock().clone();
        let programs: Vec<Process> = programs.into_iter().map(Process::attach).collect::<Result<_, _>>()?;
        for program in &programs {
            program.freeze().await?;
        }
        scene.pause(&mut dice, 100..2_000).await;
        for program in &programs {
            program.thaw()?;
        }
    }
    Ok(())
}

/// The process ids of the programs that run now.
#[derive(Debug, Default)]
pub(crate) struct Lives(Mutex<BTreeSet<u32>>);

/// One run of a program that makes one lane's calls.
pub(crate) struct Life {
    child: tokio::process::Command,
    desk: Arc<Desk>,
}

impl Life {
    /// Of this lane, with ids and dice of its own.
    pub(crate) fn of(
        program: Option<&Path>,
        stage: &Stage,
        track: &Track,
        desk: &Arc<Desk>,
        seed: u64,
    ) -> Result<Self> {
        let place = stage.place(track);
        // More than one life can use up.
        let first = desk.log.skips(100_000);
        let mut child =
            tokio::process::Command::new(program.context("the program that makes the calls was not named")?);
        child
            .arg("child")
            .args([track.lane.database(), &place.port.to_string(), &place.user, &place.password])
            .args([if place.is_pooled { "pooled" } else { "direct" }, &first.to_string(), &seed.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true);
        Ok(Life { child, desk: Arc::clone(desk) })
    }

    /// Runs until this end, at which it is killed.
    pub(crate) async fn until(mut self, lives: &Lives, end: impl Future<Output = ()>) -> Result<()> {
        let mut child =
            self.child.spawn().context("the program that makes the calls could not be started")?;
        let pid = child.id();
        lives.0.lock().extend(pid);
        let output = child.stdout.take().context("the child has no output")?;
        let mut lines = BufReader::new(output).lines();
        let read = async {
            while let Some(line) = lines.next_line().await? {
                heard(&self.desk, &line)?;
            }
            bail!("a program that makes calls ended by itself")
        };
        tokio::select! {
            ended = read => ended?,
            () = end => child.start_kill()?,
        }
        lives.0.lock().retain(|other| Some(*other) != pid);
        child.wait().await?;
        while let Ok(Some(line)) = lines.next_line().await {
            // The last line may be half a line.
            let _ = heard(&self.desk, &line);
        }
        self.desk.log.all_have_left();
        Ok(())
    }
}

/// A line of a child: `asks 7 transaction` or `told 7 1250 acknowledged` (microseconds); ids by commas.
fn heard(desk: &Desk, line: &str) -> Result<()> {
    let words: Vec<&str> = line.split(' ').collect();
    let ids = |text: &str| text.split(',').map(str::parse).collect::<Result<Vec<i64>, _>>();
    match words.as_slice() {
        ["asks", asked, op] => {
            let op = Op::ALL.into_iter().find(|known| format!("{known:?}") == *op);
            desk.log.asks(op.context("an operation that is not known")?, &ids(asked)?);
        }
        ["told", told, micros, ends] => {
            let ends: Option<Vec<End>> = ends.split(',').map(end_of).collect();
            let took = Duration::from_micros(micros.parse()?);
            desk.log.answers(&ids(told)?, took, &ends.context("an end that is not known")?);
        }
        _ => bail!("a child said {line:?}"),
    }
    Ok(())
}

fn end_of(word: &str) -> Option<End> {
    [End::Acknowledged, End::Refused, End::Failed, End::Unknown]
        .into_iter()
        .find(|end| format!("{end:?}") == word)
}

/// The program that makes one lane's calls where that is to be killed
/// ([`Fault::ProgramKilled`](crate::Fault::ProgramKilled)) or stopped: calls without end, each said
/// before and after on the standard output.
///
/// # Errors
/// What it was given makes no sense, or nobody reads what it says.
///
/// # Cancel safety
/// Dropped, the calls under way are dropped.
pub async fn live_until_killed(args: &[String]) -> Result<()> {
    let [lane, port, user, password, way, first, seed] = args else { bail!("a child needs seven words") };
    let lane = Lane::ALL.iter().find(|known| known.database() == lane).context("a lane that is not known")?;
    let place = Place {
        port: port.parse()?,
        user: user.clone(),
        password: password.clone(),
        database: lane.database(),
        is_pooled: way == "pooled",
    };
    let desk = Desk::new(lane.open(&place).await?);
    desk.log.skips(first.parse()?);
    let load = crate::fault::Fault::ProgramKilled.load().of(*lane);
    let mut crowd = JoinSet::new();
    for worker in 0..load.workers {
        let seed = seed.parse::<u64>()?.wrapping_add(worker as u64);
        crowd.spawn(talk(Arc::clone(&desk), fastrand::Rng::with_seed(seed)));
    }
    while let Some(ended) = crowd.join_next().await {
        ended??;
    }
    Ok(())
}

async fn talk(desk: Arc<Desk>, mut dice: fastrand::Rng) -> Result<()> {
    let load = crate::fault::Fault::ProgramKilled.load();
    loop {
        let deed = desk.next(&load, &mut dice);
        say(&format!("asks {} {:?}", comma(&deed.ids), deed.op))?;
        let began = Instant::now();
        let ends = desk.client().act(&deed).await;
        say(&format!("told {} {} {}", comma(&deed.ids), began.elapsed().as_micros(), words(&ends)))?;
        if !ends.contains(&End::Acknowledged) {
            sleep(AFTER_A_NO).await;
        }
    }
}

fn words(ends: &[End]) -> String {
    ends.iter().map(|end| format!("{end:?}")).collect::<Vec<_>>().join(",")
}

fn comma(ids: &[i64]) -> String {
    ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

/// One write for a line, so that none is torn by another.
fn say(line: &str) -> Result<()> {
    let mut output = std::io::stdout().lock();
    output.write_all(format!("{line}\n").as_bytes())?;
    Ok(output.flush()?)
}
