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
mod tests {
    use super::*;

    const ERROR: ServerAnswer = ServerAnswer::Error { is_unsure: false, is_unrun: false };
    const UNRUN: ServerAnswer = ServerAnswer::Error { is_unsure: false, is_unrun: true };
    const UNSURE: ServerAnswer = ServerAnswer::Error { is_unsure: true, is_unrun: false };
    const FATAL: ServerAnswer = ServerAnswer::Fatal { is_undone: false };

    fn outcome(scope: Scope, nature: Nature, said: ServerAnswer) -> Outcome {
        Evidence {
            phase: Phase::Statement,
            scope,
            nature,
            answer: said,
            has_ended: false,
            is_idle: scope == Scope::Autocommit,
        }
        .outcome()
    }

    #[test]
    fn the_table_is_kept() {
        use Nature as N;
        use Outcome::{Committed, RolledBack, Unknown};
        let rows = [
            (Scope::Autocommit, N::ATOMIC, ERROR, RolledBack),
            (Scope::Autocommit, N::ATOMIC, UNSURE, Unknown),
            (Scope::Autocommit, N::ATOMIC, FATAL, Unknown),
            (Scope::Autocommit, N::ATOMIC, ServerAnswer::Nothing, Unknown),
            (Scope::Autocommit, N::ATOMIC, ServerAnswer::Everything, Committed),
            (Scope::Autocommit, N::UNCLEAR, ERROR, Unknown),
            (Scope::Autocommit, N::UNCLEAR, UNRUN, RolledBack),
            (Scope::Autocommit, N::ENDS, ERROR, RolledBack),
            (Scope::InTransaction, N::ATOMIC, ERROR, RolledBack),
            (Scope::InTransaction, N::ATOMIC, FATAL, RolledBack),
            (Scope::InTransaction, N::ATOMIC, ServerAnswer::Nothing, RolledBack),
            (Scope::InTransaction, N::UNCLEAR, ERROR, RolledBack),
            (Scope::InTransaction, N::ATOMIC, ServerAnswer::Everything, Unknown),
            (Scope::InTransaction, N::ENDS, ERROR, RolledBack),
            (Scope::InTransaction, N::ENDS, FATAL, Unknown),
            (Scope::InTransaction, N::ENDS, ServerAnswer::Nothing, Unknown),
            (Scope::Closing, N::ENDS, ERROR, RolledBack),
            (Scope::Closing, N::ENDS, ServerAnswer::Nothing, Unknown),
            (Scope::Closing, N::ENDS, ServerAnswer::Fatal { is_undone: true }, RolledBack),
            (Scope::Unclear, N::ATOMIC, ERROR, RolledBack),
            (Scope::Unclear, N::ATOMIC, ServerAnswer::Nothing, Unknown),
        ];
        for (scope, nature, said, expected) in rows {
            assert_eq!(outcome(scope, nature, said), expected, "{scope:?} {nature:?} {said:?}");
        }
    }

    #[test]
    fn a_tag_overrules_the_text() {
        for scope in [Scope::Autocommit, Scope::InTransaction, Scope::Closing, Scope::Unclear] {
            for said in [ERROR, UNRUN] {
                let nature = Nature::ENDS;
                let evidence = Evidence {
                    phase: Phase::Statement,
                    scope,
                    nature,
                    answer: said,
                    has_ended: true,
                    is_idle: true,
                };
                assert_eq!(evidence.outcome(), Outcome::Unknown, "{scope:?} {said:?}");
            }
        }
    }

    /// A failure of a statement that may end no transaction, in one that is open.
    const INSIDE: Evidence = Evidence {
        phase: Phase::Statement,
        scope: Scope::InTransaction,
        nature: Nature::ATOMIC,
        answer: ERROR,
        has_ended: false,
        is_idle: false,
    };

    #[test]
    fn a_statement_that_failed_where_no_transaction_is_open_any_more_is_unclear() {
        assert_eq!(INSIDE.outcome(), Outcome::RolledBack);
        assert_eq!(Evidence { is_idle: true, ..INSIDE }.outcome(), Outcome::Unknown);
        let ends = Evidence { is_idle: true, nature: Nature::ENDS, ..INSIDE };
        assert_eq!(ends.outcome(), Outcome::RolledBack, "it may end the transaction, and none has ended");
        let opening = Evidence { is_idle: true, scope: Scope::Opening, ..INSIDE };
        assert_eq!(opening.outcome(), Outcome::RolledBack, "its BEGIN may have failed");
    }

    #[test]
    fn a_transaction_that_the_server_does_not_know_of_itself_is_unclear_only_where_it_commits() {
        assert_eq!(Evidence { answer: UNSURE, ..INSIDE }.outcome(), Outcome::RolledBack);
        for scope in [Scope::Autocommit, Scope::Opening, Scope::Closing, Scope::Unclear] {
            assert_eq!(Evidence { answer: UNSURE, scope, ..INSIDE }.outcome(), Outcome::Unknown, "{scope:?}");
        }
    }

    #[test]
    fn a_begin_that_travels_with_its_statement_is_undone_with_it() {
        let opening = |nature, answer, has_ended| {
            Evidence { scope: Scope::Opening, nature, answer, has_ended, ..INSIDE }.outcome()
        };
        assert_eq!(opening(Nature::ATOMIC, ServerAnswer::Nothing, false), Outcome::RolledBack);
        assert_eq!(opening(Nature::ENDS, ERROR, false), Outcome::RolledBack);
        assert_eq!(opening(Nature::ENDS, ERROR, true), Outcome::Unknown);
        assert_eq!(opening(Nature::ENDS, FATAL, false), Outcome::Unknown);
        assert_eq!(opening(Nature::ATOMIC, ServerAnswer::Everything, false), Outcome::Unknown);
    }

    #[test]
    fn an_end_for_the_time_it_took_undoes_only_while_no_transaction_has_ended() {
        let undone = ServerAnswer::Fatal { is_undone: true };
        for scope in [Scope::Autocommit, Scope::Closing, Scope::Unclear] {
            let evidence = Evidence { scope, answer: undone, nature: Nature::ENDS, ..INSIDE };
            assert_eq!(evidence.outcome(), Outcome::RolledBack, "{scope:?}");
            let ended = Evidence { has_ended: true, ..evidence };
            assert_eq!(ended.outcome(), Outcome::Unknown, "{scope:?}");
        }
    }

    #[test]
    fn the_fields_of_an_error_tell_how_far_it_came() {
        let error = ErrorReport {
            severity: Some(Severity::Error),
            code: "42601",
            routine: None,
            has_context: false,
            has_position: true,
        };
        let several = Nature::SEVERAL;
        let answer = |report: ErrorReport<'_>| report.answer(Nature::ATOMIC);
        assert_eq!(answer(error), UNRUN);
        assert_eq!(error.answer(several), ERROR, "an earlier one of several may have run");
        assert_eq!(answer(ErrorReport { has_position: false, ..error }), ERROR);
        assert_eq!(answer(ErrorReport { has_context: true, ..error }), ERROR);
        assert_eq!(answer(ErrorReport { code: "23505", ..error }), ERROR);
        for (code, routine) in [("26000", "FetchPreparedStatement"), ("0A000", "RevalidateCachedQuery")] {
            let stale = ErrorReport { code, routine: Some(routine), has_position: false, ..error };
            assert_eq!(answer(stale), UNRUN, "{code}");
            assert_eq!(answer(ErrorReport { routine: Some("another"), ..stale }), ERROR, "{code}");
        }
        for code in ["08007", "40003"] {
            assert_eq!(answer(ErrorReport { code, ..error }), UNSURE, "{code}");
        }
        for severity in [None, Some(Severity::Fatal), Some(Severity::Panic)] {
            let fatal = ErrorReport { severity, ..error };
            assert_eq!(answer(fatal), FATAL, "{severity:?}");
            let timed_out = ErrorReport { code: "25P04", ..fatal };
            assert_eq!(answer(timed_out), ServerAnswer::Fatal { is_undone: true }, "{severity:?}");
            assert_eq!(timed_out.answer(Nature::UNCLEAR), FATAL, "{severity:?}");
        }
    }

    #[test]
    fn what_is_only_prepared_has_not_run() {
        let said = ServerAnswer::Nothing;
        let lost = |scope| {
            let nature = Nature::UNREAD;
            Evidence { phase: Phase::Prepare, scope, nature, answer: said, has_ended: false, is_idle: false }
                .outcome()
        };
        assert_eq!(
            (lost(Scope::Autocommit), lost(Scope::InTransaction)),
            (Outcome::NotStarted, Outcome::RolledBack)
        );
    }
}
