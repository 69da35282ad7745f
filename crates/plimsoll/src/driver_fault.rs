//! Which fault an error of the driver is, and what became of the work where only the driver was asked.
//!
//! The server's errors are known by their SQLSTATE, the operating system's by their kind, the driver's own by their text.

use crate::error::{Error, Outcome, Phase};
use crate::fault::Fault;
use crate::pooler_said::is_name_unknown_to_pooler;
use crate::said::said;
use std::io;
use tokio_postgres::error::{Severity, SqlState};

/// The fault of an error while connecting: there is no session yet that could go on.
pub(crate) fn fault_of_connect(error: &tokio_postgres::Error) -> Fault {
    error.as_db_error().map_or_else(|| fault_of(error), |db| Fault::of_sqlstate(db.code().code()))
}

/// The fault of a driver's error: by its SQLSTATE, else by the operating system's error, else by the driver's text.
pub(crate) fn fault_of(error: &tokio_postgres::Error) -> Fault {
    if let Some(db) = error.as_db_error() {
        // A changed result type has no SQLSTATE of its own. It is known by the routine's name, which, unlike the
        // message, does not change with the server's language.
        if db.code() == &SqlState::FEATURE_NOT_SUPPORTED
            && db.routine() == Some("RevalidateCachedQuery")
            && db.where_().is_none()
        {
            return Fault::StalePlan;
        }
        if is_name_unknown_to_pooler(db) {
            return Fault::StalePlan;
        }
        // If a function raised it, it is about the function's statement and not about one of this library.
        if db.code().code() == "26000" && db.where_().is_some() {
            return Fault::BadStatement;
        }
        return match db.parsed_severity() {
            Some(Severity::Error) => Fault::of_sqlstate_in_session(db.code().code()),
            _ => Fault::of_sqlstate(db.code().code()),
        };
    }
    if error.is_closed() {
        return Fault::ConnectionLost;
    }
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        if let Some(io) = cause.downcast_ref::<io::Error>() {
            return Fault::of_io(io.kind());
        }
        source = cause.source();
    }
    Fault::of_driver_text(&error.to_string())
}

impl Fault {
    /// The fault of an error that the driver made itself. The driver does not export the kinds of its errors, but their
    /// texts are English and fixed.
    fn of_driver_text(text: &str) -> Fault {
        if text.contains("serializing parameter")
            || text.contains("deserializing column")
            || text.contains("expected") && text.contains("parameters")
        {
            Fault::Conversion
        } else if text.contains("number of rows") {
            Fault::RowCount
        } else if text.contains("communicating with the server") {
            Fault::ConnectionLost
        } else {
            Fault::Driver
        }
    }
}

/// A failure of the driver's client that was used directly. Neither the statement nor its transaction is known here, so
/// the outcome is unknown: an error of the server undoes a query, but not what a procedure has committed before.
impl From<tokio_postgres::Error> for Error {
    fn from(error: tokio_postgres::Error) -> Self {
        let sentence = match (error.as_db_error(), std::error::Error::source(&error)) {
            (Some(db), _) => said(db),
            (None, Some(cause)) => format!("{error}: {cause}"),
            (None, None) => error.to_string(),
        };
        Error::new(fault_of(&error), Phase::Statement, Outcome::Unknown, sentence).caused_by(error)
    }
}
