//! A writer for the access log of a service that answers many requests.
//!
//! A line that goes through `tracing` is formatted twice, and written by the task that logs it: where the reader of a pipe
//! hangs or a disk is slow, so does every request. Here a task makes its line in memory and appends it to a buffer of bounded
//! size, under a lock that is held for no longer than the copy takes. One thread of its own writes what has gathered, at
//! 64 KiB or after 100 ms. What does not fit into the buffer is dropped and counted, and once lines are taken again, the log
//! itself says how many are missing and since when.
//!
//! | a line of JSON has | |
//! |---|---|
//! | `timestamp` | when the request ended: RFC 3339 in UTC with microseconds, `2026-03-01T09:05:00.250000Z`; it began `ms` before |
//! | the fields of [`AccessRecord`] | as they are documented there; `user` and `code` only where there is one |
//!
//! A line that tells of dropped records has `timestamp`, `dropped` (how many), `since` (when the first of them was) and
//! `message` instead. Lines are in the order in which requests ended, so those of one connection are in its order.

mod held;
mod sink;
mod thread;

use crate::access::{AccessLog, AccessRecord};
use held::Held;
use jiff::Timestamp;
use serde::{Serialize, Serializer};
use sink::{LogFile, Sink};
use std::cell::RefCell;
use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// How many bytes of lines wait for being written, at the most, unless it is said otherwise.
const HOLDS: usize = 8 << 20;

/// How long the end of the last handle waits for what is left to be written.
const FAREWELL: Duration = Duration::from_secs(1);

/// An access log that makes no request wait: see [the layers' option](crate::Options::access_log). Clones write to the same
/// log. When the last one is dropped, what is left is written, for which the drop waits 1 s at the most.
///
/// ```no_run
/// use plimsoll_http::{AccessWriter, Options, layers};
/// use std::time::{Duration, SystemTime};
///
/// # async fn example(db: plimsoll::Database) -> Result<(), Box<dyn std::error::Error>> {
/// let log = AccessWriter::to_file("/var/log/service/access.json")?;
/// let layers = layers(&db, Options::default().access_log(log.clone()));
/// // .. serve, until it is stopped ..
/// if !log.flush_within(Duration::from_secs(1)) {
///     eprintln!("of the access log {} records were not written", log.counts().held);
/// }
/// # Ok(()) }
/// ```
///
/// A process that is killed loses what has gathered since the last write, 100 ms at the most. Nothing is synced to the disk.
#[derive(Clone)]
pub struct AccessWriter(Arc<Owner>);

/// What became of the records of a log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct AccessCounts {
    /// Written.
    pub written: u64,
    /// Dropped, because what takes the log was too slow, took nothing or is gone. Never less than before.
    pub dropped: u64,
    /// Not written yet.
    pub held: u64,
}

struct Owner {
    form: Form,
    held: Arc<Held>,
}

/// How a line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Json,
    Text,
}

impl AccessWriter {
    /// One JSON object a line.
    ///
    /// # Errors
    /// The thread that writes could not be started.
    pub fn json(sink: impl Write + Send + 'static) -> io::Result<Self> {
        Self::start(Form::Json, Sink::Any(Box::new(sink)))
    }

    /// Lines for people.
    ///
    /// # Errors
    /// As for [`AccessWriter::json`].
    pub fn lines(sink: impl Write + Send + 'static) -> io::Result<Self> {
        Self::start(Form::Text, Sink::Any(Box::new(sink)))
    }

    /// To the standard output: lines for people if that is a terminal, and JSON otherwise. The lines of `println!` and of
    /// `tracing` do not mix with these, and wait meanwhile.
    ///
    /// # Errors
    /// As for [`AccessWriter::json`].
    pub fn to_stdout() -> io::Result<Self> {
        let form = if io::stdout().is_terminal() { Form::Text } else { Form::Json };
        Self::start(form, Sink::Stdout)
    }

    /// JSON, appended to a file. If the file is renamed or deleted, as logrotate does it, the next lines go to a new file under
    /// the old name, without a signal. With logrotate say `delaycompress`: a write that is under way ends in the renamed file.
    ///
    /// # Errors
    /// The file could not be opened, or the thread that writes not be started.
    pub fn to_file(path: impl AsRef<Path>) -> io::Result<Self> {
        Self::start(Form::Json, Sink::File(LogFile::open(path.as_ref())?))
    }

    /// How many bytes of lines may wait for being written: 8 MiB unless this is said. A line has about 300 bytes. When a sink
    /// takes nothing, as many again may be with it, so twice this is the most memory that it costs.
    #[must_use]
    pub fn holding(self, bytes: usize) -> Self {
        self.0.held.hold(bytes);
        self
    }

    /// What became of the records so far.
    #[must_use]
    pub fn counts(&self) -> AccessCounts {
        self.0.held.counts()
    }

    /// Waits until the records so far are written, for this long at the most; whether they are. It blocks its thread, so it
    /// is meant for the end of a program. What a sink keeps in a buffer of its own is flushed.
    #[must_use]
    pub fn flush_within(&self, span: Duration) -> bool {
        self.0.held.flush_within(span)
    }

    fn start(form: Form, sink: Sink) -> io::Result<Self> {
        let held = Arc::new(Held::new(HOLDS));
        thread::start(form, sink, Arc::clone(&held))?;
        Ok(AccessWriter(Arc::new(Owner { form, held })))
    }
}

impl AccessLog for AccessWriter {
    fn log(&self, record: &AccessRecord<'_>) {
        thread_local! {
            /// The line that this thread makes.
            static LINE: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
        }
        let now = now();
        let Owner { form, held } = &*self.0;
        let put = |line: &mut Vec<u8>| {
            line.clear();
            form.write(now, record, line);
            held.put(line, now);
        };
        let is_put = LINE.try_with(|line| line.try_borrow_mut().map(|mut line| put(&mut line)).is_ok());
        // A thread that ends has no line of its own any more.
        if !is_put.unwrap_or_default() {
            put(&mut Vec::new());
        }
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.held.close_within(FAREWELL);
    }
}

impl fmt::Debug for AccessWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessWriter").field("form", &self.0.form).field("counts", &self.counts()).finish()
    }
}

impl Form {
    /// Appends a record's line.
    fn write(self, now: Timestamp, record: &AccessRecord<'_>, line: &mut Vec<u8>) {
        #[derive(Serialize)]
        struct Line<'a> {
            #[serde(serialize_with = "in_microseconds")]
            timestamp: Timestamp,
            #[serde(flatten)]
            record: &'a AccessRecord<'a>,
        }
        match self {
            Form::Json => self.write_json(&Line { timestamp: now, record }, line),
            Form::Text => self.write_text(format_args!("{now:.6} {record}"), line),
        }
    }

    /// Appends the line that tells of records that were dropped.
    pub(crate) fn write_loss(self, now: Timestamp, dropped: u64, since: Timestamp, line: &mut Vec<u8>) {
        #[derive(Serialize)]
        struct Loss {
            #[serde(serialize_with = "in_microseconds")]
            timestamp: Timestamp,
            dropped: u64,
            #[serde(serialize_with = "in_microseconds")]
            since: Timestamp,
            message: &'static str,
        }
        let message = "records of the access log were dropped: what takes it was too slow, or took nothing";
        match self {
            Form::Json => self.write_json(&Loss { timestamp: now, dropped, since, message }, line),
            Form::Text => {
                self.write_text(format_args!("{now:.6} {dropped} {message} (since {since:.6})"), line);
            }
        }
    }

    fn write_json(self, value: &impl Serialize, line: &mut Vec<u8>) {
        // Numbers, texts and a memory to write to: nothing here can fail.
        let _ = serde_json::to_writer(&mut *line, value);
        line.push(b'\n');
    }

    fn write_text(self, text: fmt::Arguments<'_>, line: &mut Vec<u8>) {
        let began = line.len();
        let _ = line.write_fmt(text);
        // What would break the line, or tell a terminal to do something.
        for byte in line.iter_mut().skip(began).filter(|byte| byte.is_ascii_control()) {
            *byte = b' ';
        }
        line.push(b'\n');
    }
}

/// A clock that is set to a year beyond the calendar's shows its beginning.
fn now() -> Timestamp {
    Timestamp::try_from(SystemTime::now()).unwrap_or_default()
}

fn in_microseconds<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{time:.6}"))
}

#[cfg(test)]
mod tests;
