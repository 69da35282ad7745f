//! What a listener's reader and the task of its connection share.

use crate::error::{Error, Outcome, Phase, Result};
use crate::event::Event;
use crate::events::Events;
use crate::fault::Fault;
use crate::notification::{Message, Notification};
use crate::rules::inbox::{Epoch, Inbox, Received};
use futures_util::task::AtomicWaker;
use parking_lot::Mutex;
use std::collections::BTreeSet;
use std::task::{Context, Poll};
use std::time::Instant;
use tokio::sync::{Notify, oneshot};

/// Why a listener hears nothing any more.
#[derive(Clone, Debug)]
pub(super) enum End {
    /// The pool was closed, or the listener was dropped.
    Closed,
    /// It cannot go on: told once.
    Failed { fault: Fault, sentence: String },
}

/// A channel that was added and is not known to be listened to yet.
struct Request {
    channel: String,
    reply: oneshot::Sender<Result<()>>,
}

struct State {
    inbox: Inbox,
    /// The channels to which the connection listens.
    held: BTreeSet<String>,
    requests: Vec<Request>,
    pid: Option<i32>,
    end: Option<End>,
}

pub(super) struct Shared {
    state: Mutex<State>,
    reader: AtomicWaker,
    /// Tells the task that the channels have changed.
    pub(super) changed: Notify,
    /// Tells the task that the listener was dropped.
    pub(super) left: Notify,
    capacity: usize,
    events: Events,
}

/// What the connection has to do so that it listens to exactly the channels that are wanted.
pub(super) struct Outstanding {
    pub(super) listen: Vec<String>,
    pub(super) unlisten: Vec<String>,
    /// A failure concerns only who has added this channel, and not what was listened to before.
    pub(super) is_request: bool,
}

impl Shared {
    pub(super) fn new(channels: BTreeSet<String>, capacity: usize, events: Events) -> Self {
        Shared {
            state: Mutex::new(State {
                inbox: Inbox::new(capacity, channels),
                held: BTreeSet::new(),
                requests: Vec::new(),
                pid: None,
                end: None,
            }),
            reader: AtomicWaker::new(),
            changed: Notify::new(),
            left: Notify::new(),
            capacity,
            events,
        }
    }

    /// The next message; `None` once the listener has ended and everything was taken.
    pub(super) fn poll(&self, cx: &mut Context<'_>) -> Poll<Option<Result<Message>>> {
        self.reader.register(cx.waker());
        let mut state = self.state.lock();
        if let Some(message) = state.inbox.take() {
            return Poll::Ready(Some(Ok(message)));
        }
        match &state.end {
            None => Poll::Pending,
            Some(End::Closed) => Poll::Ready(None),
            Some(End::Failed { fault, sentence }) => {
                let error = Error::new(*fault, Phase::Connect, Outcome::NotStarted, sentence.clone());
                state.end = Some(End::Closed);
                Poll::Ready(Some(Err(error)))
            }
        }
    }

    /// Asks for a channel. The answer comes once the connection listens to it.
    pub(super) fn add(&self, channel: String) -> Result<oneshot::Receiver<Result<()>>> {
        let (reply, answer) = oneshot::channel();
        {
            let mut state = self.state.lock();
            if let Some(end) = &state.end {
                return Err(end.error());
            }
            state.inbox.add(channel.clone());
            if state.held.contains(&channel) {
                let _ = reply.send(Ok(()));
                return Ok(answer);
            }
            // One of a caller that has left asks for nothing more than this one.
            state.requests.retain(|known| known.channel != channel || !known.reply.is_closed());
            state.requests.push(Request { channel, reply });
        }
        self.changed.notify_one();
        Ok(answer)
    }

    /// Gives up a channel, at once.
    pub(super) fn remove(&self, channel: &str) -> bool {
        let was_wanted = {
            let mut state = self.state.lock();
            state.requests.retain(|request| request.channel != channel);
            state.inbox.remove(channel)
        };
        self.changed.notify_one();
        was_wanted
    }

    pub(super) fn channels(&self) -> Vec<String> {
        self.state.lock().inbox.channels().iter().cloned().collect()
    }

    pub(super) fn is_listening(&self) -> bool {
        let state = self.state.lock();
        state.inbox.holds() && state.end.is_none()
    }

    pub(super) fn pid(&self) -> Option<i32> {
        self.state.lock().pid
    }

    /// A connection is about to listen: gives the number by which it is known.
    pub(super) fn begin(&self, pid: i32) -> Epoch {
        let mut state = self.state.lock();
        state.held.clear();
        state.pid = Some(pid);
        state.inbox.begin()
    }

    /// A notification came on the connection of this number.
    pub(super) fn hear(&self, epoch: Epoch, heard: &tokio_postgres::Notification) {
        let notification = Notification {
            channel: heard.channel().to_owned(),
            payload: heard.payload().to_owned(),
            pid: heard.process_id(),
        };
        let received = self.state.lock().inbox.receive(epoch, notification, Instant::now());
        match received {
            Received::Kept => self.reader.wake(),
            Received::Overflowed => self.events.tell(Event::ListenerOverflowed { waiting: self.capacity }),
            Received::Ignored | Received::Dropped => {}
        }
    }

    /// What the connection has to do. If that is nothing, `LISTEN` holds from now on.
    pub(super) fn outstanding(&self) -> Option<Outstanding> {
        let mut state = self.state.lock();
        let State { inbox, held, requests, .. } = &mut *state;
        let is_requested = |channel: &str| requests.iter().any(|request| request.channel == channel);
        let missing = inbox.channels().difference(held);
        let known: Vec<String> = missing.filter(|channel| !is_requested(channel)).cloned().collect();
        let unlisten: Vec<String> = held.difference(inbox.channels()).cloned().collect();
        if !known.is_empty() || !unlisten.is_empty() {
            return Some(Outstanding { listen: known, unlisten, is_request: false });
        }
        if let Some(request) = requests.first() {
            let listen = vec![request.channel.clone()];
            return Some(Outstanding { listen, unlisten, is_request: true });
        }
        inbox.established();
        drop(state);
        self.reader.wake();
        None
    }

    /// The connection has done it.
    pub(super) fn done(&self, what: Outstanding) {
        let mut state = self.state.lock();
        let State { held, requests, .. } = &mut *state;
        for channel in &what.unlisten {
            held.remove(channel);
        }
        held.extend(what.listen);
        let (answered, rest) =
            std::mem::take(requests).into_iter().partition(|request| held.contains(&request.channel));
        *requests = rest;
        drop(state);
        let answered: Vec<Request> = answered;
        answered.into_iter().for_each(|request| drop(request.reply.send(Ok(()))));
    }

    /// The server refuses a channel that was added; what was listened to before goes on.
    pub(super) fn refuse(&self, what: &Outstanding, fault: Fault, sentence: &str) {
        let mut state = self.state.lock();
        let State { inbox, requests, .. } = &mut *state;
        for channel in &what.listen {
            inbox.remove(channel);
        }
        let (refused, rest) =
            std::mem::take(requests).into_iter().partition(|request| what.listen.contains(&request.channel));
        *requests = rest;
        drop(state);
        let refused: Vec<Request> = refused;
        for request in refused {
            let error = Error::new(fault, Phase::Statement, Outcome::RolledBack, sentence);
            let _ = request.reply.send(Err(error));
        }
    }

    /// The connection was given up; the server was last heard on it at that time.
    pub(super) fn lost(&self, heard_at: Instant) {
        let mut state = self.state.lock();
        state.inbox.lost(heard_at);
        state.held.clear();
        state.pid = None;
    }

    /// Nothing more will be heard. The first reason stays.
    pub(super) fn end(&self, end: End) {
        let requests = {
            let mut state = self.state.lock();
            state.pid = None;
            state.end.get_or_insert(end);
            std::mem::take(&mut state.requests)
        };
        // Who waits for one of these asks for the reason of the end.
        drop(requests);
        self.reader.wake();
    }

    /// The error of a listener that has ended.
    pub(super) fn error(&self) -> Error {
        match &self.state.lock().end {
            Some(end) => end.error(),
            None => Error::new(
                Fault::Usage,
                Phase::Connect,
                Outcome::NotStarted,
                "the channel was removed while it was being added",
            ),
        }
    }
}

impl End {
    fn error(&self) -> Error {
        match self {
            End::Closed => closed(),
            End::Failed { fault, sentence } => {
                Error::new(*fault, Phase::Connect, Outcome::NotStarted, sentence.clone())
            }
        }
    }
}

/// The error of a listener whose pool was closed.
pub(super) fn closed() -> Error {
    let sentence = "the listener has ended: the pool is closed";
    Error::new(Fault::PoolClosed, Phase::Connect, Outcome::NotStarted, sentence)
}
