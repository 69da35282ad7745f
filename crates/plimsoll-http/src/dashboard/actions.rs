//! What an operator may do: cancel one statement, pause, resume, isolate.
//!
//! Each is a request that only the page itself or a program sends, never a page of another site
//! ([`Operators::check_action`](crate::Operators::check_action)). Each is logged with the operator's name at the target
//! `plimsoll::operator`, also one that is refused or comes to nothing, and leaves a mark on the page.

use super::{Dashboard, Problem};
use crate::operators::Operator;
use axum::Json;
use axum::http::StatusCode;
use plimsoll::Database;
use plimsoll::pool::RunningId;
use serde::{Deserialize, Serialize};

/// What can be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Action {
    Cancel,
    Pause,
    Resume,
    Isolate,
}

/// On what it is done.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Target {
    database: String,
    /// For `cancel`: what was seen to run.
    running: Option<String>,
}

/// What came of it.
#[derive(Debug, Serialize)]
pub(super) struct Done {
    schema_version: u32,
    action: Action,
    database: String,
    /// Whether anything has changed by it.
    is_done: bool,
    outcome: &'static str,
}

impl Action {
    fn of(word: &str) -> Option<Self> {
        match word {
            "cancel" => Some(Action::Cancel),
            "pause" => Some(Action::Pause),
            "resume" => Some(Action::Resume),
            "isolate" => Some(Action::Isolate),
            _ => None,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Action::Cancel => "cancel",
            Action::Pause => "pause",
            Action::Resume => "resume",
            Action::Isolate => "isolate",
        }
    }
}

/// Does it.
///
/// # Errors
/// 403 where the page is read-only, 404 for another action or database, 400 for a statement that is not named as one, and what
/// the database said to a cancel.
///
/// # Cancel safety
/// Dropped, a cancel that was sent is still carried out; all others are done at once.
pub(super) async fn act(
    dashboard: &Dashboard,
    operator: &Operator,
    word: &str,
    target: Target,
) -> Result<Json<Done>, Problem> {
    let action = Action::of(word).ok_or_else(|| {
        Problem::new(StatusCode::NOT_FOUND, "ACTION_UNKNOWN", "There is no such action.")
            .advice("The actions are cancel, pause, resume and isolate.")
    })?;
    let result = carry_out(dashboard, action, &target).await;
    let (outcome, code) = match &result {
        Ok((_, outcome)) => (*outcome, None),
        Err(problem) => ("refused", Some(problem.code())),
    };
    tracing::info!(
        target: "plimsoll::operator",
        operator = operator.name(),
        action = action.word(),
        database = target.database,
        running = target.running,
        outcome,
        code,
        "{} asked for {} of {}: {outcome}",
        operator.name(),
        action.word(),
        target.database,
    );
    let (is_done, outcome) = result?;
    let told = format!("{} by {}: {outcome}", action.word(), operator.name());
    dashboard.seen.acted(&target.database, &told);
    let schema_version = super::view::SCHEMA_VERSION;
    Ok(Json(Done { schema_version, action, database: target.database, is_done, outcome }))
}

/// Whether anything has changed, and what came of it.
async fn carry_out(
    dashboard: &Dashboard,
    action: Action,
    target: &Target,
) -> Result<(bool, &'static str), Problem> {
    if dashboard.options.is_read_only {
        return Err(Problem::new(
            StatusCode::FORBIDDEN,
            "ACTIONS_OFF",
            "This dashboard is read-only: no action is taken here.",
        ));
    }
    let db = dashboard.seen.database(&target.database).ok_or_else(super::unknown_database)?;
    match action {
        Action::Cancel => cancel(&db, target.running.as_deref()).await,
        Action::Pause => {
            let was_paused = db.is_paused();
            db.pause();
            Ok(if was_paused {
                (false, "it was paused already")
            } else {
                (true, "nothing is lent until it is resumed")
            })
        }
        Action::Resume => {
            db.resume();
            Ok((true, "calls go through again"))
        }
        Action::Isolate => {
            db.isolate();
            Ok((true, "every call is refused until it is resumed"))
        }
    }
}

async fn cancel(db: &Database, running: Option<&str>) -> Result<(bool, &'static str), Problem> {
    let running: RunningId = running.and_then(|running| running.parse().ok()).ok_or_else(|| {
        Problem::new(StatusCode::BAD_REQUEST, "RUNNING_MALFORMED", "It is not said which statement is meant.")
            .advice("Send `running` as it stands in the lease of the view.")
    })?;
    match db.cancel_running(running).await {
        Ok(true) => Ok((true, "the statement was cancelled")),
        Ok(false) => Ok((false, "the statement had ended by itself, so nothing was cancelled")),
        Err(error) => Err(Problem::of(&error)),
    }
}
