//! Mosquitto's two files: the configuration, and the passwords.

use super::program;
use crate::error::{Error, Result};
use crate::folder;
use crate::port::HOST;
use crate::root::RunAs;
use std::path::{Path, PathBuf};

/// Who may come in.
pub(super) const USER: &str = "fleet";

pub(super) fn file(folder: &Path) -> PathBuf {
    folder.join("mosquitto.conf")
}

/// Writes both. A line of `settings` counts above this crate's own.
pub(super) fn write(
    settings: &[(String, String)],
    broker: &Path,
    folder: &Path,
    port: u16,
    password: &str,
    run_as: &RunAs,
) -> Result<()> {
    let mut text = String::new();
    let said = |name: &str| settings.iter().any(|(said, _)| said == name);
    let own = own_settings(folder, port).into_iter().filter(|(name, _)| !said(name));
    for (name, value) in own.chain(settings.iter().cloned()) {
        if format!("{name}{value}").contains(['\n', '\r', '\0']) {
            return Err(Error::Setting { name, value, problem: "a setting must stay on one line" });
        }
        text.push_str(&format!("{name} {value}\n"));
    }
    folder::write(&file(folder), &text, 0o600, run_as)?;
    passwords(broker, folder, password, run_as)
}

fn own_settings(folder: &Path, port: u16) -> Vec<(String, String)> {
    let path = |name| folder.join(name).display().to_string();
    let settings = [
        // What follows a listener is about it; it comes first, and so the rest is about the whole broker and about it.
        ("listener", format!("{port} {HOST}")),
        ("allow_anonymous", "false".into()),
        ("password_file", path("passwords")),
        ("persistence", "true".into()),
        ("persistence_location", format!("{}/", folder.display())),
        // In seconds. The default is half an hour, and what came since is gone with a broker that is killed.
        ("autosave_interval", "1".into()),
        // Without a limit. The default drops what goes beyond 1,000 messages for a client that is away, and tells no one.
        ("max_queued_messages", "0".into()),
        ("max_inflight_messages", "0".into()),
        ("pid_file", path("pid")),
        ("log_dest", format!("file {}", path("log"))),
        ("log_timestamp_format", "%Y-%m-%dT%H:%M:%S".into()),
    ];
    settings.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// The broker reads hashes only. They are made out of a file, since an argument could be read by every user of the machine.
fn passwords(broker: &Path, folder: &Path, password: &str, run_as: &RunAs) -> Result<()> {
    let path = folder.join("passwords");
    folder::write(&path, &format!("{USER}:{password}\n"), 0o600, run_as)?;
    let program = program::passwords(broker);
    let output = run_as.command(&program, folder).arg("-U").arg(&path).output();
    let output = output.map_err(Error::io("run", &program))?;
    if output.status.success() {
        return Ok(());
    }
    Err(Error::Failed {
        doing: "making the broker's file of passwords".into(),
        hint: None,
        log: String::from_utf8_lossy(&output.stderr).trim().replace(password, "..."),
    })
}
