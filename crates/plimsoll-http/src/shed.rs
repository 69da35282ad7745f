//! Routes that need the database are refused before their handler runs, while the database refuses calls.
//!
//! A handler that begins reads, decodes and allocates for an answer that cannot come, and may do half of what it does before
//! it meets the database. While the breaker is open, the pool paused or closed, or its queue full, that is known beforehand
//! and costs a lock. Only routes that say that they need the database are refused: a page that is served from memory is as
//! good as before.

use crate::databases::Databases;
use crate::problem::{self, Problem};
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use plimsoll::Database;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tower_layer::Layer;
use tower_service::Service;

/// Why no handler that needs the database should run now.
pub(crate) fn refusal(db: Option<&Database>) -> Option<Problem> {
    let Some(db) = db else { return Some(problem::starting()) };
    let error = db.refusal()?;
    // The pool's own events tell of refusals, at a bounded rate.
    tracing::debug!(target: "plimsoll::http", code = error.code(), "a request was refused before its handler ran: {error}");
    Some(Problem::of(&error))
}

/// A layer for one route: it needs the database, so it is answered 503 with `Retry-After` while the database refuses calls.
///
/// ```
/// use axum::{Router, routing::get};
/// use plimsoll_http::{NeedsDatabase, Options, layers};
///
/// # fn example(db: plimsoll::Database) -> Router {
/// Router::new()
///     .route("/devices", get(|| async { "from the database" }).layer(NeedsDatabase::new(&db)))
///     .route("/about", get(|| async { "from memory" }))
///     .layer(layers(&db, Options::default()))
/// # }
/// ```
#[derive(Clone)]
pub struct NeedsDatabase {
    databases: Databases,
    /// The first, where no name was said.
    name: Option<Arc<str>>,
}

impl NeedsDatabase {
    /// The route needs this database; of several, the first.
    #[must_use]
    pub fn new(databases: impl Into<Databases>) -> Self {
        NeedsDatabase { databases: databases.into(), name: None }
    }

    /// The route needs the one with this name.
    #[must_use]
    pub fn named(databases: &Databases, name: &str) -> Self {
        NeedsDatabase { databases: databases.clone(), name: Some(name.into()) }
    }

    fn refusal(&self) -> Option<Problem> {
        match &self.name {
            None => refusal(self.databases.first()),
            Some(name) => refusal(self.databases.named(name).as_ref()),
        }
    }
}

impl<S> Layer<S> for NeedsDatabase {
    type Service = WithDatabase<S>;

    fn layer(&self, inner: S) -> WithDatabase<S> {
        WithDatabase { inner, needs: self.clone() }
    }
}

/// A service behind [`NeedsDatabase`].
#[derive(Clone)]
pub struct WithDatabase<S> {
    inner: S,
    needs: NeedsDatabase,
}

impl<S> Service<Request> for WithDatabase<S>
where
    S: Service<Request, Response = Response>,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
{
    type Response = Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        match self.needs.refusal() {
            None => Box::pin(self.inner.call(request)),
            Some(problem) => Box::pin(std::future::ready(Ok(problem.into_response()))),
        }
    }
}
