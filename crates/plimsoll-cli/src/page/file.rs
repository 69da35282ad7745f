//! A page on the disk: whole or not at all, and never in the place of what is not a page of this command.

use super::Page;
use anyhow::{Context, Result, bail};
use std::fs::{File, Permissions};
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

/// How far into a file its generator is looked for. It comes after the policy.
const HEAD: u64 = 2_048;

/// Where a page will be. What is there already stays until the page is whole.
#[derive(Debug)]
pub struct PageFile {
    path: PathBuf,
    fresh: NamedTempFile,
}

impl PageFile {
    /// Sees that a page can be written there, before the work of which it tells. A page of this command that is there already will
    /// be replaced, and keeps who may read it; a new one can be read by its owner alone, since it tells of the insides of a server.
    ///
    /// # Errors
    /// There is something else of that name, or the folder is not there or cannot be written.
    pub fn at(path: &Path) -> Result<Self> {
        // A link leads to where the page is; the link itself stays.
        let place = match path.canonicalize() {
            Ok(place) => place,
            Err(error) if error.kind() == ErrorKind::NotFound => path.to_owned(),
            Err(error) => {
                return Err(error).with_context(|| format!("{} cannot be looked at", path.display()));
            }
        };
        let permissions = is_page(&place)?;
        let folder = place.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let fresh = tempfile::Builder::new()
            .prefix(".plimsoll-page-")
            .tempfile_in(folder)
            .with_context(|| format!("no file can be made in {}", folder.display()))?;
        if let Some(permissions) = permissions {
            fresh
                .as_file()
                .set_permissions(permissions)
                .context("the permissions of the page cannot be kept")?;
        }
        Ok(PageFile { path: place, fresh })
    }

    /// Writes the page.
    ///
    /// # Errors
    /// The disk is full, or the like: what was there before is as it was.
    pub fn write(mut self, page: &Page) -> Result<()> {
        let failed =
            || format!("{} could not be written; what was there before is as it was", self.path.display());
        let written =
            self.fresh.write_all(page.html().as_bytes()).and_then(|()| self.fresh.as_file().sync_all());
        written.with_context(failed)?;
        let failed = failed();
        self.fresh.persist(&self.path).context(failed)?;
        Ok(())
    }
}

/// Whether a page of this command is there, and then who may read it; nothing may be there as well.
fn is_page(path: &Path) -> Result<Option<Permissions>> {
    let about = match path.metadata() {
        Ok(about) => about,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| format!("{} cannot be looked at", path.display())),
    };
    let shown = path.display();
    if !about.is_file() {
        bail!("{shown} is there and is no file: give another name");
    }
    let mut head = Vec::new();
    let read = File::open(path).and_then(|file| file.take(HEAD).read_to_end(&mut head));
    read.with_context(|| {
        format!("{shown} is there and cannot be read, so it is left alone: give another name")
    })?;
    let is_ours = String::from_utf8_lossy(&head).contains("<meta name=\"generator\" content=\"plimsoll ");
    if !is_ours {
        bail!(
            "{shown} is there and is no page of plimsoll, so it is left alone: give another name, or remove it"
        );
    }
    Ok(Some(about.permissions()))
}
