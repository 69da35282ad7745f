//! Processes that know nothing of each other share one server; it ends after the last of them, however they end; and
//! what a crash leaves behind does not stand in the way of the next run.

use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead, BufReader, Lines};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

/// One process that uses the shared server, as a test would.
struct User {
    process: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl User {
    /// At a meeting place of its own, apart from the server that this test run shares.
    fn starts_at(place: &Path) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_private-postgres"));
        command.arg("--shared").stdin(Stdio::piped()).stdout(Stdio::piped());
        command.env("PLIMSOLL_TEST_SERVER_DIR", place).env("PLIMSOLL_TEST_SERVER_GRACE", "1");
        command.env_remove("NEXTEST_RUN_ID");
        let mut process = command.spawn().unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        Self { process, lines }
    }

    fn served(&mut self) -> Server {
        let mut said = |key: &str| {
            let line = self.lines.next().unwrap().unwrap();
            line.strip_prefix(key).unwrap_or_else(|| panic!("{line}")).trim().to_owned()
        };
        Server { url: said("url"), pid: said("pid"), folder: said("folder").into() }
    }

    fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Server {
    url: String,
    pid: String,
    folder: PathBuf,
}

impl Server {
    fn keeper(&self) -> String {
        std::fs::read_to_string(self.folder.join("open")).unwrap().lines().next().unwrap().to_owned()
    }

    fn ends(&self) {
        wait_until("the server is gone", || is_gone(&self.pid));
        wait_until("its folder is gone", || !self.folder.exists());
    }
}

fn is_gone(pid: &str) -> bool {
    let output = Command::new("ps").args(["-o", "stat=", "-p", pid]).output().unwrap();
    let state = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    state.is_empty() || state.starts_with('Z')
}

fn kill(pid: &str) {
    let process = Pid::from_raw(pid.parse().unwrap()).filter(|pid| pid.as_raw_nonzero().get() > 1).unwrap();
    kill_process(process, Signal::KILL).unwrap();
    wait_until("it is dead", || is_gone(pid));
}

fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !is_so() {
        assert!(Instant::now() < deadline, "not within 20 s: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn place() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

#[test]
fn who_race_for_it_share_it_and_it_ends_after_the_last() {
    let place = place();
    let mut users: Vec<User> = (0..4).map(|_| User::starts_at(place.path())).collect();
    let servers: Vec<Server> = users.iter_mut().map(User::served).collect();
    let [first, others @ ..] = servers.as_slice() else { panic!() };
    assert!(others.iter().all(|other| other == first), "{servers:?}");
    let last = users.pop().unwrap();
    users.into_iter().for_each(User::kill);
    let mut newcomer = User::starts_at(place.path());
    assert_eq!(newcomer.served(), *first);
    last.kill();
    assert!(!is_gone(&first.pid));
    newcomer.kill();
    first.ends();
}

#[test]
fn a_server_that_crashed_is_replaced() {
    let place = place();
    let mut user = User::starts_at(place.path());
    let crashed = user.served();
    kill(&crashed.pid);
    let mut next = User::starts_at(place.path());
    let server = next.served();
    assert_ne!(server.pid, crashed.pid);
    user.kill();
    next.kill();
    crashed.ends();
    server.ends();
}

#[test]
fn a_keeper_that_was_killed_is_replaced_with_its_server() {
    let place = place();
    let mut user = User::starts_at(place.path());
    let unkept = user.served();
    kill(&unkept.keeper());
    user.kill();
    let mut next = User::starts_at(place.path());
    let server = next.served();
    next.kill();
    server.ends();
    unkept.ends();
}

#[test]
fn a_start_that_was_interrupted_does_not_stand_in_the_way() {
    let place = place();
    for delay in [10, 200, 400, 600] {
        let interrupted = User::starts_at(place.path());
        std::thread::sleep(Duration::from_millis(delay));
        interrupted.kill();
    }
    let mut next = User::starts_at(place.path());
    let server = next.served();
    next.kill();
    server.ends();
}
