//! What a caller wants of a statement, and the four methods that ask for it: `query`, `query_one`, `query_opt` and
//! `execute`.
//!
//! Each is a [`Fetch`]: what to read of the answer, and how to judge the number of rows. The number is judged where the
//! public method returns, and not where the statement runs: a transaction of one statement commits first.

use super::answer::{Answer, FirstRow};
use crate::error::{Error, Outcome, Phase, Result};
use crate::fault::Fault;
use crate::name::WorkName;
use tokio_postgres::Row;

/// What the caller of one of the four methods wants.
pub(crate) trait Fetch {
    /// What is read of the server's answer.
    type Answer: Answer;
    /// What the caller gets.
    type Out: Send;

    /// Makes what the caller gets, if the number of rows is right; `outcome` is that of the statement if it is not.
    ///
    /// # Errors
    /// [`Fault::RowCount`].
    fn judge(answer: Self::Answer, work: &WorkName, outcome: Outcome) -> Result<Self::Out>;
}

/// All rows.
pub(crate) struct Rows;

impl Fetch for Rows {
    type Answer = Vec<Row>;
    type Out = Vec<Row>;

    fn judge(rows: Vec<Row>, _: &WorkName, _: Outcome) -> Result<Vec<Row>> {
        Ok(rows)
    }
}

/// Exactly one row.
pub(crate) struct One;

impl Fetch for One {
    type Answer = FirstRow;
    type Out = Row;

    fn judge(first: FirstRow, work: &WorkName, outcome: Outcome) -> Result<Row> {
        match first {
            FirstRow { row: Some(row), count: 1 } => Ok(row),
            FirstRow { count, .. } => Err(row_count(work, "one row", count, outcome)),
        }
    }
}

/// One row or none.
pub(crate) struct Optional;

impl Fetch for Optional {
    type Answer = FirstRow;
    type Out = Option<Row>;

    fn judge(first: FirstRow, work: &WorkName, outcome: Outcome) -> Result<Option<Row>> {
        match first {
            FirstRow { row, count: 0 | 1 } => Ok(row),
            FirstRow { count, .. } => Err(row_count(work, "at most one row", count, outcome)),
        }
    }
}

/// The number of rows that were touched.
pub(crate) struct Count;

impl Fetch for Count {
    type Answer = u64;
    type Out = u64;

    fn judge(count: u64, _: &WorkName, _: Outcome) -> Result<u64> {
        Ok(count)
    }
}

#[cold]
fn row_count(work: &WorkName, wanted: &str, got: u64, outcome: Outcome) -> Error {
    Error::new(Fault::RowCount, Phase::Statement, outcome, format!("{work} asked for {wanted} and got {got}"))
}

/// Writes the four methods for a type that has `fetch::<F>(query, params)`, each with the documentation that is given
/// here for it. `by reference` is for a handle that is used again, `by value of 'a` for one that a statement uses up.
macro_rules! fetch_methods {
    (
        by $receiver:ident $(of $life:lifetime)?;
        $(#[$rows:meta])* query;
        $(#[$one:meta])* query_one;
        $(#[$optional:meta])* query_opt;
        $(#[$count:meta])* execute;
    ) => {
        fetch_methods! { @$receiver $($life)? $(#[$rows])* query, Rows, Vec<Row> }
        fetch_methods! { @$receiver $($life)? $(#[$one])* query_one, One, Row }
        fetch_methods! { @$receiver $($life)? $(#[$optional])* query_opt, Optional, Option<Row> }
        fetch_methods! { @$receiver $($life)? $(#[$count])* execute, Count, u64 }
    };
    (@reference $(#[$doc:meta])* $name:ident, $fetch:ident, $out:ty) => {
        $(#[$doc])*
        #[track_caller]
        pub fn $name<'a, Q: AsQuery + ?Sized>(
            &'a self,
            statement: &'a Q,
            params: Params<'a>,
        ) -> impl Future<Output = Result<$out>> + Send + use<'a, Q> {
            self.fetch::<$crate::call::statement::fetch::$fetch>(statement.as_query(), params)
        }
    };
    (@value $life:lifetime $(#[$doc:meta])* $name:ident, $fetch:ident, $out:ty) => {
        $(#[$doc])*
        pub fn $name<'q, Q: AsQuery + ?Sized>(
            self,
            statement: &'q Q,
            params: Params<'q>,
        ) -> impl Future<Output = Result<$out>> + Send + use<$life, 'q, Q> {
            self.fetch::<$crate::call::statement::fetch::$fetch>(statement.as_query(), params)
        }
    };
}
pub(crate) use fetch_methods;
