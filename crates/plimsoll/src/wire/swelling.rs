//! Whether the driver's buffers have swollen, and for how long nothing has needed that.
//!
//! The driver has three buffers for each connection: one in its client, in which a request is put together, and one for
//! each direction of the stream. They grow to the longest message that has passed, up to twice that, and never shrink: a
//! parameter and a row of 32 MB leave a hundred megabytes behind. They cannot be reached from here, so a connection on which
//! a large message has passed is closed once no other has followed for a while, and the pool opens another when it needs
//! one. While large messages keep coming, the buffers are in use and the connection stays.

use crate::moment::Moment;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A message that is longer leaves buffers behind that are worth a new connection.
const LARGE: usize = 1024 * 1024;

/// For so long no large message may have passed before the connection is closed.
const UNUSED_FOR: Duration = Duration::from_secs(3);

/// When a large message has passed on a connection, as the number of a moment; 0 if none has.
#[derive(Debug, Default)]
pub(crate) struct Swelling(AtomicU64);

impl Swelling {
    /// So many bytes are buffered at once, or about to be.
    #[inline]
    pub(super) fn note(&self, bytes: usize) {
        if bytes > LARGE {
            self.0.store(Moment::now().number(), Ordering::Release);
        }
    }

    /// Whether the buffers are large, and have not been needed for a while. The clock is read only if they are large.
    #[inline]
    pub(crate) fn is_unused(&self, now: impl FnOnce() -> Moment) -> bool {
        match self.0.load(Ordering::Acquire) {
            0 => false,
            last => now().since(Moment::numbered(last)) >= UNUSED_FOR,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_large_is_unused_once_nothing_large_has_followed() {
        let swelling = Swelling::default();
        let later = || Moment::now() + UNUSED_FOR;
        swelling.note(LARGE);
        assert!(!swelling.is_unused(later));
        swelling.note(LARGE + 1);
        assert!(!swelling.is_unused(Moment::now) && swelling.is_unused(later));
        let soon = later();
        swelling.note(LARGE + 1);
        assert!(!swelling.is_unused(|| soon));
        // Small ones neither shrink the buffers nor need them.
        swelling.note(1);
        assert!(swelling.is_unused(later));
    }
}
