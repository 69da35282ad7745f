//! What a listener has received and its reader has not taken, in bounded memory, with every loss told at its place.
//!
//! The promise: a notification that is missing is followed by a [`Gap`] before any later one. A gap is given only once
//! `LISTEN` holds, because a reader rereads its state at the gap, and what is committed after that must be heard.
//!
//! ```text
//! ready:  n n n [Gap] n n        what may be taken, in order
//! open:   Gap                    LISTEN does not hold: not to be taken yet
//! behind: n n                    heard on the new connection before it is known that LISTEN holds
//! ```
//!
//! *Full.* The first notification without a place ends the queue with a gap, and everything up to the moment at which the
//! reader takes that gap is counted in it and dropped. So a slow reader is told once for each filling of its queue, and
//! not at every second message; and what it had not lost it still gets.
//!
//! *Lost.* A gap that ends the queue and was not taken is taken back and goes on: the reader rereads once, later. What a
//! connection still says after it was given up is ignored, by the number of the connection.

use crate::notification::{Gap, GapCause, Message, Notification};
use std::collections::{BTreeSet, VecDeque};
use std::time::Instant;

/// Which connection says something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Epoch(u64);

/// What became of a notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Received {
    /// The reader will get it.
    Kept,
    /// It is from a connection that was given up, or on a channel that was removed.
    Ignored,
    /// The queue has just overflowed.
    Overflowed,
    /// It was dropped, and is counted in a gap.
    Dropped,
}

/// The queue between a listener's connection and its reader.
#[derive(Debug)]
pub(crate) struct Inbox {
    capacity: usize,
    channels: BTreeSet<String>,
    epoch: u64,
    ready: VecDeque<Message>,
    /// The last of `ready` is a gap that counts what is dropped.
    is_overflowing: bool,
    open: Option<Gap>,
    behind: VecDeque<Notification>,
}

impl Inbox {
    /// Nothing is heard yet: the first message will be a gap.
    pub(crate) fn new(capacity: usize, channels: BTreeSet<String>) -> Self {
        Inbox {
            capacity: capacity.max(1),
            channels,
            epoch: 0,
            ready: VecDeque::new(),
            is_overflowing: false,
            open: Some(Gap { since: None, cause: GapCause::Began, dropped: 0 }),
            behind: VecDeque::new(),
        }
    }

    /// The channels whose notifications are kept.
    pub(crate) fn channels(&self) -> &BTreeSet<String> {
        &self.channels
    }

    /// Keeps the notifications of this channel too.
    pub(crate) fn add(&mut self, channel: String) {
        self.channels.insert(channel);
    }

    /// Gives no notification of this channel any more, and forgets those that were not taken.
    pub(crate) fn remove(&mut self, channel: &str) -> bool {
        self.ready
            .retain(|message| !matches!(message, Message::Notification(heard) if heard.channel == channel));
        self.behind.retain(|heard| heard.channel != channel);
        self.channels.remove(channel)
    }

    /// Whether `LISTEN` is known to hold.
    pub(crate) fn holds(&self) -> bool {
        self.open.is_none()
    }

    /// A new connection is about to listen.
    pub(crate) fn begin(&mut self) -> Epoch {
        self.forget_behind();
        self.epoch += 1;
        Epoch(self.epoch)
    }

    /// `LISTEN` holds for all channels: the gap, if there is one, may be taken.
    pub(crate) fn established(&mut self) {
        if let Some(gap) = self.open.take() {
            self.is_overflowing = false;
            self.ready.push_back(Message::Gap(gap));
            self.ready.extend(self.behind.drain(..).map(Message::Notification));
        }
    }

    /// The connection is given up; the server was last heard on it at that time.
    pub(crate) fn lost(&mut self, heard_at: Instant) {
        self.epoch += 1;
        if self.open.is_some() {
            self.forget_behind();
            return;
        }
        let mut gap = Gap { since: Some(heard_at), cause: GapCause::Lost, dropped: 0 };
        if let Some(Message::Gap(last)) = self.ready.back() {
            gap.dropped = last.dropped;
            gap.since = last.since.map(|since| since.min(heard_at));
            if last.cause == GapCause::Began {
                gap.cause = GapCause::Began;
            }
            self.ready.pop_back();
        }
        self.is_overflowing = false;
        self.open = Some(gap);
    }

    /// What was heard behind the gap on a connection that did not last is covered by the gap.
    fn forget_behind(&mut self) {
        if let Some(open) = &mut self.open {
            open.dropped += u64::try_from(self.behind.len()).unwrap_or(u64::MAX);
        }
        self.behind.clear();
    }

    /// A notification came on this connection.
    pub(crate) fn receive(&mut self, epoch: Epoch, heard: Notification, now: Instant) -> Received {
        if epoch.0 != self.epoch || !self.channels.contains(&heard.channel) {
            return Received::Ignored;
        }
        let is_full = self.ready.len() + self.behind.len() >= self.capacity;
        if let Some(open) = &mut self.open {
            if is_full {
                open.dropped += 1;
                return Received::Dropped;
            }
            self.behind.push_back(heard);
            return Received::Kept;
        }
        if self.is_overflowing {
            if let Some(Message::Gap(gap)) = self.ready.back_mut() {
                gap.dropped += 1;
            }
            return Received::Dropped;
        }
        if !is_full {
            self.ready.push_back(Message::Notification(heard));
            return Received::Kept;
        }
        self.is_overflowing = true;
        match self.ready.back_mut() {
            // Nothing was heard since that gap, so the reader rereads at it what is dropped now.
            Some(Message::Gap(gap)) => gap.dropped += 1,
            _ => {
                let gap = Gap { since: Some(now), cause: GapCause::Overflow, dropped: 1 };
                self.ready.push_back(Message::Gap(gap));
            }
        }
        Received::Overflowed
    }

    /// What the reader gets next, if there is anything.
    pub(crate) fn take(&mut self) -> Option<Message> {
        let next = self.ready.pop_front();
        if self.ready.is_empty() {
            self.is_overflowing = false;
        }
        next
    }

    /// How many messages wait for the reader.
    #[cfg(test)]
    fn len(&self) -> usize {
        self.ready.len() + self.behind.len()
    }
}

#[cfg(test)]
mod tests;
