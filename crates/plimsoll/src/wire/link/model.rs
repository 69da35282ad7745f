//! One link for the model checker: the real [`Link`], with a driver that has no socket.

use super::super::cancel::Target;
use super::super::session_state::SessionState;
use super::super::socket::{Address, Wrap};
use super::super::transaction_status::TransactionStatus;
use super::Link;
use crate::fault::Fault;
use loom::sync::atomic::AtomicUsize;
use std::future::poll_fn;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use tokio::sync::Semaphore;

/// A connection with an idle session.
#[derive(Clone)]
pub struct Mooring {
    link: Arc<Link>,
    came_home: Arc<AtomicUsize>,
}

impl Default for Mooring {
    fn default() -> Self {
        let state = SessionState::new();
        state.driver.status.store(TransactionStatus::Idle as u8, Ordering::Release);
        let target = Target { address: Address::Unix(PathBuf::new()), wrap: Wrap::Plain };
        let link = Link::new(Arc::new(state), target, Arc::new(Semaphore::new(1)));
        Mooring { link: Arc::new(link), came_home: Arc::new(AtomicUsize::new(0)) }
    }
}

impl Mooring {
    /// Hands something to the client.
    pub fn hand_over(&self) {
        self.link.count_handed();
    }

    /// Drives the connection as the driver's task does, until the parked connection has come home.
    pub async fn drive(&self) {
        poll_fn(|cx| {
            self.link.set_driver_waker(cx.waker());
            let handed = self.link.poll_begins();
            self.link.poll_ends(handed);
            if self.came_home() > 0 { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    /// Has the driver polled once more.
    pub fn wake_driver(&self) {
        self.link.driver.wake();
    }

    /// Gives the connection back, to come home when it has come to rest.
    pub fn park(&self) {
        let came_home = Arc::clone(&self.came_home);
        self.link.park(Box::new(move |_| {
            came_home.fetch_add(1, Ordering::AcqRel);
        }));
    }

    /// Ends the connection, as the driver does when it ends itself.
    pub fn close(&self) {
        self.link.close(Fault::ConnectionLost, "the model ended it");
    }

    /// How often the parked connection has come home.
    #[must_use]
    pub fn came_home(&self) -> usize {
        self.came_home.load(Ordering::Acquire)
    }

    /// Begins to listen; false if another statement listens already.
    #[must_use]
    pub fn listen(&self, due: u64) -> bool {
        self.link.listen(due)
    }

    /// Waits for the bell, as a statement does: one that is woken before `due` goes on waiting.
    pub async fn hear(&self, due: u64, now: impl Fn() -> u64) {
        poll_fn(|cx| {
            self.link.wake_when_due(cx.waker());
            if now() >= due { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    /// Ends the listening.
    pub fn stop_listening(&self) {
        self.link.stop_listening();
    }

    /// Rings as the pool's clock does.
    pub fn ring(&self, now: u64) {
        self.link.ring(now);
    }
}
