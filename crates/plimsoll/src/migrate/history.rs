//! The history: a table that records which file was applied, when, by which program, and from which text.
//!
//! It is in the schema in which unqualified names are created, and every statement names that schema: a migration may
//! change the search path, and another path may lead to another history. The name of the migration lock contains the
//! schema too, so that the schemas of one database are migrated independently.

use super::file::Migration;
use super::plan::{MigrationState, Record};
use crate::call::connection::PooledConnection;
use crate::call::database::Database;
use crate::call::transaction::Transaction;
use crate::error::{Error, Outcome, Phase, Result};
use crate::fault::Fault;
use crate::lock_key::LockKey;
use std::time::Duration;
use tokio_postgres::Row;

const TABLE: &str = "plimsoll_migrations";

/// The statements of the history of one schema.
pub(super) struct History {
    pub(super) schema: String,
    pub(super) create: String,
    pub(super) select: String,
    pub(super) upsert: String,
    /// Records a version that is not recorded yet.
    insert: String,
    /// The program that writes into it.
    author: String,
}

/// Whether the history exists, and whether any other table or view does.
const EXISTS: &str = "SELECT bool_or(relname = 'plimsoll_migrations'), bool_or(relname <> 'plimsoll_migrations') \
    FROM pg_catalog.pg_class WHERE relnamespace = pg_catalog.to_regnamespace(pg_catalog.quote_ident($1)) \
    AND relkind IN ('r', 'p', 'v', 'm')";

/// Whether this role may read the history, if it exists; its name; and the name of the role.
const MAY_READ: &str = "SELECT pg_catalog.has_table_privilege(class.oid, 'SELECT'), \
    pg_catalog.format('%I.%I', space.nspname, class.relname), pg_catalog.quote_ident(current_user) \
    FROM pg_catalog.pg_class AS class JOIN pg_catalog.pg_namespace AS space ON space.oid = class.relnamespace \
    WHERE space.nspname = $1 AND class.relname = 'plimsoll_migrations'";

impl History {
    /// The history of the schema in which this connection creates objects.
    pub(super) async fn of(connection: &PooledConnection) -> Result<Self> {
        let Some(schema) = schema(connection).await? else {
            return Err(Error::new(
                Fault::Migration,
                Phase::Migrate,
                Outcome::NotStarted,
                "there is no schema to migrate: search_path names none that exists; create it, or correct search_path",
            ));
        };
        let table = format!("\"{}\".{TABLE}", schema.replace('"', "\"\""));
        let application = connection.inner().server.plan.application_name();
        Ok(History {
            create: format!(
                "CREATE TABLE IF NOT EXISTS {table} (\
                 version bigint PRIMARY KEY, name text NOT NULL, checksum text NOT NULL, \
                 applied_at timestamptz NOT NULL, took_ms bigint NOT NULL, \
                 state text NOT NULL CHECK (state IN ('started', 'done', 'baseline')), \
                 applied_by text NOT NULL)"
            ),
            select: format!(
                "SELECT version, name, checksum, state, \
                 to_char(applied_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS \"UTC\"'), applied_by \
                 FROM {table} ORDER BY version"
            ),
            upsert: format!(
                "INSERT INTO {table} (version, name, checksum, applied_at, took_ms, state, applied_by) \
                 VALUES ($1, $2, $3, pg_catalog.clock_timestamp(), $4, $5, $6) ON CONFLICT (version) DO UPDATE SET \
                 name = excluded.name, checksum = excluded.checksum, applied_at = excluded.applied_at, \
                 took_ms = excluded.took_ms, state = excluded.state, applied_by = excluded.applied_by"
            ),
            insert: format!(
                "INSERT INTO {table} (version, name, checksum, applied_at, took_ms, state, applied_by) \
                 VALUES ($1, $2, $3, pg_catalog.clock_timestamp(), 0, 'started', $4) ON CONFLICT (version) DO NOTHING"
            ),
            author: format!("{application} (plimsoll {})", env!("CARGO_PKG_VERSION")),
            schema,
        })
    }

    /// The lock that a program holds while it migrates this schema.
    pub(super) fn lock(&self) -> LockKey {
        LockKey::from(("plimsoll migrations", &self.schema))
    }

    /// The records, none if the table does not exist; and whether the schema contains any other table.
    pub(super) async fn look(&self, connection: &PooledConnection) -> Result<(Vec<Record>, bool)> {
        let row = connection.query_one(EXISTS, &[&self.schema]).await?;
        let (is_there, has_tables) = exists(&row)?;
        let rows = if is_there { connection.query(&self.select, &[]).await? } else { Vec::new() };
        Ok((records(&rows)?, has_tables))
    }

    /// The same inside a transaction.
    pub(super) async fn look_inside(&self, tx: &Transaction) -> Result<(Vec<Record>, bool)> {
        let (is_there, has_tables) = exists(&tx.query_one(EXISTS, &[&self.schema]).await?)?;
        let rows = if is_there { tx.query(&self.select, &[]).await? } else { Vec::new() };
        Ok((records(&rows)?, has_tables))
    }

    /// Records a file inside a transaction.
    pub(super) async fn enter(
        &self,
        tx: &Transaction,
        file: &Migration,
        state: MigrationState,
        took: Duration,
    ) -> Result<()> {
        let (took, state) = (millis(took), text(state));
        tx.execute(&self.upsert, &[&file.version, &file.name, &file.checksum, &took, &state, &self.author])
            .await
            .map(drop)
    }

    /// Records a file in a statement of its own.
    pub(super) async fn enter_at_once(
        &self,
        connection: &PooledConnection,
        file: &Migration,
        state: MigrationState,
        took: Duration,
    ) -> Result<()> {
        let (took, state) = (millis(took), text(state));
        connection
            .execute(&self.upsert, &[&file.version, &file.name, &file.checksum, &took, &state, &self.author])
            .await
            .map(drop)
    }
}

impl History {
    /// Records a file that ended its own transaction as started, unless another program has recorded it meanwhile.
    pub(super) async fn enter_started(&self, connection: &PooledConnection, file: &Migration) -> Result<()> {
        connection
            .execute(&self.insert, &[&file.version, &file.name, &file.checksum, &self.author])
            .await
            .map(drop)
    }
}

/// The schema in which unqualified names are created, if there is one.
async fn schema(connection: &PooledConnection) -> Result<Option<String>> {
    let row = connection.query_one("SELECT pg_catalog.current_schema()::text", &[]).await?;
    Ok(row.try_get(0)?)
}

/// The history, or why this role cannot read it.
pub(super) enum Readable {
    Yes(Vec<Record>),
    No(String),
}

/// As [`read`], for a role that may lack the right to read.
pub(super) async fn readable(db: &Database) -> Result<Readable> {
    let connection = db.named("schema version").acquire().await?;
    let Some(schema) = schema(&connection).await? else {
        return Ok(Readable::No("it may use no schema of its search_path".to_owned()));
    };
    if let Some(row) = connection.query_opt(MAY_READ, &[&schema]).await?
        && !row.try_get::<_, bool>(0)?
    {
        let (table, role): (String, String) = (row.try_get(1)?, row.try_get(2)?);
        return Ok(Readable::No(format!(
            "whether every file is applied stands in {table}, which it may not read; GRANT SELECT ON {table} TO {role}"
        )));
    }
    let history = History::of(&connection).await?;
    Ok(Readable::Yes(history.look(&connection).await?.0))
}

/// The history as it is now, without a lock.
pub(super) async fn read(db: &Database) -> Result<Vec<Record>> {
    Ok(look(db).await?.0)
}

/// The same, and whether the schema contains any other table.
pub(super) async fn look(db: &Database) -> Result<(Vec<Record>, bool)> {
    let connection = db.named("schema version").acquire().await?;
    History::of(&connection).await?.look(&connection).await
}

fn exists(row: &Row) -> Result<(bool, bool)> {
    let flag = |at| Ok::<_, Error>(row.try_get::<_, Option<bool>>(at)?.unwrap_or(false));
    Ok((flag(0)?, flag(1)?))
}

fn millis(took: Duration) -> i64 {
    i64::try_from(took.as_millis()).unwrap_or(i64::MAX)
}

fn text(state: MigrationState) -> &'static str {
    match state {
        MigrationState::Started => "started",
        MigrationState::Done => "done",
        MigrationState::Baseline => "baseline",
    }
}

fn records(rows: &[Row]) -> Result<Vec<Record>> {
    rows.iter()
        .map(|row| {
            let state: String = row.try_get(3)?;
            Ok(Record {
                version: row.try_get(0)?,
                name: row.try_get(1)?,
                checksum: row.try_get(2)?,
                state: match state.as_str() {
                    "started" => MigrationState::Started,
                    "baseline" => MigrationState::Baseline,
                    _ => MigrationState::Done,
                },
                applied_at: row.try_get(4)?,
                applied_by: row.try_get(5)?,
            })
        })
        .collect()
}
