//! What a caller wants of a statement, and the four methods that ask for it: `query`, `query_one`, `query_opt` and
//! `execute`.
//!
//! Each is a [`Fetch`]: how to ask the driver, and how to judge the number of rows that came. The number is judged where
//! the public method returns, and not where the statement runs: a transaction of one statement commits first.

use super::query::Params;
use crate::error::{Error, Outcome, Phase, Result};
use crate::fault::Fault;
use crate::name::WorkName;
use futures_util::Stream;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Row, RowStream, Statement};

/// Parameters together with their types, for a statement that is not prepared.
pub(crate) type TypedParams<'a, 'p> = &'a [(&'p (dyn ToSql + Sync), Type)];

/// What is wanted of a statement.
pub(crate) trait Fetch: Sized {
    /// What is read of the driver's answer.
    type Answer: Send;
    /// What the caller gets.
    type Out: Send;

    /// Asks for it by a prepared statement.
    fn prepared(
        client: &Client,
        statement: &Statement,
        params: Params<'_>,
    ) -> impl Future<Output = Result<Self::Answer, tokio_postgres::Error>> + Send;

    /// Asks for it by text whose parameter types are known.
    fn typed(
        client: &Client,
        sql: &str,
        params: TypedParams<'_, '_>,
    ) -> impl Future<Output = Result<Self::Answer, tokio_postgres::Error>> + Send;

    /// Makes of the answer what the caller gets; `outcome` is what has become of a statement whose number of rows is
    /// wrong.
    ///
    /// # Errors
    /// [`Fault::RowCount`].
    fn judge(answer: Self::Answer, work: &WorkName, outcome: Outcome) -> Result<Self::Out>;

    /// How many rows there were.
    fn rows(answer: &Self::Answer) -> u64;
}

/// All rows.
pub(crate) struct Rows;

impl Fetch for Rows {
    type Answer = Vec<Row>;
    type Out = Vec<Row>;

    fn prepared(
        client: &Client,
        statement: &Statement,
        params: Params<'_>,
    ) -> impl Future<Output = Result<Vec<Row>, tokio_postgres::Error>> + Send {
        client.query(statement, params)
    }

    fn typed(
        client: &Client,
        sql: &str,
        params: TypedParams<'_, '_>,
    ) -> impl Future<Output = Result<Vec<Row>, tokio_postgres::Error>> + Send {
        client.query_typed(sql, params)
    }

    fn judge(rows: Vec<Row>, _: &WorkName, _: Outcome) -> Result<Vec<Row>> {
        Ok(rows)
    }

    fn rows(rows: &Vec<Row>) -> u64 {
        rows.len() as u64
    }
}

/// The number of rows that were touched.
pub(crate) struct Count;

impl Fetch for Count {
    type Answer = u64;
    type Out = u64;

    fn prepared(
        client: &Client,
        statement: &Statement,
        params: Params<'_>,
    ) -> impl Future<Output = Result<u64, tokio_postgres::Error>> + Send {
        client.execute(statement, params)
    }

    fn typed(
        client: &Client,
        sql: &str,
        params: TypedParams<'_, '_>,
    ) -> impl Future<Output = Result<u64, tokio_postgres::Error>> + Send {
        client.execute_typed(sql, params)
    }

    fn judge(count: u64, _: &WorkName, _: Outcome) -> Result<u64> {
        Ok(count)
    }

    fn rows(count: &u64) -> u64 {
        *count
    }
}

/// Exactly one row.
pub(crate) struct One;

/// One row or none.
pub(crate) struct Optional;

/// The first row, and how many there were.
#[derive(Default)]
pub(crate) struct FirstRow {
    row: Option<Row>,
    count: u64,
}

impl Fetch for One {
    type Answer = FirstRow;
    type Out = Row;

    fn prepared(
        client: &Client,
        statement: &Statement,
        params: Params<'_>,
    ) -> impl Future<Output = Result<FirstRow, tokio_postgres::Error>> + Send {
        FirstRow::prepared(client, statement, params)
    }

    fn typed(
        client: &Client,
        sql: &str,
        params: TypedParams<'_, '_>,
    ) -> impl Future<Output = Result<FirstRow, tokio_postgres::Error>> + Send {
        FirstRow::typed(client, sql, params)
    }

    fn judge(first: FirstRow, work: &WorkName, outcome: Outcome) -> Result<Row> {
        match first {
            FirstRow { row: Some(row), count: 1 } => Ok(row),
            FirstRow { count, .. } => Err(row_count(work, "one row", count, outcome)),
        }
    }

    fn rows(first: &FirstRow) -> u64 {
        first.count
    }
}

impl Fetch for Optional {
    type Answer = FirstRow;
    type Out = Option<Row>;

    fn prepared(
        client: &Client,
        statement: &Statement,
        params: Params<'_>,
    ) -> impl Future<Output = Result<FirstRow, tokio_postgres::Error>> + Send {
        FirstRow::prepared(client, statement, params)
    }

    fn typed(
        client: &Client,
        sql: &str,
        params: TypedParams<'_, '_>,
    ) -> impl Future<Output = Result<FirstRow, tokio_postgres::Error>> + Send {
        FirstRow::typed(client, sql, params)
    }

    fn judge(first: FirstRow, work: &WorkName, outcome: Outcome) -> Result<Option<Row>> {
        match first {
            FirstRow { row, count: 0 | 1 } => Ok(row),
            FirstRow { count, .. } => Err(row_count(work, "at most one row", count, outcome)),
        }
    }

    fn rows(first: &FirstRow) -> u64 {
        first.count
    }
}

impl FirstRow {
    fn prepared(
        client: &Client,
        statement: &Statement,
        params: Params<'_>,
    ) -> impl Future<Output = Result<FirstRow, tokio_postgres::Error>> + Send {
        async move {
            let rows = pin!(client.query_raw(statement, params.iter().copied()).await?);
            FirstRow::read(rows).await
        }
    }

    async fn typed(
        client: &Client,
        sql: &str,
        params: TypedParams<'_, '_>,
    ) -> Result<FirstRow, tokio_postgres::Error> {
        let params = params.iter().map(|(value, ty)| (*value, ty.clone()));
        let rows = pin!(client.query_typed_raw(sql, params).await?);
        FirstRow::read(rows).await
    }

    /// Reads to the end, because a later row may still be an error; keeps only the first row and the count.
    async fn read(mut rows: Pin<&mut RowStream>) -> Result<FirstRow, tokio_postgres::Error> {
        let mut first = FirstRow::default();
        poll_fn(|cx| first.poll(rows.as_mut(), cx)).await?;
        Ok(first)
    }

    fn poll(
        &mut self,
        mut rows: Pin<&mut RowStream>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), tokio_postgres::Error>> {
        while let Some(row) = ready!(rows.as_mut().poll_next(cx)?) {
            self.row.get_or_insert(row);
            self.count += 1;
        }
        Poll::Ready(Ok(()))
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
