//! Whom the server runs as. PostgreSQL and PgBouncer refuse root, and containers, where tests often run, give only root.
//!
//! So root steps down: to the owner of a kept data folder if there is one, else to `postgres`, else to `nobody`. What
//! the server writes is given to that user; what lies on the way to it must let that user pass.

use crate::error::{Error, Result};
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

/// The user that programs are run as.
#[derive(Clone, Debug)]
pub(crate) struct RunAs {
    /// `None` for an ordinary user, who runs them as themselves.
    drop_to: Option<User>,
}

#[derive(Clone, Debug)]
struct User {
    uid: u32,
    gid: u32,
    name: String,
}

impl RunAs {
    /// Chooses. `kept` is a data folder from an earlier time: whoever owns it goes on owning it.
    pub(crate) fn choose(kept: Option<&Path>) -> Result<Self> {
        if !rustix::process::geteuid().is_root() {
            return Ok(Self { drop_to: None });
        }
        let owner = kept
            .and_then(|folder| std::fs::metadata(folder.join("PG_VERSION")).ok())
            .filter(|owner| owner.uid() != 0)
            .map(|owner| User { uid: owner.uid(), gid: owner.gid(), name: format!("user {}", owner.uid()) });
        let user =
            owner.or_else(|| look_up("postgres")).or_else(|| look_up("nobody")).ok_or(Error::NobodyToBe)?;
        Ok(Self { drop_to: Some(user) })
    }

    /// A command that runs as this user, from `folder` (the caller's own may be closed to them), and that hears
    /// nothing of the `PG*` variables by which a person points psql at some other server.
    pub(crate) fn command(&self, program: impl AsRef<Path>, folder: &Path) -> Command {
        let mut command = Command::new(program.as_ref());
        command.current_dir(folder).env("LC_ALL", "C").env("TZ", "UTC");
        for (name, _) in std::env::vars_os() {
            if name.to_str().is_some_and(|name| name.starts_with("PG")) {
                command.env_remove(name);
            }
        }
        if let Some(user) = &self.drop_to {
            command.uid(user.uid).gid(user.gid);
        }
        command
    }

    /// Makes a file or folder theirs.
    pub(crate) fn give(&self, path: &Path) -> Result<()> {
        match &self.drop_to {
            Some(user) => {
                chown(path, Some(user.uid), Some(user.gid)).map_err(Error::io("change the owner of", path))
            }
            None => Ok(()),
        }
    }

    /// Says which folder on the way to `path` keeps them out, if one does. An ordinary user is told by the system.
    pub(crate) fn can_reach(&self, path: &Path) -> Result<()> {
        let Some(user) = &self.drop_to else { return Ok(()) };
        for folder in path.ancestors().skip(1) {
            let Ok(about) = std::fs::metadata(folder) else { continue };
            let may_pass = match about {
                ref a if a.uid() == user.uid => 0o100,
                ref a if a.gid() == user.gid => 0o010,
                _ => 0o001,
            };
            if about.mode() & may_pass == 0 {
                return Err(Error::NotReachable {
                    user: user.name.clone(),
                    path: path.to_owned(),
                    blocked_at: folder.to_owned(),
                });
            }
        }
        Ok(())
    }
}

/// The name of the user whose process this is.
pub(crate) fn own_name() -> Option<String> {
    let output = Command::new("id").arg("-un").output().ok()?;
    let name = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    let is_plain = |c: char| c.is_alphanumeric() || "._-".contains(c);
    (!name.is_empty() && name.chars().all(is_plain)).then_some(name)
}

/// Asks `id`, which knows every source of users that this machine has; `/etc/passwd` is only one.
fn look_up(name: &str) -> Option<User> {
    let ask = |flag| {
        let output = Command::new("id").args([flag, name]).output().ok()?;
        String::from_utf8(output.stdout).ok()?.trim().parse().ok()
    };
    Some(User { uid: ask("-u")?, gid: ask("-g")?, name: name.to_owned() })
}
