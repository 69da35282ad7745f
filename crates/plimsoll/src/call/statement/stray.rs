//! A statement that our own cancel struck, although it was meant for another.
//!
//! A cancel is sent only while the answer of what was given up comes next; but it travels on a connection of its own, and
//! what it was meant for may end while it is on its way. What stands behind is struck then. It is undone, so it runs again
//! where nobody can tell the difference: where it is for certain one statement that is done whole or not at all, and stood
//! by itself. Else its caller is told.

use super::cache::Query;
use super::executor::{Executor, ScopeSource};
use crate::error::{Error, Outcome};
use crate::fault::Fault;
use crate::rules::outcome::Scope;
use crate::sql::nature;
use crate::sql::nature::Nature;

impl Executor<'_> {
    /// The text that may run again, since only a cancel of ours was in its way.
    pub(crate) fn struck_by_mistake<'q>(&self, query: Query<'q>, error: &Error) -> Option<&'q str> {
        let Query::Text(sql) = query else { return None };
        let may_run_again = error.fault() == Fault::CancelStrayed
            && self.stands_alone()
            && error.outcome() == Outcome::RolledBack
            && nature::of_sql(sql.as_bytes(), None) == Nature::ATOMIC;
        may_run_again.then_some(sql)
    }

    /// Whether no transaction is open, whoever else is under way on the lease.
    fn stands_alone(&self) -> bool {
        let is_known = match self.scope {
            ScopeSource::Known(scope) => scope == Scope::Autocommit,
            ScopeSource::FromSession => true,
        };
        is_known && self.connection.link.state.status().is_idle()
    }
}
