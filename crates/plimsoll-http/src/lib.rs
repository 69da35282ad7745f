//! Layers for axum and tower services whose work goes through [`plimsoll`].
//!
//! ```
//! use axum::{Router, extract::State, routing::get};
//! use plimsoll::Database;
//! use plimsoll_http::{NeedsDatabase, Options, Problem, layers};
//!
//! async fn devices(State(db): State<Database>) -> Result<String, Problem> {
//!     let rows = db.named("list devices").query("SELECT id FROM device ORDER BY id LIMIT 50", &[]).await?;
//!     Ok(rows.iter().map(|row| row.get::<_, String>(0) + "\n").collect())
//! }
//!
//! fn router(db: Database) -> Router {
//!     Router::new()
//!         .route("/devices", get(devices).layer(NeedsDatabase::new(&db)))
//!         .layer(layers(&db, Options::default()))
//!         .with_state(db)
//! }
//! ```
//!
//! [`serve()`] is the accept loop: no client holds what others need, and a stop ends in time. [`layers`] is what each request
//! goes through:
//!
//! | a request .. | |
//! |---|---|
//! | has an id | `X-Request-ID`, its own or a new one: in the span, the log, the session on the server, the response |
//! | ends by its deadline | 15 s unless its route says otherwise; the client may lower it; then 504 |
//! | whose client has left | stops on the database at once, and is logged |
//! | that cannot be served | is refused before its handler runs, where the route needs the database: 503 with `Retry-After` |
//! | that fails | is answered by [`Problem`]: a code, advice and the id, and nothing that a server or a driver said |
//! | that is over | leaves one record in the access log, with what its statements took |
//!
//! [`endpoints()`] is what the service answers about itself: `/livez`, `/readyz`, health, metrics and capacity. With the
//! feature `otlp`, the module `otlp` gives the spans of requests, transactions and statements to a collector.
//! [`Page`] and [`CursorKeys`] are for lists that are read page by page, each beginning behind the last key of the one before.
//! [`dashboard()`] is a live page on which people watch the database being survived, and act on it; [`verdict()`] says in one
//! sentence whether it is well, and if not why and since when.

mod access;
mod access_writer;
mod answers;
mod asked;
mod check;
mod cursor;
mod dashboard;
mod databases;
mod endpoints;
mod follow;
mod id;
mod in_flight;
mod operators;
mod options;
#[cfg(feature = "otlp")]
pub mod otlp;
mod page;
mod patience;
mod problem;
mod ready_switch;
#[cfg(test)]
mod reference;
pub mod report;
pub mod serve;
mod shed;
mod stack;
mod underway;
mod upload;
mod user;
mod verdict;

pub use access::{AccessLog, AccessRecord, Ended};
pub use access_writer::{AccessCounts, AccessWriter};
pub use asked::{GRPC_TIMEOUT, X_REQUEST_TIMEOUT_MS};
pub use check::{Contradictions, check};
pub use cursor::{CursorKeys, CursorList, WeakCursorKey};
pub use dashboard::{DashboardOptions, MarkKind, Marks, dashboard};
pub use databases::Databases;
#[cfg(feature = "openapi")]
pub use endpoints::openapi;
pub use endpoints::{ComponentHealth, EndpointOptions, endpoints};
pub use id::X_REQUEST_ID;
pub use operators::{Operator, Operators, WeakToken, X_PLIMSOLL_ACTION};
pub use options::Options;
pub use page::Page;
pub use patience::{RouteDeadline, WithDeadline};
pub use problem::{Problem, ProblemCode};
pub use ready_switch::ReadySwitch;
pub use serve::{ServeError, ServeOptions, Stopped, serve};
pub use shed::{NeedsDatabase, WithDatabase};
pub use stack::{Layered, Layers, layers};
pub use user::User;
pub use verdict::{Level, Matter, Verdict, verdict};

/// Compiles the guides' examples with the documentation's.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/guides/http.md")]
pub struct Layering;

/// And those of the pages for developers.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/developer.md")]
pub struct Developing;
