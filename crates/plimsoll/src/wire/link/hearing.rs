//! Who hears the notifications that come on a connection.
//!
//! On a lent connection no caller does: it may be lent to another caller when they come. The connection of a listener
//! hands them on, from the moment before its first `LISTEN` is sent.

use super::Link;
use std::sync::OnceLock;
use tokio_postgres::Notification;

/// Takes a notification; called by the driver's task, so it must not wait.
pub(crate) type Hears = Box<dyn Fn(Notification) + Send + Sync>;

#[derive(Default)]
pub(super) struct Hearing(OnceLock<Hears>);

impl Link {
    /// Has every notification given to `hears` from now on. Set once for a connection.
    pub(crate) fn hear(&self, hears: Hears) {
        let _ = self.hearing.0.set(hears);
    }

    /// Hands a notification on; gives it back where no listener is.
    pub(in crate::wire) fn heard(&self, notification: Notification) -> Option<Notification> {
        match self.hearing.0.get() {
            Some(hears) => {
                hears(notification);
                None
            }
            None => Some(notification),
        }
    }
}
