//! The body of a request is read before its handler runs, bounded in bytes and in time.
//!
//! Over HTTP/1.1 the server notices that a client has left by reading from its socket, and while a body lies there unread it
//! does not read on. So a handler that leaves its body alone would go on for a client that is gone. A body that was read
//! whole also cannot dribble in while the handler holds a connection of the pool.
//!
//! One more case is not noticed over HTTP/1.1: a client that sends its next request before it has the answer to this one, and
//! then leaves. Such a request ends by its deadline.

use crate::options::Options;
use crate::problem::{self, Problem};
use axum::body::{Body, HttpBody};
use axum::extract::Request;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use tokio::time::timeout;

/// The request with its body in memory, without the trailers that it may have had.
pub(crate) async fn read(request: Request, options: &Options) -> Result<Request, Problem> {
    if request.body().is_end_stream() {
        return Ok(request);
    }
    let most = options.body_bytes;
    // Said beforehand, nothing of it is read, and a client that asked before sending need not send.
    if request.body().size_hint().lower() > u64::try_from(most).unwrap_or(u64::MAX) {
        return Err(problem::too_large(most));
    }
    let (head, body) = request.into_parts();
    let whole = timeout(options.body_within, Limited::new(body, most).collect()).await;
    match whole {
        Ok(Ok(body)) => Ok(Request::from_parts(head, Body::from(body.to_bytes()))),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(problem::too_large(most)),
        Ok(Err(error)) => {
            tracing::debug!(target: "plimsoll::http", "the body of a request could not be read: {error}");
            Err(problem::unreadable())
        }
        Err(_) => Err(problem::too_slow(options.body_within)),
    }
}
