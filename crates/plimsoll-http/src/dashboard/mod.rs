//! A live page on which people watch the database being survived, and act on it.
//!
//! | file | what it holds |
//! |---|---|
//! | here | the routes, and who may ask for what |
//! | [`sampler`] | the one task that looks at the databases, for all readers together |
//! | [`history`] | a point a second, for the curves |
//! | [`view`] | what a reader is sent |
//! | [`stream`] | how it is sent |
//! | [`marks`] | what happened, on the time axis |
//! | [`actions`] | what an operator may do |
//! | [`page`] | the page's own files, in the folder of that name |
//!
//! The page itself is no secret and may be loaded by everybody; everything that it shows comes from the stream, which only an
//! operator gets.

mod actions;
mod history;
mod marks;
mod options;
mod page;
mod sampler;
mod stream;
mod view;

pub use marks::{MarkKind, Marks};
pub use options::DashboardOptions;

use crate::databases::Databases;
use crate::operators::Operators;
use crate::patience::RouteDeadline;
use crate::problem::Problem;
use crate::serve::Stopping;
use actions::{Done, Target};
use axum::body::Body;
use axum::extract::rejection::JsonRejection;
use axum::extract::{DefaultBodyLimit, OriginalUri, Path, Query, State};
use axum::http::header::LOCATION;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use page::FILES;
use sampler::Seen;
use serde::Deserialize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

/// The largest body of an action, in bytes.
const BODY: usize = 4 << 10;

/// What the routes share.
struct Dashboard {
    seen: Arc<Seen>,
    operators: Operators,
    options: DashboardOptions,
    /// Readers that may still come.
    places: Arc<Semaphore>,
    /// The task that looks at the databases was started.
    is_watched: AtomicBool,
}

/// A page that shows these databases as they are, second by second, and lets operators cancel a statement, pause, resume and
/// isolate. Nest it into a service, or serve it on a port of its own:
///
/// ```
/// use axum::Router;
/// use plimsoll::Database;
/// use plimsoll_http::{DashboardOptions, Databases, Operators, dashboard};
///
/// # fn example(db: &Database, operators: Operators) -> Router {
/// let databases = Databases::from(db);
/// let options = DashboardOptions::default().service("fleet").version(env!("CARGO_PKG_VERSION"));
/// Router::new().nest("/plimsoll", dashboard(&databases, &operators, options))
/// # }
/// ```
///
/// Nested so it is found at `/plimsoll`; with `Router::nest_service` also at `/plimsoll/`.
///
/// It shows on top what a person on call looks at first: whether the database is well, and if not why and since when. It is
/// drawn by the files of this crate alone, asks no other server for anything, and needs no token to be loaded; data are only
/// sent to an operator, whose token the page asks for and keeps until its tab is closed.
///
/// A task looks at the databases each second until the router is dropped, so that who opens the page sees how things came
/// about. It is started here, or by the first request if this is called outside a tokio runtime.
pub fn dashboard<S>(databases: &Databases, operators: &Operators, options: DashboardOptions) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    let started = match &options.version {
        Some(version) => format!("{} {version} started", options.service),
        None => format!("{} started", options.service),
    };
    options.marks.push(marks::Mark { at: view::started(), kind: MarkKind::Deploy, text: started });
    let dashboard = Arc::new(Dashboard {
        seen: Seen::new(databases.clone(), options.marks.clone()),
        operators: operators.clone(),
        places: Arc::new(Semaphore::new(options.readers)),
        options,
        is_watched: AtomicBool::new(false),
    });
    dashboard.watch();
    let mut router = Router::new()
        .route("/", get(front))
        .route("/stream", get(read).layer(RouteDeadline::none()))
        .route("/actions/{action}", post(act).layer(DefaultBodyLimit::max(BODY)));
    for file in &FILES {
        let answer = async |headers: HeaderMap| file.answer(&headers);
        router = router.route(&format!("/{}", file.name), get(answer));
    }
    router.with_state(dashboard)
}

impl Dashboard {
    /// Starts the task that looks at the databases, once.
    fn watch(&self) {
        let Ok(runtime) = Handle::try_current() else { return };
        if !self.is_watched.swap(true, Ordering::Relaxed) {
            runtime.spawn(sampler::run(Arc::downgrade(&self.seen)));
        }
    }
}

/// The page. Its files lie beside it, so they are found from an address that ends with a slash. From one that does not, as that
/// of a nested router, the browser is sent on, by a path that also holds behind a proxy that serves it under another name.
async fn front(OriginalUri(uri): OriginalUri, headers: HeaderMap) -> Response {
    let [page, ..] = &FILES;
    let place = uri.path().rsplit('/').next().unwrap_or_default();
    let location = HeaderValue::try_from(format!("{place}/{}", page.name));
    match location {
        Ok(location) if !place.is_empty() => {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::TEMPORARY_REDIRECT;
            response.headers_mut().insert(LOCATION, location);
            response
        }
        _ => page.answer(&headers),
    }
}

#[derive(Deserialize)]
struct Which {
    database: Option<String>,
}

async fn read(
    State(dashboard): State<Arc<Dashboard>>,
    Query(which): Query<Which>,
    stopping: Option<Extension<Stopping>>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let operator = dashboard.operators.check(&headers)?;
    dashboard.watch();
    let stopping = stopping.map(|Extension(stopping)| stopping);
    stream::answer(&dashboard, &operator, which.database.as_deref(), stopping)
}

async fn act(
    State(dashboard): State<Arc<Dashboard>>,
    Path(action): Path<String>,
    headers: HeaderMap,
    target: Result<Json<Target>, JsonRejection>,
) -> Result<Json<Done>, Problem> {
    let operator = dashboard.operators.check_action(&headers)?;
    let Json(target) = target.map_err(|rejection| {
        Problem::new(rejection.status(), "ACTION_MALFORMED", "The body is not that of an action.")
            .advice("Send JSON: {\"database\": \"..\", \"running\": \"..\"}; only cancel needs the second.")
    })?;
    actions::act(&dashboard, &operator, &action, target).await
}

fn unknown_database() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "DATABASE_UNKNOWN", "There is no database of this name.")
}
