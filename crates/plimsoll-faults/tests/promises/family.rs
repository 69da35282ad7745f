//! A process with children, to be frozen and killed.

use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A shell that runs a script, in a process group of its own. It ends with the test, and its children with it.
pub(crate) struct Family(Child);

impl Family {
    pub(crate) fn of(script: &str) -> Self {
        let mut command = Command::new("sh");
        command.args(["-c", script]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.process_group(0);
        Self(command.spawn().unwrap())
    }

    pub(crate) fn pid(&self) -> u32 {
        self.0.id()
    }

    /// Ends it, and has its id forgotten.
    pub(crate) fn reap(&mut self) {
        let _gone = self.0.kill();
        self.0.wait().unwrap();
    }
}

impl Drop for Family {
    fn drop(&mut self) {
        // One signal for the whole group: a list of children would miss the one that is being born.
        let group = format!("-{}", self.pid());
        let _gone = Command::new("kill").args(["-9", "--", &group]).stderr(Stdio::null()).status();
        let _reaped = self.0.wait();
    }
}

/// The state of a process, as `/proc` says it.
pub(crate) fn state(pid: u32) -> Option<char> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    text.rsplit_once(") ")?.1.chars().next()
}

/// Waits for a state of other processes, which tell nobody. The limit is on the whole.
pub(crate) async fn until(mut there: impl FnMut() -> bool) {
    let wait = async {
        while !there() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), wait).await.unwrap();
}
