//! The page's files. Like the dashboard's they hold no data, write what they are told as text and never as markup, and their
//! Content-Security-Policy lets no script run that is not one of the service's own.

use axum::http::HeaderValue;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use axum::response::{IntoResponse, Response};

const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'; \
     form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
);

/// A file of the page.
#[derive(Clone, Copy)]
pub(super) struct File {
    pub(super) name: &'static str,
    kind: &'static str,
    content: &'static str,
}

impl File {
    /// A browser asks for it each time, since the next version of the service may have another one.
    pub(super) fn answer(self) -> Response {
        let headers = [
            (CONTENT_TYPE, HeaderValue::from_static(self.kind)),
            (CACHE_CONTROL, HeaderValue::from_static("no-cache")),
            (CONTENT_SECURITY_POLICY, POLICY),
            (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
            (X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
            (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        ];
        (headers, self.content).into_response()
    }
}

const JS: &str = "text/javascript; charset=utf-8";

/// The page itself.
pub(super) const FRONT: File =
    File { name: "index.html", kind: "text/html; charset=utf-8", content: include_str!("page/index.html") };

/// What belongs to it.
pub(super) const FILES: [File; 2] = [
    File { name: "front.css", kind: "text/css; charset=utf-8", content: include_str!("page/front.css") },
    File { name: "main.js", kind: JS, content: include_str!("page/main.js") },
];

/// The buttons.
#[cfg(feature = "dev")]
pub(super) const PLAY: File = File { name: "play.js", kind: JS, content: include_str!("page/play.js") };
