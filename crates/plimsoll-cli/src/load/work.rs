//! What one call does with its connection: a statement, several, or a small transaction of this program's own.
//!
//! The transaction is that of pgbench: it moves an amount on an account, its teller and its branch, and writes a line about it. Its
//! tables lie in a schema of their own, which is made for the run and dropped after it, however the run ends short of a kill.

use anyhow::{Context, Result};
use plimsoll::{Database, PooledConnection};
use std::sync::Arc;

/// Accounts for each unit of scale.
const ACCOUNTS: i32 = 10_000;
const TELLERS: i32 = 10;

/// What a call does.
#[derive(Clone, Debug)]
pub(super) enum Work {
    /// A statement, prepared once on each connection.
    Statement(Arc<str>),
    /// Several statements, or what cannot be prepared.
    Script(Arc<str>),
    /// The transaction.
    Transfer(Arc<Schema>),
    /// It reads an account.
    Lookup(Arc<Schema>),
}

/// The tables of the transaction.
#[derive(Debug)]
pub(super) struct Schema {
    name: String,
    scale: i32,
    statements: [String; 5],
}

impl Work {
    /// What it is, in few words.
    pub(super) fn name(&self) -> String {
        match self {
            Work::Statement(sql) | Work::Script(sql) => super::database::named(sql),
            Work::Transfer(schema) => format!("the built-in transaction, scale {}", schema.scale),
            Work::Lookup(schema) => format!("the built-in read, scale {}", schema.scale),
        }
    }

    /// Does it.
    ///
    /// # Errors
    /// What the server or the pool says.
    pub(super) async fn run(&self, connection: PooledConnection) -> plimsoll::Result<()> {
        match self {
            Work::Statement(sql) => connection.execute(&**sql, &[]).await.map(drop),
            Work::Script(sql) => connection.batch_execute(sql).await,
            Work::Transfer(schema) => transfer(connection, schema).await,
            Work::Lookup(schema) => {
                let account = fastrand::i32(1..=schema.scale.saturating_mul(ACCOUNTS));
                connection.execute(schema.statement(1), &[&account]).await.map(drop)
            }
        }
    }
}

async fn transfer(connection: PooledConnection, schema: &Arc<Schema>) -> plimsoll::Result<()> {
    let schema = Arc::clone(schema);
    let account = fastrand::i32(1..=schema.scale.saturating_mul(ACCOUNTS));
    let teller = fastrand::i32(1..=schema.scale.saturating_mul(TELLERS));
    let branch = fastrand::i32(1..=schema.scale);
    let amount = fastrand::i64(-5_000..=5_000);
    connection
        .transaction(async move |tx| {
            tx.execute(schema.statement(0), &[&amount, &account]).await?;
            tx.execute(schema.statement(1), &[&account]).await?;
            tx.execute(schema.statement(2), &[&amount, &teller]).await?;
            tx.execute(schema.statement(3), &[&amount, &branch]).await?;
            tx.execute(schema.statement(4), &[&teller, &branch, &account, &amount]).await?;
            Ok(())
        })
        .await
}

impl Schema {
    /// Makes the tables.
    ///
    /// # Errors
    /// The role may not make a schema, the server only reads, or is full.
    pub(super) async fn make(db: &Database, scale: i32) -> Result<Arc<Self>> {
        let name = format!("plimsoll_load_{:08x}", fastrand::u32(..));
        let schema = Arc::new(Schema { statements: statements(&name), name, scale });
        let connection = db.acquire().await.context("no connection to the server")?;
        if let Err(error) = connection.batch_execute(&schema.creation()).await {
            drop(connection);
            // A part of it may be there, where the answer was lost.
            let _ = schema.remove(db).await;
            return Err(error).context("the tables of the built-in transaction cannot be made");
        }
        Ok(schema)
    }

    /// The schemas of earlier runs that were killed.
    ///
    /// # Errors
    /// The server does not answer.
    pub(super) async fn left_behind(db: &Database) -> Result<Vec<String>> {
        let sql = "SELECT nspname::text FROM pg_catalog.pg_namespace WHERE nspname ~ '^plimsoll_load_[0-9a-f]{8}$' ORDER BY 1 LIMIT 20";
        let rows = db.query(sql, &[]).await.context("the schemas cannot be listed")?;
        rows.iter().map(|row| row.try_get(0).context("a schema's name")).collect()
    }

    /// Drops the tables.
    ///
    /// # Errors
    /// They are still there; the error says how to drop them.
    pub(super) async fn remove(&self, db: &Database) -> Result<()> {
        let sql = format!("DROP SCHEMA IF EXISTS {} CASCADE", self.name);
        let dropped = async { db.acquire().await?.batch_execute(&sql).await };
        dropped.await.with_context(|| format!("the tables of this run are still there; drop them: {sql}"))
    }

    fn statement(&self, number: usize) -> &str {
        self.statements.get(number).map_or("", String::as_str)
    }

    fn creation(&self) -> String {
        let Schema { name, scale, .. } = self;
        let (accounts, tellers) = (scale.saturating_mul(ACCOUNTS), scale.saturating_mul(TELLERS));
        format!(
            "CREATE SCHEMA {name};
             CREATE TABLE {name}.accounts (id int PRIMARY KEY, balance bigint NOT NULL, filler text NOT NULL) WITH (fillfactor = 90);
             CREATE TABLE {name}.tellers (id int PRIMARY KEY, balance bigint NOT NULL) WITH (fillfactor = 50);
             CREATE TABLE {name}.branches (id int PRIMARY KEY, balance bigint NOT NULL) WITH (fillfactor = 50);
             CREATE TABLE {name}.history (teller int, branch int, account int, amount bigint, at timestamptz DEFAULT now());
             INSERT INTO {name}.accounts SELECT n, 0, repeat('x', 80) FROM generate_series(1, {accounts}) AS n;
             INSERT INTO {name}.tellers SELECT n, 0 FROM generate_series(1, {tellers}) AS n;
             INSERT INTO {name}.branches SELECT n, 0 FROM generate_series(1, {scale}) AS n;
             ANALYZE {name}.accounts"
        )
    }
}

fn statements(name: &str) -> [String; 5] {
    [
        format!("UPDATE {name}.accounts SET balance = balance + $1 WHERE id = $2"),
        format!("SELECT balance FROM {name}.accounts WHERE id = $1"),
        format!("UPDATE {name}.tellers SET balance = balance + $1 WHERE id = $2"),
        format!("UPDATE {name}.branches SET balance = balance + $1 WHERE id = $2"),
        format!("INSERT INTO {name}.history (teller, branch, account, amount) VALUES ($1, $2, $3, $4)"),
    ]
}
