//! The stream of views, as lines of JSON.
//!
//! Not `EventSource`: that cannot send a header, and a token in a URL would be written down by proxies and browsers. A page
//! reads the lines of an ordinary answer. The answer has no end of its own: it ends with its reader, with the databases, and
//! when the service stops, so that a page that is left open does not delay a stop.

use super::sampler::Beginning;
use super::view::{Greeting, SCHEMA_VERSION, line, piles, started};
use super::{Dashboard, Problem};
use crate::operators::Operator;
use crate::serve::Stopping;
use axum::body::{Body, Bytes};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use futures_util::stream;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, watch};

const NDJSON: HeaderValue = HeaderValue::from_static("application/x-ndjson; charset=utf-8");
/// Proxies that gather answers before they send them on are told not to.
const NO_BUFFERING: (HeaderName, HeaderValue) =
    (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
/// A reader that is refused asks again after this long.
const LATER: Duration = Duration::from_secs(10);
/// How long a reader that finds no database is kept before it asks again.
const NO_DATABASE: Duration = Duration::from_secs(1);

/// One reader of the stream.
struct Reader {
    /// What is sent before the first view.
    greeting: Option<Bytes>,
    latest: Option<watch::Receiver<Bytes>>,
    stopping: Option<Stopping>,
    _place: OwnedSemaphorePermit,
}

/// Answers a reader.
///
/// # Errors
/// 404 if there is no database of that name, 503 if there are too many readers.
pub(super) fn answer(
    dashboard: &Dashboard,
    operator: &Operator,
    name: Option<&str>,
    stopping: Option<Stopping>,
) -> Result<Response, Problem> {
    let place = Arc::clone(&dashboard.places).try_acquire_owned().map_err(|_| too_many(dashboard))?;
    let beginning = dashboard.seen.begin(name).ok_or_else(super::unknown_database)?;
    let greeting = Some(greeting(dashboard, operator, &beginning).into());
    let reader = Reader { greeting, latest: beginning.latest, stopping, _place: place };
    let lines = stream::unfold(reader, |mut reader| async move {
        let line = reader.next().await?;
        Some((Ok::<_, Infallible>(line), reader))
    });
    let mut response = Response::new(Body::from_stream(lines));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, NDJSON);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(NO_BUFFERING.0, NO_BUFFERING.1);
    Ok(response)
}

impl Reader {
    /// The next line; `None` at the end.
    ///
    /// # Cancel safety
    /// Dropped, the reader's place is free.
    async fn next(&mut self) -> Option<Bytes> {
        if let Some(greeting) = self.greeting.take() {
            return Some(greeting);
        }
        let Some(latest) = &mut self.latest else {
            // It asks again, and by then there may be one.
            tokio::time::sleep(NO_DATABASE).await;
            return None;
        };
        // A reader that is slower than the views come misses some; the latest is never more than a second old.
        latest.changed().await.ok()?;
        if self.stopping.as_ref().is_some_and(Stopping::has_begun) {
            return None;
        }
        Some(latest.borrow_and_update().clone())
    }
}

fn greeting(dashboard: &Dashboard, operator: &Operator, beginning: &Beginning) -> Vec<u8> {
    let options = &dashboard.options;
    line(&Greeting {
        schema_version: SCHEMA_VERSION,
        kind: "greeting",
        service: &options.service,
        version: options.version.as_deref(),
        operator: operator.name(),
        is_read_only: options.is_read_only,
        database: beginning.name.as_deref(),
        databases: &beginning.briefs,
        verdict: &beginning.verdict,
        started: started(),
        history: &beginning.history,
        marks: &beginning.marks,
        locks: piles(&beginning.locks),
        lists: beginning.lists.as_ref(),
    })
}

fn too_many(dashboard: &Dashboard) -> Problem {
    let readers = dashboard.options.readers;
    Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "DASHBOARD_FULL",
        format!("The dashboard has {readers} readers, and takes no more."),
    )
    .advice("Close one that is left open somewhere, or ask again later.")
    .retry_after(LATER)
}
