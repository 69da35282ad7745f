//! Where lines go: a file that may be renamed, the standard output, or any other writer.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

pub(super) enum Sink {
    Any(Box<dyn Write + Send>),
    /// Its lock is held for a whole batch, so that no other line comes between.
    Stdout,
    File(LogFile),
}

/// A file, as long as it has its name.
pub(super) struct LogFile {
    path: PathBuf,
    file: File,
    is_lost: bool,
}

impl Sink {
    /// Writes the bytes from `sent` on, and moves that.
    pub(super) fn send(&mut self, bytes: &[u8], sent: &mut usize) -> io::Result<()> {
        match self {
            Sink::Any(writer) => send(writer, bytes, sent),
            Sink::Stdout => send(&mut io::stdout().lock(), bytes, sent),
            Sink::File(log) => {
                // A line that was begun ends in the file where it began.
                if sent.checked_sub(1).and_then(|last| bytes.get(last)).is_none_or(|last| *last == b'\n') {
                    log.follow();
                }
                send(&mut log.file, bytes, sent)
            }
        }
    }
}

fn send(writer: &mut impl Write, bytes: &[u8], sent: &mut usize) -> io::Result<()> {
    while let Some(rest) = bytes.get(*sent..).filter(|rest| !rest.is_empty()) {
        match writer.write(rest) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(written) => *sent = sent.saturating_add(written),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    writer.flush()
}

impl LogFile {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        Ok(LogFile { path: path.to_owned(), file: open(path)?, is_lost: false })
    }

    /// Opens the file anew if another has its name now, or none. Where that fails, lines go on to where they went.
    fn follow(&mut self) {
        if self.has_its_name() {
            return;
        }
        match open(&self.path) {
            Ok(file) => {
                self.file = file;
                self.is_lost = false;
            }
            Err(error) if !self.is_lost => {
                self.is_lost = true;
                tracing::error!(
                    target: "plimsoll::http",
                    "{error}; it was renamed or deleted, and lines go on to the file that had this name"
                );
            }
            Err(_) => {}
        }
    }

    fn has_its_name(&self) -> bool {
        let (Ok(named), Ok(own)) = (fs::metadata(&self.path), self.file.metadata()) else { return false };
        (named.dev(), named.ino()) == (own.dev(), own.ino())
    }
}

fn open(path: &Path) -> io::Result<File> {
    let opened = OpenOptions::new().create(true).append(true).open(path);
    opened.map_err(|error| {
        io::Error::new(
            error.kind(),
            format!("the access log {} could not be opened: {error}", path.display()),
        )
    })
}
