//! What a service answers about itself: whether it lives, is ready and well, what its databases do, and how full they are.
//!
//! | path | who may ask | what it asks of the server |
//! |---|---|---|
//! | `/livez` | anyone | nothing |
//! | `/readyz` | anyone, in one word; why not: operators | nothing |
//! | `/api/health/database` | anyone, in one word; what is amiss: operators | the kept answer, see [`Database::health`](plimsoll::Database::health) |
//! | `/api/metrics/database`, `/api/metrics/queries` | operators | nothing |
//! | `/metrics` | operators, or anyone if that is said | nothing |
//! | `/operator/system/health` | operators | one question a second at the most, on a connection of its own |
//! | `/operator/system/capacity` | operators | one report at a time and a second at the most |
//! | `/api/openapi.json` (feature `openapi`) | operators | nothing |
//!
//! *Nothing here can take from the work what it needs.* Health is asked past the pool, reports are shared by those that wait,
//! and each path is bounded in time. So they answer, and fast, while a pool is used up or a database frozen.
//!
//! *What decides where requests go depends on no token.* Where one word is for anyone, a wrong token is no error: it gets that
//! word.
//!
//! *The form is promised.* Each JSON has a `schema_version`, which is raised with every change of its form. What
//! is not answered is a [`Problem`](crate::Problem), which has one too.

mod ask;
mod component;
mod database;
mod health;
mod live;
mod once;
#[cfg(feature = "openapi")]
mod openapi;
mod options;
mod queries;
mod ready;
mod scrape;
mod system;
mod word;

pub use component::ComponentHealth;
#[cfg(feature = "openapi")]
pub use openapi::openapi;
pub use options::EndpointOptions;

use crate::databases::Databases;
use crate::operators::Operators;
use crate::problem::Problem;
use ask::Shared;
use axum::Router;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::map_response;
use axum::response::Response;
use axum::routing::{MethodRouter, get};
use std::sync::Arc;

/// The version of the answers' form, in each of them.
pub(crate) const SCHEMA_VERSION: u32 = 1;

/// Each path with what answers it.
fn table() -> Vec<(&'static str, MethodRouter<Arc<Shared>>)> {
    vec![
        ("/livez", get(live::live)),
        ("/readyz", get(ready::ready)),
        ("/metrics", get(scrape::scrape)),
        ("/api/health/database", get(health::health)),
        ("/api/metrics/database", get(database::database)),
        ("/api/metrics/queries", get(queries::queries)),
        ("/operator/system/health", get(system::health::health)),
        ("/api/v1/operator/system/health", get(system::health::health)),
        ("/operator/system/capacity", get(system::capacity::capacity)),
        ("/api/v1/operator/system/capacity", get(system::capacity::capacity)),
        #[cfg(feature = "openapi")]
        ("/api/openapi.json", get(openapi::document)),
    ]
}

/// The endpoints of a service, to be merged into its router.
///
/// ```
/// use axum::{Router, routing::get};
/// use plimsoll::secret::Secret;
/// use plimsoll_http::{Databases, EndpointOptions, Operators, Options, endpoints, layers};
///
/// # fn example(token: &Secret) -> Result<Router, plimsoll_http::WeakToken> {
/// let databases = Databases::new();
/// let operators = Operators::default().token("anna", token)?;
/// let router = Router::new()
///     .route("/devices", get(|| async {}))
///     .merge(endpoints(&databases, &operators, EndpointOptions::default()))
///     .layer(layers(&databases, Options::default()));
/// # Ok(router)
/// # }
/// ```
///
/// Put them inside the [layers](crate::layers), so that each question has an id and a deadline, and not under
/// [`Options::needs_database`](crate::Options::needs_database), which would refuse them when they are wanted most.
pub fn endpoints<S>(
    databases: impl Into<Databases>,
    operators: &Operators,
    options: EndpointOptions,
) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    let shared = Arc::new(Shared::new(databases.into(), operators.clone(), options));
    let routes = table().into_iter().fold(Router::new(), |router, (path, answer)| router.route(path, answer));
    routes.method_not_allowed_fallback(not_this_way).layer(map_response(not_stored)).with_state(shared)
}

async fn not_this_way() -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED", "This path does not take this method.")
        .advice("The header Allow says which it takes.")
}

/// What is true now is not what was true when it was asked last.
async fn not_stored(mut response: Response) -> Response {
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
