//! What [`layers`](crate::layers) goes by, for the routes that it is put around.

use crate::access::{AccessLog, AccessRecord};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// The limits of a request, and where it is logged. The defaults are those of a service behind a proxy that waits for 30 s.
///
/// Routes that need others are a router of their own, with layers of their own, merged with the rest:
///
/// ```
/// use axum::{Router, routing::get, routing::put};
/// use plimsoll_http::{Options, layers};
/// use std::time::Duration;
///
/// # fn example(db: plimsoll::Database) -> Router {
/// let pages = Router::new().route("/devices", get(|| async {})).layer(layers(&db, Options::default().needs_database()));
/// let uploads = Options::default().deadline(Duration::from_secs(60)).streams_uploads();
/// let uploads = Router::new().route("/files/{name}", put(|| async {})).layer(layers(&db, uploads));
/// pages.merge(uploads)
/// # }
/// ```
#[derive(Clone)]
pub struct Options {
    pub(crate) deadline: Option<Duration>,
    pub(crate) needs_database: bool,
    pub(crate) body_bytes: usize,
    pub(crate) body_within: Duration,
    pub(crate) reads_bodies: bool,
    pub(crate) log: Arc<dyn AccessLog>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            deadline: Some(Duration::from_secs(15)),
            needs_database: false,
            body_bytes: 2 * 1024 * 1024,
            body_within: Duration::from_secs(10),
            reads_bodies: true,
            log: Arc::new(|record: &AccessRecord<'_>| record.trace()),
        }
    }
}

impl Options {
    /// How long a request may take, 15 s unless this is said. A client may lower it by `X-Request-Timeout-Ms` or
    /// `grpc-timeout`, and never raise it. One route may have another: [`RouteDeadline`](crate::RouteDeadline).
    #[must_use]
    pub fn deadline(mut self, span: Duration) -> Self {
        self.deadline = Some(span);
        self
    }

    /// Requests may take as long as they like, unless the client lowers it: for streams that have no end.
    #[must_use]
    pub fn no_deadline(mut self) -> Self {
        self.deadline = None;
        self
    }

    /// Every route needs the database, so while the database refuses calls no handler is run. One route may say so for itself:
    /// [`NeedsDatabase`](crate::NeedsDatabase).
    #[must_use]
    pub fn needs_database(mut self) -> Self {
        self.needs_database = true;
        self
    }

    /// The longest body, in bytes: 2 MiB unless this is said. A longer one is answered 413. So many bytes are kept for each
    /// request at the same time.
    #[must_use]
    pub fn body_bytes(mut self, bytes: usize) -> Self {
        self.body_bytes = bytes;
        self
    }

    /// How long the client may take to send its body: 10 s unless this is said. After that it is answered 408.
    #[must_use]
    pub fn body_within(mut self, span: Duration) -> Self {
        self.body_within = span;
        self
    }

    /// Gives a handler the body as it comes, instead of reading it before the handler runs. The limits on bodies are then the
    /// handler's, and a client that leaves in the middle of an upload is noticed by the handler's own reading.
    #[must_use]
    pub fn streams_uploads(mut self) -> Self {
        self.reads_bodies = false;
        self
    }

    /// Where each request is logged, instead of `tracing`'s target `plimsoll::access`.
    #[must_use]
    pub fn access_log(mut self, log: impl AccessLog) -> Self {
        self.log = Arc::new(log);
        self
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("deadline", &self.deadline)
            .field("needs_database", &self.needs_database)
            .field("body_bytes", &self.body_bytes)
            .field("body_within", &self.body_within)
            .field("reads_bodies", &self.reads_bodies)
            .finish_non_exhaustive()
    }
}
