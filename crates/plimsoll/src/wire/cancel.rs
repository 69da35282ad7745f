//! Sends a cancel request and waits until the server has acted on it.
//!
//! A cancel travels on a connection of its own: sixteen bytes, no answer. The server closes that connection once it has
//! signalled the backend, so the end of the stream *is* the answer. Only then may the cancelled connection be used for
//! anything else: earlier, a late signal would hit the next statement. PgBouncer before 1.21 crashes when a client shuts
//! its side down first, so nothing is closed before the other side has been read to its end, not even when nothing waits for
//! that end any more.

use super::socket;
use super::socket::{Address, Socket, Wrap};
use std::fmt;
use std::io;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

/// The code that makes a start-up message a cancel request. Source: PostgreSQL's protocol, message formats.
const CANCEL_REQUEST: i32 = 80_877_102;

/// How long the connection of a cancel that was given up is kept for its end. A server that has stood still for longer will
/// hardly go on, and the connection costs a file descriptor.
const LINGER: Duration = Duration::from_secs(600);

/// Where a cancel goes: to the same server, by the same way as the connection itself.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) address: Address,
    pub(crate) wrap: Wrap,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.address.fmt(f)
    }
}

/// A cancel request that was sent, and the connection on which the server tells its end.
pub(crate) struct SentCancel(Socket);

/// Sends one cancel request. `is_still_wanted` is asked just before: the statement may have ended while the connection for
/// the cancel was opened. Then nothing is sent.
///
/// # Cancel safety
/// If this is dropped before its end, the server may or may not act on the request.
pub(crate) async fn send(
    target: &Target,
    pid: i32,
    secret: i32,
    is_still_wanted: impl FnOnce() -> bool + Send,
) -> io::Result<Option<SentCancel>> {
    let plain = socket::dial(&target.address).await?;
    let mut stream = target.wrap.apply(plain).await?;
    let mut request = [0u8; 16];
    for (place, word) in request.chunks_exact_mut(4).zip([16, CANCEL_REQUEST, pid, secret]) {
        place.copy_from_slice(&word.to_be_bytes());
    }
    if !is_still_wanted() {
        return Ok(None);
    }
    stream.write_all(&request).await?;
    stream.flush().await?;
    Ok(Some(SentCancel(stream)))
}

impl SentCancel {
    /// Waits until the server has acted on the request.
    ///
    /// # Cancel safety
    /// If this is dropped before its end, it can be waited for again.
    pub(crate) async fn until_acted_on(&mut self) -> io::Result<()> {
        let mut rest = [0u8; 64];
        loop {
            match self.0.read(&mut rest).await {
                Ok(0) => break,
                Ok(_) => {}
                // A server that resets instead of closing has read the request just the same.
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => break,
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => break,
                Err(error) => return Err(error),
            }
        }
        let _ = self.0.shutdown().await;
        Ok(())
    }

    /// Leaves the connection to a task of its own, which waits for the end: closing it now could crash the pooler.
    pub(crate) fn leave(mut self) {
        tokio::spawn(async move { timeout(LINGER, self.until_acted_on()).await });
    }
}
