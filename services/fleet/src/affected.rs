//! How many rows a statement touched, and what that means. The driver gives a number, so there is no text to be taken
//! apart and no second way to read it.

use crate::refusal::{Refusal, RefusalKind};
use plimsoll::{Error, Result};
use std::borrow::Cow;

/// What should have been deleted is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NothingThere;

impl Refusal for NothingThere {
    fn kind(&self) -> RefusalKind {
        RefusalKind::NotFound
    }

    fn code(&self) -> &'static str {
        "NOT_FOUND"
    }

    fn detail(&self) -> Cow<'static, str> {
        "Not found".into()
    }
}

/// Whether a delete found anything.
///
/// # Errors
/// [`NothingThere`] for no row.
pub fn any(rows: u64) -> std::result::Result<(), NothingThere> {
    if rows == 0 { Err(NothingThere) } else { Ok(()) }
}

/// A write that must touch just so many rows did. A policy or a missing right that hides a row is an error then, and not a
/// wrong count.
///
/// # Errors
/// With both numbers; the transaction has to be given up.
pub fn exactly(wanted: u64, rows: u64, what: &str) -> Result<()> {
    if rows == wanted {
        return Ok(());
    }
    Err(Error::abort(format!("{what} changed {rows} rows instead of {wanted}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_rows_that_were_there_are_a_success() {
        assert_eq!(any(0), Err(NothingThere));
        assert_eq!([any(1), any(7)], [Ok(()), Ok(())]);
        exactly(2, 2, "it").unwrap();
        let text = exactly(1, 0, "counting").unwrap_err().to_string();
        assert!(text.contains("counting changed 0 rows instead of 1"), "{text}");
    }
}
