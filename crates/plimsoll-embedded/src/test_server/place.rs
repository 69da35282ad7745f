//! Where the processes of a test run meet: a folder under Cargo's target folder, with a lock and a pointer.
//!
//! The pointer holds the path of the server's own folder, which lies among the temporary files (the server's user
//! may not get into a target folder under `/root`). A file named `open` in there says that the server takes new users;
//! it is the keeper who removes it, and a pointer to a folder without it points at nothing.

use crate::binaries::Binaries;
use crate::error::{Error, Result};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

/// Another place to meet, for those who do not share a target folder.
const FOLDER_VARIABLE: &str = "PLIMSOLL_TEST_SERVER_DIR";

/// The meeting place of all who want the same kind of server.
#[derive(Clone, Debug)]
pub(super) struct Place {
    folder: PathBuf,
    key: String,
}

impl Place {
    /// Where those meet who want a server of these programs with these settings.
    pub(super) fn of(binaries: &Binaries, settings: &[(&str, &str)]) -> Result<Self> {
        let said = std::env::var_os(FOLDER_VARIABLE).filter(|said| !said.is_empty()).map(PathBuf::from);
        let folder = said.unwrap_or_else(|| target_folder().join("plimsoll-test-server"));
        std::fs::create_dir_all(&folder).map_err(Error::io("make the folder", &folder))?;
        let mut hash = DefaultHasher::new();
        (binaries.folder(), settings).hash(&mut hash);
        let user = rustix::process::geteuid().as_raw();
        let key = format!("pg{}-user{user}-{:016x}", binaries.major(), hash.finish());
        Ok(Self { folder, key })
    }

    /// Held by whoever starts or buries the server.
    pub(super) fn lock(&self) -> PathBuf {
        self.folder.join(format!("{}.lock", self.key))
    }

    /// Held by whoever makes this template.
    pub(super) fn template_lock(&self, template: &str) -> PathBuf {
        self.folder.join(format!("{}.{template}.lock", self.key))
    }

    /// The server's folder, if there is or was one.
    pub(super) fn read(&self) -> Option<PathBuf> {
        let text = std::fs::read_to_string(self.pointer()).ok()?;
        Some(PathBuf::from(text.trim_end()))
    }

    /// Points all who come from now on at this folder.
    pub(super) fn point_at(&self, folder: &Path) -> Result<()> {
        let pointer = self.pointer();
        let new = pointer.with_extension("new");
        std::fs::write(&new, format!("{}\n", folder.display())).map_err(Error::io("write", &new))?;
        std::fs::rename(&new, &pointer).map_err(Error::io("write", &pointer))
    }

    fn pointer(&self) -> PathBuf {
        self.folder.join(format!("{}.current", self.key))
    }
}

/// Cargo marks its target folder with a `CACHEDIR.TAG`, and test binaries lie in it. That holds for any configuration,
/// while a relative `CARGO_TARGET_DIR` means something else in each package's folder.
fn target_folder() -> PathBuf {
    let exe = std::env::current_exe().ok();
    let marked =
        exe.iter().flat_map(|exe| exe.ancestors()).find(|folder| folder.join("CACHEDIR.TAG").is_file());
    if let Some(folder) = marked {
        return folder.to_owned();
    }
    let said = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from).filter(|folder| folder.is_absolute());
    let package = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let workspace =
        package.iter().flat_map(|folder| folder.ancestors()).find(|f| f.join("Cargo.lock").is_file());
    said.or_else(|| workspace.map(|folder| folder.join("target"))).unwrap_or_else(std::env::temp_dir)
}
