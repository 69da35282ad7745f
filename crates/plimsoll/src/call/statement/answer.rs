//! What is read of the server's answer to a statement: all rows, the first row and their number, or only the number.

use super::query::Params;
use futures_util::Stream;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Row, RowStream, Statement};

/// Parameters together with their types, for a statement that is not prepared.
pub(crate) type TypedParams<'a, 'p> = &'a [(&'p (dyn ToSql + Sync), Type)];

/// What is read of the server's answer to a statement.
pub(crate) trait Answer: Send + Sized {
    /// Its rows are rows that the statement gave, and not such as it changed.
    const GIVES_ROWS: bool = true;

    /// Runs a prepared statement.
    fn prepared(
        client: &Client,
        statement: &Statement,
        params: Params<'_>,
    ) -> impl Future<Output = Result<Self, tokio_postgres::Error>> + Send;

    /// Runs text whose parameter types are known.
    fn typed(
        client: &Client,
        sql: &str,
        params: TypedParams<'_, '_>,
    ) -> impl Future<Output = Result<Self, tokio_postgres::Error>> + Send;

    /// How many rows there were.
    fn rows(&self) -> u64;
}

impl Answer for Vec<Row> {
    fn prepared(
        client: &Client,
        statement: &Statement,
        params: Params<'_>,
    ) -> impl Future<Output = Result<Self, tokio_postgres::Error>> + Send {
        client.query(statement, params)
    }

    fn typed(
        client: &Client,
        sql: &str,
        params: TypedParams<'_, '_>,
    ) -> impl Future<Output = Result<Self, tokio_postgres::Error>> + Send {
        client.query_typed(sql, params)
    }

    fn rows(&self) -> u64 {
        self.len() as u64
    }
}

impl Answer for u64 {
    const GIVES_ROWS: bool = false;

    fn prepared(
        client: &Client,
        statement: &Statement,
        params: Params<'_>,
    ) -> impl Future<Output = Result<Self, tokio_postgres::Error>> + Send {
        client.execute(statement, params)
    }

    fn typed(
        client: &Client,
        sql: &str,
        params: TypedParams<'_, '_>,
    ) -> impl Future<Output = Result<Self, tokio_postgres::Error>> + Send {
        client.execute_typed(sql, params)
    }

    fn rows(&self) -> u64 {
        *self
    }
}

/// The first row, and how many there were.
#[derive(Default)]
pub(crate) struct FirstRow {
    pub(super) row: Option<Row>,
    pub(super) count: u64,
}

impl Answer for FirstRow {
    fn prepared(
        client: &Client,
        statement: &Statement,
        params: Params<'_>,
    ) -> impl Future<Output = Result<Self, tokio_postgres::Error>> + Send {
        async move {
            let rows = pin!(client.query_raw(statement, params.iter().copied()).await?);
            FirstRow::read(rows).await
        }
    }

    async fn typed(
        client: &Client,
        sql: &str,
        params: TypedParams<'_, '_>,
    ) -> Result<Self, tokio_postgres::Error> {
        let params = params.iter().map(|(value, ty)| (*value, ty.clone()));
        let rows = pin!(client.query_typed_raw(sql, params).await?);
        FirstRow::read(rows).await
    }

    fn rows(&self) -> u64 {
        self.count
    }
}

impl FirstRow {
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
