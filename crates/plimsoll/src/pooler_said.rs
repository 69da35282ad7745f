//! What PgBouncer says, which has no SQLSTATE of its own: it uses the code of a protocol violation (08P01) for nearly all
//! of its errors, so their texts are read. They are English and fixed.

use crate::error::Error;
use tokio_postgres::error::{DbError, Severity, SqlState};

/// Why a pooler passed nothing of a request on to a server, so that nothing of it has run. It closes the connection then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unforwarded {
    /// It tracks the names of prepared statements and does not know this one.
    NameUnknown,
    /// All of its connections to the server were lent for as long as a client may wait (`query_wait_timeout`).
    Full,
    /// It has no server to pass it to, or is being stopped.
    NoServer,
}

/// Why the request was not passed on, if that is what this error says. Unlike a server's errors it carries no severity in
/// English. Source: the calls of `disconnect_client` in PgBouncer 1.18 and 1.24; the others of them (`query_timeout`,
/// `idle transaction timeout`, `server conn crashed?`) come after a request was passed on.
pub(crate) fn unforwarded(error: &DbError) -> Option<Unforwarded> {
    if error.code() != &SqlState::PROTOCOL_VIOLATION || error.parsed_severity() == Some(Severity::Error) {
        return None;
    }
    match error.message() {
        "prepared statement did not exist" => Some(Unforwarded::NameUnknown),
        "query_wait_timeout" => Some(Unforwarded::Full),
        "client_login_timeout (server down)" | "server shutting down" | "pooler is shutting down" => {
            Some(Unforwarded::NoServer)
        }
        said if said.starts_with("server login has been failing") => Some(Unforwarded::NoServer),
        _ => None,
    }
}

/// Whether this is the error of a pooler that does not know the name of a prepared statement.
pub(crate) fn is_name_unknown_to_pooler(error: &DbError) -> bool {
    unforwarded(error) == Some(Unforwarded::NameUnknown)
}

/// Whether a pooler refuses start-up options.
pub(crate) fn refuses_options(error: &Error) -> bool {
    error.sqlstate() == Some(&SqlState::PROTOCOL_VIOLATION)
        && error.as_db_error().is_some_and(|said| said.message().contains("unsupported startup parameter"))
}

/// Whether PgBouncer refuses the user, password or database.
pub(crate) fn is_pooler_denial(said: &DbError) -> bool {
    is_console_denial(said)
        || ["authentication failed", "no such user", "no such database", "does not exist"]
            .iter()
            .any(|denial| said.message().contains(denial))
}

/// Whether the console of a PgBouncer does not let this role in. It says this and no more.
pub(crate) fn is_console_denial(said: &DbError) -> bool {
    said.message() == "not allowed"
}

/// What to do then.
pub(crate) const CONSOLE_TAKES: &str = "this is the console of a PgBouncer, which lets in the roles of its admin_users and stats_users alone: connect as one of \
     them, or add this role to stats_users in pgbouncer.ini and RELOAD";

/// Whether PgBouncer has as many clients as it may have, in all (`max_client_conn`), of this user or of this database.
pub(crate) fn is_full_pooler(said: &DbError) -> bool {
    ["no more connections allowed", "client connections exceeded"]
        .iter()
        .any(|refusal| said.message().contains(refusal))
}
