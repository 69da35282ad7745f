//! A statement that failed before anything of it had run, and runs again on another connection.
//!
//! This concerns single statements that their caller did not declare safe to run again. Two failures show for certain that
//! nothing has run: what was known of the statement was out of date, or the server refused a whole writing statement
//! because it only reads, as after a failover. One layer tries again: see [`retry`](super::retry).

use super::builder::Call;
use super::statement::fetch::Fetch;
use super::statement::query::{Params, Query};
use crate::deadline;
use crate::deadline::Deadline;
use crate::error::{Error, Outcome, Phase, Result};
use crate::fault::Fault;
use futures_util::future::BoxFuture;
use std::future::Future;

/// The first words of statements that a server which only reads refuses before it runs anything of them.
const WRITES: [&str; 4] = ["insert", "update", "delete", "merge"];

impl<'a> Call<'a> {
    /// What the caller gets for the answer to its statement. Where nothing of the statement has run, that runs again.
    pub(super) async fn concluded<'q, F: Fetch>(
        self,
        answer: Result<F::Answer>,
        deadline: Option<Deadline>,
        query: Query<'q>,
        params: Params<'q>,
    ) -> Result<F::Out> {
        match answer {
            Ok(answer) => F::judge(answer, &self.name, Outcome::Committed),
            Err(error) if has_not_run(&error, query) => {
                self.run_on_another::<F>(deadline, error, query, params).await
            }
            Err(error) => Err(error),
        }
    }

    /// Tries again, on whichever connection is lent next, a statement that did not run.
    fn run_on_another<'q, F: Fetch>(
        &'q self,
        deadline: Option<Deadline>,
        error: Error,
        query: Query<'q>,
        params: Params<'q>,
    ) -> BoxFuture<'q, Result<F::Out>> {
        let again = move || self.clone().fetch::<F>(query, params);
        let retries = self.db.retries();
        Box::pin(deadline::scoped(deadline, async move { retries.renew(&self.name, error, again).await }))
    }

    /// Runs a statement that may run twice; one deadline covers all tries.
    pub(crate) fn run_again<'q, F: Fetch>(
        self,
        query: Query<'q>,
        params: Params<'q>,
    ) -> impl Future<Output = Result<F::Out>> + Send + use<'a, 'q, F> {
        async move {
            let once = || self.clone().fetch::<F>(query, params);
            let tries = self.db.retries().run(&self.name, self.policy(super::retry::RetryWhen::Twice), once);
            deadline::from_start(self.within, tries).await
        }
    }
}

/// Whether nothing of the statement has run, for certain.
fn has_not_run(error: &Error, query: Query<'_>) -> bool {
    let is_certain = match error.fault() {
        Fault::StalePlan => true,
        Fault::ReadOnlyServer => error.phase() == Phase::Begin || was_refused_whole(error, query),
        _ => false,
    };
    is_certain && error.may_run_again()
}

/// Whether the server refused the whole statement before it began: it looks whether it may write before it runs anything
/// of such a statement. An error from inside a function or a trigger has a context.
fn was_refused_whole(error: &Error, query: Query<'_>) -> bool {
    let Query::Text(text) = query else { return false };
    let first = text.trim_start().split(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or_default();
    let is_write = WRITES.iter().any(|write| first.eq_ignore_ascii_case(write));
    is_write && error.as_db_error().is_some_and(|said| said.where_().is_none())
}
