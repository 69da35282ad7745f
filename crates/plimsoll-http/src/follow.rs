//! A response whose body is a stream belongs to its request until the stream has ended.
//!
//! The server reads the body when the handler has returned, outside the request's scope. So each piece is read inside it again:
//! with the id, the totals and the deadline. A stream of rows holds a connection of the pool, and its reader may be slow or read
//! nothing at all: then the server does not ask for the next piece, and no code of the stream runs that could look at the time.
//! So a task of its own ends the stream by the request's deadline. The task ends with the body.

use crate::access::Ended;
use crate::in_flight::InFlight;
use crate::patience::GRACE;
use axum::body::{Body, Bytes, HttpBody};
use axum::response::Response;
use http_body::{Frame, SizeHint};
use parking_lot::Mutex;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

/// The response, and the end of its request: now, or with the end of its body.
pub(crate) fn follow(response: Response, flight: InFlight, margin: Duration) -> Response {
    if response.body().size_hint().exact().is_some() {
        flight.over(Ended::Answered);
        return response;
    }
    response.map(|body| Body::new(Followed::new(body, flight, margin)))
}

/// A stream that has not ended.
struct Live {
    body: Body,
    flight: InFlight,
    /// The task that reads it.
    reader: Option<Waker>,
}

impl Live {
    /// Ends it: what it holds is given back inside the scope of its request.
    fn end(self, ended: Ended) {
        let Live { body, flight, .. } = self;
        flight.scope.enter(|| drop(body));
        flight.over(ended);
    }
}

type Cell = Mutex<Option<Live>>;

/// The body of a response, followed to its end.
struct Followed {
    live: Arc<Cell>,
    /// A statement ends this much before its deadline.
    margin: Duration,
    watch: Option<JoinHandle<()>>,
}

impl Followed {
    fn new(body: Body, flight: InFlight, margin: Duration) -> Self {
        let end = flight.patience.end();
        let live = Arc::new(Mutex::new(Some(Live { body, flight, reader: None })));
        let watch = end.map(|end| tokio::spawn(watch(Arc::downgrade(&live), end + GRACE)));
        Followed { live, margin, watch }
    }
}

/// Ends a stream when its time is over, whatever its reader does.
async fn watch(cell: Weak<Cell>, end: Instant) {
    sleep_until(end).await;
    let Some(live) = cell.upgrade().and_then(|cell| cell.lock().take()) else { return };
    let reader = live.reader.clone();
    live.end(Ended::DeadlinePassed);
    if let Some(reader) = reader {
        reader.wake();
    }
}

impl HttpBody for Followed {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let mut cell = self.live.lock();
        let Some(live) = cell.as_mut() else {
            let late = io::Error::new(io::ErrorKind::TimedOut, "the request's deadline passed");
            return Poll::Ready(Some(Err(axum::Error::new(late))));
        };
        if !live.reader.as_ref().is_some_and(|reader| reader.will_wake(cx.waker())) {
            live.reader = Some(cx.waker().clone());
        }
        let Live { body, flight, .. } = live;
        let inside = flight.span.enter();
        let poll = |cx: &mut Context<'_>| Pin::new(&mut *body).poll_frame(cx);
        let frame = ready!(flight.scope.enter(|| flight.patience.poll(cx, poll)));
        let ended = match &frame {
            Some(Ok(_)) => return Poll::Ready(frame),
            None => Ended::Answered,
            Some(Err(_)) if flight.patience.end().is_some_and(|end| end <= Instant::now() + self.margin) => {
                Ended::DeadlinePassed
            }
            Some(Err(_)) => Ended::Failed,
        };
        drop(inside);
        if let Some(live) = cell.take() {
            drop(cell);
            live.end(ended);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.live.lock().as_ref().is_some_and(|live| live.body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.live.lock().as_ref().map(|live| live.body.size_hint()).unwrap_or_default()
    }
}

impl Drop for Followed {
    fn drop(&mut self) {
        if let Some(watch) = self.watch.take() {
            watch.abort();
        }
        let Some(live) = self.live.lock().take() else { return };
        let is_whole = live.body.is_end_stream();
        live.end(if is_whole { Ended::Answered } else { Ended::ClientLeft });
    }
}
