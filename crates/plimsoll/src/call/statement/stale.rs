//! Whether what is known of a statement may be out of date.
//!
//! The schema changes while a program runs. The statements that it has prepared and the types that it has learned fit the
//! schema as it was, and the server says so in several ways. If it is certain that nothing of a statement has run, the
//! statement is prepared anew and sent once more.

use crate::error::{Error, Phase};
use crate::fault::Fault;
use crate::rules::outcome::shows_that_nothing_ran;
use crate::sql::nature;
use crate::sql::nature::Nature;

/// The errors of a statement that was right before a change of the schema: the names that it uses are gone, or belong to
/// another object. Source: PostgreSQL's appendix A, class 42.
const EXPLAINED_BY_THE_SCHEMA: &[&str] = &[
    "42P01", // no such table
    "42P02", // no such parameter
    "42P18", // the type of a parameter cannot be told
    "42703", // no such column
    "42702", // more than one column
    "42704", // no such object, as a type
    "42725", // more than one function
    "42804", // another type
    "42809", // another kind of object
    "42846", // no such cast
    "42883", // no such function
    "42P10", // no such unique key
];

/// Whether a parameter could not be encoded, so that nothing was sent. The known type may be out of date, or lack a label
/// that an enum has gained.
pub(crate) fn is_unsent(error: &tokio_postgres::Error) -> bool {
    let text = error.to_string();
    text.contains("serializing parameter") && !text.contains("deserializing")
}

/// Whether what was known of a statement may be out of date and nothing of it has run. A statement that was never right
/// looks the same, which costs it one more try.
///
/// An error from within a function has a context: that function has run, so the error is no proof. `CALL` and `DO` may
/// have committed by then.
pub(crate) fn is_stale(sql: &str, error: &Error) -> bool {
    let Some(said) = error.as_db_error() else {
        return error.fault() == Fault::StalePlan || error.driver_error().is_some_and(is_unsent);
    };
    if nature::of_sql(sql.as_bytes(), None).contains(Nature::UNCLEAR) {
        return false;
    }
    let is_statement = error.phase() == Phase::Statement;
    match said.code().code() {
        "26000" | "0A000" => error.fault() == Fault::StalePlan && shows_that_nothing_ran(said),
        // PostgreSQL has no error code of its own for a type that is gone; a parameter of that type has a context too.
        "XX000" => {
            let is_raised = said.routine() == Some("exec_stmt_raise");
            is_statement && said.message().starts_with("cache lookup failed") && !is_raised
        }
        code => is_statement && said.where_().is_none() && EXPLAINED_BY_THE_SCHEMA.contains(&code),
    }
}
