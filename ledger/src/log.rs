//! What was asked and what was told, of one lane: written by its workers, read once at the end.

use crate::op::{Deed, Op};
use parking_lot::Mutex;
use plimsoll_faults::ledger::{End, Entry, Verdict};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

/// One lane's log.
#[derive(Debug, Default)]
pub(crate) struct Log {
    next: AtomicI64,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    /// Whose id it is, and how long its caller had waited when it was told.
    asked: BTreeMap<i64, Op>,
    told: Vec<(i64, End)>,
    acknowledged: u64,
    waits: Vec<Duration>,
    /// The most by which an answer came after the caller's patience had ended, where there was one try.
    latest: Duration,
}

impl Log {
    /// As many ids as the operation needs, that nobody else has.
    pub(crate) fn ids(&self, op: Op) -> Vec<i64> {
        let count = i64::try_from(op.ids()).unwrap_or(i64::MAX);
        let first = self.next.fetch_add(count, Ordering::SeqCst);
        (first..first + count).collect()
    }

    /// Leaves so many ids to somebody else; gives the first of them.
    pub(crate) fn skips(&self, count: i64) -> i64 {
        self.next.fetch_add(count, Ordering::SeqCst)
    }

    /// A call is made.
    pub(crate) fn asks(&self, op: Op, ids: &[i64]) {
        self.kept.lock().asked.extend(ids.iter().map(|id| (*id, op)));
    }

    /// A call has its answer.
    pub(crate) fn tells(&self, deed: &Deed, began: Instant, ends: &[End]) {
        self.answers(&deed.ids, began.elapsed(), ends);
        let mut kept = self.kept.lock();
        kept.latest = kept.latest.max(began.elapsed().saturating_sub(deed.patience));
    }

    /// The same, as somebody else has measured it.
    pub(crate) fn answers(&self, ids: &[i64], took: Duration, ends: &[End]) {
        let mut kept = self.kept.lock();
        kept.told.extend(ids.iter().copied().zip(ends.iter().copied()));
        kept.acknowledged += u64::from(ends.contains(&End::Acknowledged));
        kept.waits.push(took);
    }

    /// Whoever asked has gone before an answer came.
    pub(crate) fn is_left(&self, ids: &[i64]) {
        self.kept.lock().told.extend(ids.iter().map(|id| (*id, End::Unknown)));
    }

    /// So do all who have not been told by now: their program is gone.
    pub(crate) fn all_have_left(&self) {
        let mut kept = self.kept.lock();
        let told: std::collections::BTreeSet<i64> = kept.told.iter().map(|(id, _)| *id).collect();
        let left: Vec<i64> = kept.asked.keys().copied().filter(|id| !told.contains(id)).collect();
        kept.told.extend(left.into_iter().map(|id| (id, End::Unknown)));
    }

    /// The calls that were acknowledged, at least in part.
    pub(crate) fn acknowledged(&self) -> u64 {
        self.kept.lock().acknowledged
    }

    /// What nobody knows.
    pub(crate) fn unknown(&self) -> Vec<i64> {
        let kept = self.kept.lock();
        kept.told.iter().filter(|(_, end)| *end == End::Unknown).map(|(id, _)| *id).collect()
    }

    /// Times to an answer.
    pub(crate) fn waits(&self) -> Vec<Duration> {
        self.kept.lock().waits.clone()
    }

    /// How much later than its caller's patience the latest answer came.
    pub(crate) fn latest(&self) -> Duration {
        self.kept.lock().latest
    }

    /// The log held against what is stored, for each operation. What is stored and nobody asked for stands with the
    /// first of them.
    pub(crate) fn verdicts(&self, stored: &[i64]) -> BTreeMap<Op, Verdict> {
        let kept = self.kept.lock();
        let mut parts: BTreeMap<Op, (u64, Vec<Entry>, Vec<u64>)> = BTreeMap::new();
        for op in kept.asked.values() {
            parts.entry(*op).or_default().0 += 1;
        }
        for (id, end) in &kept.told {
            if let Some(part) = kept.asked.get(id).and_then(|op| parts.get_mut(op)) {
                part.1.push(Entry { id: id.cast_unsigned(), end: *end });
            }
        }
        let first = parts.keys().next().copied();
        for id in stored {
            let op = kept.asked.get(id).copied().or(first);
            if let Some(part) = op.and_then(|op| parts.get_mut(&op)) {
                part.2.push(id.cast_unsigned());
            }
        }
        let judge =
            |(attempts, log, stored): (u64, Vec<Entry>, Vec<u64>)| Verdict::of(attempts, &log, stored);
        parts.into_iter().map(|(op, part)| (op, judge(part))).collect()
    }

    /// Whose these ids are.
    pub(crate) fn op_of(&self, id: i64) -> Option<Op> {
        self.kept.lock().asked.get(&id).copied()
    }
}
