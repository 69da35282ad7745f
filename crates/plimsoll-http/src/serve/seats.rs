//! Who is connected: one seat for each socket, held until its descriptor is closed.
//!
//! A seat's state is a handful of atomics, because every request touches it twice. The list is locked when a socket comes
//! or goes, and when an idle one has to give way.

use crate::serve::patience::{View, millis};
use crate::serve::sockets::{Seen, to_evict};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::Instant;

/// All seats of a server.
pub(super) struct Seats {
    began: Instant,
    /// When the server began to stop; 0 while it does not.
    stopped: AtomicU64,
    taken: Mutex<Taken>,
    /// A seat became free.
    freed: Notify,
}

#[derive(Default)]
struct Taken {
    next: u64,
    seats: HashMap<u64, Arc<State>>,
}

/// One socket. Its place is free again when the last holder drops it: the connection's task, the socket itself where it
/// was handed over, and requests under way.
pub(super) struct Seat {
    id: u64,
    state: Arc<State>,
    all: Arc<Seats>,
    /// The socket, once the connection has let go of it.
    left: Mutex<Option<TcpStream>>,
}

/// What a seat's task, its socket and its requests tell of it. A time of 0 means never, so times begin at 1.
struct State {
    peer: IpAddr,
    requests: AtomicUsize,
    is_known: AtomicBool,
    is_handed_over: AtomicBool,
    since: AtomicU64,
    head_since: AtomicU64,
    unread_since: AtomicU64,
    /// HTTP/2 answers of which a piece was handed out and the next was not asked for yet, and since when that is so.
    offered: AtomicUsize,
    offered_since: AtomicU64,
    /// It has to give way, or the server stops.
    told: Notify,
}

/// A request under way, from its whole head until its answer has ended or was given up.
pub(super) struct Request {
    seat: Arc<Seat>,
    is_offered: bool,
}

impl Seats {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Seats {
            began: Instant::now(),
            stopped: AtomicU64::new(0),
            taken: Mutex::default(),
            freed: Notify::new(),
        })
    }

    /// Milliseconds since the server started, from 1 on.
    pub(super) fn now(&self) -> u64 {
        millis(self.began.elapsed()).saturating_add(1)
    }

    /// The moment that [`Seats::now`] calls so.
    pub(super) fn moment(&self, at: u64) -> Instant {
        let after = std::time::Duration::from_millis(at.saturating_sub(1));
        self.began.checked_add(after).unwrap_or_else(Instant::now)
    }

    pub(super) fn count(&self) -> usize {
        self.taken.lock().seats.len()
    }

    pub(super) fn take(self: &Arc<Self>, peer: IpAddr) -> Arc<Seat> {
        let state = Arc::new(State {
            peer,
            requests: AtomicUsize::new(0),
            is_known: AtomicBool::new(false),
            is_handed_over: AtomicBool::new(false),
            since: AtomicU64::new(self.now()),
            head_since: AtomicU64::new(0),
            unread_since: AtomicU64::new(0),
            offered: AtomicUsize::new(0),
            offered_since: AtomicU64::new(0),
            told: Notify::new(),
        });
        let mut taken = self.taken.lock();
        let id = taken.next;
        taken.next = id.wrapping_add(1);
        taken.seats.insert(id, state.clone());
        Arc::new(Seat { id, state, all: self.clone(), left: Mutex::default() })
    }

    /// Tells up to `count` idle sockets to give way; how many were told.
    pub(super) fn evict(&self, count: usize) -> usize {
        let taken = self.taken.lock();
        let seen: Vec<_> = taken.seats.iter().map(|(id, state)| state.seen(*id)).collect();
        let evicted = to_evict(&seen, count);
        for state in evicted.iter().filter_map(|id| taken.seats.get(id)) {
            state.told.notify_one();
        }
        evicted.len()
    }

    /// The server stops: each connection is told.
    pub(super) fn stop(&self) {
        self.stopped.store(self.now(), Ordering::Release);
        for state in self.taken.lock().seats.values() {
            state.told.notify_one();
        }
    }

    /// Since when the server stops.
    pub(super) fn stopping(&self) -> Option<Instant> {
        match self.stopped.load(Ordering::Acquire) {
            0 => None,
            at => Some(self.moment(at)),
        }
    }

    /// Waits for a seat that becomes free after this call.
    pub(super) fn freed(&self) -> tokio::sync::futures::Notified<'_> {
        self.freed.notified()
    }
}

impl State {
    fn is_busy(&self) -> bool {
        self.requests.load(Ordering::Acquire) > 0 || self.is_handed_over.load(Ordering::Relaxed)
    }

    fn seen(&self, id: u64) -> Seen {
        Seen {
            id,
            peer: self.peer,
            is_busy: self.is_busy() || self.unread_since.load(Ordering::Relaxed) != 0,
            is_known: self.is_known.load(Ordering::Relaxed),
            since: self.since.load(Ordering::Relaxed),
        }
    }
}

impl Seat {
    pub(super) fn seats(&self) -> &Arc<Seats> {
        &self.all
    }

    /// A request's head is whole.
    pub(super) fn request(self: &Arc<Self>) -> Request {
        self.state.requests.fetch_add(1, Ordering::AcqRel);
        self.state.is_known.store(true, Ordering::Relaxed);
        self.state.head_since.store(0, Ordering::Relaxed);
        Request { seat: self.clone(), is_offered: false }
    }

    /// Bytes came.
    pub(super) fn has_read(&self) {
        if !self.state.is_busy() && self.state.head_since.load(Ordering::Relaxed) == 0 {
            self.state.head_since.store(self.all.now(), Ordering::Relaxed);
        }
    }

    /// The client took bytes.
    pub(super) fn has_written(&self) {
        self.state.unread_since.store(0, Ordering::Relaxed);
        self.state.since.store(self.all.now(), Ordering::Relaxed);
    }

    /// The client takes nothing now.
    pub(super) fn is_unread(&self) {
        if self.state.unread_since.load(Ordering::Relaxed) == 0 {
            self.state.unread_since.store(self.all.now(), Ordering::Relaxed);
        }
    }

    pub(super) fn view(&self) -> View {
        let some = |time: &AtomicU64| Some(time.load(Ordering::Relaxed)).filter(|at| *at != 0);
        View {
            is_busy: self.state.is_busy(),
            since: self.state.since.load(Ordering::Relaxed),
            head_since: some(&self.state.head_since),
            unread_since: some(&self.state.unread_since).or_else(|| {
                // HTTP/2 tells who waits for whom only by each answer: the socket takes bytes while a client gives none of
                // its answers leave to be sent.
                let offered = self.state.offered.load(Ordering::Acquire);
                let all_are = offered > 0 && offered == self.state.requests.load(Ordering::Acquire);
                all_are.then(|| self.state.offered_since.load(Ordering::Relaxed))
            }),
        }
    }

    /// Whether it has brought a whole request head since it was connected.
    pub(super) fn is_known(&self) -> bool {
        self.state.is_known.load(Ordering::Relaxed)
    }

    /// Waits until it has to give way to others, or the server stops.
    pub(super) async fn told(&self) {
        self.state.told.notified().await;
    }

    /// The connection is over.
    pub(super) fn leave(&self, stream: TcpStream) {
        if !self.state.is_handed_over.load(Ordering::Acquire) {
            *self.left.lock() = Some(stream);
        }
    }

    /// The socket, if the connection has let go of it. Otherwise a handler has taken it over, as for a WebSocket, and it
    /// is the handler's from now on.
    pub(super) fn take_left(&self) -> Option<TcpStream> {
        let left = self.left.lock().take();
        if left.is_none() {
            self.state.is_handed_over.store(true, Ordering::Release);
            // Between the two lines above the handler may have dropped it.
            return self.left.lock().take();
        }
        left
    }
}

impl Request {
    /// A piece of an HTTP/2 answer was handed out, or the next is asked for.
    pub(super) fn is_offered(&mut self, is_offered: bool) {
        if self.is_offered == is_offered {
            return;
        }
        self.is_offered = is_offered;
        let state = &self.seat.state;
        state.offered_since.store(self.seat.all.now(), Ordering::Relaxed);
        match is_offered {
            true => state.offered.fetch_add(1, Ordering::AcqRel),
            false => state.offered.fetch_sub(1, Ordering::AcqRel),
        };
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        self.is_offered(false);
        self.seat.state.since.store(self.seat.all.now(), Ordering::Relaxed);
        self.seat.state.requests.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        // The descriptor is closed before its place is given away.
        drop(self.left.lock().take());
        self.all.taken.lock().seats.remove(&self.id);
        self.all.freed.notify_one();
    }
}
