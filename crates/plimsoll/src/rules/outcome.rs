//! What became of work that failed: the only place that decides it.
//!
//! Three things are known of a failure. *Where* the request ran: by itself, or in a transaction. *What it can do* to
//! transactions: its [`Nature`], from its text and from what the tap saw leave. *What the server said*: nothing, an
//! error after which the session goes on, or one that ends the session; beside that the command tags, which say whether
//! a transaction has ended meanwhile, and the status byte. Tags and status overrule the text, so an error in reading
//! SQL can cost a retry, and cannot make a stored row look undone.
//!
//! | where | nature | the server said | outcome |
//! |---|---|---|---|
//! | in a transaction | ends none | anything, or nothing | rolled back: a transaction without COMMIT is undone |
//! | in a transaction | may end it | an error, and no transaction has ended | rolled back |
//! | in a transaction | may end it | nothing, or one has ended | unknown |
//! | alone | done whole or not at all | an error after which the session goes on | rolled back |
//! | alone | anything else | an error | unknown, unless it shows that nothing had run |
//! | alone | any | nothing, or an error that ends the session | unknown |

use crate::error::{Outcome, Phase};
use crate::sql::nature::Nature;
use tokio_postgres::error::{DbError, ErrorPosition, Severity};

/// Where a request runs, which decides what its failure means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// By itself: it commits when it ends.
    Alone,
    /// In an open transaction, which must be there when it is sent.
    Inside,
    /// In a transaction whose BEGIN travels with it.
    Opening,
    /// It is the COMMIT of an open transaction, which must be there when it is sent; what it commits stands alone.
    Closing,
    /// Behind others that are not answered yet and may begin or end a transaction.
    Unclear,
}

/// What the server answered to a request that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// Nothing that arrived.
    Nothing,
    /// An error, and it goes on serving the session.
    Error {
        /// It does not know itself what became of it.
        is_unsure: bool,
        /// Nothing of the request had run: its text was refused before.
        is_unrun: bool,
    },
    /// An error with which it ends the session.
    Fatal {
        /// It says itself that the transaction is undone; any other may come after a commit.
        is_undone: bool,
    },
    /// All of it, and well: it was this side that could not read the rows.
    Everything,
}

impl Said {
    /// Reads the server's error; `nature` is that of what was sent.
    pub(crate) fn by(db: &DbError, nature: Nature) -> Said {
        if db.parsed_severity().is_none_or(|severity| severity != Severity::Error) {
            // The server ends a transaction for the time that it took before it says so (PostgreSQL 17 and later).
            return Said::Fatal {
                is_undone: db.code().code() == "25P04" && !nature.contains(Nature::UNCLEAR),
            };
        }
        Said::Error {
            // 08007 "transaction resolution unknown", 40003 "statement completion unknown".
            is_unsure: matches!(db.code().code(), "08007" | "40003"),
            is_unrun: shows_that_nothing_ran(db) && !nature.contains(Nature::SEVERAL),
        }
    }
}

/// Whether this error can only have come before the statement ran: while its text was read, while it was looked up by its
/// name, or while its plan was made anew. What fails while it runs has a context, or no position.
pub(crate) fn shows_that_nothing_ran(db: &DbError) -> bool {
    if db.where_().is_some() {
        return false;
    }
    match db.code().code() {
        "26000" => db.routine() == Some("FetchPreparedStatement"),
        "0A000" => db.routine() == Some("RevalidateCachedQuery"),
        code => code.starts_with("42") && matches!(db.position(), Some(ErrorPosition::Original(_))),
    }
}

/// Everything that is known of a failure.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Evidence {
    pub(crate) phase: Phase,
    pub(crate) place: Place,
    /// Of the request, and of whatever else went out on the connection since.
    pub(crate) nature: Nature,
    pub(crate) said: Said,
    /// A transaction has ended on the connection since the request was sent.
    pub(crate) has_ended: bool,
    /// The server has said since that no transaction is open.
    pub(crate) is_idle: bool,
}

impl Evidence {
    /// What became of the request.
    pub(crate) fn outcome(&self) -> Outcome {
        let ends = self.nature.contains(Nature::ENDS);
        match (self.place, self.said) {
            // Nothing runs while it is prepared.
            (place, _) if self.phase == Phase::Prepare => place.untouched(),
            (_, Said::Error { is_unsure: true, .. }) if self.place != Place::Inside => Outcome::Unknown,
            // Rows that could not be read were nevertheless made, and stay if their transaction does.
            (Place::Alone | Place::Closing, Said::Everything) => Outcome::Committed,
            (_, Said::Everything) => Outcome::Unknown,
            (_, Said::Fatal { is_undone: true }) if !self.has_ended => Outcome::RolledBack,
            (_, Said::Error { is_unrun: true, .. }) if !self.has_ended => Outcome::RolledBack,
            (Place::Inside | Place::Opening, Said::Error { .. }) if ends => self.unless_ended(),
            // A statement that ends nothing has failed, and yet no transaction is open: something else had ended it.
            (Place::Inside, Said::Error { .. }) if self.is_idle => Outcome::Unknown,
            (Place::Inside | Place::Opening, _) if !ends => Outcome::RolledBack,
            (Place::Alone | Place::Closing | Place::Unclear, Said::Error { .. })
                if !self.nature.contains(Nature::UNCLEAR) =>
            {
                self.unless_ended()
            }
            _ => Outcome::Unknown,
        }
    }

    fn unless_ended(&self) -> Outcome {
        if self.has_ended { Outcome::Unknown } else { Outcome::RolledBack }
    }
}

impl Place {
    /// The outcome of what was never sent.
    pub(crate) fn untouched(self) -> Outcome {
        match self {
            Place::Alone | Place::Closing | Place::Unclear => Outcome::NotStarted,
            Place::Inside | Place::Opening => Outcome::RolledBack,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ERROR: Said = Said::Error { is_unsure: false, is_unrun: false };
    const UNRUN: Said = Said::Error { is_unsure: false, is_unrun: true };
    const UNSURE: Said = Said::Error { is_unsure: true, is_unrun: false };
    const FATAL: Said = Said::Fatal { is_undone: false };

    fn outcome(place: Place, nature: Nature, said: Said) -> Outcome {
        Evidence {
            phase: Phase::Statement,
            place,
            nature,
            said,
            has_ended: false,
            is_idle: place == Place::Alone,
        }
        .outcome()
    }

    #[test]
    fn the_table_is_kept() {
        use Nature as N;
        use Outcome::{Committed, RolledBack, Unknown};
        let rows = [
            (Place::Alone, N::ATOMIC, ERROR, RolledBack),
            (Place::Alone, N::ATOMIC, UNSURE, Unknown),
            (Place::Alone, N::ATOMIC, FATAL, Unknown),
            (Place::Alone, N::ATOMIC, Said::Nothing, Unknown),
            (Place::Alone, N::ATOMIC, Said::Everything, Committed),
            (Place::Alone, N::UNCLEAR, ERROR, Unknown),
            (Place::Alone, N::UNCLEAR, UNRUN, RolledBack),
            (Place::Alone, N::ENDS, ERROR, RolledBack),
            (Place::Inside, N::ATOMIC, ERROR, RolledBack),
            (Place::Inside, N::ATOMIC, FATAL, RolledBack),
            (Place::Inside, N::ATOMIC, Said::Nothing, RolledBack),
            (Place::Inside, N::UNCLEAR, ERROR, RolledBack),
            (Place::Inside, N::ATOMIC, Said::Everything, Unknown),
            (Place::Inside, N::ENDS, ERROR, RolledBack),
            (Place::Inside, N::ENDS, FATAL, Unknown),
            (Place::Inside, N::ENDS, Said::Nothing, Unknown),
            (Place::Closing, N::ENDS, ERROR, RolledBack),
            (Place::Closing, N::ENDS, Said::Nothing, Unknown),
            (Place::Closing, N::ENDS, Said::Fatal { is_undone: true }, RolledBack),
            (Place::Unclear, N::ATOMIC, ERROR, RolledBack),
            (Place::Unclear, N::ATOMIC, Said::Nothing, Unknown),
        ];
        for (place, nature, said, expected) in rows {
            assert_eq!(outcome(place, nature, said), expected, "{place:?} {nature:?} {said:?}");
        }
    }

    #[test]
    fn a_tag_overrules_the_text() {
        for place in [Place::Alone, Place::Inside, Place::Closing, Place::Unclear] {
            for said in [ERROR, UNRUN] {
                let nature = Nature::ENDS;
                let evidence =
                    Evidence { phase: Phase::Statement, place, nature, said, has_ended: true, is_idle: true };
                assert_eq!(evidence.outcome(), Outcome::Unknown, "{place:?} {said:?}");
            }
        }
    }

    #[test]
    fn what_is_only_prepared_has_not_run() {
        let said = Said::Nothing;
        let lost = |place| {
            let nature = Nature::UNREAD;
            Evidence { phase: Phase::Prepare, place, nature, said, has_ended: false, is_idle: false }
                .outcome()
        };
        assert_eq!((lost(Place::Alone), lost(Place::Inside)), (Outcome::NotStarted, Outcome::RolledBack));
    }
}
