//! Why the service could not start.

use crate::delivery::mail::MailError;
use crate::identity::IdentityError;
use plimsoll::settings::SettingsError;
use plimsoll_http::report::ReportError;
use plimsoll_http::{Contradictions, ServeError, WeakToken};
use std::io;
use std::net::SocketAddr;

/// Why the service could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The port is taken, or not ours to take.
    #[error("cannot listen on {addr}: {why}")]
    Listen {
        /// Where.
        addr: SocketAddr,
        /// Why, and what to do.
        why: String,
    },
    /// The secrets of the first tenant.
    #[error("the folder {folder} cannot be used: {source}")]
    Folder {
        /// Which.
        folder: String,
        /// What the system said.
        source: io::Error,
    },
    /// Its own PostgreSQL.
    #[cfg(feature = "dev")]
    #[error("the service's own PostgreSQL did not start: {0}")]
    DevPostgres(#[from] plimsoll_embedded::Error),
    /// What lies between the service and its own PostgreSQL, so that it can be broken.
    #[cfg(feature = "dev")]
    #[error("the proxy in front of the service's own PostgreSQL did not start: {0}")]
    Proxy(io::Error),
    /// It was built without a PostgreSQL of its own, and was told of no other.
    #[error("no database was named: set DATABASE_URL=postgresql://owner:password@host:5432/fleet")]
    NoDatabase,
    /// The settings of the library.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The broker's certificates.
    #[error("the broker cannot be spoken to: {0}")]
    Broker(String),
    /// Time limits that contradict each other.
    #[error("the time limits do not fit each other: {0} (FLEET_REQUEST_DEADLINE, FLEET_PROXY_LIMIT)")]
    Limits(#[from] Contradictions),
    /// A token that can be guessed.
    #[error("OPERATOR_TOKEN cannot be used: {0}")]
    OperatorToken(#[from] WeakToken),
    /// What is said of the identity provider.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The relay for mail.
    #[error(transparent)]
    Mail(#[from] MailError),
    /// The HTTP server.
    #[error("the HTTP server cannot start: {0} (grace is FLEET_GRACE, hard_stop is FLEET_HARD_STOP)")]
    Serve(#[from] ServeError),
    /// The report on SIGUSR1.
    #[error("{0} (FLEET_SIGUSR1)")]
    Report(#[from] ReportError),
    /// What waiting cannot heal.
    #[error("the database cannot be used: {0}")]
    Database(String),
}
