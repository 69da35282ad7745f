//! Serving: an accept loop in which no client can hold what others need, and a stop that ends in time.
//!
//! `axum::serve` waits for ever for the rest of a request's head, takes sockets until the process has no descriptor left,
//! and stops when its last client is content. So three clients that say nothing keep a program from ending, and two thousand
//! keep its pool from connecting again. This server holds each client to limits ([`ServeOptions`]):
//!
//! | what a client may do | limit |
//! |---|---|
//! | be idle, before and between requests | `idle`; then closed |
//! | take its time with a head | `head`, `head_bytes`; then closed, or 431 |
//! | take its time with a body | `body`, `body_pause`, `body_bytes`; then 408, or 413 |
//! | not read its answer | `unread`; then cut |
//! | take back HTTP/2 requests | `http2_resets`; then its connection is ended |
//! | keep a socket while others need one | the idle one that never brought a request goes first |
//!
//! Stopping has one budget, `hard_stop`, which begins with the first signal. The port is freed, connections without a
//! whole request are dropped, and requests have until `grace`; then what is still under way is cut, which stops its statements
//! on the server. What is left of the budget belongs to the program's last work and to the pools. A second signal leaves
//! at once. Where something decides by `/readyz` whether requests are sent here, it can be told beforehand (`announce`).

mod accept;
mod allowance;
mod answer;
mod body;
mod budget;
mod connection;
mod options;
mod patience;
mod seats;
mod sockets;
mod stop;
mod stopping;
mod wire;

pub use body::BodyFate;
pub use options::{ServeError, ServeOptions, descriptors_of};
pub use stop::{LastWork, StopBy, StopHandle, Stopped};
pub use stopping::Stopping;

use crate::serve::accept::{Acceptor, all_end};
use crate::serve::budget::StopBudget;
use crate::serve::connection::Shared;
use crate::serve::seats::Seats;
use crate::serve::stop::Told;
use axum::body::Body;
use axum::http::{Request, Response};
use std::convert::Infallible;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use tower_service::Service;

/// Serves a router, or any service like it, over HTTP/1.1 and HTTP/2 without TLS, until it is stopped.
///
/// Each request has the client's address in its extensions (`ConnectInfo<SocketAddr>`), whether the server stops
/// ([`Stopping`]), and if it has a body, what became of that ([`BodyFate`]).
///
/// ```no_run
/// use axum::{Router, routing::get};
/// use plimsoll_http::ServeOptions;
///
/// # async fn example(db: plimsoll::Database) -> Result<(), Box<dyn std::error::Error>> {
/// let router = Router::new().route("/", get(async || "hello"));
/// let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
/// let options = ServeOptions { databases: vec![db], ..ServeOptions::default() };
/// let stopped = plimsoll_http::serve(listener, router, options).await?;
/// println!("stopped within {:?}", stopped.took);
/// # Ok(()) }
/// ```
///
/// # Errors
/// What is wrong with the options, before anything is accepted. Failed accepts are logged and tried again.
///
/// # Cancel safety
/// Dropped, all connections are cut and the port is free; the databases stay open. The hard stop needs a worker of the
/// runtime that is not blocked, and a program that has returned from this should end: its runtime waits for blocked workers.
pub async fn serve<S>(
    listener: TcpListener,
    service: S,
    mut options: ServeOptions,
) -> Result<Stopped, ServeError>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    let sockets = options.check()?;
    let mut told = Told::new(&options)?;
    let seats = Seats::new();
    let mut connections = JoinSet::new();
    let acceptor = Acceptor::new(listener, service, Shared::new(&options), seats.clone(), sockets);
    acceptor.run(&mut told, &mut connections).await;
    let began = Instant::now();
    let mut report = Stopped::default();
    let budget = options.budget();
    let last_work = options.last_work.take();
    seats.stop();
    report.left_at_once = tokio::select! {
        () = told.next() => true,
        () = async {
            report.cut = finish(&mut connections, budget, began).await;
            stop::end(last_work, &options.databases, budget, began, &mut report).await;
        } => false,
    };
    report.took = told.first().unwrap_or(began).elapsed();
    Ok(report)
}

/// Lets requests finish, and cuts what is left; how many connections that were.
async fn finish(connections: &mut JoinSet<()>, budget: StopBudget, began: Instant) -> usize {
    if timeout(budget.for_requests(began.elapsed()), all_end(connections)).await.is_ok() {
        return 0;
    }
    let cut = connections.len();
    tracing::warn!(
        target: "plimsoll_http",
        "{cut} connections still had requests under way {} ms after the stop began; they are cut",
        budget.grace.as_millis()
    );
    connections.abort_all();
    let _ = timeout(budget.for_last_work(began.elapsed()), all_end(connections)).await;
    cut
}
