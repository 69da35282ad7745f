//! A real terminal with the program in it, by tmux: keys go in, the screen is read.

use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Longer than anything takes on a machine that is busy with other things.
const PATIENCE: Duration = Duration::from_secs(30);

/// A tmux of its own, which ends with it.
pub(crate) struct Terminal {
    socket: PathBuf,
    _folder: TempDir,
}

impl Terminal {
    /// Runs the program in a terminal of this size. What it leaves behind stays on the screen, with its exit status.
    pub(crate) fn start(columns: u16, rows: u16, arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let terminal = Terminal { socket: folder.path().join("tmux"), _folder: folder };
        let quoted: Vec<String> = arguments.iter().map(|it| format!("'{it}'")).collect();
        let program = env!("CARGO_BIN_EXE_plimsoll");
        let command = format!("'{program}' {}; echo \"ended with $?\"; exec sleep 600", quoted.join(" "));
        let (columns, rows) = (columns.to_string(), rows.to_string());
        terminal.tmux(&["new-session", "-d", "-x", &columns, "-y", &rows, &command]);
        terminal
    }

    pub(crate) fn press(&self, keys: &[&str]) {
        self.tmux(&[&["send-keys"], keys].concat());
    }

    pub(crate) fn screen(&self) -> String {
        String::from_utf8(self.tmux(&["capture-pane", "-p"]).stdout).unwrap()
    }

    /// The screen, once it is as wanted.
    pub(crate) fn until(&self, what: &str, is_so: impl Fn(&str) -> bool) -> String {
        let until = Instant::now() + PATIENCE;
        loop {
            let screen = self.screen();
            if is_so(&screen) {
                return screen;
            }
            assert!(Instant::now() < until, "it did not come to it within {PATIENCE:?}: {what}:\n{screen}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// The same, for a text that is on it.
    pub(crate) fn shows(&self, text: &str) -> String {
        self.until(text, |screen| screen.contains(text))
    }

    /// The process ids of what the terminal's shell has started.
    pub(crate) fn programs(&self) -> Vec<u32> {
        let shell = String::from_utf8(self.tmux(&["list-panes", "-F", "#{pane_pid}"]).stdout).unwrap();
        let shell = shell.trim();
        let children = std::fs::read_to_string(format!("/proc/{shell}/task/{shell}/children")).unwrap();
        children.split_whitespace().map(|pid| pid.parse().unwrap()).collect()
    }

    fn tmux(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new("tmux");
        command.arg("-u").args(["-f", "/dev/null"]).arg("-S").arg(&self.socket).args(arguments);
        command.env("LC_ALL", "C.UTF-8").env_remove("TMUX");
        let output = command.output();
        let output =
            output.expect("tmux drives the program in a real terminal; scripts/setup test installs it");
        assert!(output.status.success(), "tmux {arguments:?}: {output:?}");
        output
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let mut command = Command::new("tmux");
        // Its own server and nothing else's: that of this socket.
        let _ = command.arg("-S").arg(&self.socket).arg("kill-server").output();
    }
}
