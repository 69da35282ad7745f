//! Watches the messages on a connection, and so learns what the driver does not tell.
//!
//! tokio-postgres knows the transaction status, the backend's pid and how many answers are still to come, and shows none
//! of it. A stream that counts the messages as they pass sees the same without a fork of the driver, over TCP, TLS and
//! Unix sockets alike. It does not see a request that still waits in the client's queue; the wrapper of the driver (see
//! `driver`) knows that, and only both together can tell that a connection is clean.

use super::frames::Frames;
use super::protocol::Protocol;
use super::session_state::SessionState;
use crate::moment::Moment;
use std::io;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::tls::{ChannelBinding, TlsStream};

pub(crate) struct Tap<S> {
    stream: S,
    state: std::sync::Arc<SessionState>,
    tracker: Tracker,
}

/// Counts the messages. It is apart from the stream so that it can be tested alone.
struct Tracker {
    sent: Frames,
    received: Frames,
    protocol: Protocol,
}

impl<S> Tap<S> {
    pub(crate) fn new(stream: S, state: std::sync::Arc<SessionState>) -> Self {
        Tap {
            stream,
            state,
            tracker: Tracker {
                sent: Frames::of_client(),
                received: Frames::of_server(),
                protocol: Protocol::new(),
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

impl Tracker {
    fn sent(&mut self, mut bytes: &[u8], state: &SessionState) {
        while let Some(frame) = self.sent.take(&mut bytes) {
            // The messages of every statement are handled here, where that costs no call.
            match frame.kind {
                // A Bind matters only if some named statement leaves something.
                b'B' if self.protocol.named.is_none() => {}
                b'E' => self.protocol.executes = true,
                b'S' => self.protocol.on_sync(state),
                _ => self.protocol.on_sent(&frame, state),
            }
        }
        self.publish(state);
    }

    fn received(&mut self, mut bytes: &[u8], state: &SessionState) {
        state.driver.last_read.store(Moment::now().number(), Ordering::Release);
        while let Some(frame) = self.received.take(&mut bytes) {
            match frame.kind {
                // BindComplete and DataRow.
                b'2' | b'D' => {}
                b'C' => self.protocol.on_complete(frame.body, state),
                b'Z' => self.protocol.on_ready(frame.body, state),
                _ => self.protocol.on_received(&frame, state),
            }
        }
        self.publish(state);
    }

    fn publish(&self, state: &SessionState) {
        if self.sent.is_broken() || self.received.is_broken() {
            state.driver.is_broken.store(true, Ordering::Release);
        }
        self.protocol.publish(state, u32::from(self.sent.is_midway()));
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
            this.tracker.received(new, &this.state);
        }
        result
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Tap<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        let result = Pin::new(&mut this.stream).poll_write(cx, bytes);
        this.state.driver.is_blocked.store(result.is_pending(), Ordering::Release);
        if let Poll::Ready(Ok(written)) = &result {
            this.tracker.sent(bytes.get(..*written).unwrap_or(bytes), &this.state);
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
    use crate::sql::residue::Residue;
    use crate::wire::transaction_status::TransactionStatus;

    fn message(kind: u8, body: &[u8]) -> Vec<u8> {
        let mut bytes = vec![kind];
        bytes.extend_from_slice(&(body.len() as i32 + 4).to_be_bytes());
        bytes.extend_from_slice(body);
        bytes
    }

    fn started() -> (Tracker, SessionState) {
        started_with(&[])
    }

    fn started_with(reports: &[Vec<u8>]) -> (Tracker, SessionState) {
        let mut tracker = Tap::new((), std::sync::Arc::new(SessionState::new())).tracker;
        let state = SessionState::new();
        tracker.sent(&[0, 0, 0, 8, 0, 3, 0, 0], &state);
        assert_eq!(state.owed(), 1);
        tracker.received(&reports.concat(), &state);
        tracker.received(&message(b'K', &[0, 0, 0, 7, 0, 0, 0, 9]), &state);
        tracker.received(&message(b'Z', b"I"), &state);
        (tracker, state)
    }

    #[test]
    fn start_up_gives_pid_key_and_status() {
        let (_, state) = started();
        assert_eq!(
            (state.pid(), state.secret(), state.status(), state.owed()),
            (7, 9, TransactionStatus::Idle, 0)
        );
    }

    #[test]
    fn a_statement_is_work_and_a_close_is_not() {
        let (mut tracker, state) = started();
        tracker.sent(&[message(b'B', b"\0s1\0"), message(b'E', b"\0"), message(b'S', b"")].concat(), &state);
        tracker.sent(&[message(b'C', b"Ss1\0"), message(b'S', b"")].concat(), &state);
        assert_eq!((state.owed(), state.owed_work()), (2, 1));
        tracker.received(&message(b'Z', b"I"), &state);
        assert_eq!((state.owed(), state.owed_work()), (1, 0));
    }

    #[test]
    fn a_copy_swallows_the_sync_of_its_execute_and_stays_work_until_its_end() {
        let (mut tracker, state) = started();
        tracker.sent(&[message(b'E', b"\0"), message(b'S', b"")].concat(), &state);
        tracker.received(&message(b'G', b""), &state);
        assert_eq!((state.owed(), state.owed_work()), (1, 1), "the copy is open");
        tracker.sent(&[message(b'd', b"row"), message(b'c', b""), message(b'S', b"")].concat(), &state);
        assert_eq!((state.owed(), state.owed_work()), (1, 1));
        tracker.received(&message(b'Z', b"I"), &state);
        assert_eq!((state.owed(), state.owed_work()), (0, 0));
    }

    #[test]
    fn a_copy_that_was_told_to_fail_ends_by_itself_and_is_not_cancelled() {
        let (mut tracker, state) = started();
        tracker.sent(&[message(b'E', b"\0"), message(b'S', b"")].concat(), &state);
        tracker.received(&message(b'G', b""), &state);
        tracker.sent(&[message(b'd', b"row"), message(b'f', b"\0"), message(b'S', b"")].concat(), &state);
        assert_eq!((state.owed(), state.owed_work()), (1, 0));
        tracker.received(&message(b'Z', b"I"), &state);
        assert_eq!(state.owed(), 0);
    }

    #[test]
    fn a_commit_is_an_end_and_no_work() {
        let (mut tracker, state) = started();
        tracker.sent(&message(b'Q', b"COMMIT\0"), &state);
        assert_eq!((state.owed(), state.owed_work()), (1, 0));
    }

    #[test]
    fn a_named_statement_leaves_its_residue_each_time_it_is_bound() {
        let (mut tracker, state) = started();
        tracker.sent(&message(b'P', b"s1\0set x = 1\0\0\0"), &state);
        assert!(state.residue().is_none(), "parsed is not run");
        for _ in 0..2 {
            tracker.sent(&message(b'B', b"\0s1\0"), &state);
            assert!(!state.residue().is_none());
            state.forget_residue();
        }
    }

    #[test]
    fn a_reported_setting_counts_once_the_session_is_idle_and_only_if_it_is_not_what_it_was() {
        let (mut tracker, state) = started_with(&[message(b'S', b"TimeZone\0UTC\0")]);
        let report = |zone: &[u8], status: &[u8]| {
            [message(b'S', &[b"TimeZone\0", zone, b"\0"].concat()), message(b'Z', status)].concat()
        };
        tracker.received(&report(b"Asia/Tokyo", b"T"), &state);
        assert!(state.residue().is_none(), "the transaction may take it back");
        tracker.received(&report(b"UTC", b"I"), &state);
        assert!(state.residue().is_none(), "and has");
        tracker.received(&report(b"Asia/Tokyo", b"I"), &state);
        assert_eq!(state.residue(), Residue::SETTING);
        state.settle();
        tracker.received(&message(b'Z', b"I"), &state);
        assert!(state.residue().is_none(), "a reset has made it the usual");
        tracker.received(&report(b"UTC", b"I"), &state);
        assert_eq!(state.residue(), Residue::SETTING);
    }

    #[test]
    fn a_text_is_read_both_ways_while_what_was_sent_before_may_change_the_way() {
        let text = message(b'P', b"\0select '\\'; set x = 1; select '\0\0\0");
        let (mut tracker, state) = started_with(&[message(b'S', b"standard_conforming_strings\0off\0")]);
        tracker.sent(&text, &state);
        assert!(state.residue().is_none(), "it is one string");
        let (mut tracker, state) = started_with(&[message(b'S', b"standard_conforming_strings\0on\0")]);
        tracker.sent(&message(b'Q', b"select change()\0"), &state);
        tracker.sent(&message(b'P', b"\0select '\\''; set x = 1; select '1\0\0\0"), &state);
        assert_eq!(state.residue(), Residue::SETTING, "it may have been turned off");
    }
}
