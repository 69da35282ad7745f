//! Puts the messages of a connection together.
//!
//! The tap shows every message. Here is decided which answer belongs to which request, what a request may do to its
//! transaction and leave in its session, and what the command tags and the status of its answer say.

use super::context;
use super::context::Contexts;
use super::copying::Copying;
use super::effects::Effects;
use super::frames::Frame;
use super::marks::Marks;
use super::parameters::Parameters;
use super::pipeline::{Pipeline, Reply};
use super::session_state::{Front, SessionState};
use super::tap::cstring;
use super::transaction_status::TransactionStatus;
use crate::sql::Strings;
use crate::sql::nature::Nature;
use crate::sql::residue::Residue;
use std::collections::HashMap;
use std::sync::atomic::Ordering;

/// The state of the protocol between one client and one server.
pub(super) struct Protocol {
    pipeline: Pipeline,
    /// Since the last Sync an Execute was sent.
    pub(super) executes: bool,
    /// What was bound last is a COMMIT or ROLLBACK.
    ends: bool,
    /// What was bound last rolls back to a savepoint.
    undoes: bool,
    /// A text was sent to be parsed.
    parses: bool,
    /// A COPY was told to fail.
    fails: bool,
    /// The last statement was a COPY; the server waits for rows, or sends them.
    copies: bool,
    /// A statement of the request that is being answered has succeeded.
    completes: bool,
    /// The session has started.
    has_started: bool,
    /// A reported setting is not as it was at start-up.
    settings_differ: bool,
    parameters: Box<Parameters>,
    contexts: Contexts,
    /// The named statements that are not plain. Nearly always there is none, and then no map.
    #[expect(
        clippy::box_collection,
        reason = "a map takes six words, which would lie among what every message touches"
    )]
    pub(super) named: Option<Box<HashMap<Vec<u8>, Effects>>>,
}

impl Protocol {
    pub(super) fn new() -> Self {
        Protocol {
            pipeline: Pipeline::new(),
            executes: false,
            ends: false,
            undoes: false,
            parses: false,
            fails: false,
            copies: false,
            completes: false,
            has_started: false,
            settings_differ: false,
            parameters: Box::default(),
            contexts: Contexts::default(),
            named: None,
        }
    }
}

/// Whether the driver itself sends this text, to look types up.
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
            0 => self.pipeline.push(Reply::Light, false),
            b'Q' => {
                // A query that is sent behind a copy which waits for rows makes that fail, and does not end it.
                if !state.copying().is_in() {
                    self.forget_copy(state);
                }
                let (sql, _) = cstring(frame.body);
                let effects = self.effects(frame, sql, Nature::UNCLEAR);
                self.note(effects, state);
                self.pipeline
                    .push(if effects.is_end() { Reply::End } else { Reply::Query }, effects.undoes_a_part());
            }
            b'P' => {
                self.parses = true;
                let (name, rest) = cstring(frame.body);
                let (sql, _) = cstring(rest);
                if !name.is_empty() && frame.whole && is_lookup(sql) {
                    note_lookup(name, sql, state);
                }
                // A Parse is one statement, and the words at its beginning tell which.
                let effects = self.effects(frame, sql, Nature::ATOMIC);
                if name.is_empty() {
                    self.binds(effects, state);
                } else if !effects.is_plain() {
                    self.named.get_or_insert_default().insert(name.to_vec(), effects);
                }
            }
            b'B' => {
                let (_, rest) = cstring(frame.body);
                let (name, _) = cstring(rest);
                let named = self.named.as_ref().and_then(|named| named.get(name)).copied();
                if let Some(effects) = named {
                    self.binds(effects, state);
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

    /// Records what is about to run.
    fn note(&mut self, effects: Effects, state: &SessionState) {
        if !effects.residue.is_none() {
            state.add_residue(effects.residue);
        }
        if !effects.change.is_none() {
            self.contexts.change(effects.change, state);
        }
        if effects.nature.contains(Nature::UNCLEAR) {
            Marks::count(&state.marks.unclear);
        }
        if effects.nature.contains(Nature::ENDS) {
            Marks::count(&state.marks.endings);
        }
        if effects.undoes_a_part() {
            self.contexts.undo_a_part(state);
        }
    }

    fn effects(&self, frame: &Frame<'_>, sql: &[u8], beyond: Nature) -> Effects {
        Effects::of(frame, sql, self.strings(), beyond)
    }

    /// How the server will read the strings of a text that is sent now. Requests that are not answered may change that.
    fn strings(&self) -> Option<Strings> {
        if self.pipeline.len() == 0 && !self.executes { self.parameters.strings() } else { None }
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
        let parses = std::mem::take(&mut self.parses);
        let kind = match (std::mem::take(&mut self.executes), std::mem::take(&mut self.ends)) {
            // The copy ends by itself. A cancel could come before the server has read the Sync that was sent with the
            // Execute; the server would answer that Sync then, and the driver expects that it is swallowed.
            _ if std::mem::take(&mut self.fails) => Reply::Failed,
            (true, true) => Reply::End,
            (true, false) => Reply::Execute,
            (false, _) if parses => Reply::Parse,
            (false, _) => Reply::Light,
        };
        self.pipeline.push(kind, undoes);
    }

    /// A statement is about to run: a named one when it is bound, an unnamed one with its Parse.
    fn binds(&mut self, effects: Effects, state: &SessionState) {
        self.note(effects, state);
        self.ends = effects.is_end();
        self.undoes = effects.undoes_a_part();
    }

    pub(super) fn on_received(&mut self, frame: &Frame<'_>, state: &SessionState) {
        match frame.kind {
            // The server swallows the Sync that was sent with the Execute of a COPY FROM STDIN.
            b'G' => {
                let is_first = !self.completes;
                if self.pipeline.next_is(Reply::Execute) {
                    self.pipeline.pop();
                    self.executes = true;
                }
                self.copies = true;
                state.keep_copying(if is_first { Copying::InAlone } else { Copying::InAfterOthers });
            }
            b'H' => {
                self.copies = true;
                state.keep_copying(Copying::Out);
            }
            b'N' if gave_up_a_standby(frame.body) => Marks::count(&state.marks.unreplicated),
            b'E' => {
                self.contexts.undo(state);
                // The copy has failed before its rows ended.
                if self.copies {
                    state.keep_copying(state.copying().failed());
                }
            }
            b'R' => state.authenticates.store(true, Ordering::Release),
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
                self.parameters.report(name, cstring(rest).0, self.has_started);
                self.settings_differ = self.parameters.differ();
                state.keep_strings(self.parameters.strings());
                state.keep_writes(self.parameters.writes());
            }
            _ => {}
        }
    }

    /// If the session was reset since the last report, its settings are the usual ones.
    fn settle_parameters(&mut self, state: &SessionState) {
        if state.take_renewed() {
            self.parameters.settle();
            self.settings_differ = false;
        }
    }

    /// No transaction is open, and a reported setting is not as it was at start-up.
    #[cold]
    fn on_difference(&mut self, state: &SessionState) {
        self.settle_parameters(state);
        if self.settings_differ {
            state.add_residue(Residue::SETTING);
        }
    }

    /// The server waits for the next request.
    pub(super) fn on_ready(&mut self, body: &[u8], state: &SessionState) {
        let status = body.first().map(|byte| TransactionStatus::of_byte(*byte));
        if status == Some(TransactionStatus::Idle) {
            if self.settings_differ {
                self.on_difference(state);
            }
            self.contexts.at_rest(state);
        }
        self.pipeline.pop();
        self.has_started = true;
        self.completes = false;
        // Only this task writes it, so no locked addition is needed.
        state.driver.answered.store(state.driver.answered.load(Ordering::Relaxed) + 1, Ordering::Release);
        if let Some(status) = status {
            state.driver.status.store(status as u8, Ordering::Release);
        }
    }

    /// A statement has succeeded.
    pub(super) fn on_complete(&mut self, tag: &[u8], state: &SessionState) {
        // Behind a COMMIT its place in the log may be asked for (see `effects`).
        if self.pipeline.next_is(Reply::End) && tag != b"SELECT 1\0" {
            state.driver.has_committed.store(tag == b"COMMIT\0", Ordering::Release);
        }
        self.completes = true;
        // The tags of queries and of changes of rows begin with other letters.
        if let Some(b'C' | b'R' | b'P') = tag.first() {
            let ends = match tag {
                b"COMMIT\0" | b"PREPARE TRANSACTION\0" => true,
                b"ROLLBACK\0" => !self.pipeline.next_undoes(),
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
        } else if changes_rows(tag) {
            Marks::count(&state.marks.writes);
        }
        state.keep_tag(tag);
    }

    pub(super) fn publish(&self, state: &SessionState, midway: u32) {
        // A COPY that was begun and has not ended is work, although no answer is owed until its end is sent.
        let copying = u32::from(self.executes);
        let is_copy = self.executes && self.pipeline.len() == 0;
        let front = if is_copy { Front::Work } else { self.pipeline.front() };
        state.driver.front.store(front as u8, Ordering::Release);
        state.driver.sent.store(self.pipeline.settled() + u64::from(self.pipeline.len()), Ordering::Release);
        state.driver.owed_work.store(self.pipeline.works() + copying, Ordering::Release);
        state.driver.owed.store(self.pipeline.len() + copying + midway, Ordering::Release);
        // The last store: a task that sees a request answered also sees that nothing is owed for it.
        state.driver.settled.store(self.pipeline.settled(), Ordering::Release);
    }
}

/// Whether a command tag says that rows were changed: `INSERT 0 2`, `UPDATE 1`, but not `UPDATE 0`. A query that changes
/// rows in a `WITH` has the tag of a query, and rows that a COPY has stored have the tag of rows that it has read.
fn changes_rows(tag: &[u8]) -> bool {
    let is_change = matches!(tag.first(), Some(b'I' | b'U' | b'D' | b'M'))
        && [&b"INSERT "[..], b"UPDATE ", b"DELETE ", b"MERGE "].iter().any(|word| tag.starts_with(word));
    is_change && !tag.ends_with(b" 0\0")
}

/// Whether this warning is the one with which the server commits without waiting for its standby any longer. Its text
/// depends on the server's language and it has no code of its own, but the server's function that sends it has a name. A
/// session that sets `client_min_messages` to `error` gets no such warning, and then it cannot be known.
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
