//! What a listener hears: notifications, and the gaps between them.

use std::fmt;
use std::time::Instant;

/// What a [`Listener`](crate::listen::Listener) gives: a notification, or the news that some may be missing.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Message {
    /// A notification on one of the channels.
    Notification(Notification),
    /// Notifications before this point may be missing, and from here on none is until the next gap. State that was built
    /// from notifications must be read anew now: whatever is committed after this is heard.
    Gap(Gap),
}

/// A notification, as `NOTIFY` or `pg_notify` sent it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Notification {
    /// The channel.
    pub channel: String,
    /// The text that was sent along, empty if there was none; PostgreSQL allows less than 8,000 bytes.
    pub payload: String,
    /// The process id of the backend that sent it.
    pub pid: i32,
}

/// A time of which notifications may be missing. When it is given, `LISTEN` holds (again).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Gap {
    /// Since when notifications may be missing: since the server was last heard on the connection that was lost, or since
    /// the first one was dropped. `None` for the gap with which every listener begins: nothing was heard before.
    pub since: Option<Instant>,
    /// Why.
    pub cause: GapCause,
    /// Notifications that had been received and were dropped for want of place. After a lost connection others may be
    /// missing, whose number no program can know.
    pub dropped: u64,
}

/// Why notifications may be missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum GapCause {
    /// The listener has begun: what was sent earlier was not listened to.
    Began,
    /// The connection was lost, and `LISTEN` did not hold until now.
    Lost,
    /// The reader was slower than notifications came, and `listen_buffer` was full.
    Overflow,
}

impl fmt::Display for GapCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            GapCause::Began => "the listener has begun",
            GapCause::Lost => "the connection was lost",
            GapCause::Overflow => "the reader was too slow",
        })
    }
}
