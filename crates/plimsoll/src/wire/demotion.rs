//! A server that took writes and takes them no more: its connections are not lent again, and new ones lead elsewhere.
//!
//! After a failover behind a name, a virtual address or a pooler, connections are open that lead to the old server, which
//! only reads now. They look alive, every write on them fails with 25006, and a pool that learned this one connection at a
//! time would tell each of its callers once. So the first such failure speaks for all connections of that host. And while
//! the name may still lead to the old server, new connections must lead to one that takes writes, as with
//! `target_session_attrs=read-write`, for a few seconds: where that is not set, a server that stays read only may be read
//! from again afterwards.
//!
//! Only a pool that has been able to write can learn this. A pool on a standby has always met 25006.

use crate::moment::Moment;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// Not more often than this are all connections of a host given up.
const PAUSE: Duration = Duration::from_secs(1);
/// How long new connections must lead to a server that takes writes.
const STRICT: Duration = Duration::from_secs(10);

/// Where a connection leads, and since when it is open.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin {
    /// The place of its host in the list.
    pub(crate) host: usize,
    pub(crate) opened: Moment,
}

/// Which connections of one pool lead to a server that was demoted.
#[derive(Debug)]
pub(crate) struct Demotions {
    /// The pool has had a connection on which writes were possible.
    was_writable: AtomicBool,
    /// Some host was demoted, ever: a hint that spares all others a look.
    is_any: AtomicBool,
    /// For each host: connections that were opened before are not lent again.
    before: Box<[AtomicU64]>,
    /// Until then a new connection must be able to write.
    strict_until: AtomicU64,
}

impl Demotions {
    pub(crate) fn of(hosts: usize) -> Self {
        Demotions {
            was_writable: AtomicBool::new(false),
            is_any: AtomicBool::new(false),
            before: (0..hosts).map(|_| AtomicU64::new(0)).collect(),
            strict_until: AtomicU64::new(0),
        }
    }

    /// Whether a connection must not be lent again.
    #[inline]
    pub(crate) fn covers(&self, origin: Option<Origin>) -> bool {
        self.is_any.load(Ordering::Relaxed) && origin.is_some_and(|origin| self.is_before(origin))
    }

    fn is_before(&self, origin: Origin) -> bool {
        let before = self.before.get(origin.host).map_or(0, |before| before.load(Ordering::Acquire));
        origin.opened.number() <= before
    }

    /// A server that was taken for one that takes writes has refused one. Says whether that is news, so that all its
    /// connections are given up.
    pub(crate) fn demoted(&self, host: usize, now: Moment) -> bool {
        let Some(before) = self.before.get(host).filter(|_| self.was_writable.load(Ordering::Acquire)) else {
            return false;
        };
        let last = before.load(Ordering::Acquire);
        if last != 0 && now.since(Moment::numbered(last)) < PAUSE {
            return false;
        }
        if before.compare_exchange(last, now.number(), Ordering::AcqRel, Ordering::Acquire).is_err() {
            return false;
        }
        self.strict_until.store((now + STRICT).number(), Ordering::Release);
        self.is_any.store(true, Ordering::Release);
        true
    }

    /// Whether a new connection must be able to write.
    pub(crate) fn is_strict(&self, now: Moment) -> bool {
        now.number() < self.strict_until.load(Ordering::Acquire)
    }

    /// A connection was opened.
    pub(crate) fn opened(&self, is_writable: bool) {
        if is_writable {
            self.was_writable.store(true, Ordering::Release);
            self.strict_until.store(0, Ordering::Release);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Moment {
        Moment::numbered(seconds * 1_000_000_000)
    }

    fn opened(host: usize, seconds: u64) -> Option<Origin> {
        Some(Origin { host, opened: at(seconds) })
    }

    #[test]
    fn one_refusal_speaks_for_all_older_connections_of_its_host() {
        let demotions = Demotions::of(2);
        demotions.opened(true);
        assert!(demotions.demoted(1, at(10)));
        assert!(demotions.covers(opened(1, 9)) && demotions.covers(opened(1, 10)));
        assert!(!demotions.covers(opened(1, 11)), "one that was opened afterwards");
        assert!(!demotions.covers(opened(0, 9)), "one to another host");
        assert!(!demotions.demoted(1, at(10)), "the same news once");
        assert!(!demotions.covers(opened(1, 11)));
        assert!(demotions.demoted(1, at(12)));
        assert!(demotions.covers(opened(1, 11)));
        assert!(!demotions.demoted(7, at(20)), "no such host");
    }

    #[test]
    fn a_pool_that_could_never_write_gives_nothing_up() {
        let demotions = Demotions::of(1);
        demotions.opened(false);
        assert!(!demotions.demoted(0, at(10)));
        assert!(!demotions.covers(opened(0, 9)) && !demotions.is_strict(at(10)));
    }

    #[test]
    fn new_connections_must_write_until_one_does_or_for_ten_seconds() {
        let demotions = Demotions::of(1);
        demotions.opened(true);
        assert!(!demotions.is_strict(at(10)));
        demotions.demoted(0, at(10));
        demotions.opened(false);
        assert!(demotions.is_strict(at(19)) && !demotions.is_strict(at(20)));
        demotions.opened(true);
        assert!(!demotions.is_strict(at(11)));
    }
}
