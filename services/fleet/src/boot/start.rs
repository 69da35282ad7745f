//! The order in which the service starts and stops.
//!
//! It starts from the outside in: first the port, because one that is taken should be said before anything is made;
//! then its own PostgreSQL, if it has one; then it answers; and then, in a task, whatever needs the database. It stops the other
//! way round: no new requests, those under way are finished, what the queue holds is written, the pools are closed, and
//! PostgreSQL is stopped.
//!
//! | background task | what stops it |
//! |---|---|
//! | the HTTP server | [`Running::stop`], within 20 s |
//! | bringing the database up | its end; aborted by [`Running::stop`] |
//! | the writer of readings | [`Running::stop`], after what it was given is written |
//! | partitions ahead | [`Running::stop`] |

use crate::boot::bring_up::{self, BringUpInput, BringUpResult};
use crate::boot::config::{Config, Source};
use crate::boot::demo::Credentials;
use crate::boot::router;
use crate::credentials::TokenHash;
use crate::service::{Ready, Service};
use plimsoll::secret::Secret;
use std::future::IntoFuture;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How long requests under way may take to end.
const PATIENCE: Duration = Duration::from_secs(20);

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
    /// It was built without a PostgreSQL of its own, and was told of no other.
    #[error("no database was named: set DATABASE_URL=postgresql://owner:password@host:5432/fleet")]
    NoDatabase,
    /// The settings of the library.
    #[error(transparent)]
    Settings(#[from] plimsoll::settings::SettingsError),
    /// What waiting cannot heal.
    #[error("the database cannot be used: {0}")]
    Database(String),
}

/// How far it has come.
#[derive(Clone)]
enum Stage {
    ComingUp,
    Ready(Box<BringUpResult>),
    Failed(Arc<plimsoll::Error>),
}

/// A service that runs. Dropped without [`Running::stop`], it ends with the runtime.
pub struct Running {
    addr: SocketAddr,
    service: Service,
    stop: watch::Sender<bool>,
    stage: watch::Receiver<Stage>,
    server: JoinHandle<io::Result<()>>,
    bringing_up: JoinHandle<()>,
    #[cfg(feature = "dev")]
    dev_postgres: Option<plimsoll_embedded::Cluster>,
}

/// Starts the service. It answers when this returns; [`Running::ready`] tells when its database does.
///
/// # Errors
/// What waiting cannot heal.
///
/// # Cancel safety
/// Dropped, nothing stays behind but what its own PostgreSQL keeps.
pub async fn start(config: Config) -> Result<Running, StartError> {
    let listener = TcpListener::bind(config.listen).await.map_err(|error| refused(config.listen, &error))?;
    let addr = listener.local_addr().map_err(|error| refused(config.listen, &error))?;
    let needs_folder = config.demo || matches!(config.database, Source::DevPostgres);
    let credentials = match needs_folder {
        true => Some(Credentials::of_folder(&config.data).map_err(|e| folder(&config.data, e))?),
        false => None,
    };
    #[cfg(feature = "dev")]
    let mut dev_postgres = None;
    let owner = match (&config.database, &credentials) {
        (Source::Given(settings), _) => (**settings).clone(),
        #[cfg(feature = "dev")]
        (Source::DevPostgres, Some(known)) => {
            let cluster = crate::boot::dev_postgres::start(&config.data, known).await?;
            let new = Credentials { postgres_port: Some(cluster.port()), ..known.clone() };
            new.keep(&config.data).map_err(|e| folder(&config.data, e))?;
            let url = cluster.url(crate::boot::dev_postgres::DATABASE);
            dev_postgres = Some(cluster);
            plimsoll::Settings::from_url(url)?
        }
        (Source::DevPostgres, _) => return Err(StartError::NoDatabase),
    };
    let kept = credentials.as_ref().filter(|_| config.demo).map(|known| known.operator_token.as_str());
    let operator = config.operator_token.as_ref().map(Secret::expose).or(kept).map(TokenHash::of);
    let service = Service::new(config.auto_provision, operator);
    let (stop, stopped) = watch::channel(false);
    let server = axum::serve(listener, router::all(service.clone()));
    let mut told = stopped.clone();
    let server = server.with_graceful_shutdown(async move {
        // An error means that the handle is gone, which is the end as well.
        let _ = told.wait_for(|stop| *stop).await;
    });
    let demo = credentials.filter(|_| config.demo);
    let given = BringUpInput { config, owner, demo, service: service.clone(), stop: stopped };
    let (tell, stage) = watch::channel(Stage::ComingUp);
    let bringing_up = tokio::spawn(async move {
        let end = match bring_up::bring_up(given).await {
            Ok(reached) => Stage::Ready(Box::new(reached)),
            Err(error) => Stage::Failed(Arc::new(error)),
        };
        tell.send_replace(end);
    });
    Ok(Running {
        addr,
        service,
        stop,
        stage,
        server: tokio::spawn(server.into_future()),
        bringing_up,
        #[cfg(feature = "dev")]
        dev_postgres,
    })
}

impl Running {
    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// `http://` and where it listens.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// What handlers share, once the database has been there.
    #[must_use]
    pub fn service(&self) -> Option<&Ready> {
        self.service.is_ready()
    }

    /// Waits until the service can do all that it is for.
    ///
    /// # Errors
    /// What waiting cannot heal.
    ///
    /// # Cancel safety
    /// Only waits.
    pub async fn ready(&self) -> Result<BringUpResult, StartError> {
        let mut stage = self.stage.clone();
        let end = stage.wait_for(|stage| !matches!(stage, Stage::ComingUp)).await;
        match end.as_deref() {
            Ok(Stage::Ready(reached)) => Ok((**reached).clone()),
            Ok(Stage::Failed(error)) => Err(StartError::Database(error.to_string())),
            Ok(Stage::ComingUp) | Err(_) => {
                Err(StartError::Database("the service was stopped before its database was there".to_owned()))
            }
        }
    }

    /// Stops it: finishes what was begun, writes what waits, closes the pools, and stops its own PostgreSQL.
    ///
    /// # Cancel safety
    /// Dropped, it ends with the runtime.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        self.bringing_up.abort();
        let aborting = self.server.abort_handle();
        match tokio::time::timeout(PATIENCE, self.server).await {
            Ok(Ok(Ok(()))) => {}
            Ok(Ok(Err(error))) => tracing::error!("the HTTP server failed: {error}"),
            Ok(Err(error)) => tracing::error!("the HTTP server ended badly: {error}"),
            Err(_) => {
                tracing::warn!(
                    "requests were still under way after {} s; they are cut off",
                    PATIENCE.as_secs()
                );
                aborting.abort();
            }
        }
        if let Some(ready) = self.service.is_ready() {
            ready.writer.stop().await;
            ready.pools.close().await;
        }
        #[cfg(feature = "dev")]
        if let Some(postgres) = self.dev_postgres
            && let Err(error) = postgres.stop().await
        {
            tracing::error!("the service's own PostgreSQL did not stop as it should: {error}");
        }
    }
}

fn refused(addr: SocketAddr, error: &io::Error) -> StartError {
    let port = addr.port();
    let why = match error.kind() {
        io::ErrorKind::AddrInUse => format!(
            "port {port} is taken by another program (`ss -ltnp | grep :{port}` names it): stop that, or choose \
             another with FLEET_LISTEN=127.0.0.1:{}",
            port.checked_add(1).unwrap_or(8080)
        ),
        _ => error.to_string(),
    };
    StartError::Listen { addr, why }
}

fn folder(folder: &Path, source: io::Error) -> StartError {
    StartError::Folder { folder: folder.display().to_string(), source }
}
