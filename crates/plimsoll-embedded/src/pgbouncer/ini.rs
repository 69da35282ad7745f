//! PgBouncer's two files: the configuration, and the list of users.

use super::upstream::Upstream;
use crate::error::{Error, Result};
use crate::folder;
use crate::port::HOST;
use crate::root::RunAs;
use std::path::{Path, PathBuf};

/// When a server connection goes back to the pool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum PoolMode {
    /// When the client leaves.
    #[default]
    Session,
    /// When the transaction ends.
    Transaction,
    /// When the statement ends.
    Statement,
}

/// What a caller may say of the configuration.
#[derive(Clone, Debug, Default)]
pub(super) struct Ini {
    pub(super) pool_mode: PoolMode,
    /// Lines of the section `[pgbouncer]`, by name.
    pub(super) settings: Vec<(String, String)>,
    /// Lines of other sections: the section, the name, the value.
    pub(super) entries: Vec<(String, String, String)>,
    /// Users who may come in beside the one of the server, with their passwords.
    pub(super) users: Vec<(String, String)>,
}

pub(super) fn file(folder: &Path) -> PathBuf {
    folder.join("pgbouncer.ini")
}

/// Writes both. All databases of the server are offered under their own names.
pub(super) fn write(
    wanted: &Ini,
    upstream: &Upstream,
    folder: &Path,
    port: u16,
    run_as: &RunAs,
) -> Result<()> {
    let mut text = format!("[databases]\n* = host={} port={}\n\n[pgbouncer]\n", upstream.host, upstream.port);
    for (name, value) in
        own_settings(wanted.pool_mode, &upstream.user, folder, port).iter().chain(&wanted.settings)
    {
        text.push_str(&setting(name, value)?);
    }
    // A section may be there twice; the later lines are added.
    for (section, name, value) in &wanted.entries {
        text.push_str(&format!("\n[{section}]\n{}", setting(name, value)?));
    }
    let mut list = line(&upstream.user, &upstream.password);
    for (user, password) in &wanted.users {
        list.push_str(&line(user, password));
    }
    folder::write(&users(folder), &list, 0o600, run_as)?;
    folder::write(&file(folder), &text, 0o600, run_as)
}

fn setting(name: &str, value: &str) -> Result<String> {
    if format!("{name}{value}").contains(['\n', '\r', '\0']) {
        let problem = "a setting must stay on one line";
        return Err(Error::Setting { name: name.to_owned(), value: value.to_owned(), problem });
    }
    Ok(format!("{name} = {value}\n"))
}

/// Gives one user another password in the list of users.
pub(super) fn change_password(folder: &Path, run_as: &RunAs, user: &str, password: &str) -> Result<()> {
    let path = users(folder);
    let old = std::fs::read_to_string(&path).map_err(Error::io("read", &path))?;
    let theirs = line(user, "");
    let theirs = theirs.trim_end_matches("\"\"\n");
    let others = old.lines().filter(|line| !line.starts_with(theirs));
    let mut list: String = others.map(|line| format!("{line}\n")).collect();
    list.push_str(&line(user, password));
    // Put in its place rather than written over: PgBouncer takes a file of the same size and second for the old one,
    // unless it is another file.
    let new = folder.join("userlist.new");
    folder::write(&new, &list, 0o600, run_as)?;
    std::fs::rename(&new, &path).map_err(Error::io("put in place", &path))
}

fn users(folder: &Path) -> PathBuf {
    folder.join("userlist.txt")
}

fn own_settings(mode: PoolMode, admin: &str, folder: &Path, port: u16) -> Vec<(String, String)> {
    let path = |name| folder.join(name).display().to_string();
    let mode = match mode {
        PoolMode::Session => "session",
        PoolMode::Transaction => "transaction",
        PoolMode::Statement => "statement",
    };
    let settings = [
        ("listen_addr", HOST.into()),
        ("listen_port", port.to_string()),
        // None: were the port taken, a Unix socket would keep it running, and it would be found nowhere.
        ("unix_socket_dir", String::new()),
        ("auth_type", "scram-sha-256".into()),
        ("auth_file", users(folder).display().to_string()),
        ("admin_users", admin.to_owned()),
        ("logfile", path("log")),
        ("pidfile", path("pid")),
        ("pool_mode", mode.into()),
    ];
    settings.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn line(user: &str, password: &str) -> String {
    format!("\"{}\" \"{}\"\n", user.replace('"', "\"\""), password.replace('"', "\"\""))
}
