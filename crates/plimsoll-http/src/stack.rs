//! All layers, put together in the one order that works.
//!
//! | from outside in | why there |
//! |---|---|
//! | id and span | whatever comes after is logged under it |
//! | the end of the request | outside everything that can fail or be dropped, so that no request is without a record, and its totals are whole |
//! | deadline | around the reading of the body too, which the client can draw out |
//! | shed | before the body is read: a refusal should cost nothing |
//! | body | before the handler, so that a client that leaves is noticed, and no connection waits for an upload |
//! | the handler | |
//!
//! They are one service and not six: each would box a future of its own, and the order could be got wrong.

use crate::access::Ended;
use crate::asked::{self, Malformed};
use crate::databases::Databases;
use crate::in_flight::InFlight;
use crate::options::Options;
use crate::patience::Patience;
use crate::{follow, id, problem, shed, upload};
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::Instant;
use tower_layer::Layer;
use tower_service::Service;
use tracing::Instrument;

/// Request id, deadline, disconnect, shedding, bodies and access log for the routes of a router, on this database.
///
/// ```
/// use axum::{Router, routing::get};
/// use plimsoll_http::{Options, Problem, layers};
///
/// # fn example(db: plimsoll::Database) -> Router {
/// Router::new()
///     .route("/devices/count", get(async |db: axum::extract::State<plimsoll::Database>| {
///         let row = db.query_one("SELECT count(*) FROM device", &[]).await?;
///         Ok::<_, Problem>(row.get::<_, i64>(0).to_string())
///     }))
///     .layer(layers(&db, Options::default()))
///     .with_state(db)
/// # }
/// ```
///
/// Give it to `Router::layer`, and after every other layer that a handler's work passes through (so outside them): what lies
/// outside these layers has no id and no deadline. Any other tower service of `http` requests and responses with axum's `Body`
/// can be layered too; without axum's router the access log names no route.
#[must_use]
pub fn layers(databases: impl Into<Databases>, options: Options) -> Layers {
    Layers(Arc::new(Shared { databases: databases.into(), options }))
}

/// What [`layers`] gives. Cheap to clone.
#[derive(Clone)]
pub struct Layers(Arc<Shared>);

struct Shared {
    databases: Databases,
    options: Options,
}

impl Shared {
    /// How long before its deadline a statement is stopped. Without a database no stream can hold a connection.
    fn margin(&self) -> Duration {
        self.databases.first().map(|db| db.plan().deadline_margin()).unwrap_or_default()
    }
}

impl<S> Layer<S> for Layers {
    type Service = Layered<S>;

    fn layer(&self, inner: S) -> Layered<S> {
        Layered { inner, shared: Arc::clone(&self.0) }
    }
}

/// A service behind [`Layers`].
#[derive(Clone)]
pub struct Layered<S> {
    inner: S,
    shared: Arc<Shared>,
}

impl<S> Service<Request> for Layered<S>
where
    S: Service<Request, Response = Response> + Clone + Send + 'static,
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
        // The clone is not ready yet; this one is.
        let clone = self.inner.clone();
        let ready = std::mem::replace(&mut self.inner, clone);
        Box::pin(answer(ready, Arc::clone(&self.shared), request))
    }
}

/// Answers a request.
///
/// # Cancel safety
/// Dropped, what runs on the database for the request is stopped there, and it is logged that the client has left.
async fn answer<S>(inner: S, shared: Arc<Shared>, mut request: Request) -> Result<Response, S::Error>
where
    S: Service<Request, Response = Response>,
{
    let began = Instant::now();
    let id = id::of(request.headers());
    let asked = asked::time(request.headers());
    let given = asked.as_ref().ok().copied().flatten();
    let patience = Patience::new(began, shared.options.deadline, given);
    let log = Arc::clone(&shared.options.log);
    // Declared before the work, so dropped after it.
    let mut flight = InFlight::begin(&request, id, began, patience.clone(), log);
    request.extensions_mut().insert(patience.clone());
    let work = serve(inner, &shared, &patience, asked.err(), request);
    let answer = flight.scope.clone().run(work.instrument(flight.span.clone())).await;
    match answer {
        Ok(mut response) => {
            id::write(&mut response, flight.scope.id());
            flight.responded(&response);
            Ok(follow::follow(response, flight, shared.margin()))
        }
        Err(error) => {
            flight.over(Ended::Failed);
            Err(error)
        }
    }
}

/// What happens inside the request's scope.
async fn serve<S>(
    mut inner: S,
    shared: &Shared,
    patience: &Patience,
    malformed: Option<Malformed>,
    request: Request,
) -> Result<Response, S::Error>
where
    S: Service<Request, Response = Response>,
{
    let options = &shared.options;
    if let Some(malformed) = malformed {
        return Ok(problem::malformed(malformed).into_response());
    }
    if patience.span().is_some_and(|span| span.is_zero()) {
        return Ok(problem::never_began().into_response());
    }
    if let Some(refused) = options.needs_database.then(|| shed::refusal(shared.databases.first())).flatten() {
        return Ok(refused.into_response());
    }
    let work = async move {
        let request = match options.reads_bodies {
            true => match upload::read(request, options).await {
                Ok(request) => request,
                Err(problem) => return Ok(problem.into_response()),
            },
            false => request,
        };
        inner.call(request).await
    };
    patience.bound(work).await.unwrap_or_else(|| Ok(problem::was_ended().into_response()))
}
