//! The id by which a request is found again.
//!
//! It is the client's own if that is a harmless text, else a new one; it stands in the answer, in the problem and in the
//! log. It travels by scope, so that no handler has to hand it on.

use axum::extract::Request;
use axum::http::HeaderName;
use std::future::Future;

/// The header that carries it, both ways.
pub(super) const HEADER: HeaderName = HeaderName::from_static("x-request-id");

tokio::task_local! {
    static CURRENT: String;
}

/// The id of the request that is being answered; empty outside of one.
pub(super) fn current() -> String {
    CURRENT.try_with(Clone::clone).unwrap_or_default()
}

/// Runs what answers a request of this id.
pub(super) fn scope<F: Future>(id: String, answer: F) -> impl Future<Output = F::Output> {
    CURRENT.scope(id, answer)
}

/// The request's id.
pub(super) fn of(request: &Request) -> String {
    asked_for(request).unwrap_or_else(new_id)
}

fn asked_for(request: &Request) -> Option<String> {
    let id = request.headers().get(HEADER)?.to_str().ok()?;
    let harmless = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    ((1..=64).contains(&id.len()) && id.chars().all(harmless)).then(|| id.to_owned())
}

fn new_id() -> String {
    let number = getrandom::u64().unwrap_or_default();
    format!("{number:016x}")
}
