//! The span of a request, as OpenTelemetry wants it: its parent, its name and its status.
//!
//! What is told here goes around the fields of the span where it can, so that the lines of the log do not grow by it.

use crate::access::Ended;
use axum::extract::Request;
use axum::http::{HeaderMap, Method};
use opentelemetry::Context;
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::{Status, TraceContextExt};
use opentelemetry_http::HeaderExtractor;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::Span;
use tracing::field::display;
use tracing_opentelemetry::OpenTelemetrySpanExt;

const TRACEPARENT: &str = "traceparent";

/// The request begins; nothing has entered its span yet.
pub(crate) fn begin(span: &Span, request: &Request, route: Option<&str>) {
    if span.is_disabled() {
        return;
    }
    let method = named(request.method());
    match route {
        Some(route) => span.record("otel.name", display(format_args!("{method} {route}"))),
        None => span.record("otel.name", method),
    };
    if let Some(parent) = parent(request.headers()) {
        // Where no layer for OpenTelemetry is installed, there is nothing to set.
        let _ = span.set_parent(parent);
    }
}

/// It is over.
pub(crate) fn end(span: &Span, status: u16, ended: Ended, code: Option<&'static str>) {
    if span.is_disabled() {
        return;
    }
    span.set_attribute("plimsoll.ended", ended.as_str());
    if let Some(code) = code {
        span.set_attribute("plimsoll.code", code);
    }
    // What the client did wrong, or that it has left, is no failure of the server.
    if status >= 500 || matches!(ended, Ended::Failed | Ended::Panicked | Ended::DeadlinePassed) {
        let what = if status >= 500 { status.to_string() } else { ended.as_str().to_owned() };
        span.set_attribute("error.type", what);
        span.set_status(Status::error(""));
    }
}

/// The methods that the conventions know; a client may make up others, and names must be few.
fn named(method: &Method) -> &str {
    match method.as_str() {
        known @ ("GET" | "HEAD" | "POST" | "PUT" | "DELETE" | "CONNECT" | "OPTIONS" | "TRACE" | "PATCH") => {
            known
        }
        _ => "HTTP",
    }
}

/// The span that these headers name. Two names are none.
fn parent(headers: &HeaderMap) -> Option<Context> {
    let mut given = headers.get_all(TRACEPARENT).iter();
    given.next().filter(|_| given.next().is_none())?;
    let parent =
        TraceContextPropagator::new().extract_with_context(&Context::new(), &HeaderExtractor(headers));
    parent.span().span_context().is_valid().then_some(parent)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[&str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(TRACEPARENT, value.parse().unwrap());
        }
        parent(&headers).map(|parent| parent.span().span_context().span_id().to_string())
    }

    #[test]
    fn a_traceparent_is_taken_if_it_is_one() {
        let good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        assert_eq!(of(&[good]).as_deref(), Some("00f067aa0ba902b7"));
        let zeros = "00-00000000000000000000000000000000-00f067aa0ba902b7-01";
        for wrong in [&[][..], &[""], &["00-x"], &[zeros], &[good, good], &["ff-1-2-3"]] {
            assert_eq!(of(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn a_method_that_was_made_up_names_no_span() {
        assert_eq!(named(&Method::PATCH), "PATCH");
        assert_eq!(named(&Method::from_bytes(b"HUNTER2").unwrap()), "HTTP");
    }
}
