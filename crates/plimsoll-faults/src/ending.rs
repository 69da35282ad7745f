//! How a connection ends: by a reset or in order, for both sides, for one, or for one that is not told.
//!
//! A reset throws away what the kernel has taken and not sent yet, which can be much: after ten small pieces TCP waits
//! for the receiver's word. A cut at a place promises that everything before that place arrives, so before it resets it
//! waits until the kernel has sent. The kernel says so in one way that needs no polling of `/proc`: with the limit on
//! unsent bytes at one, a socket is writable when none is left. A receiver that does not read is not waited for long.

use std::time::{Duration, Instant};

use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::fault::Cut;
use crate::state::SharedState;

/// How long a receiver that does not read may hold up a reset.
const PATIENCE: Duration = Duration::from_millis(250);
const LOOK_AGAIN: Duration = Duration::from_millis(1);

/// How many bytes that go nowhere are read and thrown away at a time.
const DISCARDED_AT_ONCE: usize = 16 * 1024;

/// Waits until what was written is on its way, or cannot be.
pub(crate) async fn until_sent(stream: &TcpStream) {
    let began = Instant::now();
    while !is_sent(stream) && began.elapsed() < PATIENCE {
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// Whether nothing unsent is left; a socket that is broken sends nothing any more. Where the kernel cannot be asked, a
/// cut is as exact as it happens to be.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn is_sent(stream: &TcpStream) -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    if SockRef::from(stream).set_tcp_notsent_lowat(1).is_err() {
        return true;
    }
    let mut asked = [PollFd::new(stream, PollFlags::OUT)];
    poll(&mut asked, Some(&Timespec::default())) != Ok(0)
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn is_sent(_: &TcpStream) -> bool {
    true
}

/// Ends both sides, or one of them; answers with the one that is not told.
pub(crate) async fn end(how: Cut, mut client: TcpStream, mut server: TcpStream) -> Option<TcpStream> {
    match how {
        Cut::Reset => {
            reset(&client);
            reset(&server);
        }
        Cut::Close => {
            close(&mut client).await;
            close(&mut server).await;
        }
        Cut::ResetClient => {
            reset(&client);
            close(&mut server).await;
        }
        Cut::ResetServer => {
            reset(&server);
            close(&mut client).await;
        }
        Cut::ClientGone => {
            reset(&client);
            return Some(server);
        }
        Cut::ServerGone => {
            reset(&server);
            return Some(client);
        }
    }
    None
}

/// Keeps the one side of a half-open connection: silent, and whatever it says is lost. Until it ends, or is told.
pub(crate) async fn keep(shared: &SharedState, id: u64, mut side: TcpStream) {
    let mut lost = [0; DISCARDED_AT_ONCE];
    let told = tokio::select! {
        how = shared.until_cut(id) => how,
        () = async { while side.read(&mut lost).await.is_ok_and(|read| read > 0) {} } => return,
    };
    match told {
        Cut::Close => close(&mut side).await,
        _ => reset(&side),
    }
}

/// Makes the coming close a reset.
pub(crate) fn reset(stream: &TcpStream) {
    // It fails only on a socket that is gone already.
    let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
}

/// Ends the stream in order. What the peer has sent is read first: closing on unread bytes would be a reset.
async fn close(stream: &mut TcpStream) {
    let _ = stream.shutdown().await;
    let mut unread = [0; DISCARDED_AT_ONCE];
    while stream.try_read(&mut unread).is_ok_and(|read| read > 0) {}
}
