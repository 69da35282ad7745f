//! The task that moves a connection's bytes, and says when it has nothing left to do.

use super::link::Link;
use super::socket::Socket;
use super::tap::Tap;
use crate::driver_fault::fault_of;
use crate::fault::Fault;
use crate::said::{message, text_of};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use tokio_postgres::{AsyncMessage, Connection};

/// A tapped connection.
pub(crate) type Tapped = Connection<Tap<Socket>, Tap<Socket>>;

/// Wraps the driver's future and reports each poll to the link. From that the link knows whether requests still wait in
/// the client's queue.
pub(crate) struct Driver {
    connection: Tapped,
    link: Arc<Link>,
    /// The waker that the link was given.
    waker: Option<Waker>,
}

impl Driver {
    pub(crate) fn new(connection: Tapped, link: Arc<Link>) -> Self {
        Driver { connection, link, waker: None }
    }
}

impl Future for Driver {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        // A task keeps its waker for life. Should a runtime ever hand out another, the link gets that one.
        if !this.waker.as_ref().is_some_and(|known| known.will_wake(cx.waker())) {
            this.waker = Some(cx.waker().clone());
            this.link.set_driver_waker(cx.waker());
        }
        let asked = this.link.poll_begins();
        loop {
            match this.connection.poll_message(cx) {
                Poll::Pending => {
                    if this.link.ends_unfed_copy() {
                        return Poll::Ready(());
                    }
                    this.link.poll_ends(asked);
                    return Poll::Pending;
                }
                Poll::Ready(Some(Ok(message))) => report(message, &this.link),
                Poll::Ready(Some(Err(error))) => {
                    let text = text_of(&error, |db| format!("{} ({})", message(db), db.code().code()));
                    this.link.close(fault_of(&error), &text);
                    return Poll::Ready(());
                }
                Poll::Ready(None) => {
                    this.link.close(Fault::ConnectionLost, "closed by this side");
                    return Poll::Ready(());
                }
            }
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // Also when the runtime is shut down during a poll: no task may wait for a driver that is gone.
        self.link.close(Fault::ConnectionLost, "the task that drove it ended");
    }
}

fn report(sent: AsyncMessage, link: &Link) {
    match sent {
        AsyncMessage::Notice(notice) => {
            // What RAISE says may hold anything; what the server says has no context.
            let text = if notice.where_().is_some() {
                "a notice of code in the database".into()
            } else {
                message(&notice)
            };
            tracing::debug!(target: "plimsoll::notice", pid = link.state.pid(), code = notice.code().code(), "{text}");
        }
        AsyncMessage::Notification(notification) => {
            if let Some(notification) = link.heard(notification) {
                tracing::debug!(target: "plimsoll::notice", pid = link.state.pid(), channel = notification.channel(), "a notification that no caller asked for");
            }
        }
        _ => {}
    }
}
