//! One request: counted on its seat, its body bounded, its answer counted until it has ended.

use crate::serve::allowance::{BodyEnd, BodyLimits};
use crate::serve::body::{BodyFate, Bounded};
use crate::serve::seats::{Request as Counted, Seat};
use crate::serve::stopping::Stopping;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::header::{CONNECTION, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use axum::http::{Request, Response, StatusCode, Version};
use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;
use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tower_service::Service;

/// The service, for one connection.
pub(super) struct Answers<S> {
    pub(super) service: S,
    pub(super) seat: Arc<Seat>,
    pub(super) peer: SocketAddr,
    pub(super) limits: BodyLimits,
}

/// An answer's body. Its request is under way until this is dropped.
pub(super) struct Sent {
    body: Body,
    request: Counted,
    is_http2: bool,
    /// What is left of a piece that is handed out in parts.
    rest: Bytes,
}

/// How large a piece of an HTTP/2 answer is at the most. hyper asks for the next one only when the client has given leave
/// to send it, so a client that takes nothing is known by that; a whole answer in one piece would lie in its buffer.
const PIECE: usize = 32 << 10;

impl Sent {
    fn new(body: Body, request: Counted, version: Version) -> Self {
        Sent { body, request, is_http2: version == Version::HTTP_2, rest: Bytes::new() }
    }

    fn part(&mut self, mut data: Bytes) -> Frame<Bytes> {
        let part = data.split_to(data.len().min(PIECE));
        self.rest = data;
        Frame::data(part)
    }
}

impl<S> Answers<S> {
    /// The request with its body bounded, and where to find what became of that, if there is one.
    fn bound(&self, request: Request<Incoming>) -> (Request<Body>, Option<BodyFate>) {
        if request.body().is_end_stream() {
            return (request.map(|_| Body::empty()), None);
        }
        let fate = BodyFate::default();
        let seats = self.seat.seats().clone();
        let bounded = |incoming| Body::new(Bounded::new(incoming, self.limits, fate.clone(), seats));
        let mut request = request.map(bounded);
        request.extensions_mut().insert(fate.clone());
        (request, Some(fate))
    }
}

impl<S> hyper::service::Service<Request<Incoming>> for Answers<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response<Sent>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Sent>, Infallible>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let counted = self.seat.request();
        let (version, limits) = (request.version(), self.limits);
        if request.body().size_hint().lower() > limits.bytes {
            let refusal = refused(BodyEnd::TooLarge, &limits, version);
            return Box::pin(async move { Ok(refusal.map(|body| Sent::new(body, counted, version))) });
        }
        let (mut request, fate) = self.bound(request);
        request.extensions_mut().insert(ConnectInfo(self.peer));
        request.extensions_mut().insert(Stopping::new(self.seat.seats()));
        let mut service = self.service.clone();
        Box::pin(async move {
            let Ok(()) = poll_fn(|cx| service.poll_ready(cx)).await;
            let Ok(answer) = service.call(request).await;
            // A handler that could not read the body answers with what it makes of that; the client is told why.
            let answer = match fate.and_then(|fate| fate.instead_of(answer.status())) {
                Some(end) => refused(end, &limits, version),
                None => answer,
            };
            Ok(answer.map(|body| Sent::new(body, counted, version)))
        })
    }
}

impl BodyEnd {
    pub(super) fn status(self) -> StatusCode {
        match self {
            BodyEnd::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            BodyEnd::TooSlow => StatusCode::REQUEST_TIMEOUT,
            BodyEnd::Stopping => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

/// `application/problem+json`, and the end of an HTTP/1 connection, since the rest of the body is not read.
fn refused(end: BodyEnd, limits: &BodyLimits, version: Version) -> Response<Body> {
    let status = end.status();
    let problem = serde_json::json!({
        "type": "about:blank",
        "title": status.canonical_reason().unwrap_or_default(),
        "status": status.as_u16(),
        "detail": end.sentence(limits),
    });
    let mut answer = Response::new(Body::from(problem.to_string()));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    if version < Version::HTTP_2 {
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    if status == StatusCode::SERVICE_UNAVAILABLE {
        headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    answer
}

impl http_body::Body for Sent {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if !self.is_http2 {
            return Pin::new(&mut self.body).poll_frame(cx);
        }
        self.request.is_offered(false);
        let frame = match self.rest.is_empty() {
            false => {
                let rest = std::mem::take(&mut self.rest);
                self.part(rest)
            }
            true => match Pin::new(&mut self.body).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => self.part(data),
                    Err(trailers) => trailers,
                },
                other => return other,
            },
        };
        self.request.is_offered(true);
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let mut hint = self.body.size_hint();
        let rest = u64::try_from(self.rest.len()).unwrap_or(u64::MAX);
        if let Some(upper) = hint.upper() {
            hint.set_upper(upper.saturating_add(rest));
        }
        hint.set_lower(hint.lower().saturating_add(rest));
        hint
    }
}
