//! Stops what its owner started, however the owner ends.
//!
//! A destructor does not run on SIGKILL, on an abort, or when the machine runs out of memory; a server that outlives
//! its test then holds a port, a folder and a gigabyte until somebody notices. So every server gets a watchdog: a shell
//! that waits to read from a pipe whose other end only the owner holds. The kernel closes that end when the owner is
//! gone in any way, and the shell then stops the server and removes its folder.
//!
//! The shell has a session of its own and ignores the signals of a terminal, so that a ^C, which kills the owner,
//! does not kill the one who cleans up behind it. Its standard output is the lock of a kept data folder: an flock
//! belongs to whoever holds the open file, so the folder stays locked until the server has really stopped.

use crate::error::{Error, Result};
use crate::process;
use crate::root::RunAs;
use std::fs::File;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How long a drop waits for the watchdog to finish; it goes on alone after that.
const PATIENCE: Duration = Duration::from_secs(5);

/// `runs_on pid folder` tells whether this process was started on that folder: ids come round again, and the one in a file
/// of a server that crashed may be another's by now.
///
/// `stop_server pg_ctl data_folder mode`. A paused postmaster (SIGSTOP) hears nothing, so it is woken first. If there is
/// no `postmaster.pid` yet, the owner may have died while the server was coming up; it gets two seconds to show itself.
/// It is told again every three seconds, so that a signal that it missed does not cost a minute.
pub(crate) const STOP_SERVER: &str = r#"
trap '' HUP INT QUIT TERM
runs_on() {
    stat=; read -r stat <"/proc/$1/stat"
    case "$stat" in *") Z "*) return 1 ;; esac
    case "$(tr '\0' ' ' <"/proc/$1/cmdline" || ps -o args= -p "$1")" in *"$2"*) return 0 ;; esac
    return 1
}
stop_server() {
    tries=0
    while [ ! -s "$2/postmaster.pid" ] && [ $tries -lt 20 ]; do tries=$((tries + 1)); sleep 0.1; done
    pid=; read -r pid <"$2/postmaster.pid"
    tries=0
    while runs_on "$pid" "$2"; do
        tries=$((tries + 1))
        kill -CONT "$pid"
        if [ $tries -le 10 ]; then "$1" stop -s -D "$2" -m "$3" -w -t 3 >/dev/null
        elif [ $tries -le 12 ]; then "$1" stop -s -D "$2" -m immediate -w -t 3 >/dev/null
        else kill -KILL "$pid"; sleep 0.1
        fi
    done
}
"#;

/// Arguments: pg_ctl, data folder, stop mode, folder to remove.
const GUARD_SERVER: &str = r#"
word=; read -r word
[ "$word" = stopped ] || stop_server "$1" "$2" "$3"
cd /
rm -rf "$4" || { sleep 1; rm -rf "$4"; }
"#;

/// Arguments: file with the process id, folder to remove. What PgBouncer and Mosquitto keep goes with their folder, so they can
/// be ended without ceremony.
const KILL_DAEMON: &str = r#"
pid_file=$1 folder=$2
word=; read -r word
if [ "$word" != stopped ]; then
    tries=0
    while [ ! -s "$pid_file" ] && [ $tries -lt 10 ]; do tries=$((tries + 1)); sleep 0.1; done
    pid=; read -r pid <"$pid_file"
    while runs_on "$pid" "$folder"; do kill -KILL "$pid"; sleep 0.02; done
fi
cd /
rm -rf "$folder"
"#;

/// What the shell is told of the server that it has to stop.
pub(crate) struct ServerToStop<'a> {
    pub(crate) run_as: &'a RunAs,
    /// Temporary; removed behind the server.
    pub(crate) folder: &'a Path,
    pub(crate) data: &'a Path,
    /// The program that stops it.
    pub(crate) pg_ctl: &'a Path,
    /// How, in the words of `pg_ctl`.
    pub(crate) mode: &'static str,
}

/// The owner's end of the pipe. Dropped, it has the server stopped, and waits a moment for that.
pub(crate) struct Watchdog {
    shell: Child,
    pipe: Option<ChildStdin>,
    /// Whether what it watches may run, or come up yet. If not, only a folder is to be removed.
    may_run: Box<dyn Fn() -> bool + Send + Sync>,
}

impl Watchdog {
    /// To be called before the server is started, so that no moment is unguarded. `may_run` tells whether the server
    /// runs, or may come up yet.
    pub(crate) fn over_server(
        server: &ServerToStop<'_>,
        lock: Option<&File>,
        may_run: impl Fn() -> bool + Send + Sync + 'static,
    ) -> Result<Self> {
        let mut shell = shell(&[STOP_SERVER, GUARD_SERVER].concat(), server.run_as, server.folder);
        shell.arg(server.pg_ctl).arg(server.data).arg(server.mode).arg(server.folder);
        if let Some(lock) = lock {
            shell.stdout(lock.try_clone().map_err(Error::io("share the lock of", server.data))?);
        }
        Self::spawn(shell, may_run)
    }

    /// The same for a program that writes its process id to a file once it runs.
    pub(crate) fn over_daemon(
        pid_file: &Path,
        folder: &Path,
        run_as: &RunAs,
        starting: Starting,
    ) -> Result<Self> {
        let mut shell = shell(&[STOP_SERVER, KILL_DAEMON].concat(), run_as, folder);
        shell.arg(pid_file).arg(folder);
        let pid_file = pid_file.to_owned();
        Self::spawn(shell, move || starting.is_set() || pid_file.exists())
    }

    fn spawn(mut shell: Command, may_run: impl Fn() -> bool + Send + Sync + 'static) -> Result<Self> {
        let mut shell = shell.spawn().map_err(Error::io("run a watchdog with", "/bin/sh"))?;
        let pipe = shell.stdin.take();
        Ok(Self { shell, pipe, may_run: Box::new(may_run) })
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        if let Some(mut pipe) = self.pipe.take()
            && !(self.may_run)()
        {
            let _gone = pipe.write_all(b"stopped\n");
        }
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline && matches!(self.shell.try_wait(), Ok(None)) {
            std::thread::sleep(process::POLL / 4);
        }
    }
}

impl std::fmt::Debug for Watchdog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Watchdog").field(&self.shell.id()).finish()
    }
}

/// Set while something is being started. A start whose future is dropped half-way never clears it, and the watchdog
/// then waits for what may come up yet.
#[derive(Clone, Debug, Default)]
pub(crate) struct Starting(Arc<AtomicBool>);

impl Starting {
    pub(crate) fn set(&self, starting: bool) {
        self.0.store(starting, Ordering::Relaxed);
    }

    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// A shell that runs this script apart from us: no terminal's signal, no output of ours, and not as root.
///
/// A session of its own is best, since some test runners end whole sessions; where there is no `setsid` program, a process
/// group of its own must do. (Not both: `setsid` would have to fork, and the id that we know would be another's.)
pub(crate) fn shell(script: &str, run_as: &RunAs, folder: &Path) -> Command {
    let mut command = match SETSID.iter().find(|program| Path::new(program).is_file()) {
        Some(setsid) => {
            let mut command = run_as.command(setsid, folder);
            command.arg("/bin/sh");
            command
        }
        None => {
            let mut command = run_as.command("/bin/sh", folder);
            command.process_group(0);
            command
        }
    };
    command.arg("-c").arg(script).arg("plimsoll-watchdog");
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

const SETSID: [&str; 2] = ["/usr/bin/setsid", "/bin/setsid"];
