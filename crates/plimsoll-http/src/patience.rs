//! The deadline of a request: until when its handler may work, and what ends it then.
//!
//! The library's own waits end by the deadline of the scope, so a statement is stopped on the server before the request is
//! over, and the handler gets an error that says which step used up the time. What else a handler waits for does not know
//! the deadline. So a timer ends the handler a little later, and what runs on the database by then is stopped as for a
//! client that has left.
//!
//! A route may have another deadline than the rest, and its layer lies inside the ones that keep the deadline. So the time is
//! kept in a cell that travels with the request: the route writes it, and the limit is read from it at each poll.

use axum::extract::Request;
use axum::response::Response;
use parking_lot::Mutex;
use plimsoll::deadline::{self, Deadline};
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, Sleep, sleep_until};
use tower_layer::Layer;
use tower_service::Service;

/// How much later than the deadline a handler is ended that has not ended by itself.
pub(crate) const GRACE: Duration = Duration::from_millis(250);

/// Longer than any request; tokio's timers end after about two years.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);

/// The time of one request. All clones are the same.
#[derive(Clone, Debug)]
pub(crate) struct Patience {
    began: Instant,
    /// What the client asked for.
    asked: Option<Duration>,
    /// What the service allows.
    allowed: Arc<Mutex<Option<Duration>>>,
}

impl Patience {
    pub(crate) fn new(began: Instant, allowed: Option<Duration>, asked: Option<Duration>) -> Self {
        Patience { began, asked, allowed: Arc::new(Mutex::new(allowed)) }
    }

    /// How long the request may take: what the service allows, or what the client asked for, if that is less.
    pub(crate) fn span(&self) -> Option<Duration> {
        self.allowed.lock().into_iter().chain(self.asked).min()
    }

    /// When it is over.
    pub(crate) fn end(&self) -> Option<Instant> {
        self.span().map(|span| self.began + span.min(LONGEST))
    }

    /// The route allows this. Says whether the end is another one by it.
    fn allow(&self, span: Option<Duration>) -> bool {
        let before = self.end();
        *self.allowed.lock() = span;
        before != self.end()
    }

    /// Polls a piece of the request's work inside its deadline.
    pub(crate) fn poll<T>(
        &self,
        cx: &mut Context<'_>,
        mut piece: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        match self.end() {
            Some(end) => pin!(deadline::until(Deadline::at(end), poll_fn(|cx| piece(cx)))).poll(cx),
            None => piece(cx),
        }
    }

    /// Runs the work of a request; `None` if it had not ended by itself a little after its deadline. It was dropped then.
    ///
    /// # Cancel safety
    /// Dropped, the work is dropped.
    pub(crate) async fn bound<F: Future>(&self, work: F) -> Option<F::Output> {
        let mut work = pin!(work);
        let mut timer: Option<Pin<Box<Sleep>>> = None;
        poll_fn(|cx| {
            if let Poll::Ready(done) = self.poll(cx, |cx| work.as_mut().poll(cx)) {
                return Poll::Ready(Some(done));
            }
            let Some(end) = self.end().map(|end| end + GRACE) else { return Poll::Pending };
            let timer = timer.get_or_insert_with(|| Box::pin(sleep_until(end)));
            if timer.deadline() != end {
                timer.as_mut().reset(end);
            }
            timer.as_mut().poll(cx).map(|()| None)
        })
        .await
    }
}

/// A layer for one route: its requests may take this long, instead of what [`Options::deadline`](crate::Options::deadline)
/// says for all. The client may still lower it. Reading the body counts, and ends by the deadline of all.
///
/// ```
/// use axum::{Router, routing::get};
/// use plimsoll_http::{Options, RouteDeadline, layers};
/// use std::time::Duration;
///
/// # fn example(db: plimsoll::Database) -> Router {
/// Router::new()
///     .route("/report", get(|| async {}).layer(RouteDeadline::of(Duration::from_secs(60))))
///     .route("/devices", get(|| async {}))
///     .layer(layers(&db, Options::default()))
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct RouteDeadline(Option<Duration>);

impl RouteDeadline {
    /// Requests of this route may take this long.
    #[must_use]
    pub fn of(span: Duration) -> Self {
        RouteDeadline(Some(span))
    }

    /// Requests of this route may take as long as they like, unless the client lowers it: for streams that have no end.
    #[must_use]
    pub fn none() -> Self {
        RouteDeadline(None)
    }
}

impl<S> Layer<S> for RouteDeadline {
    type Service = WithDeadline<S>;

    fn layer(&self, inner: S) -> WithDeadline<S> {
        WithDeadline { inner, allowed: self.0 }
    }
}

/// A service behind [`RouteDeadline`].
#[derive(Clone, Debug)]
pub struct WithDeadline<S> {
    inner: S,
    allowed: Option<Duration>,
}

impl<S> Service<Request> for WithDeadline<S>
where
    S: Service<Request, Response = Response> + Clone + Send + 'static,
    S::Future: Send + 'static,
{
    type Response = Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        let is_another = request.extensions().get::<Patience>().is_some_and(|own| own.allow(self.allowed));
        Box::pin(async move {
            if is_another {
                // This poll runs inside the deadline of all, and what it began would be stopped by that; the next one runs
                // inside the route's own.
                tokio::task::yield_now().await;
            }
            inner.call(request).await
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_lowers_and_never_raises() {
        let [short, usual, long] = [2, 15, 60].map(Duration::from_secs);
        let span = |allowed, asked| Patience::new(Instant::now(), allowed, asked).span();
        assert_eq!(span(Some(usual), None), Some(usual));
        assert_eq!(span(Some(usual), Some(short)), Some(short));
        assert_eq!(span(Some(usual), Some(long)), Some(usual));
        assert_eq!(span(Some(usual), Some(Duration::MAX)), Some(usual));
        assert_eq!((span(None, Some(short)), span(None, None)), (Some(short), None));
        assert!(Patience::new(Instant::now(), Some(Duration::MAX), None).end().is_some());
    }

    #[test]
    fn a_route_says_whether_the_end_is_another() {
        let [short, usual, long] = [2, 15, 60].map(Duration::from_secs);
        let patience = Patience::new(Instant::now(), Some(usual), None);
        assert!(!patience.clone().allow(Some(usual)) && patience.allow(Some(short)));
        assert!(patience.allow(Some(long)) && patience.allow(None) && patience.allow(Some(usual)));
        assert_eq!(patience.span(), Some(usual));
        let lowered = Patience::new(Instant::now(), Some(usual), Some(short));
        assert!(!lowered.allow(Some(long)) && !lowered.allow(None));
        assert_eq!(lowered.span(), Some(short));
    }

    #[tokio::test(start_paused = true)]
    async fn work_ends_a_little_after_its_deadline() {
        let began = Instant::now();
        let patience = Patience::new(began, Some(Duration::from_secs(2)), None);
        let seen = patience.bound(async { deadline::current() }).await.flatten();
        assert_eq!(seen.map(Deadline::instant), Some(began + Duration::from_secs(2)));
        assert_eq!(patience.bound(std::future::pending::<()>()).await, None);
        assert_eq!(began.elapsed(), Duration::from_secs(2) + GRACE);
        let unbound = Patience::new(began, None, None);
        assert_eq!(unbound.bound(async { deadline::current() }).await, Some(None));
    }
}
