//! Runs one statement, in the cheapest way that is safe on its connection.
//!
//! | where | how | round trips |
//! |---|---|---|
//! | direct, used before | named and prepared | 1 |
//! | direct, types known to the pool | unnamed, with its types | 1 |
//! | direct, new | prepared, then run | 2 |
//! | direct, too long for a name, or `statement_cache = 0` | prepared and run once, then unnamed with its types | 2, then 1 |
//! | transaction pooler, types known | BEGIN and SET LOCAL, then statement and COMMIT | 2 |
//! | transaction pooler, types known, `read_only` | all of that in one flight | 1 |
//! | transaction pooler, otherwise | inside BEGIN .. COMMIT, every type known before it runs | 3 or more |
//!
//! Behind a transaction pooler nothing runs by name: the next message may reach another server connection, or, where the
//! pooler tracks names, a plan that other clients share. And a type that the driver has to look up must be known before
//! the statement runs: if the lookup failed afterwards, the caller would get an error for a statement that has run. See
//! `names`.

use super::answer::Answer;
use super::cache::{CachedStatement, StatementTypes};
use super::end::Running;
use super::executor::{Executor, ScopeSource};
use super::query::{CheckedQuery, CheckedText, Params};
use super::stale::{is_stale, is_unsent};
use crate::call::options::TransactionOptions;
use crate::error::{Error, Phase, Result};
use crate::fault::Fault;
use crate::rules::outcome::Scope;
use std::pin::pin;
use std::sync::Arc;
use tokio::time::timeout_at;
use tokio_postgres::Statement;
use tokio_postgres::types::Type;

/// How a statement will be sent.
pub(crate) enum SendPlan {
    Prepared(Statement),
    Typed(Arc<StatementTypes>),
}

impl Executor<'_> {
    /// Runs a statement. Nearly every statement is prepared already, and is sent at once.
    pub(crate) async fn statement<A: Answer>(
        &self,
        query: CheckedQuery<'_>,
        params: Params<'_>,
    ) -> Result<A> {
        let prepared = self.prepared(query);
        let running = Running::begin_with::<A>(self, prepared.as_ref().ok(), params);
        let result = match &prepared {
            Ok(statement) => {
                // Pinned here, once: passed by value it would be copied into every future on the way, a kilobyte each.
                let request = pin!(A::prepared(&self.connection.client, statement, params));
                match (self.run(Phase::Statement, request).await, query.text()) {
                    (Err(error), Some(sql)) => Box::pin(self.repeat::<A>(sql, params, error)).await,
                    // What the caller prepared, only the caller can prepare anew.
                    (result, _) => result,
                }
            }
            Err(text) => Box::pin(self.run_text::<A>(*text, params)).await,
        };
        running.end(&result, A::rows);
        result
    }

    /// The statement, if it is prepared on this connection; else its text.
    #[inline]
    pub(crate) fn prepared<'q>(&self, query: CheckedQuery<'q>) -> Result<Statement, CheckedText<'q>> {
        match query {
            CheckedQuery::Prepared(statement) => Ok(statement.clone()),
            CheckedQuery::Text(sql) => self.connection.prepared(sql.get()).ok_or(sql),
        }
    }

    /// Runs text that is not prepared here.
    async fn run_text<A: Answer>(&self, text: CheckedText<'_>, params: Params<'_>) -> Result<A> {
        let sql = text.get();
        if self.connection.is_pooled_by_transaction() {
            let _turn = match self.scope {
                ScopeSource::FromSession => Some(Box::pin(self.turn()).await?),
                ScopeSource::Known(_) => None,
            };
            // An abandoned statement may have begun a transaction. It is undone before the session is asked whether a
            // transaction is open.
            Box::pin(self.settled()).await?;
            if self.scope() != Scope::InTransaction {
                let options = TransactionOptions::default();
                return match self.as_transaction::<A>(text, params, &options).await {
                    Err(error) if self.is_struck_by_mistake(sql, &error) => {
                        self.as_transaction::<A>(text, params, &options).await
                    }
                    answer => answer,
                };
            }
        }
        match self.send_text::<A>(sql, params).await {
            Ok(answer) => Ok(answer),
            Err(error) => self.repeat::<A>(sql, params, error).await,
        }
    }

    /// Runs a failed text again if nothing of it ran, else gives the error back. What was prepared before a change of the
    /// schema may fit again when it is prepared anew; in a transaction that does not help, because the transaction has
    /// failed by now.
    async fn repeat<A: Answer>(&self, sql: &str, params: Params<'_>, error: Error) -> Result<A> {
        if self.is_struck_by_mistake(sql, &error) {
            let mut again = self.send_text::<A>(sql, params).await;
            // One cancel is two signals, and the second may come as late as the first.
            for _ in 0..2 {
                match &again {
                    Err(error) if self.is_struck_by_mistake(sql, error) => {}
                    _ => break,
                }
                again = self.send_text::<A>(sql, params).await;
            }
            return again;
        }
        if !is_stale(sql, &error) {
            return Err(error);
        }
        let is_unsent = error.driver_error().is_some_and(is_unsent);
        self.connection.forget(sql);
        if is_unsent {
            // Nothing has failed on the server, so this is safe in a transaction too.
            self.connection.client.clear_type_cache();
            return self.send_text::<A>(sql, params).await;
        }
        if error.sqlstate().is_some_and(|code| code.code() == "26000") {
            self.connection.has_lost_its_names();
        }
        // The driver returns an error before the server has said in which state the session is.
        let _ = timeout_at(self.patience(), self.connection.link.answered()).await;
        match self.scope() {
            Scope::Autocommit => self.send_text::<A>(sql, params).await,
            // PostgreSQL has no error code of its own for a type that is gone.
            _ if error.fault() == Fault::Server => Err(error.with_fault(Fault::StalePlan)),
            _ => Err(error),
        }
    }

    pub(super) async fn send_text<A: Answer>(&self, sql: &str, params: Params<'_>) -> Result<A> {
        let client = &self.connection.client;
        match self.plan(sql).await? {
            SendPlan::Prepared(statement) => {
                // Pinned here, once: passed by value it would be copied into every future on the way, a kilobyte each.
                let request = pin!(A::prepared(client, &statement, params));
                self.run(Phase::Statement, request).await
            }
            SendPlan::Typed(known) => {
                let params = self.typed(params, &known.params)?;
                let request = pin!(A::typed(client, sql, &params));
                self.run(Phase::Statement, request).await
            }
        }
    }

    /// Chooses how to send text; prepares it or learns its types if that is needed.
    pub(super) async fn plan(&self, sql: &str) -> Result<SendPlan> {
        let connection = self.connection;
        let cached = connection.cached(sql);
        if let Some(CachedStatement::Prepared(statement)) = cached {
            return Ok(SendPlan::Prepared(statement));
        }
        let known = connection.types(sql);
        if connection.is_pooled_by_transaction() {
            let is_resolved = |known: &Arc<StatementTypes>| matches!(&cached, Some(CachedStatement::Seen(here)) if here == known);
            return match known {
                Some(known) if known.is_plain || is_resolved(&known) => Ok(SendPlan::Typed(known)),
                _ => Box::pin(self.learn(sql)).await.map(SendPlan::Typed),
            };
        }
        match known {
            // On its first use here, and on each if it is not to have a name.
            Some(known) if known.is_plain && (cached.is_none() || !known.is_worth_a_name()) => {
                connection.keep(&known, CachedStatement::Seen(Arc::clone(&known)));
                Ok(SendPlan::Typed(known))
            }
            _ => Box::pin(self.prepare(sql, &[])).await.map(SendPlan::Prepared),
        }
    }

    /// Prepares and names a statement on a direct connection.
    pub(crate) async fn prepare(&self, sql: &str, types: &[Type]) -> Result<Statement> {
        let connection = self.connection;
        let statement = self.run(Phase::Prepare, connection.client.prepare_typed(sql, types)).await?;
        let known = connection.learn(sql, &statement);
        connection.keep(&known, CachedStatement::Prepared(statement.clone()));
        Ok(statement)
    }
}
