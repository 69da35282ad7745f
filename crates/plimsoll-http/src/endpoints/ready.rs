//! `GET /readyz`: whether requests should be sent here now.
//!
//! It is known without a question to the server, so it may be asked every second by everything that stands in front. 503 while
//! the service starts, while a database that it needs would not serve a call, and while it is about to stop.

use super::SCHEMA_VERSION;
use super::ask::Shared;
use crate::problem::Problem;
use crate::ready_switch::Taking;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Json;
use plimsoll::Database;
use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;

/// The service takes requests.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub(super) struct Ready {
    /// The version of this form.
    schema_version: u32,
    /// `ready`.
    status: &'static str,
}

/// Why it does not: in words for anyone, and for operators.
#[derive(Debug, PartialEq, Eq)]
struct Why {
    word: &'static str,
    told: String,
}

pub(super) async fn ready(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
) -> Result<Json<Ready>, Problem> {
    let why = why_not(&shared);
    if why.is_empty() {
        return Ok(Json(Ready { schema_version: SCHEMA_VERSION, status: "ready" }));
    }
    let is_operator = shared.is_operator(&headers);
    let mut reasons: Vec<String> =
        why.into_iter().map(|why| if is_operator { why.told } else { why.word.to_owned() }).collect();
    reasons.dedup();
    Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "NOT_READY", "The service takes no requests now.")
        .advice("Send requests to another instance, and ask again after the time in Retry-After.")
        .member("reasons", reasons)
        .retry_after(Duration::from_secs(1)))
}

fn why_not(shared: &Shared) -> Vec<Why> {
    match shared.options.ready.taking() {
        Taking::NotYet => return vec![starting("the service is starting".to_owned())],
        Taking::NoMore => {
            return vec![Why { word: "stopping", told: "the service is about to stop".to_owned() }];
        }
        Taking::Work => {}
    }
    let all = shared.databases.all();
    let needed = &shared.options.ready_with;
    if needed.is_empty() {
        if all.is_empty() {
            return vec![starting("the service has not reached its database yet".to_owned())];
        }
        return all.iter().filter_map(|(name, db)| of_database(name, db)).collect();
    }
    let why = |name: &Arc<str>| match all.iter().find(|(known, _)| known == name) {
        Some((name, db)) => of_database(name, db),
        None => Some(starting(format!("the service has not reached its database {name} yet"))),
    };
    needed.iter().filter_map(why).collect()
}

fn starting(told: String) -> Why {
    Why { word: "starting", told }
}

fn of_database(name: &str, db: &Database) -> Option<Why> {
    let readiness = db.readiness();
    let told = || format!("{name}: {}", readiness.reason.as_deref().unwrap_or("it would not serve a call"));
    (!readiness.is_ready).then(|| Why { word: "database unavailable", told: told() })
}
