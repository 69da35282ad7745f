//! What was asked of the server and is not answered yet, and what each of it will have done.
//!
//! The tap shows every message; here they are put together: which answer belongs to which request, what a request may do
//! to its transaction and leave in its session, and what the tags and the status of its answer say.

use super::context::{self, Change, Contexts, OWN_BEGIN};
use super::copying::Copying;
use super::frames::Frame;
use super::parameters::Parameters;
use super::seen::{Front, Marks, Seen};
use super::tap::cstring;
use crate::sql::Strings;
use crate::sql::nature::{self, Nature};
use crate::sql::residue::{self, Residue};
use std::collections::{HashMap, VecDeque};
use std::sync::atomic::Ordering;

/// What one ReadyForQuery is owed for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Owed {
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

impl Owed {
    fn is_work(self) -> bool {
        matches!(self, Owed::Execute | Owed::Query)
    }
}

/// One answer that is still to come.
#[derive(Clone, Copy)]
struct Debt {
    owed: Owed,
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
struct Debts {
    queue: VecDeque<Debt>,
    /// How many of them run something that may be cancelled.
    works: u32,
    /// How many have been settled.
    settled: u64,
}

impl Debts {
    fn new() -> Self {
        Debts { queue: VecDeque::with_capacity(4), works: 0, settled: 0 }
    }

    fn push(&mut self, owed: Owed, undoes: bool) {
        self.works += u32::from(owed.is_work());
        self.queue.push_back(Debt { owed, undoes });
    }

    fn pop(&mut self) {
        let settled = self.queue.pop_front();
        self.works -= u32::from(settled.is_some_and(|debt| debt.owed.is_work()));
        self.settled += u64::from(settled.is_some());
    }

    fn next_is(&self, owed: Owed) -> bool {
        self.queue.front().is_some_and(|debt| debt.owed == owed)
    }

    fn next_undoes(&self) -> bool {
        self.queue.front().is_some_and(|debt| debt.undoes)
    }

    fn front(&self) -> Front {
        match self.queue.front().map(|debt| debt.owed) {
            Some(owed) if owed.is_work() => Front::Work,
            Some(Owed::Failed) => Front::Failed,
            _ => Front::Other,
        }
    }

    fn len(&self) -> u32 {
        u32::try_from(self.queue.len()).unwrap_or(u32::MAX / 2)
    }
}

/// What was asked and is not answered yet.
pub(super) struct Books {
    owed: Debts,
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

impl Books {
    pub(super) fn new() -> Self {
        Books {
            owed: Debts::new(),
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

fn note_lookup(name: &[u8], sql: &[u8], seen: &Seen) {
    let mut lookups = seen.lookups.lock();
    if let (Ok(name), Ok(sql), true) =
        (std::str::from_utf8(name), std::str::from_utf8(sql), lookups.len() < 8)
    {
        lookups.push((name.to_owned(), sql.to_owned()));
    }
}

impl Books {
    pub(super) fn on_sent(&mut self, frame: &Frame<'_>, seen: &Seen) {
        match frame.kind {
            0 => self.owed.push(Owed::Light, false),
            b'Q' => {
                // What is sent behind a copy that waits for rows makes it fail, and does not end it.
                if !seen.copying().is_in() {
                    self.forget_copy(seen);
                }
                let (sql, _) = cstring(frame.body);
                let traits = self.read(frame, sql, Nature::UNCLEAR);
                self.note(traits, seen);
                self.owed.push(if traits.is_end() { Owed::End } else { Owed::Query }, traits.undoes());
            }
            b'P' => {
                let (name, rest) = cstring(frame.body);
                let (sql, _) = cstring(rest);
                if !name.is_empty() && frame.whole && is_lookup(sql) {
                    note_lookup(name, sql, seen);
                }
                // A Parse is one statement, which the words at its beginning tell.
                let traits = self.read(frame, sql, Nature::ATOMIC);
                if name.is_empty() {
                    self.binds(traits, seen);
                } else if !traits.is_plain() {
                    self.named.get_or_insert_default().insert(name.to_vec(), traits);
                }
            }
            b'B' => {
                let (_, rest) = cstring(frame.body);
                let (name, _) = cstring(rest);
                let named = self.named.as_ref().and_then(|named| named.get(name)).copied();
                if let Some(traits) = named {
                    self.binds(traits, seen);
                }
            }
            b'C' => {
                if let (Some(named), Some((b'S', name))) = (&mut self.named, frame.body.split_first()) {
                    named.remove(cstring(name).0);
                }
            }
            b'F' => self.executes = true,
            b'c' => self.forget_copy(seen),
            b'f' => {
                self.forget_copy(seen);
                self.fails = true;
            }
            _ => {}
        }
    }

    /// What is about to run, for those who ask afterwards.
    fn note(&mut self, traits: Traits, seen: &Seen) {
        if !traits.residue.is_none() {
            seen.add_residue(traits.residue);
        }
        if !traits.change.is_none() {
            self.contexts.change(traits.change, seen);
        }
        if traits.nature.contains(Nature::UNCLEAR) {
            Marks::count(&seen.marks.unclear);
        }
        if traits.nature.contains(Nature::ENDS) {
            Marks::count(&seen.marks.endings);
        }
        if traits.undoes() {
            self.contexts.undo_a_part(seen);
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

    fn forget_copy(&mut self, seen: &Seen) {
        if std::mem::take(&mut self.copies) {
            seen.keep_copying(Copying::Not);
        }
    }

    pub(super) fn on_sync(&mut self, seen: &Seen) {
        if self.copies && !seen.copying().is_in() {
            self.forget_copy(seen);
        }
        let undoes = std::mem::take(&mut self.undoes);
        let kind = match (std::mem::take(&mut self.executes), std::mem::take(&mut self.ends)) {
            // It ends by itself. A cancel could come before the server has read the Sync that travelled with the
            // Execute; that would be answered then, and the driver counts on its being swallowed.
            _ if std::mem::take(&mut self.fails) => Owed::Failed,
            (true, true) => Owed::End,
            (true, false) => Owed::Execute,
            (false, _) => Owed::Light,
        };
        self.owed.push(kind, undoes);
    }

    /// A named statement does what it does when it is bound, an unnamed one with its Parse.
    fn binds(&mut self, traits: Traits, seen: &Seen) {
        self.note(traits, seen);
        self.ends = traits.is_end();
        self.undoes = traits.undoes();
    }

    pub(super) fn on_received(&mut self, frame: &Frame<'_>, seen: &Seen) {
        match frame.kind {
            // The Sync that travelled with the Execute of a COPY FROM STDIN is swallowed by the server.
            b'G' => {
                let is_first = !self.completes;
                if self.owed.next_is(Owed::Execute) {
                    self.owed.pop();
                    self.executes = true;
                }
                self.copies = true;
                seen.keep_copying(if is_first { Copying::InAlone } else { Copying::InAfterOthers });
            }
            b'H' => {
                self.copies = true;
                seen.keep_copying(Copying::Out);
            }
            b'N' if gave_up_a_standby(frame.body) => Marks::count(&seen.marks.alone),
            b'E' => {
                self.contexts.undo(seen);
                // It failed before its rows had ended.
                if self.copies {
                    seen.keep_copying(seen.copying().failed());
                }
            }
            b'K' => {
                if let Some(([a, b, c, d], [e, f, g, h])) = frame
                    .body
                    .split_first_chunk::<4>()
                    .and_then(|(pid, rest)| Some((pid, rest.first_chunk::<4>()?)))
                {
                    seen.pid.store(i32::from_be_bytes([*a, *b, *c, *d]), Ordering::Release);
                    seen.secret.store(i32::from_be_bytes([*e, *f, *g, *h]), Ordering::Release);
                }
            }
            b'S' => {
                self.settle_parameters(seen);
                let (name, rest) = cstring(frame.body);
                self.parameters.report(name, cstring(rest).0, self.ready);
                self.differ = self.parameters.differ();
                seen.tell_strings(self.parameters.strings());
            }
            _ => {}
        }
    }

    /// If the session was made as it is to be since the last report, so are its settings.
    fn settle_parameters(&mut self, seen: &Seen) {
        if seen.take_settled() {
            self.parameters.settle();
            self.differ = false;
        }
    }

    /// No transaction is open, and some reported setting is not as it was at start-up.
    #[cold]
    fn on_difference(&mut self, seen: &Seen) {
        self.settle_parameters(seen);
        if self.differ {
            seen.add_residue(Residue::SETTING);
        }
    }

    /// The server waits for the next request.
    pub(super) fn on_ready(&mut self, body: &[u8], seen: &Seen) {
        if self.differ && body.first() == Some(&b'I') {
            self.on_difference(seen);
        }
        if body.first() == Some(&b'I') {
            self.contexts.at_rest(seen);
        }
        self.owed.pop();
        self.ready = true;
        self.completes = false;
        // Nobody else writes it, so it needs no locked addition.
        seen.answered.store(seen.answered.load(Ordering::Relaxed) + 1, Ordering::Release);
        if let Some(status) = body.first() {
            seen.status.store(*status, Ordering::Release);
        }
    }

    /// A statement has ended well.
    pub(super) fn on_complete(&mut self, tag: &[u8], seen: &Seen) {
        if self.owed.next_is(Owed::End) {
            seen.committed.store(tag == b"COMMIT\0", Ordering::Release);
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
                Marks::count(&seen.marks.ended);
            }
            if tag == b"ROLLBACK\0" {
                self.contexts.undo(seen);
            }
        } else if context::alters(tag) {
            self.contexts.alter(seen);
        }
        seen.keep_tag(tag);
    }

    pub(super) fn publish(&self, seen: &Seen, midway: u32) {
        // A COPY that was begun and not ended is work, although no answer is owed until its end was sent.
        let copying = u32::from(self.executes);
        let is_copy = self.executes && self.owed.len() == 0;
        let front = if is_copy { Front::Work } else { self.owed.front() };
        seen.front.store(front as u8, Ordering::Release);
        seen.sent.store(self.owed.settled + u64::from(self.owed.len()), Ordering::Release);
        seen.owed_work.store(self.owed.works + copying, Ordering::Release);
        seen.owed.store(self.owed.len() + copying + midway, Ordering::Release);
        // Last: whoever sees that it is answered sees also that nothing is owed for it.
        seen.settled.store(self.owed.settled, Ordering::Release);
    }
}

/// Whether this warning is the one with which the server commits without its standby. Its text changes with the server's
/// language, and it has no code of its own; but the place in the server that gives it has a name. A session that has set
/// `client_min_messages` to `error` is not warned, and nothing can be known of it.
#[cold]
fn gave_up_a_standby(notice: &[u8]) -> bool {
    let mut rest = notice;
    while let Some((kind, field)) = rest.split_first() {
        let (value, behind) = cstring(field);
        if *kind == b'R' {
            return value == b"SyncRepWaitForLSN";
        }
        rest = behind;
    }
    false
}
