//! The channel of events: where they are told, and to whom they go.

use crate::event::Event;
use std::sync::Arc;
use tokio::sync::broadcast;

/// What logs and counts each event, before the subscribers receive it.
pub(crate) type Sink = Arc<dyn Fn(&Event) + Send + Sync>;

/// The channel of events.
#[derive(Clone)]
pub(crate) struct Events {
    sender: broadcast::Sender<Event>,
    sink: Option<Sink>,
}

impl Events {
    /// Events go to the subscribers, and to `sink` if there is one.
    pub(crate) fn new(sink: Option<Sink>) -> Self {
        Events { sender: broadcast::Sender::new(256), sink }
    }

    /// Sends an event to the sink and the subscribers.
    pub(crate) fn tell(&self, event: Event) {
        if let Some(record) = &self.sink {
            record(&event);
        }
        // Sending fails if there is no subscriber, which is the usual case.
        let _ = self.sender.send(event);
    }

    pub(crate) fn subscribe(&self) -> broadcast::Receiver<Event> {
        self.sender.subscribe()
    }
}
