//! A statement that one of our own cancels struck although it was meant for another statement.
//!
//! A cancel is sent only while the answer of the abandoned statement comes next. But it travels on a connection of its
//! own, and the abandoned statement may end while the cancel is on its way. Then the cancel strikes the next statement on
//! the connection. That one is undone. It runs again where the caller cannot see a difference: it is certainly a single
//! statement that is done as a whole or not at all, and no transaction was open. Otherwise the caller gets the error.

use super::executor::{Executor, ScopeSource};
use crate::error::{Error, Outcome};
use crate::fault::Fault;
use crate::rules::outcome::Scope;
use crate::sql::nature;
use crate::sql::nature::Nature;

impl Executor<'_> {
    /// Whether only a stray cancel of ours stopped this text, so that it may run again.
    pub(crate) fn is_struck_by_mistake(&self, sql: &str, error: &Error) -> bool {
        error.fault() == Fault::CancelStrayed
            && self.stands_alone()
            && error.outcome() == Outcome::RolledBack
            && nature::of_sql(sql.as_bytes(), None) == Nature::ATOMIC
    }

    /// Whether no transaction is open, whatever else runs on the lease.
    fn stands_alone(&self) -> bool {
        let is_known = match self.scope {
            ScopeSource::Known(scope) => scope == Scope::Autocommit,
            ScopeSource::FromSession => true,
        };
        is_known && self.connection.link.state.status().is_idle()
    }
}
