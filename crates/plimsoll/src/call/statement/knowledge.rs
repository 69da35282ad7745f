//! What is known of statements on a connection, and when it is out of date.
//!
//! What was prepared, and the types that were learned, are true of the schema as it was. They are forgotten
//!
//! - when this program changes the schema: for the session that does so at once, for the others when it is given back;
//! - when anybody else does: the heartbeat reads once a second how many rows of the catalog have changed;
//! - after `statement_expiry`, whatever has been seen;
//! - when the server, or the conversion of a parameter, shows that they do not fit (see `stale`).
//!
//! Between a change by another program and the moment in which it is seen, a statement may still be understood as it was
//! prepared. Where both fit, as a time does for `timestamp` and `timestamptz`, the old meaning is what is stored; whoever
//! cannot have that changes the type of a column while nobody writes to it.
//!
//! Everything is kept by the session's context as well (see `wire::context`): `SET search_path` and the like make of the
//! same text another statement.

use super::cache::{CachedStatement, StatementTypes, TypeCache};
use crate::call::postgres::Connection;
use crate::sql::residue::Residue;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio_postgres::Statement;

/// What all connections of a pool know of statements.
pub(crate) struct StatementKnowledge {
    types: TypeCache,
    /// Counts how often this was found to be out of date.
    epoch: AtomicU64,
}

impl StatementKnowledge {
    pub(crate) fn new(size: usize) -> Self {
        StatementKnowledge { types: TypeCache::new(size), epoch: AtomicU64::new(0) }
    }

    #[inline]
    pub(crate) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// What is known of statements is out of date, on all connections.
    pub(crate) fn outdate(&self) {
        self.types.forget_all();
        self.epoch.fetch_add(1, Ordering::AcqRel);
    }
}

impl Connection {
    /// By which names a statement is understood that is sent now; forgets what is out of date before anything is looked up.
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
        // The driver's own: labels of enums, attributes of composites.
        self.client.clear_type_cache();
    }

    /// What is known of this statement here.
    pub(crate) fn cached(&self, sql: &str) -> Option<CachedStatement> {
        self.statements.get(self.context(), sql)
    }

    /// The statement, if it is prepared and named here.
    #[inline]
    pub(crate) fn prepared(&self, sql: &str) -> Option<Statement> {
        self.statements.prepared(self.context(), sql)
    }

    /// The types of this statement, as far as they are known to the pool.
    pub(crate) fn types(&self, sql: &str) -> Option<Arc<StatementTypes>> {
        match self.context() {
            0 => self.server.statements.types.get(sql),
            context => match self.statements.get(context, sql) {
                Some(CachedStatement::Seen(known)) => Some(known),
                _ => None,
            },
        }
    }

    /// Keeps the types that the server told.
    pub(crate) fn learn(&self, sql: &str, statement: &Statement) -> Arc<StatementTypes> {
        match self.context() {
            0 => self.server.statements.types.learn(sql, statement),
            _ => TypeCache::learn_apart(sql, statement),
        }
    }

    pub(crate) fn keep(&self, known: &StatementTypes, kept: CachedStatement) {
        self.statements.keep(self.context(), known, kept);
    }

    /// What is known of this statement does not fit.
    pub(crate) fn forget(&self, sql: &str) {
        let context = self.context();
        self.statements.forget(context, sql);
        if context == 0 {
            self.server.statements.types.forget(sql);
        }
    }

    /// The names that the driver gave lead nowhere any more, those by which it looks types up included: the connection is
    /// good for what is under way, and not lent again.
    pub(crate) fn has_lost_its_names(&self) {
        self.forget_all();
        self.link.state.add_residue(Residue::BEYOND_RESET);
    }
}
