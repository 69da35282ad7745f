//! A client's socket, which tells its seat what comes and goes.

use crate::serve::seats::Seat;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long, and for how many bytes, a client that still sends is listened to after its last answer.
const LINGER: Duration = Duration::from_millis(500);
const LINGER_BYTES: usize = 1 << 20;

/// The socket, as hyper holds it. Dropped, it is left on its seat.
pub(super) struct Wire {
    stream: Option<TcpStream>,
    seat: Arc<Seat>,
}

impl Wire {
    pub(super) fn new(stream: TcpStream, seat: Arc<Seat>) -> Self {
        Wire { stream: Some(stream), seat }
    }

    fn stream(&mut self) -> io::Result<Pin<&mut TcpStream>> {
        self.stream.as_mut().map(Pin::new).ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    fn note(&self, written: &Poll<io::Result<usize>>) {
        match written {
            Poll::Ready(Ok(_)) => self.seat.has_written(),
            Poll::Pending => self.seat.is_unread(),
            Poll::Ready(Err(_)) => {}
        }
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        if let Some(stream) = self.stream.take() {
            self.seat.leave(stream);
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = self.stream()?.poll_read(cx, buf);
        if buf.filled().len() > before {
            self.seat.has_read();
        }
        read
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = self.stream()?.poll_write(cx, buf);
        self.note(&written);
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = self.stream()?.poll_write_vectored(cx, bufs);
        self.note(&written);
        written
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream()?.poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream()?.poll_shutdown(cx)
    }
}

/// Ends a connection so that its last answer arrives.
///
/// A socket that is closed while bytes lie unread resets the connection, and the reset may overtake the answer: a
/// client that sends too much would see a broken connection in place of 413 or 431. So what it still sends is read and
/// thrown away, for a short time, after the answer has been sent. A client that sends nothing costs nothing.
pub(super) async fn linger(mut stream: TcpStream) {
    if stream.shutdown().await.is_err() {
        return;
    }
    let mut waste = [0; 4_096];
    let mut left = LINGER_BYTES;
    let drain = async {
        // Nothing that waits to be read: nothing that could reset the answer.
        let mut has_drained = false;
        loop {
            match stream.try_read(&mut waste) {
                Ok(0) => return,
                Ok(read) => {
                    has_drained = true;
                    match left.checked_sub(read) {
                        Some(less) => left = less,
                        None => return,
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && has_drained => {
                    if stream.readable().await.is_err() {
                        return;
                    }
                }
                Err(_) => return,
            }
        }
    };
    let _ = timeout(LINGER, drain).await;
}
