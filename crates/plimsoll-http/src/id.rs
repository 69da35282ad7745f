//! The id of a request: the client's or the proxy's own where that is well formed, else a new one.
//!
//! A malformed id is replaced and not refused: its sender wants an answer, and the answer says which id it got. The id
//! goes into logs and into the names of sessions, so what could break a line there is not taken.

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::Response;
use plimsoll::request_id::RequestId;

/// The header that carries the id, in requests and in responses.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The id of the request with these headers. Two ids are none: which one other services have logged is not known.
pub(crate) fn of(headers: &HeaderMap) -> RequestId {
    let mut given = headers.get_all(X_REQUEST_ID).iter();
    let only = given.next().filter(|_| given.next().is_none());
    only.and_then(|value| value.to_str().ok())
        .and_then(|text| RequestId::parse(text).ok())
        .unwrap_or_else(RequestId::random)
}

/// Writes the id into the response.
pub(crate) fn write(response: &mut Response, id: &RequestId) {
    // An id is visible ASCII, so it is a header's value.
    if let Ok(value) = HeaderValue::from_str(id.as_str()) {
        response.headers_mut().insert(X_REQUEST_ID, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(ids: &[&str]) -> HeaderMap {
        ids.iter().map(|id| (X_REQUEST_ID, HeaderValue::from_bytes(id.as_bytes()).unwrap())).collect()
    }

    #[test]
    fn a_well_formed_id_is_kept_and_anything_else_replaced() {
        assert_eq!(of(&headers(&["req-7"])).as_str(), "req-7");
        let longest = "x".repeat(plimsoll::request_id::LONGEST);
        assert_eq!(of(&headers(&[&longest])).as_str(), longest);
        let too_long = format!("{longest}x");
        for refused in [&[][..], &[""], &["two words"], &["\u{e9}"], &[&too_long], &["one", "two"], &["a\tb"]]
        {
            let made = of(&headers(refused));
            assert_eq!(made.as_str().len(), 16, "{refused:?}");
            assert!(made.as_str().bytes().all(|byte| byte.is_ascii_hexdigit()), "{made}");
            assert_ne!(made, of(&headers(refused)), "each is new");
        }
    }
}
