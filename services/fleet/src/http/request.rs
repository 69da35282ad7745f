//! What every request carries: an id by which it is found again, and a point in time by which it ends.
//!
//! Both travel by scope, so that no handler has to hand them on.

use super::problem::Problem;
use super::request_id;
use axum::extract::Request;
use axum::http::HeaderValue;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use plimsoll::deadline;
use std::time::Duration;

/// The longest that a request may take.
pub const LONGEST: Duration = Duration::from_secs(15);

/// A statement is stopped by its deadline; what else a handler waits for is stopped this much later.
const GRACE: Duration = Duration::from_millis(250);

/// Answers a request under an id and a deadline.
///
/// # Cancel safety
/// Dropped, whatever ran on the database for this request is stopped there.
pub async fn scope(request: Request, next: Next) -> Response {
    let id = request_id::of(&request);
    let header = HeaderValue::from_str(id.as_str());
    let answer = async {
        let work = deadline::within(LONGEST, next.run(request));
        match tokio::time::timeout(LONGEST + GRACE, work).await {
            Ok(response) => response,
            Err(_) => Problem::deadline().into_response(),
        }
    };
    let mut response = plimsoll::request_id::within(id, answer).await;
    if let Ok(id) = header {
        response.headers_mut().insert(request_id::HEADER, id);
    }
    response
}
