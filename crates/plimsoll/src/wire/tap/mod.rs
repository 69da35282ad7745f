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
    /// Bodies of the server's messages have at most `longest` bytes.
    pub(crate) fn new(stream: S, state: std::sync::Arc<SessionState>, longest: usize) -> Self {
        Tap {
            stream,
            state,
            tracker: Tracker {
                sent: Frames::of_client(),
                received: Frames::of_server(longest),
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
            if let Some(too_long) = this.tracker.received.too_long() {
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, too_long)));
            }
            this.state.swelling.note(this.tracker.received.left());
        }
        result
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Tap<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        this.state.swelling.note(bytes.len());
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
mod tests;
