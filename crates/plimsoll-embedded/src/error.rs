//! Every way in which a private server can fail to be there, each as one sentence that a newcomer can act on.
//!
//! A test suite that cannot start its database is the first thing that a contributor sees of a project. So an error
//! here never is a bare `exit status: 1`: it says what was tried, what is the likely cause, and what to do about it.

use crate::pgbouncer_version::PgBouncerVersion;
use std::path::{Path, PathBuf};

/// What went wrong; its `Display` says what was tried, why it failed and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No folder with `initdb`, `pg_ctl` and `postgres` in it was found.
    #[error(
        "found no PostgreSQL server{} on this machine: looked for initdb, pg_ctl and postgres in {}{}. Install one with \
         `{install}`, or point PLIMSOLL_PG_BIN at the folder that holds them",
        of_version(*.wanted), looked_in.join(", "), found_instead(.found)
    )]
    NoServer {
        /// The major version that was asked for, if one was.
        wanted: Option<u32>,
        /// Servers of other versions that were found on the way, with their folders.
        found: Vec<String>,
        /// The places, in the order in which they were searched.
        looked_in: Vec<String>,
        /// The command which installs a server on this system.
        install: String,
    },

    /// No `pgbouncer` was found.
    #[error(
        "found no PgBouncer on this machine: looked in {}. Install it with `{install}`, or point PLIMSOLL_PGBOUNCER at \
         the program", looked_in.join(", ")
    )]
    NoPgBouncer {
        /// The places, in the order in which they were searched.
        looked_in: Vec<String>,
        /// The command which installs it on this system.
        install: String,
    },

    /// No `mosquitto` was found.
    #[error(
        "found no Mosquitto on this machine: looked in {}. Install it with `{install}`, or point PLIMSOLL_MOSQUITTO at the \
         program", looked_in.join(", ")
    )]
    NoMosquitto {
        /// The places, in the order in which they were searched.
        looked_in: Vec<String>,
        /// The command which installs it on this system.
        install: String,
    },

    /// No `pgbouncer` of the kind that was asked for was found.
    #[error(
        "found no PgBouncer like {version} on this machine: looked in {}{}. In this repository `scripts/setup test` \
         unpacks it under target/pgbouncer, if Debian's packages can be had; elsewhere point \
         PLIMSOLL_PGBOUNCER_FOLDER at a folder that holds {version}/pgbouncer",
        looked_in.join(", "), of_the_other_kind(.found)
    )]
    NoPgBouncerOfVersion {
        /// What was asked for.
        version: PgBouncerVersion,
        /// Programs that were found and are not of that kind, or do not run.
        found: Vec<String>,
        /// The places, in the order in which they were searched.
        looked_in: Vec<String>,
    },

    /// The data folder was made by another major version of PostgreSQL.
    #[error(
        "the data folder {} was made by PostgreSQL {folder}, but the server in {} is version {server}: use version \
         {folder} (PLIMSOLL_PG_VERSION={folder}), upgrade the folder with pg_upgrade, or delete it to begin anew",
        .data_dir.display(), .bin_dir.display()
    )]
    OtherVersion {
        /// The folder.
        data_dir: PathBuf,
        /// The version written in it.
        folder: String,
        /// The version of the binaries.
        server: u32,
        /// Where the binaries are.
        bin_dir: PathBuf,
    },

    /// The folder given for the data holds something else.
    #[error(
        "{} is neither empty nor a PostgreSQL data folder (it has no PG_VERSION), so nothing was written to it: name \
         another folder, or empty this one", .data_dir.display()
    )]
    NotADataFolder {
        /// The folder.
        data_dir: PathBuf,
    },

    /// Another live process owns the data folder.
    #[error(
        "the data folder {} is in use by another process ({} is locked; waited {waited_s} s): stop that process, or \
         name another folder", .data_dir.display(), .lock.display()
    )]
    FolderInUse {
        /// The folder.
        data_dir: PathBuf,
        /// The lock that is held.
        lock: PathBuf,
        /// How long it was waited for.
        waited_s: u64,
    },

    /// A server without an owner runs on the data folder.
    #[error(
        "a PostgreSQL server (process {pid}) that nobody looks after already runs on the data folder {}: stop it with \
         `{} stop -D {} -m fast` (as the user it runs as), then start again",
        .data_dir.display(), .pg_ctl.display(), .data_dir.display()
    )]
    AlreadyRunning {
        /// The folder.
        data_dir: PathBuf,
        /// The postmaster.
        pid: u32,
        /// The program that stops it.
        pg_ctl: PathBuf,
    },

    /// The data folder was not made here, so its superuser's password is not known.
    #[error(
        "the data folder {} was not made by plimsoll-embedded, so the password of its superuser \"{superuser}\" is not \
         known: give it with .password(..), or choose Auth::Trust", .data_dir.display()
    )]
    UnknownPassword {
        /// The folder.
        data_dir: PathBuf,
        /// The role.
        superuser: String,
    },

    /// PostgreSQL refuses to run as root, and the user that it should run as cannot get at a folder.
    #[error(
        "PostgreSQL refuses to run as root and so runs as \"{user}\" here, who may not pass through {}: keep {} \
         elsewhere (the temporary folder will do), or `chmod o+x {}`",
        .blocked_at.display(), .path.display(), .blocked_at.display()
    )]
    NotReachable {
        /// Whom the server runs as.
        user: String,
        /// What it needs.
        path: PathBuf,
        /// The folder on the way that keeps it out.
        blocked_at: PathBuf,
    },

    /// Running as root, and there is no user to drop to.
    #[error(
        "PostgreSQL refuses to run as root, and this machine has neither a user \"postgres\" nor \"nobody\" to run it \
         as: create one with `useradd --system postgres`, or run as an ordinary user"
    )]
    NobodyToBe,

    /// The port that was asked for is taken.
    #[error(
        "port {port} on 127.0.0.1 is taken by another program: stop that program (`ss -ltnp | grep :{port}` names it), \
         or ask for another port; leave the port out to be given a free one"
    )]
    PortTaken {
        /// The port.
        port: u16,
    },

    /// No free port was found.
    #[error(
        "found no free port on 127.0.0.1 between {from} and {to}: many servers seem to have been left running"
    )]
    NoFreePort {
        /// First port tried.
        from: u16,
        /// Last port tried.
        to: u16,
    },

    /// The disk is full.
    #[error(
        "{doing} failed because the disk that holds {} is full: free some space, or keep the data elsewhere (TMPDIR, \
         or .data_dir(..))", .path.display()
    )]
    DiskFull {
        /// What was being done.
        doing: &'static str,
        /// Where there was no room.
        path: PathBuf,
    },

    /// A program (initdb, pg_ctl, pgbouncer, mosquitto) ran and failed.
    #[error("{doing} failed{}; its last words were:\n{log}", because(.hint))]
    Failed {
        /// What was being done.
        doing: String,
        /// The likely cause and its cure, where one is known.
        hint: Option<String>,
        /// The end of its log.
        log: String,
    },

    /// A program did not come up, or did not go away, in time.
    #[error("{doing} took more than {seconds} s and was given up; the end of its log:\n{log}")]
    TooSlow {
        /// What was being done.
        doing: String,
        /// How long it was waited for.
        seconds: u64,
        /// The end of its log.
        log: String,
    },

    /// A setting that cannot be written to a configuration file.
    #[error("the setting {name:?} = {value:?} cannot be written: {problem}")]
    Setting {
        /// Its name.
        name: String,
        /// Its value.
        value: String,
        /// Why not.
        problem: &'static str,
    },

    /// An environment variable says something that cannot be.
    #[error("the environment variable {name}={value:?} cannot be used: {problem}")]
    Environment {
        /// The variable.
        name: &'static str,
        /// What it says.
        value: String,
        /// Why it cannot be used.
        problem: String,
    },

    /// An administrative statement failed.
    #[error("could not {doing}: {problem}")]
    Sql {
        /// What was being done.
        doing: String,
        /// What the server, or the way to it, said.
        problem: String,
    },

    /// The operating system refused something.
    #[error("could not {doing} {}: {source}", .path.display())]
    Io {
        /// What was being done.
        doing: &'static str,
        /// To which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

/// What this crate's functions return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// For `map_err`: what was being done to which file. A full disk gets its own name.
    pub(crate) fn io(doing: &'static str, path: impl AsRef<Path>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.as_ref().to_owned();
        move |source| match source.kind() {
            std::io::ErrorKind::StorageFull => Self::DiskFull { doing: "writing a file", path },
            _ => Self::Io { doing, path, source },
        }
    }

    /// Whether another port may help.
    pub(crate) fn is_port_taken(&self) -> bool {
        matches!(self, Self::PortTaken { .. })
    }
}

fn of_version(wanted: Option<u32>) -> String {
    wanted.map(|v| format!(" of version {v}")).unwrap_or_default()
}

fn found_instead(found: &[String]) -> String {
    if found.is_empty() { String::new() } else { format!(" (and found only {})", found.join(", ")) }
}

fn of_the_other_kind(found: &[String]) -> String {
    if found.is_empty() { String::new() } else { format!(" (and {} is no such one)", found.join(", ")) }
}

fn because(hint: &Option<String>) -> String {
    hint.as_ref().map(|h| format!(" ({h})")).unwrap_or_default()
}
