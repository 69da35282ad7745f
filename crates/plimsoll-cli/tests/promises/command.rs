//! The command as a process of its own, in an environment that is empty but for what a test says.

use std::path::Path;
use std::process::{Command, Output, Stdio};

/// What came of one run.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) status: i32,
    pub(crate) out: String,
    pub(crate) error: String,
}

/// The command, at home in an empty folder that does not exist.
pub(crate) fn plimsoll(arguments: &[&str]) -> Command {
    program(env!("CARGO_BIN_EXE_plimsoll"), arguments)
}

/// Any program in such an environment.
pub(crate) fn program(program: impl AsRef<Path>, arguments: &[&str]) -> Command {
    let mut command = Command::new(program.as_ref());
    command.args(arguments).env_clear().env("HOME", "/nonexistent").stdin(Stdio::null());
    if let Some(path) = std::env::var_os("PATH") {
        command.env("PATH", path);
    }
    command
}

/// Runs it to its end.
pub(crate) fn ran(command: &mut Command) -> Run {
    let Output { status, stdout, stderr } = command.output().expect("the program starts");
    Run {
        status: status.code().expect("it ended by itself"),
        out: String::from_utf8(stdout).expect("UTF-8"),
        error: String::from_utf8(stderr).expect("UTF-8"),
    }
}

/// What comes of these arguments.
pub(crate) fn output_of(arguments: &[&str]) -> Run {
    ran(&mut plimsoll(arguments))
}

/// The same beside the sessions of a test, which go on in the meantime.
pub(crate) async fn plimsoll_of(arguments: &[&str]) -> Run {
    runs(plimsoll(arguments)).await
}

/// The same on a thread of its own, so that what a test runs goes on beside it.
pub(crate) async fn runs(mut command: Command) -> Run {
    tokio::task::spawn_blocking(move || ran(&mut command)).await.expect("it ran")
}

/// Compares a screen with the one that is kept, or keeps it if `PLIMSOLL_BLESS` is set.
pub(crate) fn is_the_screen(name: &str, screen: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/screens").join(name);
    if std::env::var_os("PLIMSOLL_BLESS").is_some() {
        std::fs::write(&path, screen).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(screen, kept, "{} is another; PLIMSOLL_BLESS=1 keeps the new one", path.display());
}
