//! The database's side: where it is, what is known of it, and who is connected at the moment.

use super::production::Facts;
use super::record::Sample;
use crate::connect::{Target, connect};
use crate::options::TableName;
use anyhow::{Context, Result, ensure};
use plimsoll::settings::Address;
use plimsoll::{DirectConnection, Settings};
use plimsoll_inspect::checks::subject::literal;
use std::time::Duration;
use tokio::time::timeout;
use tokio_postgres::{SimpleQueryMessage, SimpleQueryRow};

/// How long the server may take to answer a question about itself.
const LIMIT: Duration = Duration::from_secs(3);

/// How long a connect may take.
const CONNECT: Duration = Duration::from_secs(5);

/// The database that is hurt.
#[derive(Clone)]
pub(super) struct Server {
    settings: Settings,
    /// What all sessions of this command are called, and no other.
    name: String,
    /// For people: the database and its host.
    pub(super) place: String,
    /// Where a proxy leads to.
    pub(super) address: Option<(String, u16)>,
}

/// What was asked of it before anything is touched.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) facts: Facts,
    pub(super) max_connections: u64,
    /// Those that a role like this one cannot take, or that must be left.
    pub(super) reserved: u64,
    /// The server would let this role take the reserved connections too.
    pub(super) may_take_reserved: bool,
    pub(super) is_standby: bool,
    /// This name is a table here.
    pub(super) has_table: bool,
}

const KNOWN: &str = "SELECT pg_catalog.current_database() AS database, pg_catalog.pg_backend_pid() AS pid, \
    pg_catalog.pg_is_in_recovery() AS is_standby, \
    (SELECT count(*) FROM pg_catalog.pg_stat_replication) AS standbys, \
    (SELECT count(DISTINCT client_addr) FROM pg_catalog.pg_stat_activity \
        WHERE datname = pg_catalog.current_database()) AS client_hosts, \
    (SELECT coalesce(sum(relpages::bigint), 0) * pg_catalog.current_setting('block_size')::bigint \
        FROM pg_catalog.pg_class) AS bytes, \
    pg_catalog.current_setting('max_connections') AS max_connections, \
    pg_catalog.current_setting('superuser_reserved_connections')::integer \
        + coalesce(pg_catalog.current_setting('reserved_connections', true)::integer, 0) AS reserved, \
    (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user) OR EXISTS (SELECT FROM pg_catalog.pg_roles \
        WHERE rolname = 'pg_use_reserved_connections' AND pg_catalog.pg_has_role(oid, 'USAGE')) AS may_take_reserved";

impl Server {
    /// Where it is, as it was said.
    ///
    /// # Errors
    /// It was not said, or not clearly.
    pub(super) fn at(target: &Target) -> Result<Self> {
        let name = format!("plimsoll chaos {}", std::process::id());
        let settings = target.settings()?.application_name(&name);
        let plan = settings.clone().check_direct().map_err(|error| anyhow::anyhow!("{error}"))?;
        let host = plan.hosts().first().context("no host was said")?;
        let address = match host.address() {
            Address::Tcp(name) => {
                let dialled = host.dialled().map_or_else(|| name.clone(), |ip| ip.to_string());
                Some((dialled, host.port()))
            }
            _ => None,
        };
        let database = if plan.dbname().is_empty() { plan.user() } else { plan.dbname() };
        Ok(Server { place: format!("{database} at {host}"), settings, name, address })
    }

    /// A session of ours.
    ///
    /// # Errors
    /// The server cannot be reached, or refuses.
    ///
    /// # Cancel safety
    /// Dropping it closes the connection.
    pub(super) async fn session(&self) -> Result<DirectConnection> {
        connect(self.settings.clone(), "chaos", CONNECT).await
    }

    /// Asks what has to be known beforehand.
    ///
    /// # Errors
    /// It cannot be asked, or a pooler stands before it.
    pub(super) async fn known(&self, table: Option<&TableName>) -> Result<Known> {
        let session = self.session().await?;
        let table = table.map_or_else(|| "NULL".to_owned(), |table| literal(&table.in_sql()));
        let question = format!(
            "{KNOWN}, EXISTS (SELECT FROM pg_catalog.pg_class WHERE oid = pg_catalog.to_regclass({table}) \
             AND relkind IN ('r', 'p')) AS has_table"
        );
        let row = ask(&session, &question).await.context("the server does not say what it is")?;
        let pid: i32 = number(&row, "pid")?;
        ensure!(
            pid == session.pid(),
            "a pooler stands before this server: name the server itself, so that the sessions of the drill are its own"
        );
        let mut names: Vec<String> = vec![text(&row, "database")?.to_owned()];
        names.extend(self.address.iter().map(|(host, _)| host.clone()));
        names.extend(self.settings.clone().check_direct().ok().map(|plan| plan.user().to_owned()));
        Ok(Known {
            facts: Facts {
                names,
                standbys: number(&row, "standbys")?,
                client_hosts: number(&row, "client_hosts")?,
                bytes: number(&row, "bytes")?,
            },
            max_connections: number(&row, "max_connections")?,
            reserved: number(&row, "reserved")?,
            may_take_reserved: text(&row, "may_take_reserved")? == "t",
            is_standby: text(&row, "is_standby")? == "t",
            has_table: text(&row, "has_table")? == "t",
        })
    }

    /// Who is connected to the database now, but for sessions of this command.
    ///
    /// # Errors
    /// The server does not answer.
    pub(super) async fn sample(&self, session: &DirectConnection, at: Duration) -> Result<Sample> {
        let question = format!(
            "SELECT count(*) AS sessions, count(*) FILTER (WHERE state = 'active') AS active, \
             count(*) FILTER (WHERE wait_event_type = 'Lock') AS waiting, \
             count(*) FILTER (WHERE backend_type IS NULL) AS hidden, \
             count(*) FILTER (WHERE state LIKE 'idle in transaction%' \
                AND pg_catalog.clock_timestamp() - state_change > interval '2 s') AS idle_in_transaction, \
             coalesce(extract(epoch FROM max(pg_catalog.clock_timestamp() - query_start) \
                FILTER (WHERE state = 'active')), 0)::float8 AS oldest_statement \
             FROM pg_catalog.pg_stat_activity WHERE datname = pg_catalog.current_database() \
             AND application_name <> {} AND coalesce(backend_type, 'client backend') = 'client backend'",
            literal(&self.name)
        );
        let row = ask(session, &question).await?;
        let oldest: f64 = number(&row, "oldest_statement")?;
        Ok(Sample {
            at,
            sessions: number(&row, "sessions")?,
            active: number(&row, "active")?,
            waiting: number(&row, "waiting")?,
            idle_in_transaction: number(&row, "idle_in_transaction")?,
            hidden: number(&row, "hidden")?,
            oldest_statement: Duration::try_from_secs_f64(oldest).unwrap_or_default(),
        })
    }

    /// How many connections a role without rights could still open.
    ///
    /// # Errors
    /// The server does not answer.
    pub(super) async fn free(&self, session: &DirectConnection, known: &Known) -> Result<u64> {
        let question =
            "SELECT count(*) AS taken FROM pg_catalog.pg_stat_activity WHERE backend_type = 'client backend'";
        let taken: u64 = number(&ask(session, question).await?, "taken")?;
        Ok(known.max_connections.saturating_sub(known.reserved).saturating_sub(taken))
    }
}

/// The one row of an answer.
async fn ask(session: &DirectConnection, question: &str) -> Result<SimpleQueryRow> {
    let answer = timeout(LIMIT, session.client().simple_query(question)).await;
    let answer = answer.with_context(|| format!("no answer within {} s", LIMIT.as_secs()))??;
    answer
        .into_iter()
        .find_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(row),
            _ => None,
        })
        .context("the server answered without a row")
}

fn text<'a>(row: &'a SimpleQueryRow, column: &str) -> Result<&'a str> {
    row.try_get(column).ok().flatten().with_context(|| format!("the server's answer has no {column}"))
}

fn number<T: std::str::FromStr>(row: &SimpleQueryRow, column: &str) -> Result<T> {
    let text = text(row, column)?;
    text.parse().ok().with_context(|| format!("the server's answer has {text:?} as {column}"))
}
