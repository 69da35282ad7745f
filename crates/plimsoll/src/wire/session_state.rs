//! What the tap has seen of a connection, readable from any task without a lock.

use super::tap::cstring;
use super::transaction_status::TransactionStatus;
use crate::moment::Moment;
use crate::sql::Strings;
use crate::sql::nature::Nature;
use crate::sql::residue::Residue;
use parking_lot::Mutex;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

/// What the request is whose answer comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Front {
    /// None, or one that is not cancelled.
    Other,
    /// Something that may be cancelled.
    Work,
    /// A COPY that was told to fail and has not yet.
    Failed,
}

/// What the tap has seen, for whoever asks from another task.
///
/// Every field is written by the driver's task alone. A reader that finds everything drained sees all of them as of then.
/// What every statement writes and its borrower asks is one line of the cache, because both tasks have to fetch it.
#[derive(Debug)]
#[repr(C, align(64))]
pub(crate) struct SessionState {
    /// The number of a moment.
    pub(super) last_read: AtomicU64,
    pub(super) answered: AtomicU64,
    pub(super) owed: AtomicU32,
    pub(super) owed_work: AtomicU32,
    pub(super) residue: AtomicU32,
    pub(super) status: AtomicU8,
    pub(super) blocked: AtomicBool,
    pub(super) broken: AtomicBool,
    pub(super) committed: AtomicBool,
    /// Up to which number of what was handed to the client has left its queue: see [`Link`](super::link::Link).
    pub(super) drained: AtomicU64,
    pub(super) is_polling: AtomicBool,
    /// What the request is whose answer comes next: see [`Front`].
    pub(super) front: AtomicU8,
    /// A [`Copying`](super::copying::Copying).
    pub(super) copying: AtomicU8,
    /// How many requests have been sent, and how many of them are answered.
    pub(super) sent: AtomicU64,
    pub(super) settled: AtomicU64,
    pub(super) marks: Marks,
    /// Thirty-two bytes of it, four words; only the driver writes them.
    pub(super) last_tag: [AtomicU64; 4],
    pub(super) pid: AtomicI32,
    pub(super) secret: AtomicI32,
    /// How the server reads plain strings: 0 as long as that is not known.
    strings: AtomicU8,
    /// By which names and as whom statements are understood, as a number: 0 is how the session began.
    context: AtomicU64,
    /// The same outside of the transaction that is open.
    outer_context: AtomicU64,
    /// The session has changed the schema, so what is known of statements may be out of date.
    altered: AtomicBool,
    /// The same, for the other connections.
    altered_for_all: AtomicBool,
    /// Whoever made the session as it is to be says so here; the driver takes it away.
    renewed: AtomicBool,
    pub(super) lookups: Mutex<Vec<(String, String)>>,
}

const _: () = assert!(std::mem::offset_of!(SessionState, marks) <= 64);

/// What passed the wire that bears on transactions, counted. Whoever asks twice knows what was between.
#[derive(Debug, Default)]
pub(super) struct Marks {
    /// Texts that were sent to run and are not known to be done whole or not at all.
    pub(super) unclear: AtomicU32,
    /// Those that can end a transaction.
    pub(super) endings: AtomicU32,
    /// Transactions that ended, as command tags say.
    pub(super) ended: AtomicU32,
}

impl Marks {
    /// One more; only the driver writes them.
    pub(super) fn count(mark: &AtomicU32) {
        mark.store(mark.load(Ordering::Relaxed).wrapping_add(1), Ordering::Release);
    }
}

/// The marks as they stood.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mark {
    unclear: u32,
    endings: u32,
    ended: u32,
}

impl SessionState {
    pub(crate) fn new() -> Self {
        SessionState {
            status: AtomicU8::new(TransactionStatus::Unknown as u8),
            owed: AtomicU32::new(0),
            owed_work: AtomicU32::new(0),
            blocked: AtomicBool::new(false),
            broken: AtomicBool::new(false),
            residue: AtomicU32::new(0),
            pid: AtomicI32::new(0),
            secret: AtomicI32::new(0),
            last_read: AtomicU64::new(Moment::now().number()),
            answered: AtomicU64::new(0),
            last_tag: Default::default(),
            committed: AtomicBool::new(false),
            drained: AtomicU64::new(0),
            is_polling: AtomicBool::new(false),
            marks: Marks::default(),
            strings: AtomicU8::new(0),
            context: AtomicU64::new(0),
            outer_context: AtomicU64::new(0),
            altered: AtomicBool::new(false),
            altered_for_all: AtomicBool::new(false),
            renewed: AtomicBool::new(false),
            front: AtomicU8::new(0),
            sent: AtomicU64::new(0),
            settled: AtomicU64::new(0),
            copying: AtomicU8::new(0),
            lookups: Mutex::new(Vec::new()),
        }
    }

    /// How things stand, to be compared with later.
    pub(crate) fn mark(&self) -> Mark {
        let load = |mark: &AtomicU32| mark.load(Ordering::Acquire);
        let Marks { unclear, endings, ended } = &self.marks;
        Mark { unclear: load(unclear), endings: load(endings), ended: load(ended) }
    }

    /// The nature of what has been sent since.
    pub(crate) fn nature_since(&self, then: Mark) -> Nature {
        let now = self.mark();
        let mut nature = Nature::ATOMIC;
        if now.unclear != then.unclear {
            nature |= Nature::UNCLEAR;
        }
        if now.endings != then.endings {
            nature |= Nature::ENDS;
        }
        nature
    }

    /// Whether a transaction has ended since.
    pub(crate) fn has_ended_since(&self, then: Mark) -> bool {
        self.mark().ended != then.ended
    }

    /// The transaction status of the last ReadyForQuery.
    #[inline]
    pub(crate) fn status(&self) -> TransactionStatus {
        TransactionStatus::of_byte(self.status.load(Ordering::Acquire))
    }

    /// Requests whose ReadyForQuery has not come.
    pub(crate) fn owed(&self) -> u32 {
        self.owed.load(Ordering::Acquire)
    }

    /// Those of them that run something which may be cancelled.
    pub(crate) fn owed_work(&self) -> u32 {
        self.owed_work.load(Ordering::Acquire)
    }

    /// How many requests have been sent since the connection began. Each has a number, in their order.
    pub(crate) fn sent(&self) -> u64 {
        self.sent.load(Ordering::Acquire)
    }

    /// How many of them are answered: in their order too.
    pub(crate) fn settled(&self) -> u64 {
        self.settled.load(Ordering::Acquire)
    }

    /// What the request is whose answer comes next.
    pub(crate) fn front(&self) -> Front {
        match self.front.load(Ordering::Acquire) {
            1 => Front::Work,
            2 => Front::Failed,
            _ => Front::Other,
        }
    }

    /// Whether bytes wait for room in the socket, so that the counts are not the whole truth.
    pub(crate) fn is_blocked(&self) -> bool {
        self.blocked.load(Ordering::Acquire)
    }

    /// Whether the bytes stopped making sense.
    pub(crate) fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Acquire)
    }

    /// What statements since the last reset may have left in the session.
    pub(crate) fn residue(&self) -> Residue {
        Residue::from_bits(self.residue.load(Ordering::Acquire))
    }

    /// Forgets the residue; called when what was left was taken back, that was answered and nothing else was sent.
    pub(crate) fn forget_residue(&self) {
        self.residue.store(0, Ordering::Release);
    }

    /// Says that the whole session is as it is to be, the reported settings too; called as above, after a reset.
    pub(crate) fn settle(&self) {
        self.context.store(0, Ordering::Release);
        self.outer_context.store(0, Ordering::Release);
        self.renewed.store(true, Ordering::Release);
        self.forget_residue();
    }

    /// By which names and as whom a statement is understood that is sent next. Equal numbers mean the same; 0 is how the
    /// session began.
    #[inline]
    pub(crate) fn context(&self) -> u64 {
        self.context.load(Ordering::Acquire)
    }

    pub(super) fn outer_context(&self) -> u64 {
        self.outer_context.load(Ordering::Acquire)
    }

    pub(super) fn set_context(&self, context: u64) {
        self.context.store(context, Ordering::Release);
    }

    pub(super) fn set_outer_context(&self, context: u64) {
        self.outer_context.store(context, Ordering::Release);
    }

    pub(super) fn note_altered(&self) {
        self.altered.store(true, Ordering::Release);
        self.altered_for_all.store(true, Ordering::Release);
    }

    /// Whether the session has changed the schema since this was asked last, for its own statements.
    #[inline]
    pub(crate) fn take_altered(&self) -> bool {
        self.altered.load(Ordering::Acquire) && self.altered.swap(false, Ordering::AcqRel)
    }

    /// The same for those of others.
    #[inline]
    pub(crate) fn take_altered_for_all(&self) -> bool {
        self.altered_for_all.load(Ordering::Acquire) && self.altered_for_all.swap(false, Ordering::AcqRel)
    }

    /// Whether that was said since this was asked last.
    pub(super) fn take_settled(&self) -> bool {
        self.renewed.swap(false, Ordering::AcqRel)
    }

    /// How the server reads the strings of a text that is sent next; nothing if that is not known, as while something
    /// is under way that may change it.
    pub(crate) fn strings(&self) -> Option<Strings> {
        if self.owed() > 0 {
            return None;
        }
        match self.strings.load(Ordering::Acquire) {
            1 => Some(Strings::Standard),
            2 => Some(Strings::Escaped),
            _ => None,
        }
    }

    /// Keeps what the server has reported about that.
    pub(super) fn tell_strings(&self, strings: Option<Strings>) {
        let number = match strings {
            None => 0,
            Some(Strings::Standard) => 1,
            Some(Strings::Escaped) => 2,
        };
        self.strings.store(number, Ordering::Release);
    }

    /// Adds what a caller knows to have been left.
    pub(crate) fn add_residue(&self, residue: Residue) {
        self.residue.fetch_or(residue.bits(), Ordering::AcqRel);
    }

    /// The backend's process id, as the server (or a pooler) gave it.
    pub(crate) fn pid(&self) -> i32 {
        self.pid.load(Ordering::Acquire)
    }

    /// The key that a cancel request must show.
    pub(crate) fn secret(&self) -> i32 {
        self.secret.load(Ordering::Acquire)
    }

    /// How many requests have been answered.
    pub(crate) fn answered(&self) -> u64 {
        self.answered.load(Ordering::Acquire)
    }

    /// When anything was last read from the server; before that, when the connection was begun.
    pub(crate) fn heard_at(&self) -> Moment {
        Moment::numbered(self.last_read.load(Ordering::Acquire))
    }

    /// How long ago that was.
    pub(crate) fn silent_for(&self, now: Moment) -> Duration {
        now.since(self.heard_at())
    }

    /// Keeps the body of a CommandComplete, which ends with a zero byte: what stands behind that is not read.
    pub(super) fn keep_tag(&self, body: &[u8]) {
        let (words, rest) = body.as_chunks::<8>();
        let last = (!rest.is_empty()).then(|| {
            let mut word = [0; 8];
            rest.iter().zip(&mut word).for_each(|(byte, place)| *place = *byte);
            word
        });
        for (place, word) in self.last_tag.iter().zip(words.iter().copied().chain(last)) {
            place.store(u64::from_le_bytes(word), Ordering::Release);
        }
    }

    /// The command tag of the last statement that was answered.
    pub(crate) fn last_tag(&self) -> String {
        let bytes: Vec<u8> =
            self.last_tag.iter().flat_map(|word| word.load(Ordering::Acquire).to_le_bytes()).collect();
        String::from_utf8_lossy(cstring(&bytes).0).into_owned()
    }

    /// Whether the last COMMIT or ROLLBACK that was answered was a COMMIT.
    pub(crate) fn has_committed(&self) -> bool {
        self.committed.load(Ordering::Acquire)
    }

    /// The statements by which the driver looks types up, by the names that it gave them for good.
    pub(crate) fn lookups(&self) -> Vec<(String, String)> {
        self.lookups.lock().clone()
    }

    /// Nothing owed, nothing waiting to be written.
    pub(crate) fn is_settled(&self) -> bool {
        self.owed() == 0 && !self.is_blocked() && !self.is_broken()
    }
}
