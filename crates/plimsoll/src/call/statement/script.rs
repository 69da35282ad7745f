//! Runs a text of several statements as one unit.

use super::end::Running;
use super::executor::Executor;
use super::flight::Flight;
use super::query::{CheckedQuery, CheckedText};
use crate::call::options::TransactionOptions;
use crate::error::{Phase, Result};
use crate::rules::outcome::Scope;
use tokio_postgres::SimpleQueryMessage;

impl<'a> Executor<'a> {
    /// Runs the text on a lease. Behind a transaction pooler, outside a transaction, it gets a transaction of its own.
    pub(crate) async fn script(self, text: CheckedText<'a>) -> Result<Vec<SimpleQueryMessage>> {
        let executor = self.of(CheckedQuery::Text(text));
        let running = Running::begin(&executor);
        let result = executor.run_script(text).await;
        running.end(&result, |_| 0);
        result
    }

    async fn run_script(self, text: CheckedText<'a>) -> Result<Vec<SimpleQueryMessage>> {
        let connection = self.connection;
        let is_pooled = connection.is_pooled_by_transaction();
        let _turn = match is_pooled {
            true => Some(self.turn().await?),
            false => None,
        };
        self.settled().await?;
        let script = connection.client.simple_query(text.get());
        if is_pooled && self.scope() != Scope::InTransaction {
            let begin = TransactionOptions::default();
            let flight = Flight::of(connection, &begin);
            let begin = begin.sql(self.start());
            return self.at(Scope::Autocommit).flight(&begin, flight, script).await;
        }
        self.run(Phase::Statement, script).await
    }
}
