//! What goes on beside the calls: how a handle starts, the heartbeat, and the answers to how the database is.

pub(crate) mod capacity;
mod events;
pub(crate) mod health;
pub(crate) mod heartbeat;
mod session_watch;
mod start;
