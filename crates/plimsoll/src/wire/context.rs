//! Numbers the context of a session: by which names and as which role its statements are understood.
//!
//! `SELECT .. FROM t` means another table after `SET search_path`, and may not be allowed after `SET ROLE`; a temporary
//! table hides another one of its name. What was learned of a statement before is then about another table. So a session
//! has a *context*: a number made of the texts that have changed it, in their order; 0 is how the session began. Sessions
//! that were sent the same texts have the same number, so what one has learned is used by the others. A change that does
//! not stand in a text (a parameter, the body of a block) makes a number that no other session has.

use super::session_state::SessionState;
use crate::sql::nature::Nature;
use crate::sql::residue::Residue;
use std::hash::{DefaultHasher, Hash, Hasher};

/// What a text does to the context.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Change {
    /// The hash of its text; 0 if the text changes nothing.
    hash: u64,
    /// What it changes the context to does not stand in the text.
    is_unknown: bool,
    /// The change stays when the transaction has ended.
    stays: bool,
}

impl Change {
    pub(super) const NONE: Change = Change { hash: 0, is_unknown: false, stays: false };

    pub(super) fn of(sql: &[u8], nature: Nature, residue: Residue) -> Self {
        let leaves = |what| residue.contains(what);
        let stays = leaves(Residue::SETTING) || leaves(Residue::TEMPORARY);
        if !(stays || nature.contains(Nature::REDIRECTS)) {
            return Change::NONE;
        }
        let mut hasher = DefaultHasher::new();
        sql.hash(&mut hasher);
        let is_unknown = leaves(Residue::ANYTHING) || nature.contains(Nature::REDIRECTS_SOMEWHERE);
        Change { hash: hasher.finish() | 1, is_unknown, stays }
    }

    pub(super) fn is_none(self) -> bool {
        self.hash == 0
    }
}

/// How the BEGIN that this crate sends behind a pooler begins. It sets the same each time, until the end of its
/// transaction, so its text is not read.
pub(crate) const OWN_BEGIN: &str = "BEGIN /* plimsoll */";

/// The COMMIT that this crate sends where the place of the commit in the log is wanted: the place, its timeline and the
/// size of the log's pages. The place is where the next record would be inserted, because a commit with
/// `synchronous_commit = off` is not flushed yet.
///
/// It counts as a COMMIT like any other, which is never cancelled: what follows in the same message leaves nothing and
/// changes nothing, and the command tags tell how the COMMIT itself ended.
pub(crate) const OWN_COMMIT: &str = "COMMIT; SELECT pg_catalog.pg_current_wal_insert_lsn()::text, \
     pg_catalog.left(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_insert_lsn()), 8), \
     pg_catalog.current_setting('wal_block_size')";

fn never_met() -> u64 {
    fastrand::u64(1..)
}

/// What has happened to the context since the session was last at rest.
#[derive(Debug, Default)]
pub(super) struct Contexts {
    /// A change was made that stays.
    stays: bool,
    /// Something was rolled back since.
    is_undone: bool,
    /// The schema was changed in the transaction that is open.
    is_altered: bool,
}

impl Contexts {
    /// A text is sent that makes this change.
    pub(super) fn change(&mut self, change: Change, state: &SessionState) {
        let next = if change.is_unknown {
            never_met()
        } else {
            let mut hasher = DefaultHasher::new();
            (state.context(), change.hash).hash(&mut hasher);
            hasher.finish() | 1
        };
        self.stays |= change.stays;
        state.set_context(next);
    }

    /// The schema was changed. Until the transaction ends other sessions do not see that, and it may be rolled back.
    pub(super) fn alter(&mut self, state: &SessionState) {
        self.is_altered = true;
        state.set_context(never_met());
    }

    /// The server has answered with an error, or has rolled something back.
    pub(super) fn undo(&mut self, state: &SessionState) {
        if state.context() != state.outer_context() {
            self.is_undone = true;
        }
    }

    /// The transaction was rolled back to a savepoint. Which of the changes are left is not known.
    pub(super) fn undo_a_part(&mut self, state: &SessionState) {
        if state.context() != state.outer_context() {
            self.is_undone = true;
            state.set_context(never_met());
        }
    }

    /// No transaction is open.
    #[inline]
    pub(super) fn at_rest(&mut self, state: &SessionState) {
        if self.is_altered {
            // If it was committed, other sessions see it from now on. If it was rolled back, what was learned meanwhile is
            // wrong.
            self.is_altered = false;
            state.note_altered();
        }
        if state.context() != state.outer_context() {
            self.settle(state);
        }
    }

    #[cold]
    fn settle(&mut self, state: &SessionState) {
        let context = match (self.stays, self.is_undone) {
            (false, _) => state.outer_context(),
            (true, false) => state.context(),
            (true, true) => never_met(),
        };
        *self = Contexts::default();
        state.set_context(context);
        state.set_outer_context(context);
    }
}

/// Whether a command tag says that the schema was changed, so that what is known of statements may be wrong.
pub(super) fn alters(tag: &[u8]) -> bool {
    tag.starts_with(b"ALTER ") || tag.starts_with(b"DROP ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::{nature, residue};

    fn change(sql: &str) -> Change {
        let sql = sql.as_bytes();
        Change::of(sql, nature::of_sql(sql, None), residue::of_sql(sql, None))
    }

    fn say(context: &mut Contexts, state: &SessionState, sql: &str) -> u64 {
        context.change(change(sql), state);
        state.context()
    }

    #[test]
    fn the_same_words_give_the_same_number_and_others_another() {
        let (mut one, mut other) = (Contexts::default(), Contexts::default());
        let (a, b) = (SessionState::new(), SessionState::new());
        assert_eq!(say(&mut one, &a, "SET search_path = x"), say(&mut other, &b, "SET search_path = x"));
        assert_ne!(say(&mut one, &a, "SET search_path = y"), say(&mut other, &b, "SET search_path = z"));
        for sql in ["SELECT set_config('search_path', $1, true)", "DO $$ $$"] {
            assert_ne!(say(&mut one, &a, sql), say(&mut other, &b, sql), "{sql}");
        }
    }

    #[test]
    fn what_holds_for_a_transaction_ends_with_it() {
        let (mut context, state) = (Contexts::default(), SessionState::new());
        assert_ne!(say(&mut context, &state, "SET LOCAL search_path = x"), 0);
        context.at_rest(&state);
        assert_eq!(state.context(), 0);
        let stays = say(&mut context, &state, "SET search_path = x");
        context.at_rest(&state);
        assert_eq!(state.context(), stays);
        state.settle();
        assert_eq!(state.context(), 0);
    }

    #[test]
    fn what_was_undone_is_never_met_again() {
        let (mut context, state) = (Contexts::default(), SessionState::new());
        let said = say(&mut context, &state, "SET search_path = x");
        context.undo(&state);
        context.at_rest(&state);
        assert!(state.context() != said && state.context() != 0);
    }

    #[test]
    fn most_texts_change_nothing() {
        for sql in ["SELECT 1", "SET LOCAL statement_timeout = 5", "LISTEN a"] {
            assert!(change(sql).is_none(), "{sql}");
        }
        assert!(!change("CREATE TEMP TABLE t (a int)").is_none());
    }
}
