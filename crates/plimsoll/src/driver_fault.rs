//! Which fault an error of the driver is, and what became of the work where only the driver was asked.
//!
//! The server's errors are known by their SQLSTATE, the operating system's by their kind, the driver's own by their text.

use crate::error::{Error, Outcome, Phase};
use crate::fault::Fault;
use crate::pooler_said::{Unforwarded, unforwarded};
use crate::said::said;
use std::fmt;
use std::io;
use tokio_postgres::error::{Severity, SqlState};

/// The fault of an error while connecting: there is no session yet that could go on.
pub(crate) fn fault_of_connect(error: &tokio_postgres::Error) -> Fault {
    match error.as_db_error() {
        Some(db) => {
            unforwarded(db).map_or_else(|| Fault::of_sqlstate(db.code().code()), Fault::of_unforwarded)
        }
        // What begins with such a message is no PostgreSQL.
        None if is_too_long(error) => Fault::ConnectionLost,
        None => fault_of(error),
    }
}

/// The server began to send a message that is longer than `max_message` allows. The tap on the wire ends the connection
/// with it, as an error of the operating system that the driver passes on.
#[derive(Debug)]
pub(crate) struct TooLong {
    /// The message's type byte.
    pub(crate) kind: u8,
    pub(crate) bytes: usize,
    pub(crate) most: usize,
}

impl fmt::Display for TooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.kind {
            b'D' => "a row",
            b'd' => "a row of a COPY",
            b'E' => "an error",
            b'N' => "a notice",
            _ => "a message",
        };
        let (bytes, most) = (self.bytes, self.most);
        write!(
            f,
            "the server began to send {what} of {bytes} bytes, and max_message allows {most}; the connection was ended \
             before the rest was read"
        )
    }
}

impl std::error::Error for TooLong {}

fn is_too_long(error: &tokio_postgres::Error) -> bool {
    std::error::Error::source(error)
        .and_then(|cause| cause.downcast_ref::<io::Error>())
        .and_then(io::Error::get_ref)
        .is_some_and(|inner| inner.is::<TooLong>())
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
        if let Some(why) = unforwarded(db) {
            return Fault::of_unforwarded(why);
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
    if is_unsendable(error) || is_too_long(error) {
        return Fault::Usage;
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

/// Whether the driver could not write the request as a message: a text has a zero byte, or something is longer or more
/// than the protocol can count. Nothing was sent, and the connection goes on.
pub(crate) fn is_unsendable(error: &tokio_postgres::Error) -> bool {
    let text = error.to_string();
    let of_the_text = || {
        std::error::Error::source(error).is_some_and(|cause| {
            let cause = cause.to_string();
            cause.contains("embedded null") || cause.contains("too large to transmit")
        })
    };
    // Where a text travels with its types the driver reports the same as an answer that it could not read.
    text.starts_with("error encoding message") || text.starts_with("error parsing response") && of_the_text()
}

impl Fault {
    /// The fault of a request that a pooler did not pass on.
    fn of_unforwarded(why: Unforwarded) -> Fault {
        match why {
            Unforwarded::NameUnknown => Fault::StalePlan,
            Unforwarded::Full => Fault::TooManyConnections,
            Unforwarded::NoServer => Fault::Unreachable,
        }
    }

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
        } else if is_column_unknown(text) {
            Fault::Usage
        } else if text.contains("communicating with the server") {
            Fault::ConnectionLost
        } else {
            Fault::Driver
        }
    }
}

/// Whether a row was asked for a column that it does not have, or a single column was asked for and there are others.
fn is_column_unknown(text: &str) -> bool {
    text.starts_with("invalid column") || text.contains("number of columns")
}

/// A failure of the driver's client that was used directly, or of a row that was read (`row.try_get`). Neither the
/// statement nor its transaction is known here, so the outcome is unknown: an error of the server undoes a query, but not
/// what a procedure has committed before.
///
/// A row that has no such column, or a column of another type, shows that its statement was answered. Its work stays if it
/// ran by itself, and goes with its transaction if it ran in one; a row does not tell which, and one of a stream comes
/// before the statement has ended. In the closure of [`Database::transaction`](crate::Database::transaction) the outcome
/// is known: everything is rolled back, and the error says so.
impl From<tokio_postgres::Error> for Error {
    fn from(error: tokio_postgres::Error) -> Self {
        let sentence = match (error.as_db_error(), std::error::Error::source(&error)) {
            (Some(db), _) => said(db),
            (None, _) if is_column_unknown(&error.to_string()) => format!(
                "a row was read by a column that it does not have ({error}); its statement was answered, so what it \
                 wrote stays unless its transaction is rolled back"
            ),
            (None, Some(cause)) => format!("{error}: {cause}"),
            (None, None) => error.to_string(),
        };
        Error::new(fault_of(&error), Phase::Statement, Outcome::Unknown, sentence).caused_by(error)
    }
}
