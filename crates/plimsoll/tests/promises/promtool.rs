//! promtool, with which Prometheus checks what it is given. `scripts/setup test` brings it; where it cannot be had,
//! `make test` leaves out the tests whose name has `by_promtool` in it and says so.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// `PLIMSOLL_TEST_PROMTOOL`, the one that `scripts/setup` has unpacked, or the installed one.
fn program() -> PathBuf {
    let unpacked = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/promtool/promtool");
    match std::env::var_os("PLIMSOLL_TEST_PROMTOOL") {
        Some(path) => path.into(),
        None if unpacked.exists() => unpacked,
        None => "promtool".into(),
    }
}

/// Runs it in this folder, with this input.
pub(crate) fn promtool(folder: &Path, arguments: &[&str], input: &str) -> Output {
    let mut command = Command::new(program());
    command.args(arguments).current_dir(folder);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("promtool, which `scripts/setup test` brings");
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

/// What it printed.
pub(crate) fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[output.stdout.as_slice(), &output.stderr].concat()).into_owned()
}
