//! A tap on the wire: sees what the driver does not tell.
//!
//! tokio-postgres knows the transaction status, the backend's pid and how many answers are still to come, and keeps
//! all of it to itself. A stream that counts messages as they pass sees the same without a fork, over TCP, TLS and
//! Unix sockets alike. What it cannot see is a request that still waits in the client's queue; the driver's own
//! wrapper (see `driver`) knows that, and only both together may call a connection clean.

use super::copying::Copying;
use super::frames::{Frame, Frames};
use super::parameters::Parameters;
use super::seen::{Front, Marks, Seen};
use crate::moment::Moment;
use crate::sql::Strings;
use crate::sql::nature::{self, Nature};
use crate::sql::residue::{self, Residue};
use std::collections::{HashMap, VecDeque};
use std::io;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::tls::{ChannelBinding, TlsStream};

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
struct Traits {
    residue: Residue,
    nature: Nature,
}

impl Traits {
    fn of(sql: &[u8], strings: Option<Strings>) -> Self {
        Traits { residue: residue::of_sql(sql, strings), nature: nature::of_sql(sql, strings) }
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

pub(crate) struct Tap<S> {
    stream: S,
    seen: std::sync::Arc<Seen>,
    watch: Watch,
}

/// The counting part, apart from the stream.
struct Watch {
    sent: Frames,
    received: Frames,
    books: Books,
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
struct Books {
    owed: Debts,
    executes: bool,
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
    /// The named statements that are not plain; none as long as there is none, as nearly always.
    #[expect(
        clippy::box_collection,
        reason = "a map takes six words, which would lie among what every message touches"
    )]
    named: Option<Box<HashMap<Vec<u8>, Traits>>>,
}

impl<S> Tap<S> {
    pub(crate) fn new(stream: S, seen: std::sync::Arc<Seen>) -> Self {
        Tap {
            stream,
            seen,
            watch: Watch {
                sent: Frames::of_client(),
                received: Frames::of_server(),
                books: Books {
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
                    named: None,
                },
            },
        }
    }
}

/// The text up to a zero byte, and what follows.
pub(super) fn cstring(bytes: &[u8]) -> (&[u8], &[u8]) {
    match bytes.iter().position(|&b| b == 0) {
        Some(at) => (bytes.get(..at).unwrap_or_default(), bytes.get(at + 1..).unwrap_or_default()),
        None => (bytes, &[]),
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

/// What is about to run, for those who ask afterwards.
fn note(traits: Traits, seen: &Seen) {
    if !traits.residue.is_none() {
        seen.add_residue(traits.residue);
    }
    if traits.nature.contains(Nature::UNCLEAR) {
        Marks::count(&seen.marks.unclear);
    }
    if traits.nature.contains(Nature::ENDS) {
        Marks::count(&seen.marks.endings);
    }
}

impl Watch {
    fn sent(&mut self, mut bytes: &[u8], seen: &Seen) {
        while let Some(frame) = self.sent.take(&mut bytes) {
            // What every statement consists of is done here, where it costs no call.
            match frame.kind {
                // Of interest only where some name leaves something.
                b'B' if self.books.named.is_none() => {}
                b'E' => self.books.executes = true,
                b'S' => self.books.on_sync(seen),
                _ => self.books.on_sent(&frame, seen),
            }
        }
        self.publish(seen);
    }

    fn received(&mut self, mut bytes: &[u8], seen: &Seen) {
        seen.last_read.store(Moment::now().number(), Ordering::Release);
        while let Some(frame) = self.received.take(&mut bytes) {
            match frame.kind {
                // A Bind is complete, and rows.
                b'2' | b'D' => {}
                b'C' => self.books.on_complete(frame.body, seen),
                b'Z' => self.books.on_ready(frame.body, seen),
                _ => self.books.on_received(&frame, seen),
            }
        }
        self.publish(seen);
    }

    fn publish(&self, seen: &Seen) {
        if self.sent.is_broken() || self.received.is_broken() {
            seen.broken.store(true, Ordering::Release);
        }
        self.books.publish(seen, u32::from(self.sent.is_midway()));
    }
}

impl Books {
    fn on_sent(&mut self, frame: &Frame<'_>, seen: &Seen) {
        match frame.kind {
            0 => self.owed.push(Owed::Light, false),
            b'Q' => {
                self.forget_copy(seen);
                let (sql, _) = cstring(frame.body);
                let traits = self.read(frame, sql, Nature::UNCLEAR);
                note(traits, seen);
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

    /// Reads a text as far as it was kept; `beyond` is what has to be expected of what was not.
    fn read(&self, frame: &Frame<'_>, sql: &[u8], beyond: Nature) -> Traits {
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

    fn on_sync(&mut self, seen: &Seen) {
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
        note(traits, seen);
        self.ends = traits.is_end();
        self.undoes = traits.undoes();
    }

    fn on_received(&mut self, frame: &Frame<'_>, seen: &Seen) {
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
            // It failed before its rows had ended.
            b'E' if self.copies => seen.keep_copying(seen.copying().failed()),
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
    fn on_ready(&mut self, body: &[u8], seen: &Seen) {
        if self.differ && body.first() == Some(&b'I') {
            self.on_difference(seen);
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
    fn on_complete(&mut self, tag: &[u8], seen: &Seen) {
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
        }
        seen.keep_tag(tag);
    }

    fn publish(&self, seen: &Seen, midway: u32) {
        // A COPY that was begun and not ended is work, although no answer is owed until its end was sent.
        let copying = u32::from(self.executes);
        let is_copy = self.executes && self.owed.len() == 0;
        let front = if is_copy { Front::Work } else { self.owed.front() };
        seen.front.store(front as u8, Ordering::Release);
        seen.sent.store(self.owed.settled + u64::from(self.owed.len()), Ordering::Release);
        seen.settled.store(self.owed.settled, Ordering::Release);
        seen.owed_work.store(self.owed.works + copying, Ordering::Release);
        seen.owed.store(self.owed.len() + copying + midway, Ordering::Release);
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Tap<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buf.filled().len();
        let result = Pin::new(&mut this.stream).poll_read(cx, buf);
        let new = buf.filled().get(before..).unwrap_or_default();
        if !new.is_empty() {
            this.watch.received(new, &this.seen);
        }
        result
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Tap<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        let result = Pin::new(&mut this.stream).poll_write(cx, bytes);
        this.seen.blocked.store(result.is_pending(), Ordering::Release);
        if let Poll::Ready(Ok(written)) = &result {
            this.watch.sent(bytes.get(..*written).unwrap_or(bytes), &this.seen);
        }
        result
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl<S: TlsStream + Unpin> TlsStream for Tap<S> {
    fn channel_binding(&self) -> ChannelBinding {
        self.stream.channel_binding()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u8, body: &[u8]) -> Vec<u8> {
        let mut bytes = vec![kind];
        bytes.extend_from_slice(&(body.len() as i32 + 4).to_be_bytes());
        bytes.extend_from_slice(body);
        bytes
    }

    fn started() -> (Watch, Seen) {
        started_with(&[])
    }

    fn started_with(reports: &[Vec<u8>]) -> (Watch, Seen) {
        let mut watch = Tap::new((), std::sync::Arc::new(Seen::new())).watch;
        let seen = Seen::new();
        watch.sent(&[0, 0, 0, 8, 0, 3, 0, 0], &seen);
        assert_eq!(seen.owed(), 1);
        watch.received(&reports.concat(), &seen);
        watch.received(&message(b'K', &[0, 0, 0, 7, 0, 0, 0, 9]), &seen);
        watch.received(&message(b'Z', b"I"), &seen);
        (watch, seen)
    }

    #[test]
    fn start_up_gives_pid_key_and_status() {
        let (_, seen) = started();
        assert_eq!((seen.pid(), seen.secret(), seen.status(), seen.owed()), (7, 9, b'I', 0));
    }

    #[test]
    fn a_statement_is_work_and_a_close_is_not() {
        let (mut watch, seen) = started();
        watch.sent(&[message(b'B', b"\0s1\0"), message(b'E', b"\0"), message(b'S', b"")].concat(), &seen);
        watch.sent(&[message(b'C', b"Ss1\0"), message(b'S', b"")].concat(), &seen);
        assert_eq!((seen.owed(), seen.owed_work()), (2, 1));
        watch.received(&message(b'Z', b"I"), &seen);
        assert_eq!((seen.owed(), seen.owed_work()), (1, 0));
    }

    #[test]
    fn a_copy_swallows_the_sync_of_its_execute_and_stays_work_until_its_end() {
        let (mut watch, seen) = started();
        watch.sent(&[message(b'E', b"\0"), message(b'S', b"")].concat(), &seen);
        watch.received(&message(b'G', b""), &seen);
        assert_eq!((seen.owed(), seen.owed_work()), (1, 1), "the copy is open");
        watch.sent(&[message(b'd', b"row"), message(b'c', b""), message(b'S', b"")].concat(), &seen);
        assert_eq!((seen.owed(), seen.owed_work()), (1, 1));
        watch.received(&message(b'Z', b"I"), &seen);
        assert_eq!((seen.owed(), seen.owed_work()), (0, 0));
    }

    #[test]
    fn a_copy_that_was_told_to_fail_ends_by_itself_and_is_not_cancelled() {
        let (mut watch, seen) = started();
        watch.sent(&[message(b'E', b"\0"), message(b'S', b"")].concat(), &seen);
        watch.received(&message(b'G', b""), &seen);
        watch.sent(&[message(b'd', b"row"), message(b'f', b"\0"), message(b'S', b"")].concat(), &seen);
        assert_eq!((seen.owed(), seen.owed_work()), (1, 0));
        watch.received(&message(b'Z', b"I"), &seen);
        assert_eq!(seen.owed(), 0);
    }

    #[test]
    fn a_commit_is_an_end_and_no_work() {
        let (mut watch, seen) = started();
        watch.sent(&message(b'Q', b"COMMIT\0"), &seen);
        assert_eq!((seen.owed(), seen.owed_work()), (1, 0));
    }

    #[test]
    fn a_named_statement_leaves_its_residue_each_time_it_is_bound() {
        let (mut watch, seen) = started();
        watch.sent(&message(b'P', b"s1\0set x = 1\0\0\0"), &seen);
        assert!(seen.residue().is_none(), "parsed is not run");
        for _ in 0..2 {
            watch.sent(&message(b'B', b"\0s1\0"), &seen);
            assert!(!seen.residue().is_none());
            seen.forget_residue();
        }
    }

    #[test]
    fn a_reported_setting_counts_once_the_session_is_idle_and_only_if_it_is_not_what_it_was() {
        let (mut watch, seen) = started_with(&[message(b'S', b"TimeZone\0UTC\0")]);
        let report = |zone: &[u8], status: &[u8]| {
            [message(b'S', &[b"TimeZone\0", zone, b"\0"].concat()), message(b'Z', status)].concat()
        };
        watch.received(&report(b"Asia/Tokyo", b"T"), &seen);
        assert!(seen.residue().is_none(), "the transaction may take it back");
        watch.received(&report(b"UTC", b"I"), &seen);
        assert!(seen.residue().is_none(), "and has");
        watch.received(&report(b"Asia/Tokyo", b"I"), &seen);
        assert_eq!(seen.residue(), Residue::SETTING);
        seen.settle();
        watch.received(&message(b'Z', b"I"), &seen);
        assert!(seen.residue().is_none(), "a reset has made it the usual");
        watch.received(&report(b"UTC", b"I"), &seen);
        assert_eq!(seen.residue(), Residue::SETTING);
    }

    #[test]
    fn a_text_is_read_both_ways_while_what_was_sent_before_may_change_the_way() {
        let text = message(b'P', b"\0select '\\'; set x = 1; select '\0\0\0");
        let (mut watch, seen) = started_with(&[message(b'S', b"standard_conforming_strings\0off\0")]);
        watch.sent(&text, &seen);
        assert!(seen.residue().is_none(), "it is one string");
        let (mut watch, seen) = started_with(&[message(b'S', b"standard_conforming_strings\0on\0")]);
        watch.sent(&message(b'Q', b"select change()\0"), &seen);
        watch.sent(&message(b'P', b"\0select '\\''; set x = 1; select '1\0\0\0"), &seen);
        assert_eq!(seen.residue(), Residue::SETTING, "it may have been turned off");
    }
}
