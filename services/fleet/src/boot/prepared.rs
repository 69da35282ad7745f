//! A start on a database that `fleet migrate` has prepared: the service has no other login than its own role, and looks only
//! whether what it needs is there.
//!
//! A schema that is ahead of this program is taken as it is: that is how one goes back to a former version without touching the
//! database.

use crate::boot::schema::MIGRATIONS;
use plimsoll::{Database, Result};

const NOT_GRANTED: &str = "42501";

/// Whether every file of the schema is applied. What is missing is told in the log, with what to do.
///
/// # Errors
/// As any query's.
///
/// # Cancel safety
/// Only reads.
pub(crate) async fn is_there(db: &Database) -> Result<bool> {
    let is_current = match db.schema_is_current(&MIGRATIONS).await {
        // The grant comes with the schema.
        Err(error) if error.as_db_error().is_some_and(|said| said.code().code() == NOT_GRANTED) => false,
        result => result?,
    };
    if !is_current {
        tracing::error!(
            "the schema of {} is not there, or is older than this program: run `fleet migrate` of this version with the \
             login of the tables' owner; the service looks again by itself, and answers 503 until then",
            db.plan().dbname()
        );
    }
    Ok(is_current)
}
