//! Where a request came from, for the record.
//!
//! Between the handler that knows and the transaction that records lie functions that need not know; so it goes by a task-local
//! scope, as the id of a request and its deadline do. Only requests of people have one: what the service does by itself, and
//! what devices send, is no act of a person's.

use axum::extract::{ConnectInfo, Request};
use axum::middleware::Next;
use axum::response::Response;
use plimsoll::request_id;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

tokio::task_local! {
    static CURRENT: Origin;
    /// It is known only once the token of the request has been proved.
    static PERSON: Arc<OnceLock<String>>;
}

/// Where a request of a person's came from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The address of the client, or of the proxy in front of the service.
    pub client: Option<String>,
    /// The id of the request.
    pub request_id: Option<String>,
    /// Who shows the token, where it names a person.
    pub person: Option<String>,
}

impl Origin {
    /// That of the request for which this runs; `None` outside of a person's request.
    #[must_use]
    pub fn current() -> Option<Origin> {
        let mut origin = CURRENT.try_with(Origin::clone).ok()?;
        origin.request_id = request_id::current().map(|id| id.as_str().to_owned());
        origin.person = PERSON.try_with(|person| person.get().cloned()).ok().flatten();
        Some(origin)
    }
}

/// Handles a request as a person's.
///
/// # Cancel safety
/// Dropped, the request is.
pub(crate) async fn of_a_person(request: Request, next: Next) -> Response {
    // A header that names another address can be written by anyone, so it is not looked at.
    let client = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0.ip().to_string());
    let origin = Origin { client, ..Origin::default() };
    PERSON.scope(Arc::default(), CURRENT.scope(origin, next.run(request))).await
}

/// The person whose token this request has shown; the first one counts, and outside of a person's request nothing is kept.
pub(crate) fn is_of(person: &str) {
    let _ = PERSON.try_with(|kept| kept.set(person.to_owned()));
}
