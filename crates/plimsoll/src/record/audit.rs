//! Finds work that writes more than once outside a transaction: see [`WriteTrail`].

use crate::event::Event;
use crate::events::Events;
use crate::name::WorkName;
use crate::request_id;
use crate::settings::Enforcement;
use crate::write_trail::WriteTrail;
use std::sync::atomic::{AtomicU64, Ordering};

/// What is done about such work, and how often it was found.
#[derive(Debug)]
pub(crate) struct WriteAudit {
    mode: Enforcement,
    found: AtomicU64,
}

impl WriteAudit {
    pub(crate) fn new(mode: Enforcement) -> Self {
        WriteAudit { mode, found: AtomicU64::new(0) }
    }

    /// Whether writes are looked at.
    #[inline]
    pub(crate) fn is_on(&self) -> bool {
        self.mode != Enforcement::Off
    }

    /// How many leases and requests have written more than once.
    pub(crate) fn found(&self) -> u64 {
        self.found.load(Ordering::Relaxed)
    }

    /// Work has written outside a transaction, on the lease with this trail. A request is told of once, and its leases are
    /// not told of beside it.
    pub(crate) fn wrote(&self, by: &WorkName, lease: &WriteTrail, events: &Events) {
        let database = std::ptr::from_ref(self).addr();
        let (request, first) = match request_id::trail() {
            Some((id, trail)) => (Some(id.to_string()), trail.writes.wrote(by, database)),
            None => (None, lease.wrote(by, database)),
        };
        let Some(first) = first else { return };
        self.found.fetch_add(1, Ordering::Relaxed);
        if self.mode == Enforcement::On {
            events.tell(Event::UnwrappedMultiWrite {
                work: by.to_string(),
                first: first.to_string(),
                request,
            });
        }
    }
}
