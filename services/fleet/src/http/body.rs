//! A body that is JSON, read into what a route takes.

use super::failure::{self, Reply};
use super::media;
use axum::http::HeaderMap;
use serde::de::DeserializeOwned;

/// The body of a request.
///
/// # Errors
/// 415 for another kind of body, 400 with the place for one that does not have the form.
pub(crate) fn json<T: DeserializeOwned>(headers: &HeaderMap, body: &[u8]) -> Reply<T> {
    media::check(headers)?;
    let refused = |error: serde_json::Error| {
        // What the client sent may be named by it; an answer of bounded length does.
        let said: String = error.to_string().chars().take(200).collect();
        failure::bad_request(
            "BAD_BODY",
            format!("the body does not have the form that this path takes: {said}"),
        )
    };
    serde_json::from_slice(body).map_err(|error| refused(error).into())
}
