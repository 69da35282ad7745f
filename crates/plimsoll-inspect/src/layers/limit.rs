//! One time limit.

use serde::Serialize;
use std::time::Duration;

/// Where a limit acts, from the outside in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Layer {
    /// The person, the browser, the program that calls.
    Client,
    /// The proxy before the service.
    Proxy,
    /// One request, in the service.
    Request,
    /// Waiting for a connection, in the service's pool or before a PgBouncer.
    Pool,
    /// Opening a connection.
    Connect,
    /// One transaction.
    Transaction,
    /// One statement.
    Statement,
    /// Waiting for a lock.
    Lock,
    /// The network below.
    Tcp,
}

impl Layer {
    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Layer::Client => "client",
            Layer::Proxy => "proxy",
            Layer::Request => "request",
            Layer::Pool => "pool",
            Layer::Connect => "connect",
            Layer::Transaction => "transaction",
            Layer::Statement => "statement",
            Layer::Lock => "lock",
            Layer::Tcp => "TCP",
        }
    }
}

/// Who keeps a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Keeper {
    /// Whoever calls.
    Client,
    /// The proxy.
    Nginx,
    /// The service.
    Service,
    /// The pooler before the server.
    PgBouncer,
    /// The server.
    PostgreSQL,
}

impl Keeper {
    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Keeper::Client => "the client",
            Keeper::Nginx => "nginx",
            Keeper::Service => "the service",
            Keeper::PgBouncer => "PgBouncer",
            Keeper::PostgreSQL => "PostgreSQL",
        }
    }
}

/// How a limit of PostgreSQL's is said anew: at a weaker place it would not count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum At {
    /// For the role, which is stronger than all that is not named here.
    #[default]
    Role,
    /// For the role in this database.
    RoleInDatabase,
    /// In the options of the connection, or in the service's settings, which make the session say it.
    Connection,
}

/// A time limit that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Limit {
    /// Where it acts.
    pub layer: Layer,
    /// What it is called where it is set: `proxy_read_timeout`.
    pub name: &'static str,
    /// Who keeps it.
    pub keeper: Keeper,
    /// How long it is; `None` if it is off, so that nothing ends.
    #[serde(rename = "after_ms", serialize_with = "as_millis")]
    pub after: Option<Duration>,
    /// Where that is set: `nginx.conf, line 33`, `role app`, `default`.
    pub place: String,
    /// How it is said anew.
    #[serde(skip)]
    pub at: At,
}

fn as_millis<S: serde::Serializer>(after: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    after.map(|after| u64::try_from(after.as_millis()).unwrap_or(u64::MAX)).serialize(serializer)
}
