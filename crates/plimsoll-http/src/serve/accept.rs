//! The accept loop: who is let in, and what happens when the system has no descriptor left.

use crate::serve::connection::{self, Shared};
use crate::serve::seats::Seats;
use crate::serve::stop::Told;
use axum::body::Body;
use axum::http::{Request, Response};
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep, sleep_until};
use tower_service::Service;

/// The pause after a failed accept. A shorter one would burn a core for as long as descriptors are lacking.
const PAUSE: Duration = Duration::from_millis(200);

/// How soon it is looked for an idle socket again when all are busy.
const STEP: Duration = Duration::from_millis(50);

/// How often it is told that sockets give way.
const QUIET: Duration = Duration::from_secs(60);

/// The loop, and all connections that it has made.
pub(super) struct Acceptor<S> {
    listener: TcpListener,
    service: S,
    shared: Arc<Shared>,
    seats: Arc<Seats>,
    sockets: usize,
    /// Since when accepting fails.
    failing: Option<(Instant, u64)>,
    /// When it was last told that sockets give way, and how many did since.
    crowded: Option<(Instant, usize)>,
}

impl<S> Acceptor<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    pub(super) fn new(
        listener: TcpListener,
        service: S,
        shared: Shared,
        seats: Arc<Seats>,
        sockets: usize,
    ) -> Self {
        Acceptor { listener, service, shared: Arc::new(shared), seats, sockets, failing: None, crowded: None }
    }

    /// Accepts until the server is told to stop; then the port is free again.
    pub(super) async fn run(mut self, told: &mut Told, connections: &mut JoinSet<()>) {
        let mut after: Option<Instant> = None;
        loop {
            let accepted = tokio::select! {
                () = told.next() => return,
                ended = connections.join_next(), if !connections.is_empty() => {
                    ended.into_iter().for_each(|ended| tell_of_panics(&ended));
                    continue;
                }
                accepted = accept(&self.listener, after) => accepted,
            };
            after = None;
            match accepted {
                Ok((stream, peer)) => {
                    self.has_accepted();
                    tokio::select! {
                        () = told.next() => return,
                        () = self.make_room() => {}
                    }
                    // An answer goes out whole; waiting for more of it would only delay it.
                    let _ = stream.set_nodelay(true);
                    let seat = self.seats.take(peer.ip());
                    let (service, shared) = (self.service.clone(), self.shared.clone());
                    connections.spawn(connection::serve(stream, peer, service, seat, shared));
                }
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    self.has_failed(&error);
                    after = Some(Instant::now() + PAUSE);
                }
            }
        }
    }

    /// Waits until there is a seat. The socket that is to have it is held meanwhile, and no other is accepted.
    async fn make_room(&mut self) {
        let seats = self.seats.clone();
        while seats.count() >= self.sockets {
            let freed = seats.freed();
            // A few at a time, so that a flood does not sort the whole list for each of its sockets.
            let evicted = seats.evict(1 + self.sockets / 64);
            self.tell_of_crowd(evicted);
            tokio::select! {
                () = freed => {}
                () = sleep(STEP) => {}
            }
        }
    }

    fn tell_of_crowd(&mut self, evicted: usize) {
        let (told, since) = self.crowded.unwrap_or((Instant::now(), 0));
        let is_first = self.crowded.is_none();
        let count = since.saturating_add(evicted);
        self.crowded = Some((told, count));
        if is_first || told.elapsed() >= QUIET {
            tracing::warn!(
                target: "plimsoll_http",
                "all {} sockets are taken; {count} idle ones were closed to make room{}; if these are clients of yours, \
                 raise the limit on descriptors or lower idle",
                self.sockets,
                if evicted == 0 { ", and the others are busy, so new ones wait" } else { "" }
            );
            self.crowded = Some((Instant::now(), 0));
        }
    }

    fn has_failed(&mut self, error: &io::Error) {
        match &mut self.failing {
            Some((_, times)) => *times = times.saturating_add(1),
            None => {
                self.failing = Some((Instant::now(), 1));
                tracing::error!(
                    target: "plimsoll_http",
                    "no connection can be accepted: {error}; trying again each {} ms; {} sockets of clients are open \
                     and at most {} may be, so something else takes the descriptors: raise spare_descriptors by as many, \
                     or the limit (`ulimit -n`)",
                    PAUSE.as_millis(),
                    self.seats.count(),
                    self.sockets
                );
            }
        }
    }

    fn has_accepted(&mut self) {
        if let Some((since, times)) = self.failing.take() {
            tracing::info!(
                target: "plimsoll_http",
                "connections are accepted again, after {} ms and {times} failed attempts",
                since.elapsed().as_millis()
            );
        }
    }
}

async fn accept(listener: &TcpListener, after: Option<Instant>) -> io::Result<(TcpStream, SocketAddr)> {
    if let Some(after) = after {
        sleep_until(after).await;
    }
    listener.accept().await
}

/// Errors that concern only the connection that was to be accepted.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

/// A handler that panicked takes its HTTP/1 connection along, and nothing else.
pub(super) fn tell_of_panics(ended: &Result<(), JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        tracing::error!(target: "plimsoll_http", "a handler panicked, and its connection was cut: {error}");
    }
}

/// Waits until all connections have ended.
pub(super) async fn all_end(connections: &mut JoinSet<()>) {
    while let Some(ended) = connections.join_next().await {
        tell_of_panics(&ended);
    }
}
