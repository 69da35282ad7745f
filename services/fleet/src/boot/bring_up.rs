//! From a database that may not be there to a service that is ready.
//!
//! Each step may be done again, because several instances take them at the same moment and any of them may be cut off
//! in the middle: the login role, the schema, the first tenant, the key of the cursors, the service's own pools, the
//! partitions of the next days. What waiting can heal is waited for; what it cannot (a wrong password) ends the
//! service with the reason, since a service that tries for ever looks like one that works. A schema that cannot be made is
//! told in the log and tried again, so that an operator can put it right while the service answers 503.

use crate::boot::background;
use crate::boot::config::Config;
use crate::boot::demo::{self, Credentials};
use crate::boot::prepared;
use crate::boot::role;
use crate::boot::schema::{MIGRATIONS, SENTINEL};
use crate::boot::{database_url, session};
use crate::credentials;
use crate::delivery::sender::Sender;
use crate::ingest::lookup::Lookup;
use crate::ingest::partitions::Partitions;
use crate::ingest::writer::Writer;
use crate::pools::Pools;
use crate::service::{Ready, Service};
use plimsoll::migrate::Initialisation;
use plimsoll::secret::{Password, Secret};
use plimsoll::settings::{Plan, Settings};
use plimsoll::{Budget, Database, Error, Fault, Result};
use plimsoll_http::CursorKeys;
use std::time::Duration;
use tokio::sync::watch;

const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

const CURSOR_KEY: &str = "cursor";

/// What there is to say once it is done.
#[derive(Clone)]
pub struct BringUpResult {
    /// How to log in as the service's role, where that is a URL.
    pub app_url: Option<String>,
    /// What the settings of the service's own pools have in common.
    pub app_settings: Settings,
    /// The secrets of the first tenant, where there is one.
    pub demo: Option<Credentials>,
    /// What people of the tenant show whose devices are made up, where there is one.
    pub made_up_token: Option<String>,
}

/// What has to be known for it.
pub(crate) struct BringUpInput {
    pub(crate) config: Config,
    /// The login of the tables' owner.
    pub(crate) owner: Settings,
    pub(crate) demo: Option<Credentials>,
    /// Made-up devices send readings.
    #[cfg(feature = "dev")]
    pub(crate) is_played_with: bool,
    /// The port of the database's own server, where the service goes through a proxy.
    pub(crate) own_port: Option<u16>,
    pub(crate) service: Service,
    pub(crate) sender: Sender,
    pub(crate) stop: watch::Receiver<bool>,
}

/// Why a step was not taken.
enum Stop {
    /// Waiting may heal it, or somebody who reads the log.
    Later(Option<Error>),
    /// Nothing heals it but another start.
    Never(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        if may_heal(&error) { Stop::Later(Some(error)) } else { Stop::Never(error) }
    }
}

/// Brings the service up, however long that takes.
///
/// # Cancel safety
/// Dropped, some of the steps were taken; the next start takes the rest.
pub(crate) async fn bring_up(given: BringUpInput) -> Result<BringUpResult> {
    let mut pause = FIRST_PAUSE;
    let mut owner = None;
    loop {
        match steps(&given, &mut owner).await {
            Ok(reached) => {
                if let Some(owner) = owner {
                    owner.close().await;
                }
                return Ok(reached);
            }
            Err(Stop::Later(error)) => {
                if let Some(error) = error {
                    tracing::warn!("the service is not ready yet, and tries again: {error}");
                }
                // Instances that were started together must not come to the server together.
                tokio::time::sleep(pause.mul_f64(0.5 + 0.5 * fastrand::f64())).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
            Err(Stop::Never(error)) => return Err(error),
        }
    }
}

async fn steps(given: &BringUpInput, known: &mut Option<Database>) -> Result<BringUpResult, Stop> {
    let owner = match known {
        Some(owner) => &*owner,
        None => &*known.insert(log_in(&given.owner).await?),
    };
    owner.ready().await?;
    let password = app_password(&given.config, owner.plan());
    if given.config.migrate {
        role::ensure(owner, password.as_ref().map(Secret::expose)).await?;
        make_schema(owner).await?;
    } else if !prepared::is_there(owner).await? {
        return Err(Stop::Later(None));
    }
    if let Some(credentials) = &given.demo {
        demo::seed(owner, credentials).await?;
        #[cfg(feature = "dev")]
        if given.is_played_with {
            demo::seed_made_up(owner, credentials).await?;
        }
    }
    let cursors = cursor_keys(owner).await?;
    let server_version = server_version(owner).await?;
    let app_settings = app_settings(given, owner, password.clone());
    // One budget for all of them: together they count as one instance of this service.
    let budget = Budget::new();
    let open = |settings| connect(owner, settings, password.as_ref(), &budget);
    let pools = Pools::open(&app_settings, open).await?;
    let partitions = Partitions::new(pools.ops_worker.clone());
    partitions.ensure_ahead().await?;
    // What remains of a request's time is for its other steps, so that its device hears of the batch.
    let within = given.config.request_deadline * 4 / 5;
    let lookup = Lookup::start(pools.ingest.clone(), within);
    let writer = Writer::start(pools.ingest.clone(), partitions.clone(), within);
    let imports = background::begin(given, &app_settings, &pools, &partitions);
    let with_tenant = given.demo.is_some() && session::takes_options(owner);
    let app_url = database_url::of_role(pools.ui.plan(), given.own_port, password.as_ref(), with_tenant);
    given.service.set_ready(Ready {
        pools,
        lookup,
        writer,
        sender: given.sender.clone(),
        cursors,
        imports,
        partitions,
        server_version,
        state_limits: given.config.device_state.limits,
    });
    let made_up_token = made_up_token(given);
    Ok(BringUpResult { app_url, app_settings, demo: given.demo.clone(), made_up_token })
}

#[cfg(feature = "dev")]
fn made_up_token(given: &BringUpInput) -> Option<String> {
    given.demo.as_ref().filter(|_| given.is_played_with).map(Credentials::made_up_token)
}

#[cfg(not(feature = "dev"))]
fn made_up_token(_: &BringUpInput) -> Option<String> {
    None
}

/// What the owner's connections are opened with.
pub(crate) fn of_the_owner(owner: &Settings) -> Settings {
    owner.clone().application_name("fleet-owner").pool_min(0).pool_max(2)
}

/// The owner's login, under what every session of this service stands under. Whether that can go with start-up is seen
/// from a connection without it.
pub(super) async fn log_in(owner: &Settings) -> Result<Database> {
    let settings = of_the_owner(owner);
    let plain = Database::connect(settings.clone()).await?;
    plain.ready().await?;
    if !session::takes_options(&plain) {
        session::creates_in_public(&plain).await?;
        return Ok(plain);
    }
    plain.close().await;
    Database::connect(session::pinned(settings, plain.plan())).await
}

/// The schema, made where it is not there and finished where it was begun. A schema that cannot be made is in the log,
/// and is tried again: meanwhile somebody may make it by hand, and the service answers 503.
async fn make_schema(owner: &Database) -> Result<(), Stop> {
    match owner.auto_initialize(&MIGRATIONS, SENTINEL).await {
        Initialisation::Initialised(report) => {
            tracing::info!("applied {} migrations", report.applied.len());
            Ok(())
        }
        done if done.is_ready() => Ok(()),
        _ => Err(Stop::Later(None)),
    }
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

/// The password of the service's role: said, or made from the owner's. Where the owner needs none, neither does it. Without the
/// owner's login it is the one of the settings, which stay as they are.
pub(super) fn app_password(config: &Config, owner: &Plan) -> Option<Secret> {
    if !config.migrate {
        return None;
    }
    let owners = match owner.password() {
        Some(Password::Fixed(password)) => Some(password),
        _ => None,
    };
    let made = || owners.map(|owners| credentials::password_of_role(owners.expose(), role::NAME).into());
    config.app_password.clone().or_else(made)
}

/// What all of the service's pools have in common.
fn app_settings(given: &BringUpInput, owner: &Database, password: Option<Secret>) -> Settings {
    let mut settings = given.owner.clone().user(role::NAME);
    if session::takes_options(owner) {
        // The owner's plan has the list already, behind what was said.
        settings = settings.options(owner.plan().options());
    }
    if !given.config.pool_timeout_is_said {
        // A part of a request's time, so that a device hears 503 and when to come again, and not 504.
        settings = settings.pool_timeout(third(given.config.request_deadline));
    }
    match password {
        Some(password) => settings.password(password),
        None => settings,
    }
}

/// A third of it, in whole milliseconds, as settings are.
fn third(span: Duration) -> Duration {
    Duration::from_millis(u64::try_from(span.as_millis() / 3).unwrap_or(u64::MAX))
}

/// Opens one of the service's pools. A password that is refused is one from before the owner's was changed.
async fn connect(
    owner: &Database,
    settings: Settings,
    password: Option<&Secret>,
    budget: &Budget,
) -> Result<Database> {
    match (Database::connect_with(settings.clone(), budget).await, password) {
        (Err(error), Some(password)) if error.fault() == Fault::Authentication => {
            tracing::info!("the password of {} is set anew: the present one is refused", role::NAME);
            role::set_password(owner, password.expose()).await?;
            Database::connect_with(settings, budget).await
        }
        (result, _) => result,
    }
}

/// What signs cursors.
pub(super) async fn cursor_keys(owner: &Database) -> Result<CursorKeys> {
    let key = shared_key(owner, CURSOR_KEY).await?;
    CursorKeys::new(&key.into()).map_err(|weak| Error::abort(format!("{weak} (service_keys, {CURSOR_KEY})")))
}

/// As PostgreSQL names itself.
async fn server_version(owner: &Database) -> Result<String> {
    Ok(owner.query_one("SHOW server_version", &[]).await?.try_get(0)?)
}

/// A random key that all instances share. The first one that has the owner's login makes it; the service's role only reads.
async fn shared_key(db: &Database, name: &str) -> Result<String> {
    let find = "SELECT key FROM public.service_keys WHERE name = $1";
    if let Some(row) = db.query_opt(find, &[&name]).await? {
        return Ok(row.try_get(0)?);
    }
    let new = credentials::new_token().map_err(|problem| Error::abort(problem.to_string()))?;
    let keep = "INSERT INTO public.service_keys (name, key) VALUES ($1, $2) ON CONFLICT DO NOTHING";
    db.execute(keep, &[&name, &new]).await?;
    Ok(db.query_one(find, &[&name]).await?.try_get(0)?)
}
