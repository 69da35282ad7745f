//! What became of work that failed: the only place that decides it.
//!
//! Three things are known of a failure. *Where* the request ran: by itself, or in a transaction. *What it can do* to
//! transactions: its [`Nature`], from its text and from all that was sent on the connection. *What the server answered*:
//! nothing, an error after which the session goes on, or one that ends the session; beside that the command tags, which
//! tell whether a transaction has ended meanwhile, and the status byte. Tags and status overrule the text, so a mistake
//! in reading SQL can cost a retry, but cannot make a stored row look undone.
//!
//! | where | nature | the server answered | outcome |
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
pub(crate) enum Scope {
    /// By itself: it commits when it ends.
    Autocommit,
    /// In an open transaction, which must be there when it is sent.
    InTransaction,
    /// In a transaction whose BEGIN travels with it.
    Opening,
    /// It is the COMMIT of an open transaction, which must be there when it is sent; what it commits stands alone.
    Closing,
    /// Behind requests that are not answered yet and may begin or end a transaction.
    Unclear,
}

/// What the server answered to a request that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ServerAnswer {
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

impl ServerAnswer {
    /// Reads the server's error; `nature` is that of what was sent.
    pub(crate) fn by(db: &DbError, nature: Nature) -> ServerAnswer {
        ErrorReport::from(db).answer(nature)
    }
}

/// Whether this error can only have come before the statement ran: while its text was read, while it was looked up by its
/// name, or while its plan was made anew. What fails while it runs has a context, or no position.
pub(crate) fn shows_that_nothing_ran(db: &DbError) -> bool {
    ErrorReport::from(db).shows_that_nothing_ran()
}

/// The fields of a server's error that tell what became of the statement.
#[derive(Clone, Copy, Debug)]
struct ErrorReport<'a> {
    severity: Option<Severity>,
    code: &'a str,
    routine: Option<&'a str>,
    /// It came from inside a function, or while the statement ran.
    has_context: bool,
    /// It points at a place in the text that was sent.
    has_position: bool,
}

impl<'a> From<&'a DbError> for ErrorReport<'a> {
    fn from(db: &'a DbError) -> Self {
        ErrorReport {
            severity: db.parsed_severity(),
            code: db.code().code(),
            routine: db.routine(),
            has_context: db.where_().is_some(),
            has_position: matches!(db.position(), Some(ErrorPosition::Original(_))),
        }
    }
}

impl ErrorReport<'_> {
    fn answer(self, nature: Nature) -> ServerAnswer {
        if self.severity.is_none_or(|severity| severity != Severity::Error) {
            // The server ends a transaction for the time that it took before it says so (PostgreSQL 17 and later).
            let is_undone = self.code == "25P04" && !nature.contains(Nature::UNCLEAR);
            return ServerAnswer::Fatal { is_undone };
        }
        ServerAnswer::Error {
            // 08007 "transaction resolution unknown", 40003 "statement completion unknown".
            is_unsure: matches!(self.code, "08007" | "40003"),
            is_unrun: self.shows_that_nothing_ran() && !nature.contains(Nature::SEVERAL),
        }
    }

    fn shows_that_nothing_ran(self) -> bool {
        if self.has_context {
            return false;
        }
        match self.code {
            "26000" => self.routine == Some("FetchPreparedStatement"),
            "0A000" => self.routine == Some("RevalidateCachedQuery"),
            code => code.starts_with("42") && self.has_position,
        }
    }
}

/// Everything that is known of a failure.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Evidence {
    pub(crate) phase: Phase,
    pub(crate) scope: Scope,
    /// Of the request, and of all else that was sent on the connection since.
    pub(crate) nature: Nature,
    pub(crate) answer: ServerAnswer,
    /// A transaction has ended on the connection since the request was sent.
    pub(crate) has_ended: bool,
    /// The server has said since that no transaction is open.
    pub(crate) is_idle: bool,
}

impl Evidence {
    /// What became of the request.
    pub(crate) fn outcome(&self) -> Outcome {
        let ends = self.nature.contains(Nature::ENDS);
        match (self.scope, self.answer) {
            // Nothing runs while it is prepared.
            (scope, _) if self.phase == Phase::Prepare => scope.untouched(),
            (_, ServerAnswer::Error { is_unsure: true, .. }) if self.scope != Scope::InTransaction => {
                Outcome::Unknown
            }
            // Rows that could not be read were nevertheless made, and stay if their transaction does.
            (Scope::Autocommit | Scope::Closing, ServerAnswer::Everything) => Outcome::Committed,
            (_, ServerAnswer::Everything) => Outcome::Unknown,
            (_, ServerAnswer::Fatal { is_undone: true }) if !self.has_ended => Outcome::RolledBack,
            (_, ServerAnswer::Error { is_unrun: true, .. }) if !self.has_ended => Outcome::RolledBack,
            (Scope::InTransaction | Scope::Opening, ServerAnswer::Error { .. }) if ends => {
                self.unless_ended()
            }
            // A statement that ends nothing has failed, and yet no transaction is open: something else had ended it.
            (Scope::InTransaction, ServerAnswer::Error { .. }) if self.is_idle => Outcome::Unknown,
            (Scope::InTransaction | Scope::Opening, _) if !ends => Outcome::RolledBack,
            (Scope::Autocommit | Scope::Closing | Scope::Unclear, ServerAnswer::Error { .. })
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

impl Scope {
    /// The outcome of what was never sent.
    pub(crate) fn untouched(self) -> Outcome {
        match self {
            Scope::Autocommit | Scope::Closing | Scope::Unclear => Outcome::NotStarted,
            Scope::InTransaction | Scope::Opening => Outcome::RolledBack,
        }
    }
}

#[cfg(test)]
mod tests;
