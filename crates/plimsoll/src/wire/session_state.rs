//! What the tap has seen of a session, for any task to read without a lock.

use super::copying::Copying;
use super::link::Progress;
use super::marks::Marks;
use super::swelling::Swelling;
use super::tap::cstring;
use super::transaction_status::TransactionStatus;
use crate::moment::Moment;
use crate::sql::Strings;
use crate::sql::residue::Residue;
use parking_lot::Mutex;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

/// The kind of the request whose answer comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Front {
    /// No request, or one that is not cancelled.
    Other,
    /// A request that may be cancelled.
    Work,
    /// A COPY that was told to fail and has not failed yet.
    Failed,
}

/// What the driver's task writes with every statement, on a cache line of its own, because the borrower's task has to
/// fetch it. No other task writes it. A reader that finds everything drained sees all of it as of then.
#[derive(Debug)]
#[repr(align(64))]
pub(super) struct DriverSide {
    /// When anything was last read, as the number of a moment.
    pub(super) last_read: AtomicU64,
    /// How many ReadyForQuery have come.
    pub(super) answered: AtomicU64,
    /// How many requests have been sent.
    pub(super) sent: AtomicU64,
    /// How many of the sent requests are answered.
    pub(super) settled: AtomicU64,
    pub(super) owed: AtomicU32,
    pub(super) owed_work: AtomicU32,
    /// A [`TransactionStatus`].
    pub(super) status: AtomicU8,
    pub(super) is_blocked: AtomicBool,
    pub(super) is_broken: AtomicBool,
    pub(super) has_committed: AtomicBool,
    /// What the request is whose answer comes next: see [`Front`].
    pub(super) front: AtomicU8,
    /// A [`Copying`](super::copying::Copying).
    pub(super) copying: AtomicU8,
    progress: Progress,
}

/// What the tap has seen of a connection, for other tasks to read.
///
/// The driver's task writes nearly all of it. A borrower writes the residue, the contexts and the flags below them too:
/// when it has taken back what it left in the session, that was answered, and it has sent nothing else since.
#[derive(Debug)]
pub(crate) struct SessionState {
    pub(super) driver: DriverSide,
    /// What statements may have left in the session.
    residue: AtomicU32,
    pub(super) marks: Marks,
    /// The command tag of the last statement that was answered, as the server sent it.
    last_tag: Mutex<Vec<u8>>,
    pub(super) pid: AtomicI32,
    pub(super) secret: AtomicI32,
    /// The server has begun to authenticate the client.
    pub(super) authenticates: AtomicBool,
    /// How the server reads plain strings: 0 as long as that is not known.
    strings: AtomicU8,
    /// Whether a transaction can write: 0 as long as that is not known.
    writes: AtomicU8,
    /// By which names and as which role statements are understood, as a number: 0 is how the session began.
    context: AtomicU64,
    /// The same outside of the transaction that is open.
    outer_context: AtomicU64,
    /// The session has changed the schema, so what its own statements have learned may be out of date.
    is_altered: AtomicBool,
    /// The same, for the statements of other connections.
    is_altered_for_all: AtomicBool,
    /// A reset has made the session as it is to be. Set by the task that reset it, cleared by the driver's.
    is_renewed: AtomicBool,
    pub(super) lookups: Mutex<Vec<(String, String)>>,
    pub(crate) swelling: Swelling,
}

impl SessionState {
    pub(crate) fn new() -> Self {
        SessionState {
            driver: DriverSide {
                last_read: AtomicU64::new(Moment::now().number()),
                answered: AtomicU64::new(0),
                sent: AtomicU64::new(0),
                settled: AtomicU64::new(0),
                owed: AtomicU32::new(0),
                owed_work: AtomicU32::new(0),
                status: AtomicU8::new(TransactionStatus::Unknown as u8),
                is_blocked: AtomicBool::new(false),
                is_broken: AtomicBool::new(false),
                has_committed: AtomicBool::new(false),
                front: AtomicU8::new(Front::Other as u8),
                copying: AtomicU8::new(Copying::Not as u8),
                progress: Progress::new(),
            },
            residue: AtomicU32::new(0),
            marks: Marks::default(),
            last_tag: Mutex::default(),
            pid: AtomicI32::new(0),
            secret: AtomicI32::new(0),
            authenticates: AtomicBool::new(false),
            strings: AtomicU8::new(0),
            writes: AtomicU8::new(0),
            context: AtomicU64::new(0),
            outer_context: AtomicU64::new(0),
            is_altered: AtomicBool::new(false),
            is_altered_for_all: AtomicBool::new(false),
            is_renewed: AtomicBool::new(false),
            lookups: Mutex::new(Vec::new()),
            swelling: Swelling::default(),
        }
    }

    /// How far the driver's task has come.
    #[inline]
    pub(super) fn progress(&self) -> &Progress {
        &self.driver.progress
    }

    /// The transaction status of the last ReadyForQuery.
    #[inline]
    pub(crate) fn status(&self) -> TransactionStatus {
        TransactionStatus::of_byte(self.driver.status.load(Ordering::Acquire))
    }

    /// How many requests have no ReadyForQuery yet.
    pub(crate) fn owed(&self) -> u32 {
        self.driver.owed.load(Ordering::Acquire)
    }

    /// How many of them run something that may be cancelled.
    pub(crate) fn owed_work(&self) -> u32 {
        self.driver.owed_work.load(Ordering::Acquire)
    }

    /// How many requests have been sent since the connection began. Each has a number, in their order.
    pub(crate) fn sent(&self) -> u64 {
        self.driver.sent.load(Ordering::Acquire)
    }

    /// How many of them are answered. They are answered in their order.
    pub(crate) fn settled(&self) -> u64 {
        self.driver.settled.load(Ordering::Acquire)
    }

    /// The kind of the request whose answer comes next.
    pub(crate) fn front(&self) -> Front {
        match self.driver.front.load(Ordering::Acquire) {
            1 => Front::Work,
            2 => Front::Failed,
            _ => Front::Other,
        }
    }

    /// Whether bytes wait for room in the socket, so that requests may be under way that are not counted.
    pub(crate) fn is_blocked(&self) -> bool {
        self.driver.is_blocked.load(Ordering::Acquire)
    }

    /// Whether the bytes on the wire stopped making sense.
    pub(crate) fn is_broken(&self) -> bool {
        self.driver.is_broken.load(Ordering::Acquire)
    }

    /// What statements since the last reset may have left in the session.
    pub(crate) fn residue(&self) -> Residue {
        Residue::from_bits(self.residue.load(Ordering::Acquire))
    }

    /// Forgets the residue. The caller has taken back what was left in the session, the server has answered that, and
    /// nothing else has been sent since.
    pub(crate) fn forget_residue(&self) {
        self.residue.store(0, Ordering::Release);
    }

    /// Records that a reset has made the whole session as it is to be, including the reported settings. The same holds for
    /// the caller.
    pub(crate) fn settle(&self) {
        self.context.store(0, Ordering::Release);
        self.outer_context.store(0, Ordering::Release);
        self.is_renewed.store(true, Ordering::Release);
        self.forget_residue();
    }

    /// The context in which the next statement is understood, see [`context`](super::context). Equal numbers mean the same;
    /// 0 is how the session began.
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
        self.is_altered.store(true, Ordering::Release);
        self.is_altered_for_all.store(true, Ordering::Release);
    }

    /// Whether the session has changed the schema since this was last asked, for its own statements.
    #[inline]
    pub(crate) fn take_altered(&self) -> bool {
        self.is_altered.load(Ordering::Acquire) && self.is_altered.swap(false, Ordering::AcqRel)
    }

    /// The same, for the statements of other connections.
    #[inline]
    pub(crate) fn take_altered_for_all(&self) -> bool {
        self.is_altered_for_all.load(Ordering::Acquire)
            && self.is_altered_for_all.swap(false, Ordering::AcqRel)
    }

    /// Whether the session was reset since this was last asked.
    pub(super) fn take_renewed(&self) -> bool {
        self.is_renewed.swap(false, Ordering::AcqRel)
    }

    /// How the server reads the strings of the next text. It is not known while something is under way that may change it.
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

    /// Keeps how the server reads strings, as it has reported.
    pub(super) fn keep_strings(&self, strings: Option<Strings>) {
        let number = match strings {
            None => 0,
            Some(Strings::Standard) => 1,
            Some(Strings::Escaped) => 2,
        };
        self.strings.store(number, Ordering::Release);
    }

    /// Whether a transaction that does not say so itself can write, as the server has reported; none if it has not.
    pub(crate) fn writes(&self) -> Option<bool> {
        match self.writes.load(Ordering::Acquire) {
            1 => Some(true),
            2 => Some(false),
            _ => None,
        }
    }

    pub(super) fn keep_writes(&self, writes: Option<bool>) {
        let number = writes.map_or(0, |writes| if writes { 1 } else { 2 });
        self.writes.store(number, Ordering::Release);
    }

    /// Adds to what may be left in the session.
    pub(crate) fn add_residue(&self, residue: Residue) {
        self.residue.fetch_or(residue.bits(), Ordering::AcqRel);
    }

    /// The backend's process id, as the server (or a pooler) gave it.
    pub(crate) fn pid(&self) -> i32 {
        self.pid.load(Ordering::Acquire)
    }

    /// The key that a cancel request must contain.
    pub(crate) fn secret(&self) -> i32 {
        self.secret.load(Ordering::Acquire)
    }

    /// How many requests have been answered.
    pub(crate) fn answered(&self) -> u64 {
        self.driver.answered.load(Ordering::Acquire)
    }

    /// When anything was last read from the server; at first, when the connection was begun.
    pub(crate) fn heard_at(&self) -> Moment {
        Moment::numbered(self.driver.last_read.load(Ordering::Acquire))
    }

    /// How long ago that was.
    pub(crate) fn silent_for(&self, now: Moment) -> Duration {
        now.since(self.heard_at())
    }

    /// Keeps the body of a CommandComplete.
    pub(super) fn keep_tag(&self, body: &[u8]) {
        let mut tag = self.last_tag.lock();
        tag.clear();
        tag.extend_from_slice(cstring(body).0);
    }

    /// The command tag of the last statement that was answered.
    pub(crate) fn last_tag(&self) -> String {
        String::from_utf8_lossy(&self.last_tag.lock()).into_owned()
    }

    /// Whether the last COMMIT or ROLLBACK that was answered was a COMMIT.
    pub(crate) fn has_committed(&self) -> bool {
        self.driver.has_committed.load(Ordering::Acquire)
    }

    /// The statements by which the driver looks types up, with the names that it gave them.
    pub(crate) fn lookups(&self) -> Vec<(String, String)> {
        self.lookups.lock().clone()
    }

    /// Nothing owed, nothing waiting to be written.
    pub(crate) fn is_settled(&self) -> bool {
        self.owed() == 0 && !self.is_blocked() && !self.is_broken()
    }
}
