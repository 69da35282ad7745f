//! What the database says of a reference that does not hold.
//!
//! To look first whether something is there would not do: it may come or go before the write. So the write is made, and the
//! foreign key decides.

use plimsoll::Error;

/// Whether a statement failed because what it names is not there, or because what it deletes is named by something else.
#[must_use]
pub fn is_broken(error: &Error) -> bool {
    error.as_db_error().is_some_and(|said| said.code().code() == "23503")
}
