//! One connection, from its seat to its end.

use crate::serve::allowance::BodyLimits;
use crate::serve::answer::Answers;
use crate::serve::options::ServeOptions;
use crate::serve::patience::{Look, Patience};
use crate::serve::seats::{Seat, Seats};
use crate::serve::wire::{Wire, linger};
use axum::body::Body;
use axum::http::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until};
use tower_service::Service;

/// How long an idle connection may take for its goodbye, in milliseconds: HTTP/2 has one.
const FAREWELL: u64 = 500;

/// How soon a connection that says goodbye is looked at again, in milliseconds.
const FAREWELL_STEP: u64 = 50;

/// Of an HTTP/2 client's bodies, this much may wait to be read by handlers.
const STREAM_WINDOW: u32 = 128 << 10;
const CONNECTION_WINDOW: u32 = 512 << 10;

/// What all connections share.
pub(super) struct Shared {
    builder: auto::Builder<TokioExecutor>,
    patience: Patience,
    body: BodyLimits,
}

/// How a connection came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// It was ended by its client or by HTTP.
    Ended,
    /// It brought no request, no whole head, or took nothing of its answer.
    Late(Look),
    /// It made room for others.
    GaveWay,
    /// The server stopped, and it had no whole request.
    Stopped,
}

impl Shared {
    pub(super) fn new(options: &ServeOptions) -> Self {
        Shared { builder: builder(options), patience: options.patience(), body: options.body_limits() }
    }
}

fn builder(options: &ServeOptions) -> auto::Builder<TokioExecutor> {
    let head = usize::try_from(options.head_bytes).unwrap_or(usize::MAX);
    let mut builder = auto::Builder::new(TokioExecutor::new());
    // Heads are timed by `patience`, which also covers what comes before the version is known.
    builder.http1().header_read_timeout(None).max_buf_size(head);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(options.head_bytes)
        .max_concurrent_streams(options.http2_streams)
        .max_pending_accept_reset_streams(options.http2_resets)
        .keep_alive_interval(options.http2_ping)
        .keep_alive_timeout(options.http2_ping_timeout)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        // WebSockets over HTTP/2 need it.
        .enable_connect_protocol();
    builder
}

/// Serves one connection. Dropped, the connection is cut and its requests with it.
pub(super) async fn serve<S>(
    stream: TcpStream,
    peer: SocketAddr,
    service: S,
    seat: Arc<Seat>,
    shared: Arc<Shared>,
) where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    let end = converse(stream, peer, service, &seat, &shared).await;
    if end != End::Ended {
        tracing::debug!(target: "plimsoll_http", "the connection of {peer} is over: {end:?}");
    }
    match seat.take_left() {
        Some(stream) if end == End::Ended => {
            tokio::select! {
                () = linger(stream) => {}
                () = seat.told() => {}
            }
        }
        // Closed at once, or a handler's own from now on.
        _ => {}
    }
}

async fn converse<S>(
    stream: TcpStream,
    peer: SocketAddr,
    service: S,
    seat: &Arc<Seat>,
    shared: &Shared,
) -> End
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    let answers = Answers { service, seat: seat.clone(), peer, limits: shared.body };
    let seats: &Seats = seat.seats();
    let wire = TokioIo::new(Wire::new(stream, seat.clone()));
    let mut connection = pin!(shared.builder.serve_connection_with_upgrades(wire, answers));
    let mut farewell = None;
    let mut timer = pin!(sleep_until(Instant::now()));
    loop {
        let next = tokio::select! {
            biased;
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(target: "plimsoll_http", "the connection of {peer} ended badly: {error}");
                }
                return End::Ended;
            }
            () = seat.told() => match seats.stopping() {
                Some(_) => Next::Leave(End::Stopped),
                None => Next::Over(End::GaveWay),
            },
            () = timer.as_mut() => look(seat, &shared.patience, farewell),
        };
        match next {
            Next::Again(at) => timer.as_mut().reset(at),
            Next::Over(end) => return end,
            Next::Leave(end) if !seat.is_known() => return end,
            Next::Leave(end) => {
                farewell = Some(Farewell { end, began: seats.now() });
                connection.as_mut().graceful_shutdown();
                timer.as_mut().reset(Instant::now());
            }
        }
    }
}

/// A connection that finishes what it has begun, and then ends.
#[derive(Clone, Copy)]
struct Farewell {
    end: End,
    began: u64,
}

enum Next {
    Again(Instant),
    /// Let it finish what it has begun; cut it where there is nothing.
    Leave(End),
    /// Cut it.
    Over(End),
}

fn look(seat: &Seat, patience: &Patience, farewell: Option<Farewell>) -> Next {
    let seats: &Seats = seat.seats();
    let (view, now) = (seat.view(), seats.now());
    let again = |at| Next::Again(seats.moment(at));
    match (patience.look(view, now), farewell) {
        (Look::Unread, _) => Next::Over(End::Late(Look::Unread)),
        (_, Some(Farewell { end, began })) => {
            let is_done = !view.is_busy && view.unread_since.is_none();
            let over = began.max(view.since).saturating_add(FAREWELL);
            if is_done && now >= over { Next::Over(end) } else { again(now.saturating_add(FAREWELL_STEP)) }
        }
        (Look::Again(at), None) => again(at),
        (late, None) => Next::Leave(End::Late(late)),
    }
}
