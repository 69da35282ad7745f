//! What the database says of a reference that does not hold.
//!
//! To look first whether something is there would not do: it may come or go before the write. So the write is made, and the
//! foreign key decides.

use crate::refusal::NotDone;
use plimsoll::Error;

/// Whether a statement failed because what it names is not there, or because what it deletes is named by something else.
fn is_broken(error: &Error) -> bool {
    error.as_db_error().is_some_and(|said| said.code().code() == "23503")
}

/// The refusal, if a reference did not hold, and else the error itself.
#[must_use]
pub fn refused<R>(error: Error, refusal: R) -> NotDone<R> {
    match is_broken(&error) {
        true => NotDone::Refused(refusal),
        false => NotDone::Failed(error),
    }
}
