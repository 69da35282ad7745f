//! Whether a process is alive. A zombie is not: its entry waits for a parent that may never ask, as in a container
//! whose first process reaps nobody, and a test that waits for such a process to go away would wait for ever.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// How often a state is looked at while it is waited for.
pub(crate) const POLL: Duration = Duration::from_millis(20);

/// Whether this process exists and is not a zombie.
pub(crate) fn is_alive(pid: u32) -> bool {
    match stat(pid) {
        Some(stat) => !matches!(stat.state, 'Z' | 'X'),
        None => !has_proc() && ps(pid, "stat=").is_some_and(|state| !state.starts_with('Z')),
    }
}

/// Whether it is alive, and was started with this path among its arguments: a server names its own data folder there.
pub(crate) fn runs_on(pid: u32, path: &Path) -> bool {
    is_alive(pid) && arguments(pid).is_some_and(|said| said.contains(path.to_string_lossy().as_ref()))
}

/// Whether it works in this folder, as the processes of a PostgreSQL server do in their data folder, however they were
/// started. Where that cannot be seen, a name that looks like a server's is enough.
pub(crate) fn works_in(pid: u32, folder: &Path) -> bool {
    let here = folder.canonicalize();
    let works_here = match (std::fs::read_link(format!("/proc/{pid}/cwd")), here) {
        (Ok(there), Ok(here)) => there == here,
        _ => arguments(pid).is_some_and(|said| said.contains("post")),
    };
    is_alive(pid) && works_here
}

fn arguments(pid: u32) -> Option<String> {
    match std::fs::read(format!("/proc/{pid}/cmdline")) {
        Ok(bytes) => Some(String::from_utf8_lossy(&bytes).replace('\0', " ")),
        Err(_) => ps(pid, "args="),
    }
}

/// When it was born, in the kernel's ticks: with the id it names a process for good, though ids come round again.
pub(crate) fn born(pid: u32) -> Option<String> {
    stat(pid).map(|stat| stat.born)
}

struct Stat {
    state: char,
    born: String,
}

/// `/proc/1/stat` is `1 (any name, ) and all) S 0 ..`: fields count from behind the last parenthesis.
fn stat(pid: u32) -> Option<Stat> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = text.rsplit_once(") ")?.1.split(' ');
    let state = fields.next()?.chars().next()?;
    Some(Stat { state, born: fields.nth(18)?.to_owned() })
}

fn has_proc() -> bool {
    std::path::Path::new("/proc/self/stat").exists()
}

fn ps(pid: u32, what: &str) -> Option<String> {
    let output = Command::new("ps").args(["-o", what, "-p", &pid.to_string()]).output().ok()?;
    let answer = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (output.status.success() && !answer.is_empty()).then_some(answer)
}

/// Sends a signal, and does not mind if there is nobody to receive it.
pub(crate) fn signal(pid: u32, signal: rustix::process::Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw) {
        let _gone = rustix::process::kill_process(pid, signal);
    }
}

#[cfg(test)]
mod tests {
    use super::{born, is_alive, runs_on, works_in};

    #[test]
    fn a_zombie_is_not_alive() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(5);
        while is_alive(child.id()) {
            assert!(std::time::Instant::now() < deadline, "`true` still runs");
            std::thread::sleep(super::POLL);
        }
        child.wait().unwrap();
    }

    #[test]
    fn this_process_is_alive_and_has_a_birth() {
        let me = std::process::id();
        assert!(is_alive(me));
        assert!(runs_on(me, &std::path::PathBuf::from(std::env::args().next().unwrap())));
        assert!(works_in(me, &std::env::current_dir().unwrap()));
        assert!(!runs_on(me, std::path::Path::new("/nowhere")));
        if super::has_proc() {
            assert!(born(me).is_some_and(|b| b.parse::<u64>().is_ok()));
        }
    }
}
