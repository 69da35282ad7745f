//! What is promised of listeners: nothing is missed without a word, and nothing is left behind.

mod a_channel_is_what_its_name_says;
mod a_listener_ends_with_its_owner;
mod a_listener_heals_by_itself;
mod a_listener_misses_nothing_without_a_gap;
mod a_silent_wire_is_noticed;
mod a_slow_reader_is_told_what_was_dropped;
mod behind_a_transaction_pooler_a_listener_goes_its_own_way;
mod channels_come_and_go;
mod listen_on_a_lent_connection_is_refused;

use crate::server::PATIENCE;
use plimsoll::Result;
use plimsoll::listen::{Gap, GapCause, Listener, Message, Notification};
use tokio::time::timeout;

/// The next message, or what the listener ended with.
async fn try_next(listener: &mut Listener) -> Result<Option<Message>> {
    timeout(PATIENCE, listener.recv()).await.expect("a message in time")
}

async fn next(listener: &mut Listener) -> Message {
    try_next(listener).await.expect("no error").expect("a listener that goes on")
}

async fn gap(listener: &mut Listener) -> Gap {
    match next(listener).await {
        Message::Gap(gap) => gap,
        other => panic!("{other:?} is no gap"),
    }
}

async fn notification(listener: &mut Listener) -> Notification {
    match next(listener).await {
        Message::Notification(heard) => heard,
        other => panic!("{other:?} is no notification"),
    }
}

/// Takes the gap with which every listener begins.
async fn begin(listener: &mut Listener) {
    let gap = gap(listener).await;
    assert_eq!((gap.cause, gap.since, gap.dropped), (GapCause::Began, None, 0));
    assert!(listener.is_listening());
}
