//! Stops the shared server when nobody uses it any more.
//!
//! No process lives as long as the run, so there is no owner whose pipe a watchdog could hold. Instead each user leaves
//! a file in the server's folder, named by its process id and holding the time of its birth (ids come round again), and
//! under nextest one for the run itself. The keeper, a shell without a terminal, looks at these once a second.
//!
//! Newcomers and the keeper need no lock between them. A newcomer signs in and *then* checks that `open` is still there; the
//! keeper removes `open` and *then* looks for users again. Whichever way they interleave, one of the two sees the
//! other: the newcomer goes elsewhere, or the keeper waits until it has left.

use crate::cluster::Server;
use crate::error::{Error, Result};
use crate::process;
use crate::watchdog::{STOP_SERVER, shell};
use std::path::{Path, PathBuf};
use std::process::Stdio;

/// How many seconds without a user end the server; long enough to be found by the next package's tests.
const GRACE_VARIABLE: &str = "PLIMSOLL_TEST_SERVER_GRACE";
const GRACE: &str = "10";

/// Arguments: folder, pg_ctl, data folder, grace in seconds.
///
/// `alive pid born` reads `/proc/pid/stat` with the shell alone: behind the name in parentheses, the state is the first field
/// and the birth the twentieth. Where there is no `/proc`, `ps` has to do.
const KEEP: &str = r#"
folder=$1 pg_ctl=$2 data=$3 grace=$4
alive() {
    if [ -e /proc/self/stat ]; then
        stat=; read -r stat <"/proc/$1/stat" || return 1
        set -- "$2" ${stat##*) }
        [ "$2" != Z ] && { [ -z "$1" ] || [ "${21}" = "$1" ]; }
    else
        ps -p "$1" >/dev/null
    fi
}
anybody() {
    for file in "$folder"/users/*; do
        [ -e "$file" ] || continue
        born=; read -r born <"$file"
        alive "${file##*/}" "$born" && return 0
        rm -f "$file"
    done
    return 1
}
idle=0
while [ -d "$folder" ]; do
    sleep 1
    if anybody; then idle=0; continue; fi
    idle=$((idle + 1))
    [ $idle -le "$grace" ] && continue
    rm -f "$folder/open"
    anybody || break
done
stop_server "$pg_ctl" "$data" immediate
cd /
rm -rf "$folder" || { sleep 1; rm -rf "$folder"; }
"#;

/// Sets a keeper over the server, and returns its process id. To be called before the server starts.
pub(super) fn over(server: &Server) -> Result<u32> {
    let grace = std::env::var(GRACE_VARIABLE).ok().filter(|g| g.parse::<u32>().is_ok());
    let mut command = shell(&[STOP_SERVER, KEEP].concat(), &server.run_as, &server.folder);
    command.arg(&server.folder).arg(server.binaries.program("pg_ctl")).arg(&server.data);
    command.arg(grace.as_deref().unwrap_or(GRACE)).stdin(Stdio::null());
    Ok(command.spawn().map_err(Error::io("run the shared server's keeper with", "/bin/sh"))?.id())
}

/// Makes the room in which users sign in.
pub(super) fn make_users(server: &Server) -> Result<()> {
    let users = server.folder.join("users");
    std::fs::create_dir_all(&users).map_err(Error::io("make the folder", &users))?;
    server.run_as.give(&users)
}

/// This process's sign that it uses the server; signs out when dropped.
#[derive(Debug)]
pub(super) struct SignedIn(PathBuf);

impl SignedIn {
    pub(super) fn here(folder: &Path) -> Result<Self> {
        sign_in(folder, std::process::id()).map(Self)
    }
}

impl Drop for SignedIn {
    fn drop(&mut self) {
        let _already_gone = std::fs::remove_file(&self.0);
    }
}

/// Under nextest the run itself is a user: between two tests that need a server there may be a minute of others.
pub(super) fn sign_in_the_run(folder: &Path) {
    if std::env::var_os("NEXTEST_RUN_ID").is_some()
        && let Some(run) = rustix::process::getppid()
    {
        let _only_a_shorter_life = sign_in(folder, run.as_raw_nonzero().get().unsigned_abs());
    }
}

fn sign_in(folder: &Path, pid: u32) -> Result<PathBuf> {
    let file = folder.join("users").join(pid.to_string());
    std::fs::write(&file, process::born(pid).unwrap_or_default() + "\n")
        .map_err(Error::io("sign in at", &file))?;
    Ok(file)
}
