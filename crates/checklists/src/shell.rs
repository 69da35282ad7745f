//! What one command prints.
//!
//! Each runs in a shell of its own, at the root of the repository, with nothing to read and with both of its outputs in
//! one, as they would stand in a terminal.

use rustix::process::{Pid, Signal, kill_process_group};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::process::Command;

/// How long a command may take. Most take no time; one that has something to build first may take minutes.
pub const LIMIT: Duration = Duration::from_secs(300);

/// Runs a command and gives back everything that it printed; where it could not be run, or did not end, that is told in
/// place of it.
///
/// # Cancel safety
/// Dropped, the shell is killed; what it had started may go on.
pub async fn run(command: &str, root: &Path, variables: &[(String, String)], limit: Duration) -> String {
    let mut shell = Command::new("bash");
    // One pipe for both outputs keeps their order.
    shell.args(["-c", &format!("exec 2>&1\n{command}")]).current_dir(root);
    shell.envs(variables.iter().map(|(name, value)| (name, value)));
    shell.stdin(Stdio::null()).stdout(Stdio::piped()).process_group(0).kill_on_drop(true);
    let mut child = match shell.spawn() {
        Ok(child) => child,
        Err(error) => return format!("bash cannot be run: {error}"),
    };
    let group = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    let Some(mut pipe) = child.stdout.take() else { return "its output cannot be read".to_owned() };
    let mut output = Vec::new();
    let whole = async {
        let read = pipe.read_to_end(&mut output).await;
        (read, child.wait().await)
    };
    let ended = tokio::time::timeout(limit, whole).await;
    let mut said = String::from_utf8_lossy(&output).into_owned();
    if ended.is_err() {
        if let Some(group) = group {
            // It may have ended in this moment.
            let _ = kill_process_group(group, Signal::KILL);
        }
        if !said.is_empty() && !said.ends_with('\n') {
            said.push('\n');
        }
        said += &format!("(it did not end within {limit:?})");
    }
    said
}
