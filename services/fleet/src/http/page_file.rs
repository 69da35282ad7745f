//! A file of one of the service's pages. It holds no data, writes what it is told as text and never as markup, and its
//! Content-Security-Policy lets no script run that is not one of the service's own.

use axum::body::Body;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use sha2::{Digest, Sha256};
use std::fmt::Write;
use std::sync::OnceLock;

const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'; \
     form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
);

/// A file of a page.
pub(crate) struct PageFile {
    pub(crate) name: &'static str,
    kind: &'static str,
    content: &'static str,
    tag: OnceLock<HeaderValue>,
}

impl PageFile {
    pub(crate) const fn html(name: &'static str, content: &'static str) -> Self {
        PageFile::new(name, "text/html; charset=utf-8", content)
    }

    pub(crate) const fn css(name: &'static str, content: &'static str) -> Self {
        PageFile::new(name, "text/css; charset=utf-8", content)
    }

    pub(crate) const fn js(name: &'static str, content: &'static str) -> Self {
        PageFile::new(name, "text/javascript; charset=utf-8", content)
    }

    const fn new(name: &'static str, kind: &'static str, content: &'static str) -> Self {
        PageFile { name, kind, content, tag: OnceLock::new() }
    }

    /// The file, or 304 if the browser has it. A browser asks for it each time, since the next version of the service may have
    /// another one under the same name.
    pub(crate) fn answer(&self, asked: &HeaderMap) -> Response {
        let tag = self.tag.get_or_init(|| tag_of(self.content.as_bytes()));
        let is_known = asked.get(IF_NONE_MATCH) == Some(tag);
        let mut response = Response::new(if is_known { Body::empty() } else { Body::from(self.content) });
        if is_known {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
        }
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.kind));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        headers.insert(ETAG, tag.clone());
        headers.insert(CONTENT_SECURITY_POLICY, POLICY);
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
        headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        response
    }
}

/// What stands for this content in the header `ETag`.
pub(crate) fn tag_of(content: &[u8]) -> HeaderValue {
    let mut tag = String::from("\"");
    for byte in Sha256::digest(content).iter().take(12) {
        let _ = write!(tag, "{byte:02x}");
    }
    tag.push('"');
    HeaderValue::try_from(tag).unwrap_or(HeaderValue::from_static("\"\""))
}
