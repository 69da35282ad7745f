//! From a database that may not be there to a service that is ready.
//!
//! Each step may be done again, because several instances take them at the same moment and any of them may be cut off
//! in the middle: the login role, the migrations, the first tenant, the key of the cursors, the service's own pool, the
//! partitions of the next days. What waiting can heal is waited for; what it cannot (a wrong password, a migration that
//! fails) ends the service with the reason, since a service that tries for ever looks like one that works.

use crate::config::Config;
use crate::credentials;
use crate::demo::{self, Credentials};
use crate::ingest::partitions::{self, Partitions};
use crate::ingest::writer::Writer;
use crate::keyset::CursorKey;
use crate::role;
use crate::schema::MIGRATIONS;
use crate::service::{Ready, Service};
use plimsoll::secret::{Password, Secret};
use plimsoll::settings::{Address, Plan, Profile, Settings};
use plimsoll::{Database, Error, Fault, Result};
use std::time::Duration;
use tokio::sync::watch;

/// Less than a request's time, so that a device hears 503 and when to come again, and not 504.
const POOL_TIMEOUT: Duration = Duration::from_secs(5);
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

const CURSOR_KEY: &str = "cursor";

/// What there is to say once it is done.
#[derive(Clone)]
pub struct Reached {
    /// How to log in as the service's role, where that is a URL.
    pub app_url: Option<String>,
    /// The settings of the service's own pool.
    pub app_settings: Settings,
    /// The secrets of the first tenant, where there is one.
    pub demo: Option<Credentials>,
}

/// What has to be known for it.
pub(crate) struct Given {
    pub(crate) config: Config,
    /// The login of the tables' owner.
    pub(crate) owner: Settings,
    pub(crate) demo: Option<Credentials>,
    pub(crate) service: Service,
    pub(crate) stop: watch::Receiver<bool>,
}

/// Brings the service up, however long that takes.
///
/// # Cancel safety
/// Dropped, some of the steps were taken; the next start takes the rest.
pub(crate) async fn bring_up(given: Given) -> Result<Reached> {
    let settings = given.owner.clone().application_name("fleet-owner").pool_min(0).pool_max(2);
    let owner = Database::connect(settings).await?;
    let mut pause = FIRST_PAUSE;
    loop {
        match steps(&given, &owner).await {
            Ok(reached) => {
                owner.close().await;
                return Ok(reached);
            }
            Err(error) if may_heal(&error) => {
                tracing::warn!("the service is not ready yet, and tries again: {error}");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
            Err(error) => return Err(error),
        }
    }
}

async fn steps(given: &Given, owner: &Database) -> Result<Reached> {
    owner.ready().await?;
    let password = app_password(&given.config, owner.plan());
    role::ensure(owner, password.as_ref().map(Secret::expose)).await?;
    let report = owner.migrate(&MIGRATIONS).await?;
    if !report.applied.is_empty() {
        tracing::info!("applied {} migrations", report.applied.len());
    }
    if let Some(credentials) = &given.demo {
        demo::seed(owner, credentials).await?;
    }
    let cursors = CursorKey::new(shared_key(owner, CURSOR_KEY).await?);
    let app_settings = app_settings(given, password.clone());
    let db = connect(owner, &app_settings, password.as_ref()).await?;
    let partitions = Partitions::default();
    partitions.ensure_ahead(&db).await?;
    let writer = Writer::start(db.clone(), partitions.clone());
    tokio::spawn(partitions::keep_ahead(partitions.clone(), db.clone(), given.stop.clone()));
    let app_url = app_url(db.plan(), password.as_ref());
    given.service.set_ready(Ready { db, writer, cursors, partitions });
    Ok(Reached { app_url, app_settings, demo: given.demo.clone() })
}

/// Whether it is worth while to try again.
fn may_heal(error: &Error) -> bool {
    let fault = error.fault();
    fault.is_connectivity()
        || matches!(
            fault,
            Fault::PoolExhausted
                | Fault::DeadlinePassed
                | Fault::IdleSessionEnded
                | Fault::StatementTimeout
                | Fault::TransactionTimeout
                | Fault::LockTimeout
                | Fault::CancelledByOther
                | Fault::SerializationFailure
                | Fault::Deadlock
                | Fault::ReadOnlyServer
                | Fault::ServerResources
        )
}

/// The password of the service's role: said, or made from the owner's. Where the owner needs none, neither does it.
fn app_password(config: &Config, owner: &Plan) -> Option<Secret> {
    let owners = match owner.password() {
        Some(Password::Fixed(password)) => Some(password),
        _ => None,
    };
    let made = || owners.map(|owners| credentials::password_of_role(owners.expose(), role::NAME).into());
    config.app_password.clone().or_else(made)
}

fn app_settings(given: &Given, password: Option<Secret>) -> Settings {
    let mut settings =
        given.owner.clone().user(role::NAME).application_name("fleet").profile(Profile::Service);
    if !given.config.pool_timeout_is_said {
        settings = settings.pool_timeout(POOL_TIMEOUT);
    }
    match password {
        Some(password) => settings.password(password),
        None => settings,
    }
}

/// Opens the service's own pool. A password that is refused is one from before the owner's was changed.
async fn connect(owner: &Database, settings: &Settings, password: Option<&Secret>) -> Result<Database> {
    match (Database::connect(settings.clone()).await, password) {
        (Err(error), Some(password)) if error.fault() == Fault::Authentication => {
            tracing::info!("the password of {} is set anew: the present one is refused", role::NAME);
            role::set_password(owner, password.expose()).await?;
            Database::connect(settings.clone()).await
        }
        (result, _) => result,
    }
}

/// A random key that all instances share; whoever comes first makes it.
async fn shared_key(owner: &Database, name: &str) -> Result<String> {
    let new = credentials::new_token().map_err(|problem| Error::abort(problem.to_string()))?;
    let keep = "INSERT INTO service_keys (name, key) VALUES ($1, $2) ON CONFLICT DO NOTHING";
    owner.execute(keep, &[&name, &new]).await?;
    Ok(owner.query_one("SELECT key FROM service_keys WHERE name = $1", &[&name]).await?.try_get(0)?)
}

fn app_url(plan: &Plan, password: Option<&Secret>) -> Option<String> {
    let host = plan.hosts().first()?;
    let Address::Tcp(name) = host.address() else { return None };
    let name = if name.contains(':') { format!("[{name}]") } else { name.clone() };
    // Ours are made of letters that need no escaping; one that was said is known to whoever said it.
    let password = password.map(|password| format!(":{}", password.expose())).unwrap_or_default();
    Some(format!("postgresql://{}{password}@{name}:{}/{}", role::NAME, host.port(), plan.dbname()))
}
