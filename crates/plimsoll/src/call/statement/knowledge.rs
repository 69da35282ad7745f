//! What is known of statements, and when it is out of date.
//!
//! Prepared statements and learned types fit the schema as it was. They are forgotten
//!
//! - when this program changes the schema: at once for that session, for the others when that connection is given back;
//! - when another program does: the heartbeat reads once a second how many rows of the catalog have changed;
//! - after `statement_expiry`, in any case;
//! - when the server, or the encoding of a parameter, shows that they do not fit (see `stale`).
//!
//! Between a change by another program and the moment at which it is seen, a statement still has the meaning with which it
//! was prepared. Where a value fits both meanings, as a time fits `timestamp` and `timestamptz`, it is stored with the old
//! one. To exclude that, change the type of a column while no program writes to it.
//!
//! Everything is kept by the session's context as well (see `wire::context`): after `SET search_path` and the like, the
//! same text is another statement.

use super::cache::{CachedStatement, StatementTypes, TypeCache};
use crate::call::postgres::Connection;
use crate::sql::residue::Residue;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio_postgres::Statement;

impl Connection {
    /// The number of the session's context, in which a statement that is sent now gets its meaning. Forgets first what is
    /// out of date.
    #[inline]
    fn context(&self) -> u64 {
        let epoch = self.server.statements.epoch();
        let is_altered = self.link.state.take_altered();
        if is_altered || epoch != self.learned_in.load(Ordering::Relaxed) {
            self.learned_in.store(epoch, Ordering::Relaxed);
            self.forget_all();
            if is_altered {
                // While its transaction is open, a session that changes the schema has a context of its own.
                self.server.statements.types.forget_all();
            }
        }
        self.link.state.context()
    }

    #[cold]
    pub(crate) fn forget_all(&self) {
        self.statements.forget_all();
        // The driver's own cache: labels of enums, attributes of composites.
        self.client.clear_type_cache();
    }

    /// What this connection knows of the statement.
    pub(crate) fn cached(&self, sql: &str) -> Option<CachedStatement> {
        self.statements.get(self.context(), sql)
    }

    /// The statement, if it is prepared and named on this connection.
    #[inline]
    pub(crate) fn prepared(&self, sql: &str) -> Option<Statement> {
        self.statements.prepared(self.context(), sql)
    }

    /// The types of this statement, if the pool knows them.
    pub(crate) fn types(&self, sql: &str) -> Option<Arc<StatementTypes>> {
        let known = match self.context() {
            0 => self.server.statements.types.get(sql),
            context => match self.statements.get(context, sql) {
                Some(CachedStatement::Seen(known)) => Some(known),
                _ => None,
            },
        };
        known.inspect(|known| *self.last_types.lock() = Some(Arc::clone(known)))
    }

    /// The types with which the statement was sent, unless another was begun on this connection since. They are told also
    /// if they were forgotten meanwhile, because the schema has changed.
    pub(super) fn sent_with(&self, sql: &str) -> Option<Arc<StatementTypes>> {
        let last = self.last_types.lock().clone();
        last.filter(|last| last.is_of(sql))
    }

    /// Keeps the types that the server reported.
    pub(crate) fn learn(&self, sql: &str, statement: &Statement) -> Arc<StatementTypes> {
        let known = match self.context() {
            0 => self.server.statements.types.learn(sql, statement),
            _ => TypeCache::learn_apart(sql, statement),
        };
        *self.last_types.lock() = Some(Arc::clone(&known));
        known
    }

    /// Keeps the statement on this connection, if it is worth that: see [`StatementTypes::is_worth_a_name`].
    pub(crate) fn keep(&self, known: &Arc<StatementTypes>, kept: CachedStatement) {
        self.statements.keep(self.context(), known, kept);
    }

    /// Forgets what is known of this statement, because it does not fit.
    pub(crate) fn forget(&self, sql: &str) {
        let context = self.context();
        self.statements.forget(context, sql);
        if context == 0 {
            self.server.statements.types.forget(sql);
        }
    }

    /// The names that the driver created are gone, also those by which it looks types up: the connection finishes what is
    /// under way, and is not lent again.
    pub(crate) fn has_lost_its_names(&self) {
        self.forget_all();
        self.link.state.add_residue(Residue::BEYOND_RESET);
    }
}
