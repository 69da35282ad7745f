//! The id by which a request is found again.
//!
//! It is the client's own if that is a harmless text, else a new one; it stands in the answer, in the problem and in the
//! log, and the sessions that work for the request bear it. It travels by [`plimsoll::request_id`]'s scope, so that no
//! handler has to hand it on.

use axum::extract::Request;
use axum::http::HeaderName;
use plimsoll::request_id::RequestId;

/// The header that carries it, both ways.
pub(super) const HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// The id of the request that is being answered; empty outside of one.
pub(super) fn current() -> String {
    plimsoll::request_id::current().map(|id| id.to_string()).unwrap_or_default()
}

/// The request's id.
pub(super) fn of(request: &Request) -> RequestId {
    asked_for(request).unwrap_or_else(RequestId::random)
}

fn asked_for(request: &Request) -> Option<RequestId> {
    let id = request.headers().get(HEADER)?.to_str().ok()?;
    let harmless = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    RequestId::parse(id).ok().filter(|id| id.as_str().chars().all(harmless))
}
