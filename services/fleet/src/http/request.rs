//! What every request carries: an id by which it is found again, and a point in time by which it ends.
//!
//! Both travel by scope, so that no handler has to hand them on. The id is the client's own if that is a harmless text,
//! else a new one; it stands in the answer, in the problem and in the log.

use super::problem::Problem;
use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use plimsoll::deadline;
use std::time::Duration;

/// The longest that a request may take.
pub const LONGEST: Duration = Duration::from_secs(15);

/// A statement is stopped by its deadline; what else a handler waits for is stopped this much later.
const GRACE: Duration = Duration::from_millis(250);

const ID: HeaderName = HeaderName::from_static("x-request-id");

tokio::task_local! {
    static CURRENT: String;
}

/// The id of the request that is being answered; empty outside of one.
#[must_use]
pub fn current_id() -> String {
    CURRENT.try_with(Clone::clone).unwrap_or_default()
}

/// Answers a request under an id and a deadline.
///
/// # Cancel safety
/// Dropped, whatever ran on the database for this request is stopped there.
pub async fn scope(request: Request, next: Next) -> Response {
    let id = asked_for(&request).unwrap_or_else(new_id);
    let header = HeaderValue::from_str(&id);
    let answer = async {
        let work = deadline::within(LONGEST, next.run(request));
        match tokio::time::timeout(LONGEST + GRACE, work).await {
            Ok(response) => response,
            Err(_) => Problem::deadline().into_response(),
        }
    };
    let mut response = CURRENT.scope(id, answer).await;
    if let Ok(id) = header {
        response.headers_mut().insert(ID, id);
    }
    response
}

fn asked_for(request: &Request) -> Option<String> {
    let id = request.headers().get(ID)?.to_str().ok()?;
    let harmless = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    ((1..=64).contains(&id.len()) && id.chars().all(harmless)).then(|| id.to_owned())
}

fn new_id() -> String {
    let number = getrandom::u64().unwrap_or_default();
    format!("{number:016x}")
}
