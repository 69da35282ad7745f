//! The units in `deploy/systemd`, as systemd reads them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A unit as it lies there.
pub(crate) fn unit(name: &str) -> String {
    let path: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/systemd").join(name);
    fs::read_to_string(path).unwrap()
}

/// What `systemd-analyze verify` says of a timer and its service, with the program where this test has it and the service as it is
/// given.
pub(crate) fn verified(name: &str, service: &str) -> (bool, String) {
    let folder = tempfile::tempdir().unwrap();
    let service = service.replace("/usr/bin/plimsoll", env!("CARGO_BIN_EXE_plimsoll"));
    let [service_file, timer_file] = ["service", "timer"].map(|kind| format!("{name}.{kind}"));
    fs::write(folder.path().join(&service_file), service).unwrap();
    fs::write(folder.path().join(&timer_file), unit(&timer_file)).unwrap();
    let mut verify = Command::new("systemd-analyze");
    verify.args(["verify", "--man=no", "--recursive-errors=no", &service_file, &timer_file]);
    let output = verify.current_dir(folder.path()).output().expect("systemd-analyze is part of systemd");
    (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// What `systemd-analyze calendar` makes of the time in a timer.
pub(crate) fn calendar(timer: &str) -> String {
    let timer = unit(timer);
    let when = timer.lines().find_map(|line| line.strip_prefix("OnCalendar=")).unwrap();
    let next = Command::new("systemd-analyze").args(["calendar", when]).output().unwrap();
    assert!(next.status.success(), "{next:?}");
    String::from_utf8_lossy(&next.stdout).into_owned()
}
