//! Stderr without the lock of the standard library: a thread that hangs while it writes there holds that.

use rustix::io::{Errno, write};
use std::io::{self, Write};
use std::time::{Duration, Instant};

/// How long a stderr that takes no bytes and does not wait, is tried again.
const PATIENCE: Duration = Duration::from_secs(1);
const PAUSE: Duration = Duration::from_millis(10);

/// The descriptor of stderr.
pub(super) struct Stderr;

impl Write for Stderr {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let end = Instant::now() + PATIENCE;
        loop {
            match write(rustix::stdio::stderr(), bytes) {
                // Its pipe is full.
                Err(Errno::AGAIN) if Instant::now() < end => std::thread::sleep(PAUSE),
                Err(error) => return Err(error.into()),
                Ok(count) => return Ok(count),
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
