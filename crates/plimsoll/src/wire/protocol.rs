//! What was asked of the server and is not answered yet, and what each of it will have done.
//!
//! The tap shows every message; here they are put together: which answer belongs to which request, what a request may do
//! to its transaction and leave in its session, and what the tags and the status of its answer say.

use super::context;
use super::context::{Change, Contexts, OWN_BEGIN};
use super::copying::Copying;
use super::frames::Frame;
use super::parameters::Parameters;
use super::session_state::{Front, Marks, SessionState};
use super::tap::cstring;
use super::transaction_status::TransactionStatus;
use crate::sql::Strings;
use crate::sql::nature;
use crate::sql::nature::Nature;
use crate::sql::residue;
use crate::sql::residue::Residue;
use std::collections::{HashMap, VecDeque};
use std::sync::atomic::Ordering;

/// What one ReadyForQuery is owed for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reply {
    /// Only parsing, describing or closing: over in no time.
    Light,
    /// Something runs; sent with Execute, so that COPY may swallow its Sync.
    Execute,
    /// Something runs; a simple query.
    Query,
    /// A COMMIT or ROLLBACK runs.
    End,
    /// A COPY that was told to fail: it ends by itself, once the rows before that are through.
    Failed,
}

impl Reply {
    fn is_work(self) -> bool {
        matches!(self, Reply::Execute | Reply::Query)
    }
}

/// One answer that is still to come.
#[derive(Clone, Copy)]
struct PendingReply {
    owed: Reply,
    /// Its text rolls back to a savepoint, which the server tags as it tags the end of a transaction.
    undoes: bool,
}

/// What a text does beyond being run, known from its Parse until it is bound.
#[derive(Clone, Copy, Default)]
pub(super) struct Traits {
    residue: Residue,
    nature: Nature,
    change: Change,
}

impl Traits {
    fn of(sql: &[u8], strings: Option<Strings>) -> Self {
        let (residue, nature) = (residue::of_sql(sql, strings), nature::of_sql(sql, strings));
        Traits { residue, nature, change: Change::of(sql, nature, residue) }
    }

    fn is_plain(self) -> bool {
        self.residue.is_none() && self.nature == Nature::ATOMIC
    }

    /// It rolls back to a savepoint and ends no transaction.
    fn undoes(self) -> bool {
        self.nature.contains(Nature::UNDOES) && !self.nature.contains(Nature::ENDS)
    }

    /// It is a single COMMIT or ROLLBACK, which is never cancelled.
    fn is_end(self) -> bool {
        let ends = self.nature.contains(Nature::ENDS) || self.nature.contains(Nature::UNDOES);
        ends && !self.nature.contains(Nature::SEVERAL)
    }
}

/// The answers that are still to come, in their order.
struct Pipeline {
    queue: VecDeque<PendingReply>,
    /// How many of them run something that may be cancelled.
    works: u32,
    /// How many have been settled.
    settled: u64,
}

impl Pipeline {
    fn new() -> Self {
        Pipeline { queue: VecDeque::with_capacity(4), works: 0, settled: 0 }
    }

    fn push(&mut self, owed: Reply, undoes: bool) {
        self.works += u32::from(owed.is_work());
        self.queue.push_back(PendingReply { owed, undoes });
    }

    fn pop(&mut self) {
        let settled = self.queue.pop_front();
        self.works -= u32::from(settled.is_some_and(|debt| debt.owed.is_work()));
        self.settled += u64::from(settled.is_some());
    }

    fn next_is(&self, owed: Reply) -> bool {
        self.queue.front().is_some_and(|debt| debt.owed == owed)
    }

    fn next_undoes(&self) -> bool {
        self.queue.front().is_some_and(|debt| debt.undoes)
    }

    fn front(&self) -> Front {
        match self.queue.front().map(|debt| debt.owed) {
            Some(owed) if owed.is_work() => Front::Work,
            Some(Reply::Failed) => Front::Failed,
            _ => Front::Other,
        }
    }

    fn len(&self) -> u32 {
        u32::try_from(self.queue.len()).unwrap_or(u32::MAX / 2)
    }
}

/// What was asked and is not answered yet.
pub(super) struct Protocol {
    owed: Pipeline,
    pub(super) executes: bool,
    ends: bool,
    undoes: bool,
    /// A COPY was told to fail.
    fails: bool,
    /// The last statement was a COPY; the server waits for rows, or sends them.
    copies: bool,
    /// A statement of the request that is being answered has ended well.
    completes: bool,
    ready: bool,
    /// Whether a reported setting is not as it was at start-up.
    differ: bool,
    parameters: Box<Parameters>,
    contexts: Contexts,
    /// The named statements that are not plain; none as long as there is none, as nearly always.
    #[expect(
        clippy::box_collection,
        reason = "a map takes six words, which would lie among what every message touches"
    )]
    pub(super) named: Option<Box<HashMap<Vec<u8>, Traits>>>,
}

impl Protocol {
    pub(super) fn new() -> Self {
        Protocol {
            owed: Pipeline::new(),
            executes: false,
            ends: false,
            undoes: false,
            fails: false,
            copies: false,
            completes: false,
            ready: false,
            differ: false,
            parameters: Box::default(),
            contexts: Contexts::default(),
            named: None,
        }
    }
}

/// How the driver's own questions about types begin.
fn is_lookup(sql: &[u8]) -> bool {
    [&b"SELECT t.typname, t.typtype"[..], b"SELECT enumlabel", b"SELECT attname, atttypid"]
        .iter()
        .any(|beginning| sql.starts_with(beginning))
}

fn note_lookup(name: &[u8], sql: &[u8], state: &SessionState) {
    let mut lookups = state.lookups.lock();
    if let (Ok(name), Ok(sql), true) =
        (std::str::from_utf8(name), std::str::from_utf8(sql), lookups.len() < 8)
    {
        lookups.push((name.to_owned(), sql.to_owned()));
    }
}

impl Protocol {
    pub(super) fn on_sent(&mut self, frame: &Frame<'_>, state: &SessionState) {
        match frame.kind {
            0 => self.owed.push(Reply::Light, false),
            b'Q' => {
                // What is sent behind a copy that waits for rows makes it fail, and does not end it.
                if !state.copying().is_in() {
                    self.forget_copy(state);
                }
                let (sql, _) = cstring(frame.body);
                let traits = self.read(frame, sql, Nature::UNCLEAR);
                self.note(traits, state);
                self.owed.push(if traits.is_end() { Reply::End } else { Reply::Query }, traits.undoes());
            }
            b'P' => {
                let (name, rest) = cstring(frame.body);
                let (sql, _) = cstring(rest);
                if !name.is_empty() && frame.whole && is_lookup(sql) {
                    note_lookup(name, sql, state);
                }
                // A Parse is one statement, which the words at its beginning tell.
                let traits = self.read(frame, sql, Nature::ATOMIC);
                if name.is_empty() {
                    self.binds(traits, state);
                } else if !traits.is_plain() {
                    self.named.get_or_insert_default().insert(name.to_vec(), traits);
                }
            }
            b'B' => {
                let (_, rest) = cstring(frame.body);
                let (name, _) = cstring(rest);
                let named = self.named.as_ref().and_then(|named| named.get(name)).copied();
                if let Some(traits) = named {
                    self.binds(traits, state);
                }
            }
            b'C' => {
                if let (Some(named), Some((b'S', name))) = (&mut self.named, frame.body.split_first()) {
                    named.remove(cstring(name).0);
                }
            }
            b'F' => self.executes = true,
            b'c' => self.forget_copy(state),
            b'f' => {
                self.forget_copy(state);
                self.fails = true;
            }
            _ => {}
        }
    }

    /// What is about to run, for those who ask afterwards.
    fn note(&mut self, traits: Traits, state: &SessionState) {
        if !traits.residue.is_none() {
            state.add_residue(traits.residue);
        }
        if !traits.change.is_none() {
            self.contexts.change(traits.change, state);
        }
        if traits.nature.contains(Nature::UNCLEAR) {
            Marks::count(&state.marks.unclear);
        }
        if traits.nature.contains(Nature::ENDS) {
            Marks::count(&state.marks.endings);
        }
        if traits.undoes() {
            self.contexts.undo_a_part(state);
        }
    }

    /// Reads a text as far as it was kept; `beyond` is what has to be expected of what was not.
    fn read(&self, frame: &Frame<'_>, sql: &[u8], beyond: Nature) -> Traits {
        if sql.starts_with(OWN_BEGIN.as_bytes()) {
            return Traits { nature: Nature::OPENS, ..Traits::default() };
        }
        let mut traits = Traits::of(sql, self.strings());
        if !frame.whole {
            traits.residue = traits.residue | Residue::ANYTHING;
            traits.nature |= beyond;
        }
        traits
    }

    /// How the server will read the strings of a text that is sent now: what is still to be answered may change that.
    fn strings(&self) -> Option<Strings> {
        if self.owed.len() == 0 && !self.executes { self.parameters.strings() } else { None }
    }

    fn forget_copy(&mut self, state: &SessionState) {
        if std::mem::take(&mut self.copies) {
            state.keep_copying(Copying::Not);
        }
    }

    pub(super) fn on_sync(&mut self, state: &SessionState) {
        if self.copies && !state.copying().is_in() {
            self.forget_copy(state);
        }
        let undoes = std::mem::take(&mut self.undoes);
        let kind = match (std::mem::take(&mut self.executes), std::mem::take(&mut self.ends)) {
            // It ends by itself. A cancel could come before the server has read the Sync that travelled with the
            // Execute; that would be answered then, and the driver counts on its being swallowed.
            _ if std::mem::take(&mut self.fails) => Reply::Failed,
            (true, true) => Reply::End,
            (true, false) => Reply::Execute,
            (false, _) => Reply::Light,
        };
        self.owed.push(kind, undoes);
    }

    /// A named statement does what it does when it is bound, an unnamed one with its Parse.
    fn binds(&mut self, traits: Traits, state: &SessionState) {
        self.note(traits, state);
        self.ends = traits.is_end();
        self.undoes = traits.undoes();
    }

    pub(super) fn on_received(&mut self, frame: &Frame<'_>, state: &SessionState) {
        match frame.kind {
            // The Sync that travelled with the Execute of a COPY FROM STDIN is swallowed by the server.
            b'G' => {
                let is_first = !self.completes;
                if self.owed.next_is(Reply::Execute) {
                    self.owed.pop();
                    self.executes = true;
                }
                self.copies = true;
                state.keep_copying(if is_first { Copying::InAlone } else { Copying::InAfterOthers });
            }
            b'H' => {
                self.copies = true;
                state.keep_copying(Copying::Out);
            }
            b'E' => {
                self.contexts.undo(state);
                // It failed before its rows had ended.
                if self.copies {
                    state.keep_copying(state.copying().failed());
                }
            }
            b'K' => {
                if let Some(([a, b, c, d], [e, f, g, h])) = frame
                    .body
                    .split_first_chunk::<4>()
                    .and_then(|(pid, rest)| Some((pid, rest.first_chunk::<4>()?)))
                {
                    state.pid.store(i32::from_be_bytes([*a, *b, *c, *d]), Ordering::Release);
                    state.secret.store(i32::from_be_bytes([*e, *f, *g, *h]), Ordering::Release);
                }
            }
            b'S' => {
                self.settle_parameters(state);
                let (name, rest) = cstring(frame.body);
                self.parameters.report(name, cstring(rest).0, self.ready);
                self.differ = self.parameters.differ();
                state.tell_strings(self.parameters.strings());
            }
            _ => {}
        }
    }

    /// If the session was made as it is to be since the last report, so are its settings.
    fn settle_parameters(&mut self, state: &SessionState) {
        if state.take_settled() {
            self.parameters.settle();
            self.differ = false;
        }
    }

    /// No transaction is open, and some reported setting is not as it was at start-up.
    #[cold]
    fn on_difference(&mut self, state: &SessionState) {
        self.settle_parameters(state);
        if self.differ {
            state.add_residue(Residue::SETTING);
        }
    }

    /// The server waits for the next request.
    pub(super) fn on_ready(&mut self, body: &[u8], state: &SessionState) {
        let status = body.first().map(|byte| TransactionStatus::of_byte(*byte));
        if status == Some(TransactionStatus::Idle) {
            if self.differ {
                self.on_difference(state);
            }
            self.contexts.at_rest(state);
        }
        self.owed.pop();
        self.ready = true;
        self.completes = false;
        // Nobody else writes it, so it needs no locked addition.
        state.answered.store(state.answered.load(Ordering::Relaxed) + 1, Ordering::Release);
        if let Some(status) = status {
            state.status.store(status as u8, Ordering::Release);
        }
    }

    /// A statement has ended well.
    pub(super) fn on_complete(&mut self, tag: &[u8], state: &SessionState) {
        if self.owed.next_is(Reply::End) {
            state.committed.store(tag == b"COMMIT\0", Ordering::Release);
        }
        self.completes = true;
        // The tags of queries and changes of rows begin with other letters.
        if let Some(b'C' | b'R' | b'P') = tag.first() {
            let ends = match tag {
                b"COMMIT\0" | b"PREPARE TRANSACTION\0" => true,
                b"ROLLBACK\0" => !self.owed.next_undoes(),
                _ => false,
            };
            if ends {
                Marks::count(&state.marks.ended);
            }
            if tag == b"ROLLBACK\0" {
                self.contexts.undo(state);
            }
        } else if context::alters(tag) {
            self.contexts.alter(state);
        }
        state.keep_tag(tag);
    }

    pub(super) fn publish(&self, state: &SessionState, midway: u32) {
        // A COPY that was begun and not ended is work, although no answer is owed until its end was sent.
        let copying = u32::from(self.executes);
        let is_copy = self.executes && self.owed.len() == 0;
        let front = if is_copy { Front::Work } else { self.owed.front() };
        state.front.store(front as u8, Ordering::Release);
        state.sent.store(self.owed.settled + u64::from(self.owed.len()), Ordering::Release);
        state.owed_work.store(self.owed.works + copying, Ordering::Release);
        state.owed.store(self.owed.len() + copying + midway, Ordering::Release);
        // Last: whoever sees that it is answered sees also that nothing is owed for it.
        state.settled.store(self.owed.settled, Ordering::Release);
    }
}
