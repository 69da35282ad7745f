//! The cancel request, sent so that it is safe.
//!
//! A cancel travels on a connection of its own: sixteen bytes, no answer. The server closes that connection once it
//! has signalled the backend; so the end of the stream *is* the answer, and only after it may the cancelled
//! connection be used for anything else, or a late signal would hit the next statement. The order matters once more
//! at the end: PgBouncer before 1.21 dies of a client that shuts its side down first, so nothing is closed until the
//! other side has been read to its end, not even when we have given up waiting for it.

use super::socket::{self, Address, Socket, Wrap};
use std::fmt;
use std::io;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

/// The code that makes a start-up message a cancel request. Source: PostgreSQL's protocol, message formats.
const CANCEL_REQUEST: i32 = 80_877_102;

/// How long the connection of a cancel that was given up is kept for its end. A server that has stood still for longer
/// will hardly go on, and the connection costs a file descriptor.
const LINGER: Duration = Duration::from_secs(600);

/// Where a cancel goes: the same server by the same way as the connection itself.
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

/// A cancel request that is out, and the connection on which its end is told.
pub(crate) struct Sent(Socket);

/// Sends one cancel request. Whether it is still wanted is asked once more at the last moment: what it is meant for may
/// have ended while the way to the server was opened. Nothing is sent then.
///
/// # Cancel safety
/// Dropped half-way the request may or may not be acted upon.
pub(crate) async fn send(
    target: &Target,
    pid: i32,
    secret: i32,
    is_still_wanted: impl FnOnce() -> bool + Send,
) -> io::Result<Option<Sent>> {
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
    Ok(Some(Sent(stream)))
}

impl Sent {
    /// Waits until the server has acted on it.
    ///
    /// # Cancel safety
    /// Dropped half-way it may be waited for again.
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

    /// Its end is of no use to us any more, but closing now might kill the pooler: a task of its own waits for it.
    pub(crate) fn leave(mut self) {
        tokio::spawn(async move { timeout(LINGER, self.until_acted_on()).await });
    }
}
