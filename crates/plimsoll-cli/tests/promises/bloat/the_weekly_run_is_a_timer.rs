//! The units in `deploy/systemd` are units to systemd, and what they start does what they say.

use super::database;
use crate::command::plimsoll_of;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn unit(name: &str) -> String {
    let path: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/systemd").join(name);
    fs::read_to_string(path).unwrap()
}

/// What `systemd-analyze verify` says of both units, with the program where this test has it and the service as it is given.
fn verified(service: &str) -> (bool, String) {
    let folder = tempfile::tempdir().unwrap();
    let service = service.replace("/usr/bin/plimsoll", env!("CARGO_BIN_EXE_plimsoll"));
    fs::write(folder.path().join("plimsoll-bloat.service"), service).unwrap();
    fs::write(folder.path().join("plimsoll-bloat.timer"), unit("plimsoll-bloat.timer")).unwrap();
    let mut verify = Command::new("systemd-analyze");
    verify.args([
        "verify",
        "--man=no",
        "--recursive-errors=no",
        "plimsoll-bloat.service",
        "plimsoll-bloat.timer",
    ]);
    let output = verify.current_dir(folder.path()).output().expect("systemd-analyze is part of systemd");
    (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn systemd_takes_both_units_without_a_word() {
    let service = unit("plimsoll-bloat.service");
    assert_eq!(verified(&service), (true, String::new()));
    // The check itself can fail.
    let (_, said) = verified(&service.replace("Type=oneshot", "Type=onceshot"));
    assert!(said.contains("onceshot"), "{said}");
    let calendar = unit("plimsoll-bloat.timer");
    let when = calendar.lines().find_map(|line| line.strip_prefix("OnCalendar=")).unwrap();
    let next = Command::new("systemd-analyze").args(["calendar", when]).output().unwrap();
    assert!(next.status.success() && String::from_utf8_lossy(&next.stdout).contains("Sun *-*-* 03:30:00"));
}

#[tokio::test]
async fn what_it_starts_can_be_run() {
    let service = unit("plimsoll-bloat.service");
    let line = service.lines().find_map(|line| line.strip_prefix("ExecStart=/usr/bin/plimsoll ")).unwrap();
    let db = database(true).await;
    let url = db.url();
    let arguments: Vec<&str> = line.split_whitespace().chain(["-d", &url]).collect();
    let run = plimsoll_of(&arguments).await;
    assert_eq!(run.status, 0, "all of it is below the thresholds: {run:?}");
    assert!(run.out.contains("counted by pgstattuple"), "{}", run.out);
}
