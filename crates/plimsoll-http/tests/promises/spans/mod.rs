//! Spans for a collector: what a trace looks like, what is not in it, and what a collector in trouble does to the service.

mod a_collector_in_trouble_harms_nothing;
mod a_request_is_one_trace_down_to_its_statements;
mod a_span_holds_no_value;
mod each_call_leaves_one_span;
mod what_is_dropped_closes_its_spans;

use crate::client::Answer;
use crate::service::{self, until};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Request, StatusCode};
use axum::routing::post;
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::{TokioExecutor, TokioIo};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode as SpanStatus;
use opentelemetry_proto::tonic::trace::v1::{Span, span::SpanKind};
use plimsoll_http::otlp::{self, OtlpGuard, OtlpOptions};
use prost::Message;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpStream;
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// A collector on a port of its own, which keeps what it is given.
pub(crate) struct Receiver {
    at: SocketAddr,
    received: Received,
}

/// The head and the body of a request.
type Asked = (HeaderMap, Vec<u8>);

/// What it was given, and what it answers.
#[derive(Clone, Default)]
struct Received {
    kept: Arc<Mutex<Vec<Asked>>>,
    status: Arc<Mutex<StatusCode>>,
}

async fn receive(State(received): State<Received>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let status = *received.status.lock().unwrap();
    if status.is_success() {
        received.kept.lock().unwrap().push((headers, body.to_vec()));
    }
    status
}

impl Receiver {
    pub(crate) async fn start() -> Self {
        let received = Received::default();
        let router = Router::new().route("/v1/traces", post(receive)).with_state(received.clone());
        Receiver { at: service::serve(router).await, received }
    }

    /// Answers with this status from now on.
    pub(crate) fn answer_with(&self, status: StatusCode) {
        *self.received.status.lock().unwrap() = status;
    }

    pub(crate) fn options(&self) -> OtlpOptions {
        OtlpOptions {
            endpoint: Some(format!("http://{}", self.at).into()),
            service: Some("the tests".to_owned()),
            ..Default::default()
        }
    }

    /// Everything that came, as it came.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.received.kept.lock().unwrap().iter().flat_map(|(_, bytes)| bytes.clone()).collect()
    }

    pub(crate) fn headers(&self) -> HeaderMap {
        self.received.kept.lock().unwrap()[0].0.clone()
    }

    pub(crate) fn requests(&self) -> Vec<ExportTraceServiceRequest> {
        let kept = self.received.kept.lock().unwrap();
        kept.iter().map(|(_, bytes)| ExportTraceServiceRequest::decode(bytes.as_slice()).unwrap()).collect()
    }

    fn spans(&self) -> Vec<Span> {
        let resources = self.requests().into_iter().flat_map(|request| request.resource_spans);
        resources.flat_map(|resource| resource.scope_spans).flat_map(|scope| scope.spans).collect()
    }

    /// The spans of this trace, in the order in which they began, once there are so many.
    pub(crate) async fn trace(&self, guard: &OtlpGuard, trace: &str, count: usize) -> Vec<Span> {
        let of = || self.spans().into_iter().filter(|span| hex(&span.trace_id) == trace).collect::<Vec<_>>();
        until(&format!("{count} spans of {trace}"), async || {
            guard.flush(service::PATIENCE).await;
            of().len() >= count
        })
        .await;
        let mut spans = of();
        spans.sort_by_key(|span| (span.start_time_unix_nano, std::cmp::Reverse(span.end_time_unix_nano)));
        assert_eq!(spans.len(), count, "{spans:#?}");
        spans
    }
}

/// Installs the layer for this thread, on which everything of a test runs.
pub(crate) fn install(options: OtlpOptions) -> (OtlpGuard, DefaultGuard) {
    let (layer, guard) = otlp::layer(options).unwrap();
    (guard, tracing_subscriber::registry().with(layer).set_default())
}

/// A header that makes the request part of this trace, as a child of the span [`PARENT`].
pub(crate) fn traceparent(trace: &str) -> String {
    format!("00-{trace}-{PARENT}-01")
}

pub(crate) const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
pub(crate) const PARENT: &str = "00f067aa0ba902b7";

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// An attribute as text; empty where there is none. Fails if it is there twice.
pub(crate) fn attribute(span: &Span, key: &str) -> String {
    let mut found = span.attributes.iter().filter(|attribute| attribute.key == key);
    let value = found.next().and_then(|attribute| attribute.value.clone()?.value);
    assert!(found.next().is_none(), "{key} is there twice: {span:#?}");
    match value {
        None => String::new(),
        Some(Value::StringValue(text)) => text,
        Some(Value::IntValue(number)) => format!("{number}i"),
        Some(Value::DoubleValue(number)) => number.to_string(),
        Some(other) => format!("{other:?}"),
    }
}

pub(crate) fn has_kind(span: &Span, kind: SpanKind) -> bool {
    span.kind == kind as i32
}

/// Whether it has ended with an error.
pub(crate) fn has_failed(span: &Span) -> bool {
    span.status.as_ref().is_some_and(|status| status.code == SpanStatus::Error as i32)
}

pub(crate) fn took(span: &Span) -> Duration {
    Duration::from_nanos(span.end_time_unix_nano - span.start_time_unix_nano)
}

/// The only span of this name.
pub(crate) fn named<'a>(spans: &'a [Span], name: &str) -> &'a Span {
    let mut found = spans.iter().filter(|span| span.name == name);
    let span = found.next().unwrap_or_else(|| panic!("no span {name:?} in {spans:#?}"));
    assert!(found.next().is_none(), "several spans {name:?}");
    span
}

/// Asks over HTTP/2 and reads the whole answer.
pub(crate) async fn get_by_http2(at: SocketAddr, path: &str, headers: &[(&str, &str)]) -> Answer {
    let io = TokioIo::new(TcpStream::connect(at).await.unwrap());
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
    let connection = tokio::spawn(connection);
    let mut request = Request::get(format!("http://{at}{path}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let (head, body) =
        sender.send_request(request.body(Empty::<Bytes>::new()).unwrap()).await.unwrap().into_parts();
    let body = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
    connection.abort();
    Answer { status: head.status.as_u16(), headers: head.headers, body }
}
