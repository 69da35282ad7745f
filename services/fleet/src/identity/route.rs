//! Which path a request was sent to, kept while its handler runs: every handler of a tenant's begins with
//! [`Caller::of`](crate::caller), which is given headers only, and what a caller needs depends on the path.

use super::permissions;
use super::roles::EVERYTHING;
use super::verify::is_signed;
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

/// A layer around what operators ask for as well, whose tokens are judged without waiting: what that needs is had before. It is the
/// keys of an identity provider, where the token needs one that is not known yet, and for an operator's which tokens were revoked.
/// Both have limits of their own.
pub(crate) async fn operators_first(
    State(service): State<Service>,
    request: Request,
    next: Next,
) -> Response {
    let is_a_tenants = request.uri().path().contains("/customer/");
    if !is_a_tenants && let Ok(token) = bearer::bearer(request.headers()) {
        let identity = service.identity();
        identity.prepare(token).await;
        if let Some(ready) = service.is_ready()
            && is_signed(token)
            && identity.claims(token).is_ok_and(|claims| claims.operator.is_some())
        {
            identity.revoked().refresh(&ready.pools.system).await;
        }
    }
    next.run(request).await
}
