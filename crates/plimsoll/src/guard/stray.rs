//! A statement that our own cancel struck, although it was meant for another.
//!
//! A cancel is sent only while the answer of what was given up comes next; but it travels on a connection of its own, and
//! what it was meant for may end while it is on its way. What stands behind is struck then. It is undone, so it runs again
//! where nobody can tell the difference: where it is for certain one plain statement that stood by itself. Else its caller
//! is told.

use super::{Guard, Place};
use crate::error::{Error, Outcome};
use crate::fault::Fault;
use crate::statements::Query;

/// How statements begin that, sent by the extended protocol, are one statement that commits by itself or not at all. CALL
/// and DO may commit inside, and of what is not listed nobody knows.
const PLAIN: [&str; 6] = ["SELECT", "INSERT", "UPDATE", "DELETE", "MERGE", "VALUES"];

impl Guard<'_> {
    /// The text that may run again, since only a cancel of ours was in its way.
    pub(crate) fn struck_by_mistake<'q>(&self, query: Query<'q>, error: &Error) -> Option<&'q str> {
        let Query::Text(sql) = query else { return None };
        let may_run_again = error.fault() == Fault::CancelStrayed
            && self.place == Place::Alone
            && error.outcome() == Outcome::RolledBack
            && is_plain(sql);
        may_run_again.then_some(sql)
    }
}

/// Whether the first word says so for certain; a comment before it does not.
fn is_plain(sql: &str) -> bool {
    let text = sql.trim_ascii_start();
    let word = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().unwrap_or_default();
    PLAIN.iter().any(|plain| plain.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_plain_for_certain_is() {
        for sql in ["select 1", " \n INSERT INTO t VALUES (1)", "Values (1)", "delete from t", "select(1)"] {
            assert!(is_plain(sql), "{sql}");
        }
        for sql in
            ["call p()", "DO $$ $$", "", "-- select\ncall p()", "selection", "with x as (select 1) select 1"]
        {
            assert!(!is_plain(sql), "{sql}");
        }
    }
}
