//! Sends a cancel request and waits until the server has acted on it.
//!
//! A cancel travels on a connection of its own: sixteen bytes, no answer. The server closes that connection once it has
//! signalled the backend, so the end of the stream *is* the answer. Only then may the cancelled connection be used for
//! anything else: earlier, a late signal would hit the next statement. PgBouncer before 1.21 crashes when a client shuts
//! its side down first, so nothing is closed before the other side has been read to its end.

use super::socket;
use super::socket::{Address, Wrap};
use std::fmt;
use std::io;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// The code that makes a start-up message a cancel request. Source: PostgreSQL's protocol, message formats.
const CANCEL_REQUEST: i32 = 80_877_102;

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

/// Sends one cancel request and waits until the server has acted on it. `is_still_wanted` is asked just before it is
/// sent: the statement may have ended while the connection for the cancel was opened.
///
/// # Cancel safety
/// If this is dropped before its end, the server may or may not have acted on the request.
pub(crate) async fn send(
    target: &Target,
    pid: i32,
    secret: i32,
    is_still_wanted: impl FnOnce() -> bool + Send,
) -> io::Result<()> {
    let plain = socket::dial(&target.address).await?;
    let mut stream = target.wrap.apply(plain).await?;
    let mut request = [0u8; 16];
    for (place, word) in request.chunks_exact_mut(4).zip([16, CANCEL_REQUEST, pid, secret]) {
        place.copy_from_slice(&word.to_be_bytes());
    }
    if !is_still_wanted() {
        return Ok(());
    }
    stream.write_all(&request).await?;
    stream.flush().await?;
    let mut rest = [0u8; 64];
    loop {
        match stream.read(&mut rest).await {
            Ok(0) => break,
            Ok(_) => {}
            // A server that resets instead of closing has read the request just the same.
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => break,
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => break,
            Err(error) => return Err(error),
        }
    }
    let _ = stream.shutdown().await;
    Ok(())
}
