//! A server that stands still: every process of it stopped by the kernel, and later woken as if nothing had been.
//!
//! This is the worst kind of outage. Nothing is refused and nothing breaks: the kernel goes on accepting connections
//! and acknowledging bytes for a program that will not read them, so only a clock can tell that something is wrong. It
//! is what a hung disk, a paused virtual machine or a server out of memory look like from outside.
//!
//! Who belongs to the server is told by descent alone: the postmaster, whose process id is known, and what it started.
//! The postmaster is stopped first. From then on it neither starts a process nor takes note of one that ended, so an id
//! that was found below it cannot pass to a stranger while the rest is being stopped.

use anyhow::{Context, Result, bail};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::time::{Duration, Instant};

/// A stopped process needs no longer than it takes to leave the kernel.
const PATIENCE: Duration = Duration::from_secs(2);
const POLL: Duration = Duration::from_millis(1);

/// A server that is stopped, until this is dropped.
#[derive(Debug)]
pub struct Frozen {
    /// In the order in which they were stopped.
    processes: Vec<u32>,
}

/// Stops the postmaster and everything below it, and returns once all of it is seen to stand still. Blocks for some
/// milliseconds.
pub fn freeze(postmaster: u32) -> Result<Frozen> {
    let mut frozen = Frozen { processes: Vec::new() };
    frozen.stop(postmaster)?;
    // Otherwise it might be about to start one more, which nobody would find.
    frozen.wait_until_still()?;
    loop {
        let found: Vec<u32> =
            below(postmaster)?.into_iter().filter(|process| !frozen.processes.contains(process)).collect();
        if found.is_empty() {
            break;
        }
        for process in found {
            frozen.stop(process)?;
        }
    }
    frozen.wait_until_still()?;
    Ok(frozen)
}

impl Frozen {
    fn stop(&mut self, process: u32) -> Result<()> {
        self.processes.push(process);
        signal(process, Signal::STOP).with_context(|| format!("process {process} could not be stopped"))
    }

    fn wait_until_still(&self) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let still_runs = self.processes.iter().find(|process| {
                // One that has ended, and waits for its parent to notice, stands still as well.
                stat(**process).is_some_and(|stat| !matches!(stat.state, 'T' | 'Z' | 'X'))
            });
            let Some(process) = still_runs else { return Ok(()) };
            if Instant::now() > deadline {
                bail!("process {process} of the server was told to stop and still runs after {PATIENCE:?}");
            }
            std::thread::sleep(POLL);
        }
    }
}

/// Thaws it, whatever went wrong in between: a server that is left frozen could not even be shut down.
impl Drop for Frozen {
    fn drop(&mut self) {
        // The postmaster last: it finds everybody where it left them.
        for process in self.processes.iter().rev() {
            if let Err(error) = signal(*process, Signal::CONT) {
                eprintln!("bench outage: process {process} could not be woken: {error}");
            }
        }
    }
}

/// Nobody there to receive it is no failure.
fn signal(process: u32, signal: Signal) -> Result<()> {
    let pid = i32::try_from(process).ok().and_then(Pid::from_raw).context("not a process id")?;
    match kill_process(pid, signal) {
        Ok(()) | Err(Errno::SRCH) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// The processes that this one started, and those that they started.
fn below(ancestor: u32) -> Result<Vec<u32>> {
    let listing = fs::read_dir("/proc").context("the drill finds the server's processes in /proc")?;
    let all: Vec<(u32, u32)> = listing
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(|process| Some((process, stat(process)?.parent)))
        .collect();
    let mut family = vec![ancestor];
    loop {
        let before = family.len();
        for (process, parent) in &all {
            if family.contains(parent) && !family.contains(process) {
                family.push(*process);
            }
        }
        if family.len() == before {
            family.retain(|process| *process != ancestor);
            return Ok(family);
        }
    }
}

struct Stat {
    state: char,
    parent: u32,
}

/// `/proc/1/stat` is `1 (any name, ) and all) S 0 ..`: fields count from behind the last parenthesis.
fn stat(process: u32) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let mut fields = text.rsplit_once(") ")?.1.split(' ');
    Some(Stat { state: fields.next()?.chars().next()?, parent: fields.next()?.parse().ok()? })
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use std::process::Command;

    fn is_stopped(process: u32) -> bool {
        stat(process).is_some_and(|stat| stat.state == 'T')
    }

    #[test]
    fn a_family_is_frozen_with_its_children_and_nobody_else_is() {
        let mut parent = Command::new("sh").args(["-c", "sleep 60 & wait"]).spawn().unwrap();
        let mut stranger = Command::new("sleep").arg("60").spawn().unwrap();
        let deadline = Instant::now() + Duration::from_secs(5);
        while below(parent.id()).unwrap().is_empty() {
            assert!(Instant::now() < deadline, "the shell started nothing");
            std::thread::sleep(POLL);
        }

        let frozen = freeze(parent.id()).unwrap();
        let processes = frozen.processes.clone();
        assert_eq!(processes.first(), Some(&parent.id()));
        assert_eq!(processes.len(), 2);
        assert!(processes.iter().all(|process| is_stopped(*process)));
        assert!(!is_stopped(stranger.id()));

        drop(frozen);
        while processes.iter().any(|process| is_stopped(*process)) {
            assert!(Instant::now() < deadline, "{processes:?} were not woken");
            std::thread::sleep(POLL);
        }
        for process in processes {
            signal(process, Signal::KILL).unwrap();
        }
        stranger.kill().unwrap();
        parent.wait().unwrap();
        stranger.wait().unwrap();
    }
}
