//! The buttons: `POST /faults/{freeze|slow|kill|cut|end}`, for an operator, as an action is.

use super::Play;
use super::breakage::{Breakage, NotBroken};
use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::post;
use plimsoll_http::{Operators, Problem};
use serde::Serialize;
use std::sync::Arc;

/// What the routes share.
#[derive(Clone)]
struct Buttons {
    play: Arc<Play>,
    operators: Operators,
}

/// What came of it.
#[derive(Serialize)]
struct Done {
    schema_version: u32,
    action: String,
    is_done: bool,
    lasts_ms: u64,
}

/// The routes of the buttons.
pub(crate) fn routes<S>(play: &Arc<Play>, operators: &Operators) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    let buttons = Buttons { play: Arc::clone(play), operators: operators.clone() };
    Router::new().route("/faults/{action}", post(press)).with_state(buttons)
}

async fn press(
    State(Buttons { play, operators }): State<Buttons>,
    Path(action): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let operator = operators.check_action(&headers)?;
    let result = act(&play, &action).await;
    let outcome = match &result {
        Ok(done) if done.is_done => "done",
        Ok(_) => "there was nothing to end",
        Err(problem) => problem.code(),
    };
    tracing::info!(
        target: "plimsoll::operator",
        operator = operator.name(),
        action,
        outcome,
        "{} asked for {action} of the service's own database: {outcome}",
        operator.name(),
    );
    result.map(|done| Json(done).into_response())
}

async fn act(play: &Arc<Play>, action: &str) -> Result<Done, Problem> {
    let done = |is_done, lasts_ms| Done { schema_version: 1, action: action.to_owned(), is_done, lasts_ms };
    if action == "end" {
        return Ok(done(play.end(), 0));
    }
    let breakage = Breakage::of(action).ok_or_else(|| {
        Problem::new(StatusCode::NOT_FOUND, "FAULT_UNKNOWN", "There is no such fault.")
            .advice("The faults are freeze, slow, kill and cut; end ends one.")
    })?;
    match play.break_it(breakage).await {
        Ok(()) => Ok(done(true, super::in_ms(breakage.span()))),
        Err(NotBroken::Another(other)) => Err(Problem::new(
            StatusCode::CONFLICT,
            "FAULT_UNDER_WAY",
            format!("The database is broken already: {}.", other.word()),
        )
        .advice("Wait for its end, or end it.")),
        Err(NotBroken::Stopping) => {
            Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "STOPPING", "The service stops."))
        }
        Err(NotBroken::Failed(why)) => {
            tracing::warn!("the fault {} could not be played: {why}", breakage.word());
            Err(Problem::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "FAULT_FAILED",
                "The system did not let it be done; the log says why.",
            ))
        }
    }
}
