//! The page itself: a few files of this crate, which hold no data and ask only the service.
//!
//! What a database's clients have chosen (statements, application names, ids of requests) is shown on it, so it must not be
//! able to run what it shows. The page writes text only, and its Content-Security-Policy lets no script run that is not one of
//! these files, also if it did not.

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::header::{REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use sha2::{Digest, Sha256};
use std::fmt::Write;
use std::sync::OnceLock;

const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'; \
     form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
);

/// A file of the page.
pub(super) struct File {
    pub(super) name: &'static str,
    kind: &'static str,
    content: &'static str,
    tag: OnceLock<HeaderValue>,
}

impl File {
    const fn new(name: &'static str, kind: &'static str, content: &'static str) -> Self {
        File { name, kind, content, tag: OnceLock::new() }
    }

    /// Stands for this content.
    fn tag(&self) -> &HeaderValue {
        self.tag.get_or_init(|| {
            let mut tag = String::from("\"");
            for byte in Sha256::digest(self.content).iter().take(12) {
                let _ = write!(tag, "{byte:02x}");
            }
            tag.push('"');
            HeaderValue::try_from(tag).unwrap_or(HeaderValue::from_static("\"\""))
        })
    }

    /// The file, or 304 if the browser has it. A browser asks each time, since the next version of the service may have
    /// another one under the same name.
    pub(super) fn answer(&self, asked: &HeaderMap) -> Response {
        let is_known = asked.get(IF_NONE_MATCH) == Some(self.tag());
        let mut response = Response::new(if is_known { Body::empty() } else { Body::from(self.content) });
        if is_known {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
        }
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.kind));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        headers.insert(ETAG, self.tag().clone());
        headers.insert(CONTENT_SECURITY_POLICY, POLICY);
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
        headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        let same_origin = HeaderValue::from_static("same-origin");
        headers.insert(HeaderName::from_static("cross-origin-resource-policy"), same_origin.clone());
        headers.insert(HeaderName::from_static("cross-origin-opener-policy"), same_origin);
        response
    }
}

macro_rules! files {
    ($($name:literal: $kind:ident),* $(,)?) => {
        /// All files; the first is the page.
        pub(super) static FILES: [File; [$($name),*].len()] =
            [$(File::new($name, $kind, include_str!(concat!("page/", $name)))),*];
    };
}

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const JS: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";
const TEXT: &str = "text/plain; charset=utf-8";

files! {
    "index.html": HTML,
    "icon.svg": SVG,
    "theme.css": CSS,
    "page.css": CSS,
    "uplot.css": CSS,
    "uplot.js": JS,
    "uplot.LICENSE": TEXT,
    "theme.js": JS,
    "main.js": JS,
    "stream.js": JS,
    "token.js": JS,
    "actions.js": JS,
    "dom.js": JS,
    "format.js": JS,
    "history.js": JS,
    "charts.js": JS,
    "strip.js": JS,
    "headline.js": JS,
    "connections.js": JS,
    "statements.js": JS,
    "locks.js": JS,
    "table.js": JS,
}
