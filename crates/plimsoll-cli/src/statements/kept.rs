//! The file in which looks at the counters are kept: a line of JSON each, at most about 4 MB for 5,000 statements.
//!
//! Lines are only ever added, and may be taken away from the top. Several databases and servers may share a file. A line that
//! cannot be read (the disk was full, the machine stopped) is left out and counted.

use anyhow::{Context, Result, ensure};
use plimsoll_inspect::statements::history::{Growth, Snapshot};
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::time::Duration;

/// A line that is longer is none of ours.
const LONGEST: u64 = 64 << 20;

/// What was done since the last look that was kept at least so long ago (since the first, if none was), and how many lines
/// could not be read. `None` if there is no look at this database.
pub(super) fn growth(file: &Path, now: &Snapshot, ago: Duration) -> Result<(Option<Growth>, u64)> {
    let opened = match File::open(file) {
        Ok(opened) => opened,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok((None, 0)),
        Err(error) => return Err(error).with_context(|| format!("{} cannot be read", file.display())),
    };
    let latest = now.at_seconds - ago.as_secs_f64();
    let mut growth: Option<Growth> = None;
    let mut unreadable = 0;
    let mut lines = BufReader::new(opened);
    loop {
        let mut line = Vec::new();
        let read = lines.by_ref().take(LONGEST).read_until(b'\n', &mut line);
        if read.with_context(|| format!("{} cannot be read", file.display()))? == 0 {
            break;
        }
        if line.trim_ascii().is_empty() {
            continue;
        }
        match serde_json::from_slice::<Snapshot>(&line) {
            Ok(look) if look.schema_version != 1 => unreadable += 1,
            Ok(look) if look.server != now.server || look.database != now.database => {}
            Ok(look) => match &mut growth {
                Some(growth) if look.at_seconds > latest => growth.step(look),
                _ => growth = Some(Growth::from(look)),
            },
            Err(_) => unreadable += 1,
        }
    }
    if let Some(growth) = &mut growth {
        growth.step(now.clone());
    }
    Ok((growth, unreadable))
}

/// Refuses a file that holds something and no look: it is another program's.
///
/// # Errors
/// It is such a file, or it cannot be read.
pub(super) fn is_ours(file: &Path) -> Result<()> {
    let opened = match File::open(file) {
        Ok(opened) => opened,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error).with_context(|| format!("{} cannot be read", file.display())),
    };
    let mut lines = BufReader::new(opened).take(LONGEST);
    let (mut line, mut has_something) = (Vec::new(), false);
    while lines.read_until(b'\n', &mut line).with_context(|| format!("{} cannot be read", file.display()))?
        > 0
    {
        if serde_json::from_slice::<Snapshot>(&line).is_ok() {
            return Ok(());
        }
        has_something |= !line.trim_ascii().is_empty();
        line.clear();
    }
    ensure!(
        !has_something,
        "{} holds no look at statements, so it is another program's: nothing was written",
        file.display()
    );
    Ok(())
}

/// Adds a look. What is left of a line that was not written to its end stays by itself.
pub(super) fn add(file: &Path, look: &Snapshot) -> Result<()> {
    let mut line = serde_json::to_vec(look)?;
    line.push(b'\n');
    write(file, line).with_context(|| format!("{} cannot be written", file.display()))
}

fn write(file: &Path, mut line: Vec<u8>) -> std::io::Result<()> {
    let mut opened = OpenOptions::new().create(true).read(true).append(true).open(file)?;
    if opened.metadata()?.len() > 0 {
        let mut last = [0];
        opened.seek(SeekFrom::End(-1))?;
        opened.read_exact(&mut last)?;
        if last != *b"\n" {
            line.insert(0, b'\n');
        }
    }
    opened.write_all(&line)?;
    opened.sync_data()
}
