//! `GET /metrics`: all metrics of all databases, as Prometheus scrapes them. It asks the server nothing.
//!
//! The databases are told apart by the label `pool`. Before there is one the answer is empty: the scrape itself has succeeded.

use super::ask::Shared;
use crate::problem::Problem;
use crate::user::User;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, header};
use plimsoll::monitor::prometheus;
use std::sync::Arc;

/// Prometheus' text format.
pub(super) const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

pub(super) async fn scrape(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
) -> Result<(Option<User>, [(HeaderName, &'static str); 1], String), Problem> {
    let operator = match shared.options.is_scraped_by_anyone {
        true => None,
        false => Some(shared.operator(&headers)?),
    };
    let all = shared.databases.all();
    Ok((operator, [(header::CONTENT_TYPE, TEXT)], prometheus(all.iter().map(|(_, db)| db))))
}
