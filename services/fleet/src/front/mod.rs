//! `/`: a page for who has just started the service. It tells what runs, whether it is well, how many readings come, and how to
//! send one; and in development it lets its reader break the database and watch that nothing is lost.
//!
//! | file | what is in it |
//! |---|---|
//! | here | the paths, and the stream of what the page shows |
//! | [`view`] | what it is told |
//! | [`rate`] | readings a second |
//! | [`page`] | the page's own files, in the folder of that name |
//!
//! It looks as the dashboard does, and is drawn with that one's colours and functions. The page itself holds nothing; what it
//! shows comes from the stream, which only an operator gets.

mod page;
mod rate;
mod view;

use crate::service::Service;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use axum::routing::get;
use axum::{Extension, Router};
use futures_util::stream;
use plimsoll_http::serve::Stopping;
use plimsoll_http::{Problem, RouteDeadline};
use rate::Rate;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval};

/// The page is told so often.
const EVERY: Duration = Duration::from_millis(250);
/// So many may read the stream at the same time.
const READERS: usize = 16;
/// Who is refused asks again after this long.
const LATER: Duration = Duration::from_secs(10);

const NDJSON: HeaderValue = HeaderValue::from_static("application/x-ndjson; charset=utf-8");
/// Proxies that gather answers before they send them on are told not to.
const NO_BUFFERING: (HeaderName, HeaderValue) =
    (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));

/// What the page is made of.
pub(crate) struct FrontInput {
    pub(crate) service: Service,
    /// What a device of the first tenant shows, where there is one.
    pub(crate) device_key: Option<String>,
    /// The database may be broken.
    #[cfg(feature = "dev")]
    pub(crate) play: Option<Arc<crate::play::Play>>,
}

struct Front {
    given: FrontInput,
    started: SystemTime,
    places: Arc<Semaphore>,
}

/// The page, its files and its stream; and the buttons, where the database may be broken.
pub(crate) fn routes<S>(given: FrontInput) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    let buttons = buttons(&given);
    let places = Arc::new(Semaphore::new(READERS));
    let front = Arc::new(Front { given, started: SystemTime::now(), places });
    let mut router = Router::new()
        .route("/", get(async |headers: HeaderMap| page::FRONT.answer(&headers)))
        .route("/stream", get(read).layer(RouteDeadline::none()));
    for file in &page::FILES {
        let answer = async |headers: HeaderMap| file.answer(&headers);
        router = router.route(&format!("/front/{}", file.name), get(answer));
    }
    router.with_state(front).merge(buttons)
}

#[cfg(feature = "dev")]
fn buttons<S: Clone + Send + Sync + 'static>(given: &FrontInput) -> Router<S> {
    match &given.play {
        Some(play) => crate::play::routes(play, given.service.operators())
            .route("/front/play.js", get(async |headers: HeaderMap| page::PLAY.answer(&headers))),
        None => Router::new(),
    }
}

#[cfg(not(feature = "dev"))]
fn buttons<S: Clone + Send + Sync + 'static>(_: &FrontInput) -> Router<S> {
    Router::new()
}

/// One who reads the stream.
struct Reader {
    front: Arc<Front>,
    rate: Rate,
    every: Interval,
    stopping: Option<Stopping>,
    _place: OwnedSemaphorePermit,
    #[cfg(feature = "dev")]
    _looking: Option<crate::play::Looking>,
}

async fn read(
    State(front): State<Arc<Front>>,
    stopping: Option<Extension<Stopping>>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    front.given.service.operators().check(&headers)?;
    let place = Arc::clone(&front.places).try_acquire_owned().map_err(|_| too_many())?;
    let mut every = interval(EVERY);
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let reader = Reader {
        #[cfg(feature = "dev")]
        _looking: front.given.play.as_ref().map(crate::play::Play::looked_at),
        front,
        rate: Rate::default(),
        every,
        stopping: stopping.map(|Extension(stopping)| stopping),
        _place: place,
    };
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
    /// The next line; none once the service stops, so that a page that is left open does not delay that.
    ///
    /// # Cancel safety
    /// Dropped, the reader's place is free.
    async fn next(&mut self) -> Option<Bytes> {
        self.every.tick().await;
        if self.stopping.as_ref().is_some_and(Stopping::has_begun) {
            return None;
        }
        let stored = self.front.given.service.is_ready().map_or(0, |ready| ready.writer.stored());
        let a_second = self.rate.at(Instant::now(), stored);
        let view = view::View::of(&self.front.given, self.front.started, stored, a_second);
        // Every field is one that JSON has a form for.
        let mut line = serde_json::to_vec(&view).ok()?;
        line.push(b'\n');
        Some(line.into())
    }
}

fn too_many() -> Problem {
    Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "PAGE_FULL",
        format!("{READERS} read this page, and no more can."),
    )
    .advice("Close one that is left open somewhere, or ask again later.")
    .retry_after(LATER)
}
