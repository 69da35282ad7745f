//! A statement that may run twice: [`Call::idempotent`](crate::Call::idempotent).
//!
//! When the answer to a statement is lost, this program cannot know whether the statement ran, and running it again may
//! do it twice. Only its author knows whether that matters: `SET status = 'GONE'` twice is the same as once, `n = n + 1`
//! is not. So running again is not an option that could be set by habit, but a type that the author asks for, statement by
//! statement. It does not offer what is never the same twice: a lease, a transaction of many steps, a stream.
//!
//! A transaction needs none of this: [`Call::retrying`](crate::Call::retrying) runs it again where it was rolled back
//! for certain, and `resolvable` makes even a lost COMMIT certain.

use super::builder::Call;
use super::statement::fetch::{Fetch, fetch_methods};
use super::statement::query::{AsQuery, Params, Query};
use crate::error::Result;
use std::future::Future;
use tokio_postgres::Row;

/// A statement of which its author says that running it twice is the same as running it once, even if the first
/// arrives after the second. Made by [`Call::idempotent`].
///
/// It runs again, up to five times in all, when it was rolled back or never began, and also when its answer was lost:
/// after pauses with full jitter, by the deadline, and as far as the retry budget of the
/// [`Database`](crate::Database) allows. Inside work that is itself tried again it runs once.
///
/// It offers nothing else; a transaction that may run again is [`Call::retrying`].
///
/// ```compile_fail,E0599
/// # async fn example(db: &plimsoll::Database) -> plimsoll::Result<()> {
/// db.named("renew").idempotent().transaction(async |tx| tx.execute("SELECT 1", &[]).await).await?;
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
#[must_use = "nothing happens until one of query, query_one, query_opt and execute is called"]
pub struct Idempotent<'a> {
    call: Call<'a>,
}

impl<'a> Idempotent<'a> {
    pub(crate) fn new(call: Call<'a>) -> Self {
        Idempotent { call }
    }

    fetch_methods! {
        by value of 'a;
        /// Runs a statement and gives its rows.
        ///
        /// ```no_run
        /// # async fn example(db: &plimsoll::Database) -> plimsoll::Result<()> {
        /// let devices = db.named("devices").read_only().idempotent().query("SELECT id FROM device", &[]).await?;
        /// # let _ = devices; Ok(()) }
        /// ```
        ///
        /// # Errors
        /// That of the last try, with the number of tries ([`Error::attempts`](crate::Error::attempts)), why there was
        /// no further try, and the first try's error if it was another fault. If any try may have happened, the outcome is [`Outcome::Unknown`](crate::Outcome::Unknown).
        ///
        /// # Cancel safety
        /// Dropped, the statement is stopped on the server, and there is no other try.
        query;
        /// Runs a statement that gives exactly one row. As [`Idempotent::query`].
        ///
        /// ```no_run
        /// # async fn example(db: &plimsoll::Database) -> plimsoll::Result<()> {
        /// let count = db.named("count").idempotent().query_one("SELECT count(*) FROM device", &[]).await?;
        /// # let _ = count; Ok(()) }
        /// ```
        ///
        /// # Errors
        /// [`Fault::RowCount`](crate::Fault::RowCount) for another number of rows, which is not tried again.
        ///
        /// # Cancel safety
        /// As [`Idempotent::query`].
        query_one;
        /// Runs a statement that gives one row or none. As [`Idempotent::query`].
        ///
        /// ```no_run
        /// # async fn example(db: &plimsoll::Database, id: &str) -> plimsoll::Result<()> {
        /// let find = "SELECT status FROM device WHERE id = $1";
        /// let device = db.named("find device").idempotent().query_opt(find, &[&id]).await?;
        /// # let _ = device; Ok(()) }
        /// ```
        ///
        /// # Errors
        /// [`Fault::RowCount`](crate::Fault::RowCount) for more rows than one, which is not tried again.
        ///
        /// # Cancel safety
        /// As [`Idempotent::query`].
        query_opt;
        /// Runs a statement and gives the number of rows that its last try touched. As [`Idempotent::query`].
        ///
        /// ```no_run
        /// # async fn example(db: &plimsoll::Database, id: &str) -> plimsoll::Result<()> {
        /// let retire = "UPDATE device SET status = 'GONE' WHERE id = $1";
        /// db.named("retire").idempotent().execute(retire, &[&id]).await?;
        /// # Ok(()) }
        /// ```
        ///
        /// # Errors
        /// As [`Idempotent::query`].
        ///
        /// # Cancel safety
        /// As [`Idempotent::query`].
        execute;
    }

    fn fetch<'q, F: Fetch>(
        self,
        query: Query<'q>,
        params: Params<'q>,
    ) -> impl Future<Output = Result<F::Out>> + Send + use<'a, 'q, F> {
        self.call.run_again::<F>(query, params)
    }
}
