//! Whether a service takes work, besides what its databases say: not while it prepares, and not when it is about to stop.
//!
//! What decides where requests go (a balancer, an orchestrator) asks `/readyz` every few seconds. A service that closes its
//! port at the first signal is found out by failed connects, which are requests of clients. So it says first that it is not
//! ready, goes on serving for as long as the asker needs to notice, and stops then
//! ([`ServeOptions::announce`](crate::ServeOptions::announce)).

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

const STARTING: u8 = 1;
const ON: u8 = 2;
const STOPPING: u8 = 3;

/// Says `/readyz` whether the service takes work. Clones are the same switch: one goes to
/// [`EndpointOptions::ready`](crate::EndpointOptions::ready), one to [`ServeOptions::ready`](crate::ServeOptions::ready),
/// which turns it when the stop begins.
///
/// ```
/// use plimsoll_http::{EndpointOptions, ReadySwitch, ServeOptions};
/// use std::time::Duration;
///
/// let ready = ReadySwitch::starting();
/// let endpoints = EndpointOptions::default().ready(&ready);
/// let serve = ServeOptions { ready: ready.clone(), announce: Duration::from_secs(5), ..ServeOptions::default() };
/// // .. and when everything is prepared:
/// ready.prepared();
/// # let _ = (endpoints, serve);
/// ```
#[derive(Clone)]
pub struct ReadySwitch(Arc<AtomicU8>);

/// What a switch says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taking {
    NotYet,
    Work,
    NoMore,
}

impl Default for ReadySwitch {
    fn default() -> Self {
        ReadySwitch(Arc::new(AtomicU8::new(ON)))
    }
}

impl ReadySwitch {
    /// The service takes work from the start.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The service takes work once [`ReadySwitch::prepared`] was said.
    #[must_use]
    pub fn starting() -> Self {
        ReadySwitch(Arc::new(AtomicU8::new(STARTING)))
    }

    /// The service takes work from now on, unless it is stopping.
    pub fn prepared(&self) {
        let _ = self.0.compare_exchange(STARTING, ON, Ordering::SeqCst, Ordering::SeqCst);
    }

    /// The service takes no work any more. Nothing turns it back. [`serve`](fn@crate::serve) says it when the stop begins; a
    /// program that stops in another way says it itself.
    pub fn stopping(&self) {
        self.0.store(STOPPING, Ordering::SeqCst);
    }

    pub(crate) fn taking(&self) -> Taking {
        match self.0.load(Ordering::SeqCst) {
            STARTING => Taking::NotYet,
            STOPPING => Taking::NoMore,
            _ => Taking::Work,
        }
    }
}

impl fmt::Debug for ReadySwitch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ReadySwitch").field(&self.taking()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stop_is_final() {
        let switch = ReadySwitch::starting();
        assert_eq!(switch.taking(), Taking::NotYet);
        switch.clone().prepared();
        assert_eq!(switch.taking(), Taking::Work);
        switch.stopping();
        switch.prepared();
        assert_eq!(switch.taking(), Taking::NoMore);
        assert_eq!(ReadySwitch::new().taking(), Taking::Work);
    }
}
