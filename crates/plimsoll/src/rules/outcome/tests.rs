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
