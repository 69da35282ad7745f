//! Which path a request was sent to, kept while its handler runs: every handler of a tenant's begins with
//! [`Caller::of`](crate::caller), which is given headers only, and what a caller needs depends on the path.

use super::permissions;
use super::roles::EVERYTHING;
use crate::http::bearer;
use crate::service::Service;
use axum::extract::{MatchedPath, Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::Response;

/// The method, and the path as the router has it.
struct Asked {
    method: Method,
    path: Option<MatchedPath>,
}

tokio::task_local! {
    static ASKED: Asked;
}

/// A layer around all paths: remembers which one it is.
pub(crate) async fn remember(request: Request, next: Next) -> Response {
    let path = request.extensions().get::<MatchedPath>().cloned();
    let asked = Asked { method: request.method().clone(), path };
    ASKED.scope(asked, next.run(request)).await
}

/// What the request that is being handled needs of its caller. Outside of any, or where the path is not known, everything.
pub(crate) fn permission() -> &'static str {
    let of = |asked: &Asked| {
        asked.path.as_ref().map_or(EVERYTHING, |path| permissions::of(&asked.method, path.as_str()))
    };
    ASKED.try_with(of).unwrap_or(EVERYTHING)
}

/// A layer around what operators ask for as well, whose tokens are judged without waiting: here the keys of an identity provider
/// are fetched before that, where the token needs one that is not known yet.
pub(crate) async fn keys_first(State(service): State<Service>, request: Request, next: Next) -> Response {
    if let Ok(token) = bearer::bearer(request.headers()) {
        service.identity().prepare(token).await;
    }
    next.run(request).await
}
