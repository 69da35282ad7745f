//! Learns the types of a statement behind a transaction pooler, where a statement's name does not last.
//!
//! The driver looks types up by named statements of its own and keeps those names for the connection's life. What that
//! means depends on the pooler (see [`crate::wire::naming`]):
//!
//! | the pooler | what is done |
//! |---|---|
//! | tracks names | the statement is prepared by protocol, and the driver's lookups with it; their names hold everywhere |
//! | does not | the driver's names are first created on this server connection by SQL, and all are removed afterwards |

use super::cache::{CachedStatement, StatementTypes};
use super::executor::Executor;
use crate::error::{Error, Phase, Result};
use crate::fault::Fault;
use crate::sql::residue::Residue;
use crate::wire::naming;
use crate::wire::naming::Naming;
use std::sync::Arc;
use tokio_postgres::Statement;

/// Removes every name on a server connection. A pooler that tracks names sees it and forgets them too.
const FORGET_NAMES: &str = "DEALLOCATE ALL";

impl Executor<'_> {
    /// Learns the types of a statement behind a transaction pooler, inside the open transaction.
    pub(crate) async fn learn(&self, sql: &str) -> Result<Arc<StatementTypes>> {
        let learned = match self.connection.session.naming {
            Naming::Tracked => self.learn_by_name(sql).await,
            Naming::PerServer => self.learn_by_lent_names(sql).await,
        };
        learned.map_err(|error| self.without_names(error))
    }

    /// Handles the error that the driver's names are gone: another client removed them behind the pooler's back, or the
    /// pooler's configuration for names has changed. Nothing has run, and the next connection finds out anew.
    fn without_names(&self, error: Error) -> Error {
        let is_name = error.fault() == Fault::StalePlan
            || error.sqlstate().is_some_and(|code| matches!(code.code(), "26000" | "42P05"));
        if !is_name {
            return error;
        }
        let connection = self.connection;
        connection.link.doom();
        let lookups = connection.link.state.lookups();
        if error
            .as_db_error()
            .is_some_and(|said| naming::has_changed(connection.session.naming, said, &lookups))
        {
            connection.pooled_links.doom();
        }
        error.with_fault(Fault::StalePlan)
    }

    /// Until the server has been told to forget the statement, the name counts as something left in the session: a caller
    /// who stops waiting in between costs this connection, and the pooler its server connection.
    async fn learn_by_name(&self, sql: &str) -> Result<Arc<StatementTypes>> {
        let state = &self.connection.link.state;
        let was_clean = state.residue().is_none();
        state.add_residue(Residue::BEYOND_RESET);
        let learned = self.learn_and_forget(sql).await;
        if was_clean {
            state.forget_residue();
        }
        learned
    }

    async fn learn_and_forget(&self, sql: &str) -> Result<Arc<StatementTypes>> {
        let client = &self.connection.client;
        let text = naming::marked(sql);
        let statement = self.run(Phase::Prepare, client.prepare(&text)).await?;
        let known = self.keep_types(sql, &statement);
        drop(statement);
        // A pooler that tracks few names has dropped this one by now, to make room for the driver's lookups.
        let answer = self.run(Phase::Prepare, client.simple_query(&naming::which_name(&text))).await?;
        if let Some(name) = naming::name_in(&answer) {
            self.run(Phase::Prepare, client.batch_execute(&naming::forget(name))).await?;
        }
        Ok(known)
    }

    /// Until the names are removed they count as something left in the session.
    async fn learn_by_lent_names(&self, sql: &str) -> Result<Arc<StatementTypes>> {
        let client = &self.connection.client;
        let state = &self.connection.link.state;
        let was_clean = state.residue().is_none();
        // Names that other clients left on this server connection would collide with the driver's.
        let names = state
            .lookups()
            .into_iter()
            .fold(FORGET_NAMES.to_owned(), |text, (name, sql)| format!("{text}; PREPARE {name} AS {sql}"));
        self.run(Phase::Prepare, client.batch_execute(&names)).await?;
        let statement = self.run(Phase::Prepare, client.prepare(sql)).await?;
        let known = self.keep_types(sql, &statement);
        drop(statement);
        self.run(Phase::Prepare, client.batch_execute(FORGET_NAMES)).await?;
        if was_clean {
            state.forget_residue();
        }
        Ok(known)
    }

    fn keep_types(&self, sql: &str, statement: &Statement) -> Arc<StatementTypes> {
        let known = self.connection.learn(sql, statement);
        self.connection.keep(&known, CachedStatement::Seen(Arc::clone(&known)));
        known
    }

    /// Prepares a COPY inside the open transaction, because the driver has no other way to run one. A COPY has no types that
    /// could be out of date. Its name must not outlive the transaction, and must not collide with a name that another
    /// client left on this server connection.
    pub(crate) async fn prepare_copy(&self, sql: &str) -> Result<Statement> {
        let client = &self.connection.client;
        if self.connection.session.naming == Naming::Tracked {
            let prepared = self.run(Phase::Prepare, client.prepare(sql)).await;
            return prepared.map_err(|error| self.without_names(error));
        }
        let state = &self.connection.link.state;
        let was_clean = state.residue().is_none();
        self.run(Phase::Prepare, client.batch_execute(FORGET_NAMES)).await?;
        if was_clean {
            state.forget_residue();
        }
        self.run(Phase::Prepare, client.prepare(sql)).await
    }

    /// Rolls back. Also removes the names that a statement left which failed during the lookup of its types, and those that
    /// a pooler still tracks although the server does not have them, so that no client can use them.
    pub(crate) async fn roll_back(&self) -> Result<()> {
        let connection = self.connection;
        let state = &connection.link.state;
        let is_tracked = connection.session.naming == Naming::Tracked;
        let left_names =
            connection.is_pooled_by_transaction() && !is_tracked && state.residue() == Residue::BEYOND_RESET;
        let lost_names = is_tracked && connection.link.is_doomed();
        let sql = if left_names || lost_names { "ROLLBACK; DEALLOCATE ALL" } else { "ROLLBACK" };
        self.run(Phase::Rollback, connection.client.batch_execute(sql)).await?;
        if left_names {
            state.forget_residue();
        }
        Ok(())
    }
}
