//! The command as a person calls it, and what comes of it.

use std::process::{Command, Stdio};

/// What a run has printed, and its status.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) out: String,
    pub(crate) error: String,
    pub(crate) status: i32,
}

/// Runs the command, in an environment that says nothing of any server.
pub(crate) fn plimsoll(arguments: &[&str]) -> Run {
    let home = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_plimsoll"));
    command
        .args(arguments)
        .env_clear()
        .env("HOME", home.path())
        .env("PATH", std::env::var_os("PATH").unwrap());
    let output = command.stdin(Stdio::null()).output().unwrap();
    Run {
        out: String::from_utf8(output.stdout).unwrap(),
        error: String::from_utf8(output.stderr).unwrap(),
        status: output.status.code().unwrap(),
    }
}

/// The same beside the sessions of a test, which go on in the meantime.
pub(crate) async fn plimsoll_of(arguments: &[&str]) -> Run {
    let arguments: Vec<String> = arguments.iter().map(|&it| it.to_owned()).collect();
    tokio::task::spawn_blocking(move || plimsoll(&arguments.iter().map(String::as_str).collect::<Vec<_>>()))
        .await
        .unwrap()
}
