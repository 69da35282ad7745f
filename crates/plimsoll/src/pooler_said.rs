//! What PgBouncer says, which has no SQLSTATE of its own: it uses the code of a protocol violation (08P01) for nearly all
//! of its errors, so their texts are read. They are English and fixed.

use crate::error::Error;
use tokio_postgres::error::{DbError, Severity, SqlState};

/// Whether this is the error of a pooler that tracks the names of prepared statements and does not know one. The pooler
/// then closes the connection. Unlike a server's errors it carries no severity in English. The pooler forwards nothing, so
/// the statement has not run.
pub(crate) fn is_name_unknown_to_pooler(error: &DbError) -> bool {
    error.code() == &SqlState::PROTOCOL_VIOLATION
        && error.parsed_severity() != Some(Severity::Error)
        && error.message() == "prepared statement did not exist"
}

/// Whether a pooler refuses start-up options.
pub(crate) fn refuses_options(error: &Error) -> bool {
    error.sqlstate() == Some(&SqlState::PROTOCOL_VIOLATION)
        && error.as_db_error().is_some_and(|said| said.message().contains("unsupported startup parameter"))
}

/// Whether PgBouncer refuses the user, password or database.
pub(crate) fn is_pooler_denial(said: &DbError) -> bool {
    ["authentication failed", "no such user", "no such database", "does not exist"]
        .iter()
        .any(|denial| said.message().contains(denial))
}

/// Whether PgBouncer has as many clients as it may have, in all (`max_client_conn`), of this user or of this database.
pub(crate) fn is_full_pooler(said: &DbError) -> bool {
    ["no more connections allowed", "client connections exceeded"]
        .iter()
        .any(|refusal| said.message().contains(refusal))
}
