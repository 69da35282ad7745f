//! `GET /api/metrics/queries`: the kinds of statements that cost most, which asks the server nothing.

use super::SCHEMA_VERSION;
use super::ask::{self, Shared, Which};
use crate::problem::Problem;
use crate::user::User;
use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::Json;
use plimsoll::monitor::QueryMetrics;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Kinds of statements, unless another number is asked for.
pub(super) const USUAL: usize = 10;
/// The most.
pub(super) const MOST: usize = 100;

/// What is asked.
#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    limit: Option<String>,
    sort: Option<String>,
    database: Option<String>,
}

/// What the first of the list has most of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub(super) enum Order {
    /// The sum of the times that it took.
    Total,
    /// Their mean.
    Mean,
    /// The longest of them.
    Max,
    /// Executions that failed.
    Errors,
}

/// The kinds of statements that cost most.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub(super) struct Queries {
    /// The version of this form.
    schema_version: u32,
    /// The name of the database.
    database: String,
    /// What they are sorted by.
    sort: Order,
    /// How many there are at the most.
    limit: usize,
    /// They, what costs most first.
    queries: Vec<QueryMetrics>,
}

pub(super) async fn queries(
    State(shared): State<Arc<Shared>>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<(User, Json<Queries>), Problem> {
    let operator = shared.operator(&headers)?;
    let asked: Asked = ask::query(&uri)?;
    let limit = limit(asked.limit.as_deref())?;
    let sort = order(asked.sort.as_deref())?;
    let (name, db) = shared.database(&Which::named(asked.database))?;
    // The table of kinds is bounded: it has some hundreds.
    let mut queries = db.monitor().query_performance(usize::MAX);
    // A stable sort: of equals the slower comes first.
    queries.sort_by(|one, other| match sort {
        Order::Total => other.total_duration_ms.total_cmp(&one.total_duration_ms),
        Order::Mean => other.avg_duration_ms.total_cmp(&one.avg_duration_ms),
        Order::Max => other.max_duration_ms.total_cmp(&one.max_duration_ms),
        Order::Errors => other.error_count.cmp(&one.error_count),
    });
    queries.truncate(limit);
    let database = name.to_string();
    Ok((operator, Json(Queries { schema_version: SCHEMA_VERSION, database, sort, limit, queries })))
}

fn limit(asked: Option<&str>) -> Result<usize, Problem> {
    let Some(asked) = asked else { return Ok(USUAL) };
    let is_plain = asked.bytes().all(|byte| byte.is_ascii_digit());
    let limit = asked.parse().ok().filter(|limit| is_plain && (1..=MOST).contains(limit));
    limit.ok_or_else(|| {
        ask::malformed("The limit is no number from 1 to 100.", "Say ?limit=10, or leave it out.")
    })
}

fn order(asked: Option<&str>) -> Result<Order, Problem> {
    match asked {
        None | Some("mean") => Ok(Order::Mean),
        Some("total") => Ok(Order::Total),
        Some("max") => Ok(Order::Max),
        Some("errors") => Ok(Order::Errors),
        Some(_) => {
            let advice = "Say ?sort=total, mean, max or errors, or leave it out.";
            Err(ask::malformed("There is no such order.", advice))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_limit_is_a_number_from_1_to_100() {
        for (asked, told) in
            [(None, Some(10)), (Some("1"), Some(1)), (Some("100"), Some(100)), (Some("007"), Some(7))]
        {
            assert_eq!(limit(asked).ok(), told, "{asked:?}");
        }
        for asked in
            ["", "0", "101", "-1", "+5", "1.0", "1e1", " 5", "ten", "18446744073709551617", "\u{0661}"]
        {
            assert_eq!(limit(Some(asked)).map_err(|problem| problem.status().as_u16()), Err(400), "{asked}");
        }
    }

    proptest! {
        #[test]
        fn no_text_is_a_limit_out_of_bounds_and_none_panics(asked in "\\PC*") {
            prop_assert!(limit(Some(&asked)).map_or(true, |limit| (1..=MOST).contains(&limit)));
            let _ = order(Some(&asked));
        }
    }
}
