//! Lines that wait for being written: a buffer of bounded size between the tasks that log and the one thread that writes.
//!
//! One lock and not one for each processor: it is held for the copy of a line, some hundred bytes, and never while
//! something is written, so at a million lines a second it would be taken for a few percent of the time. What several
//! buffers would cost is the order of the lines. The buffer's memory is reserved whole at the start, so that no task copies
//! megabytes when it grows; what is not used of it is not there.

use super::{AccessCounts, Form};
use jiff::Timestamp;
use parking_lot::{Condvar, Mutex};
use std::time::{Duration, Instant};

/// So many bytes are written without waiting for more.
const BATCH: usize = 64 << 10;

/// How long lines are gathered.
const GATHER: Duration = Duration::from_millis(100);

pub(super) struct Held {
    state: Mutex<State>,
    /// There is something to do for the thread.
    wake: Condvar,
    /// Lines were written, or the thread has ended.
    done: Condvar,
}

#[derive(Default)]
struct State {
    lines: Vec<u8>,
    /// Records among these lines.
    records: u64,
    /// So many bytes of lines there may be.
    most: usize,
    /// Records that were dropped and of which the log does not tell yet, and when the first was.
    untold: Option<(u64, Timestamp)>,
    /// Records that were ever taken, and those of them that were written or given up.
    taken: u64,
    settled: u64,
    written: u64,
    dropped: u64,
    /// How many wait for the lines to be written.
    flushing: usize,
    /// The last handle is gone; until then what is left may be written.
    closed: Option<Instant>,
    has_ended: bool,
}

/// Lines that are being written.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) bytes: Vec<u8>,
    /// How many of these bytes have been written.
    pub(super) sent: usize,
    records: u64,
}

impl Held {
    pub(super) fn new(most: usize) -> Self {
        let state = State { lines: Vec::with_capacity(most), most, ..State::default() };
        Held { state: Mutex::new(state), wake: Condvar::new(), done: Condvar::new() }
    }

    pub(super) fn hold(&self, most: usize) {
        let mut state = self.state.lock();
        state.most = most;
        let more = most.saturating_sub(state.lines.len());
        state.lines.reserve(more);
    }

    /// Takes a line, or drops it.
    pub(super) fn put(&self, line: &[u8], now: Timestamp) {
        let mut state = self.state.lock();
        let before = state.lines.len();
        let after = before.saturating_add(line.len());
        if after > state.most || state.has_ended {
            state.drop_record(now);
            return;
        }
        state.lines.extend_from_slice(line);
        state.records += 1;
        state.taken += 1;
        drop(state);
        if before == 0 || (before < BATCH && after >= BATCH) {
            self.wake.notify_one();
        }
    }

    /// Waits for lines and exchanges them for the empty batch; false if there will be none.
    pub(super) fn next(&self, batch: &mut Batch, form: Form) -> bool {
        let mut state = self.state.lock();
        while state.lines.is_empty() && state.untold.is_none() && state.closed.is_none() {
            self.wake.wait(&mut state);
        }
        let end = Instant::now() + GATHER;
        while state.lines.len() < BATCH && state.flushing == 0 && state.closed.is_none() {
            if self.wake.wait_until(&mut state, end).timed_out() {
                break;
            }
        }
        batch.bytes.clear();
        batch.bytes.reserve(state.most);
        batch.sent = 0;
        std::mem::swap(&mut state.lines, &mut batch.bytes);
        batch.records = std::mem::take(&mut state.records);
        let untold = state.untold.take();
        drop(state);
        if let Some((dropped, since)) = untold {
            form.write_loss(super::now(), dropped, since, &mut batch.bytes);
        }
        !batch.bytes.is_empty()
    }

    /// A batch is written, or what was not written of it is given up.
    pub(super) fn settle(&self, batch: &mut Batch) {
        let left = batch.bytes.get(batch.sent..).unwrap_or_default();
        let left = left.iter().filter(|byte| **byte == b'\n').count();
        let records = std::mem::take(&mut batch.records);
        let lost = records.min(u64::try_from(left).unwrap_or(u64::MAX));
        let mut state = self.state.lock();
        state.settled += records;
        state.written += records.saturating_sub(lost);
        state.dropped += lost;
        drop(state);
        self.done.notify_all();
    }

    /// If the last handle is gone: for how long writing may go on.
    pub(super) fn closes_in(&self) -> Option<Duration> {
        let closed = self.state.lock().closed;
        closed.map(|end| end.saturating_duration_since(Instant::now()))
    }

    /// Waits before writing is tried again, and not for longer than until the last handle is dropped.
    pub(super) fn pause(&self, span: Duration) {
        let end = Instant::now() + span;
        let mut state = self.state.lock();
        let was_closed = state.closed.is_some();
        while was_closed || state.closed.is_none() {
            if self.wake.wait_until(&mut state, end).timed_out() {
                return;
            }
        }
    }

    /// The thread has ended. If it was by a panic of the sink, nothing is taken any more.
    pub(super) fn end(&self) {
        let mut state = self.state.lock();
        state.has_ended = true;
        state.dropped += state.taken - state.settled;
        state.settled = state.taken;
        state.lines = Vec::new();
        drop(state);
        self.done.notify_all();
    }

    pub(super) fn counts(&self) -> AccessCounts {
        let state = self.state.lock();
        AccessCounts { written: state.written, dropped: state.dropped, held: state.taken - state.settled }
    }

    pub(super) fn flush_within(&self, span: Duration) -> bool {
        let end = Instant::now().checked_add(span);
        let mut state = self.state.lock();
        let goal = state.taken;
        state.flushing += 1;
        self.wake.notify_one();
        while state.settled < goal && self.wait_for_more(&mut state, end) {}
        state.flushing -= 1;
        state.settled >= goal && !state.has_ended
    }

    /// Lets the thread write what is left, and waits for its end.
    pub(super) fn close_within(&self, span: Duration) {
        let end = Instant::now() + span;
        let mut state = self.state.lock();
        state.closed = Some(end);
        self.wake.notify_one();
        while !state.has_ended && self.wait_for_more(&mut state, Some(end)) {}
    }

    /// Waits until something was written; false if the time is over.
    fn wait_for_more(&self, state: &mut parking_lot::MutexGuard<'_, State>, end: Option<Instant>) -> bool {
        match end {
            Some(end) => !self.done.wait_until(state, end).timed_out(),
            None => {
                self.done.wait(state);
                true
            }
        }
    }
}

impl State {
    fn drop_record(&mut self, now: Timestamp) {
        self.dropped += 1;
        let (count, _) = self.untold.get_or_insert((0, now));
        *count += 1;
    }
}
