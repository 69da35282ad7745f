//! The server that a run is measured on, and everybody's pool on it.
//!
//! Peers get the settings with which they are fastest, not those that they come with: deadpool without time limits and
//! without a check of what it lends (`Fast`, its default), bb8 without its check and with its statements prepared when
//! it connects, sqlx without its check before lending (the one after cannot be switched off). Ours runs as it comes,
//! apart from its size.

use anyhow::{Context, Result};
use bb8_postgres::PostgresConnectionManager;
use deadpool_postgres::{Manager, ManagerConfig, RecyclingMethod};
use plimsoll::settings::PoolerMode;
use plimsoll::{Database, Settings};
use plimsoll_embedded::{Cluster, PgBouncer};
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions, PgSslMode};
use std::time::Duration;
use tokio_postgres::{Client, NoTls, Statement};

/// The deadline of a guarded call, where its cost is measured. It never comes.
pub const DEADLINE: Duration = Duration::from_secs(2);

/// Whoever waits longer than this for a connection is not slow but stuck.
const PATIENCE: Duration = Duration::from_secs(30);

/// A private server. It need not survive a crash, and cleans up when it is told to and not in between.
pub async fn server() -> Result<Cluster> {
    Cluster::builder()
        .setting("max_connections", "200")
        .setting("autovacuum", "off")
        .start()
        .await
        .context("the server of the bench")
}

/// Where a pool connects to, and as whom.
#[derive(Clone, Debug)]
pub struct Place {
    pub host: String,
    pub port: u16,
    pub user: String,
    pub password: String,
    pub pooler: PoolerMode,
}

impl Place {
    /// The server itself, over TCP.
    pub fn direct(cluster: &Cluster) -> Self {
        Place {
            host: cluster.host().to_owned(),
            port: cluster.port(),
            user: cluster.superuser().to_owned(),
            password: cluster.password().to_owned(),
            pooler: PoolerMode::None,
        }
    }

    /// The same through PgBouncer.
    pub fn behind(cluster: &Cluster, bouncer: &PgBouncer) -> Self {
        Place { port: bouncer.port(), pooler: PoolerMode::Transaction, ..Place::direct(cluster) }
    }

    /// The same through something else on this machine.
    pub fn through(self, port: u16) -> Self {
        Place { port, ..self }
    }

    pub async fn plimsoll(&self, size: usize) -> Result<Database> {
        Ok(Database::connect(self.settings(size)).await?)
    }

    /// Ours as it comes, apart from its size.
    pub fn settings(&self, size: usize) -> Settings {
        Settings::default()
            .hosts(format!("{}:{}", self.host, self.port))
            .user(&self.user)
            .password(self.password.as_str())
            .dbname("postgres")
            .pooler(self.pooler)
            .pool_min(size)
            .pool_max(size)
            .max_overflow(0)
    }

    /// The driver's own clients, each with its statements, and nothing around them.
    pub async fn bare(&self, count: usize, statements: &'static [&'static str]) -> Result<Vec<Prepared>> {
        let maker = self.preparing(statements);
        let mut clients = Vec::with_capacity(count);
        for _ in 0..count {
            clients.push(bb8::ManageConnection::connect(&maker).await?);
        }
        Ok(clients)
    }

    fn preparing(&self, statements: &'static [&'static str]) -> Preparing {
        Preparing { inner: PostgresConnectionManager::new(self.driver(), NoTls), statements }
    }

    fn driver(&self) -> tokio_postgres::Config {
        let mut config = tokio_postgres::Config::new();
        config.host(&self.host).port(self.port).user(&self.user).password(&self.password).dbname("postgres");
        config
    }

    pub fn deadpool(&self, size: usize) -> Result<deadpool_postgres::Pool> {
        let config = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let manager = Manager::from_config(self.driver(), NoTls, config);
        Ok(deadpool_postgres::Pool::builder(manager).max_size(size).build()?)
    }

    pub async fn bb8(
        &self,
        size: usize,
        statements: &'static [&'static str],
    ) -> Result<bb8::Pool<Preparing>> {
        let size = u32::try_from(size)?;
        let pool = bb8::Pool::builder()
            .max_size(size)
            .min_idle(size)
            .test_on_check_out(false)
            .connection_timeout(PATIENCE)
            .build(self.preparing(statements))
            .await?;
        Ok(pool)
    }

    pub async fn sqlx(&self, size: usize, test_before_acquire: bool) -> Result<PgPool> {
        let size = u32::try_from(size)?;
        let options = PgConnectOptions::new()
            .host(&self.host)
            .port(self.port)
            .username(&self.user)
            .password(&self.password)
            .database("postgres")
            // PgBouncer refuses a connection that asks for it.
            .extra_float_digits(None)
            .ssl_mode(PgSslMode::Disable);
        let pool = PgPoolOptions::new()
            .max_connections(size)
            .min_connections(size)
            .acquire_timeout(PATIENCE)
            .test_before_acquire(test_before_acquire)
            .connect_with(options)
            .await?;
        Ok(pool)
    }
}

/// bb8 lends one object, so what was prepared has to travel with the client. This is the fastest that bb8 can be made;
/// most users prepare at each use, which is two round trips more.
pub struct Preparing {
    inner: PostgresConnectionManager<NoTls>,
    statements: &'static [&'static str],
}

/// A client and its statements.
pub struct Prepared {
    pub client: Client,
    pub statements: Vec<Statement>,
    texts: &'static [&'static str],
}

impl Prepared {
    /// The statement that was prepared of this text.
    pub fn of(&self, sql: &str) -> Option<&Statement> {
        let at = self.texts.iter().position(|text| *text == sql)?;
        self.statements.get(at)
    }
}

impl bb8::ManageConnection for Preparing {
    type Connection = Prepared;
    type Error = tokio_postgres::Error;

    async fn connect(&self) -> Result<Prepared, tokio_postgres::Error> {
        let client = self.inner.connect().await?;
        let mut statements = Vec::new();
        for sql in self.statements {
            statements.push(client.prepare(sql).await?);
        }
        Ok(Prepared { client, statements, texts: self.statements })
    }

    async fn is_valid(&self, connection: &mut Prepared) -> Result<(), tokio_postgres::Error> {
        self.inner.is_valid(&mut connection.client).await
    }

    fn has_broken(&self, connection: &mut Prepared) -> bool {
        self.inner.has_broken(&mut connection.client)
    }
}
