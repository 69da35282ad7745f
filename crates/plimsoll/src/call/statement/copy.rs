//! A COPY that was sent by a method that can neither give it rows nor take any.
//!
//! The driver reports the server's answer as an unexpected message. Here the error says what it is: a COPY that was asked
//! for in the wrong place.

use super::executor::{Executor, Sent};
use super::stop::give_up;
use crate::error::{Error, Outcome, Phase};
use crate::fault::Fault;
use crate::rules::outcome::Scope;
use crate::wire::copying::Copying;

impl Executor<'_> {
    /// The error of such a COPY, if the driver's error comes from one.
    #[cold]
    pub(crate) fn misplaced_copy(
        &self,
        phase: Phase,
        error: &tokio_postgres::Error,
        sent: Sent,
    ) -> Option<Error> {
        let link = &self.connection.link;
        let is_inside = sent.scope == Scope::InTransaction;
        let (what, outcome) = match link.state.copying() {
            Copying::Not => return None,
            Copying::Out => {
                // The driver drops the rows, so the server need not go on sending them.
                give_up(self.connection, self.work, true, None);
                if is_inside {
                    link.doom();
                }
                let outcome = if is_inside { Outcome::RolledBack } else { Outcome::Unknown };
                ("a COPY .. TO STDOUT gives its rows through copy_out() only; it was stopped", outcome)
            }
            copying => {
                link.abort();
                let is_undone = is_inside || !copying.is_after_others();
                let outcome = if is_undone { Outcome::RolledBack } else { Outcome::Unknown };
                (
                    "a COPY .. FROM STDIN takes its rows through copy_in() only; its connection was ended",
                    outcome,
                )
            }
        };
        let sentence = format!("{phase} of {} was refused: {what} ({error})", self.work);
        Some(self.error(Fault::Usage, phase, outcome, sentence))
    }
}
