//! The body of a request, within its limits.

use crate::serve::allowance::{BodyEnd, BodyLimits, Used};
use crate::serve::seats::Seats;
use axum::http::StatusCode;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, Sleep, sleep_until};

/// How often a body that is waited for looks whether the server stops: it is not told.
const LOOK: Duration = Duration::from_millis(500);

/// What became of a request's body; found in the request's extensions.
///
/// A handler that cannot read a body answers with an error of its own, in whose place the client gets the status that
/// belongs to the cause. A layer that logs or answers earlier finds that status here.
#[derive(Clone, Debug, Default)]
pub struct BodyFate(Arc<AtomicU8>);

/// A body that ends with an error when it brings too much or takes too long.
pub(super) struct Bounded {
    incoming: Incoming,
    limits: BodyLimits,
    used: Used,
    fate: BodyFate,
    seats: Arc<Seats>,
    /// Since when the server waits for a piece.
    waiting: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
    is_over: bool,
}

/// Why reading a body failed.
#[derive(Debug)]
pub(super) enum BodyError {
    Ended(BodyEnd, BodyLimits),
    Wire(hyper::Error),
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BodyError::Ended(end, limits) => f.write_str(&end.sentence(limits)),
            BodyError::Wire(error) => write!(f, "the request's body was cut off: {error}"),
        }
    }
}

impl std::error::Error for BodyError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            BodyError::Ended(..) => None,
            BodyError::Wire(error) => Some(error),
        }
    }
}

impl BodyEnd {
    /// What the client and the log are told.
    pub(super) fn sentence(self, limits: &BodyLimits) -> String {
        match self {
            BodyEnd::TooLarge => {
                format!("the request's body is larger than the {} bytes allowed", limits.bytes)
            }
            BodyEnd::TooSlow => format!(
                "the request's body did not arrive in time: at most {} ms may pass between two pieces and {} ms altogether",
                limits.pause.as_millis(),
                limits.within.as_millis()
            ),
            BodyEnd::Stopping => {
                "the server stops, and the request's body had not arrived; nothing was done: send it again"
                    .to_owned()
            }
        }
    }
}

impl BodyFate {
    fn set(&self, end: BodyEnd) {
        let code = match end {
            BodyEnd::TooLarge => 1,
            BodyEnd::TooSlow => 2,
            BodyEnd::Stopping => 3,
        };
        self.0.store(code, Ordering::Release);
    }

    /// 413, 408 or 503 if the body was too large, too slow, or not whole when the server stopped.
    #[must_use]
    pub fn status(&self) -> Option<StatusCode> {
        self.end().map(BodyEnd::status)
    }

    /// What the client is told instead of this answer. Where the answer is a success it stands: its handler could do without
    /// what is missing.
    pub(super) fn instead_of(&self, answer: StatusCode) -> Option<BodyEnd> {
        self.end().filter(|_| !answer.is_success())
    }

    /// The status that the client gets, where the handler's answer has this one.
    pub(crate) fn status_instead_of(&self, answer: StatusCode) -> Option<StatusCode> {
        self.instead_of(answer).map(BodyEnd::status)
    }

    fn end(&self) -> Option<BodyEnd> {
        match self.0.load(Ordering::Acquire) {
            1 => Some(BodyEnd::TooLarge),
            2 => Some(BodyEnd::TooSlow),
            3 => Some(BodyEnd::Stopping),
            _ => None,
        }
    }
}

impl Bounded {
    pub(super) fn new(incoming: Incoming, limits: BodyLimits, fate: BodyFate, seats: Arc<Seats>) -> Self {
        Bounded {
            incoming,
            limits,
            used: Used::default(),
            fate,
            seats,
            waiting: None,
            timer: None,
            is_over: false,
        }
    }

    fn give_up(&mut self, end: BodyEnd) -> BodyError {
        self.is_over = true;
        self.fate.set(end);
        BodyError::Ended(end, self.limits)
    }

    /// Whether the time for the next piece is over; otherwise the task is woken when it is.
    fn is_late(&mut self, cx: &mut Context<'_>) -> Option<BodyEnd> {
        let now = Instant::now();
        let since = *self.waiting.get_or_insert(now);
        if self.used.before_stop.is_none() {
            let stop = self.seats.stopping();
            self.used.before_stop = stop.map(|stop| self.used.waited + stop.saturating_duration_since(since));
        }
        let (patience, end) = self.limits.patience(&self.used);
        let over = later(since, patience);
        if now >= over {
            return Some(end);
        }
        let look = over.min(later(now, LOOK));
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(look)));
        if timer.deadline() != look {
            timer.as_mut().reset(look);
        }
        match timer.as_mut().poll(cx) {
            Poll::Ready(()) if look == over => Some(end),
            Poll::Ready(()) => {
                cx.waker().wake_by_ref();
                None
            }
            Poll::Pending => None,
        }
    }
}

fn later(from: Instant, by: Duration) -> Instant {
    from.checked_add(by).unwrap_or_else(|| from + Duration::from_secs(86_400 * 365))
}

impl Body for Bounded {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<std::result::Result<Frame<Bytes>, BodyError>>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        let frame = match Pin::new(&mut self.incoming).poll_frame(cx) {
            Poll::Ready(frame) => frame,
            Poll::Pending => {
                return match self.is_late(cx) {
                    Some(end) => Poll::Ready(Some(Err(self.give_up(end)))),
                    None => Poll::Pending,
                };
            }
        };
        let waited = self.waiting.take().map_or(Duration::ZERO, |since| since.elapsed());
        Poll::Ready(match frame {
            None => None,
            Some(Err(error)) => Some(Err(BodyError::Wire(error))),
            Some(Ok(frame)) => {
                let bytes = frame.data_ref().map_or(0, Bytes::len);
                let limits = self.limits;
                match limits.take(&mut self.used, u64::try_from(bytes).unwrap_or(u64::MAX), waited) {
                    Ok(()) => Some(Ok(frame)),
                    Err(end) => Some(Err(self.give_up(end))),
                }
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        self.is_over || self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
