//! Whether a statement was given as many parameters as it takes.
//!
//! A prepared statement is counted by the driver, and one that is sent with its types here. Both say the same: how many it
//! takes, how many it was given, and that nothing was sent.

use super::executor::Executor;
use crate::error::{Error, Outcome, Phase, Result};
use crate::fault::Fault;
use tokio_postgres::types::{ToSql, Type};

/// A parameter with its type.
type Typed<'a> = (&'a (dyn ToSql + Sync), Type);

impl Executor<'_> {
    /// Pairs parameters with their types, for a statement that is sent without a name.
    ///
    /// # Errors
    /// [`Fault::Conversion`] if there are more or fewer than the statement takes.
    pub(super) fn typed<'a>(
        &self,
        params: &[&'a (dyn ToSql + Sync)],
        types: &[Type],
    ) -> Result<Vec<Typed<'a>>> {
        if params.len() != types.len() {
            return Err(self.miscounted(types.len(), params.len()));
        }
        Ok(params.iter().copied().zip(types.iter().cloned()).collect())
    }

    /// The error of a statement that was given another number of parameters than it takes. Nothing was
    /// sent, so a transaction in which it was to run goes on.
    #[cold]
    pub(super) fn miscounted(&self, takes: usize, given: usize) -> Error {
        let sentence = format!(
            "{} of {} was not sent: it takes {} and was given {given}",
            Phase::Statement,
            self.work,
            counted(takes)
        );
        self.error(Fault::Conversion, Phase::Statement, Outcome::NotStarted, sentence)
    }
}

/// The parameters that a statement takes, by number and name.
fn counted(takes: usize) -> String {
    match takes {
        0 => "no parameter".to_owned(),
        1 => "1 parameter ($1)".to_owned(),
        _ => format!("{takes} parameters ($1 to ${takes})"),
    }
}

/// How many parameters the statement takes and how many it was given, if that is what the driver says.
pub(super) fn count_of(error: &tokio_postgres::Error) -> Option<(usize, usize)> {
    counts_in(&error.to_string())
}

fn counts_in(text: &str) -> Option<(usize, usize)> {
    let (takes, given) = text.strip_prefix("expected ")?.split_once(" parameters but got ")?;
    Some((takes.parse().ok()?, given.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_drivers_count_is_read() {
        assert_eq!(counts_in("expected 2 parameters but got 1"), Some((2, 1)));
        for other in
            ["expected 2 columns but got 1", "expected parameters", "error serializing parameter 1", ""]
        {
            assert_eq!(counts_in(other), None, "{other}");
        }
    }

    #[test]
    fn what_it_takes_is_said_in_numbers() {
        assert_eq!(counted(0), "no parameter");
        assert_eq!(counted(1), "1 parameter ($1)");
        assert_eq!(counted(3), "3 parameters ($1 to $3)");
    }
}
