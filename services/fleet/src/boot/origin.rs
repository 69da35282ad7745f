//! Where the database is, and what is there only in development: a PostgreSQL of the service's own, and what breaks it.

use crate::boot::config::{Config, Source};
use crate::boot::demo::Credentials;
use crate::boot::start::{StartError, folder};
#[cfg(feature = "dev")]
use crate::{boot::dev_postgres, play::Play};
use plimsoll::settings::Settings;
use plimsoll_http::Marks;
#[cfg(feature = "dev")]
use std::sync::Arc;

/// Where the database is.
pub(crate) struct Origin {
    /// The login of the tables' owner.
    pub(crate) owner: Settings,
    /// The server's own port, where the service goes through a proxy.
    pub(crate) own_port: Option<u16>,
    /// The service's own server.
    #[cfg(feature = "dev")]
    pub(crate) cluster: Option<Arc<plimsoll_embedded::Cluster>>,
    /// What breaks it.
    #[cfg(feature = "dev")]
    pub(crate) play: Option<Arc<Play>>,
}

/// The secrets that are kept in the service's folder, where it has one.
pub(crate) fn kept_credentials(config: &Config) -> Result<Option<Credentials>, StartError> {
    match config.demo || matches!(config.database, Source::DevPostgres) {
        true => Credentials::of_folder(&config.data).map(Some).map_err(|error| folder(&config.data, error)),
        false => Ok(None),
    }
}

impl Origin {
    /// The database that was said, or one of the service's own, which is started.
    ///
    /// # Errors
    /// None was said, and there is none of the service's own, or it does not start.
    ///
    /// # Cancel safety
    /// Dropped, a server that was started is stopped.
    pub(crate) async fn find(
        config: &Config,
        credentials: Option<&Credentials>,
        marks: &Marks,
    ) -> Result<Self, StartError> {
        match (&config.database, credentials) {
            (Source::Given(settings), _) => Ok(Origin::of((**settings).clone())),
            #[cfg(feature = "dev")]
            (Source::DevPostgres, Some(known)) => Origin::own(config, known, marks).await,
            (Source::DevPostgres, _) => {
                // Without the feature there is nothing to mark.
                let _ = marks;
                Err(StartError::NoDatabase)
            }
        }
    }

    /// Whether made-up devices send readings, and the database may be broken from the page.
    pub(crate) fn is_played_with(&self) -> bool {
        #[cfg(feature = "dev")]
        return self.play.is_some();
        #[cfg(not(feature = "dev"))]
        false
    }

    fn of(owner: Settings) -> Self {
        Origin {
            owner,
            own_port: None,
            #[cfg(feature = "dev")]
            cluster: None,
            #[cfg(feature = "dev")]
            play: None,
        }
    }

    #[cfg(feature = "dev")]
    async fn own(config: &Config, known: &Credentials, marks: &Marks) -> Result<Self, StartError> {
        let cluster = Arc::new(dev_postgres::start(&config.data, known).await?);
        let new = Credentials { postgres_port: Some(cluster.port()), ..known.clone() };
        new.keep(&config.data).map_err(|error| folder(&config.data, error))?;
        let mut owner = Settings::from_url(cluster.url(dev_postgres::DATABASE))?;
        let mut play = None;
        if is_played_with(config) {
            let broken = Play::with(&cluster, marks).await.map_err(StartError::Proxy)?;
            owner = owner.hosts(format!("{}:{}", cluster.host(), broken.port()));
            play = Some(broken);
        }
        Ok(Origin { owner, own_port: Some(cluster.port()), cluster: Some(cluster), play })
    }
}

/// Only where no other machine reaches the buttons, and where the made-up devices can be: they need a tenant, and register with
/// their first messages.
#[cfg(feature = "dev")]
fn is_played_with(config: &Config) -> bool {
    config.listen.ip().is_loopback() && config.demo && config.auto_provision
}
