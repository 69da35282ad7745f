//! What the service was told, read once at the beginning.
//!
//! Where the database is, and every limit of its pools, is said in the library's own variables (`DATABASE_URL`, or
//! `PG_HOST` and its like, and `PLIMSOLL_*`). The few below are the service's own, and so are those
//! about readings, which are in [`IngestConfig`]'s module, about devices' states, in [`state_config`]'s, about signed tokens, in
//! [`IdentityConfig`]'s, about messages, in [`DeliveryConfig`]'s, and about the broker, in [`MqttConfig`]'s.
//!
//! | variable | default | what it says |
//! |---|---|---|
//! | `FLEET_LISTEN` | `127.0.0.1:8080` | address and port; port 0 takes a free one |
//! | `FLEET_DATA` | `data` | the folder of the service's own PostgreSQL and of the first tenant's secrets |
//! | `FLEET_DEMO` | on with a database of its own | makes the tenant `test`, and prints how to use it |
//! | `AUTO_PROVISION` | on with a database of its own | a first message that proves the tenant's key registers its device |
//! | `OPERATOR_TOKEN` | made for the tenant `test` | what operators show; without one nobody is an operator |
//! | `FLEET_SIGUSR1` | `on` | SIGUSR1 prints what goes on; `off` ignores it |
//! | `RUST_LOG` | `info` | what is logged. Unset with a database of its own, requests are logged only where they failed or took 1 s and more, one in 10 s |
//! | `FLEET_ENV_FILE` | `.env.fleet` | where the tenant `test` is written down for shells; `off` for nowhere |
//! | `FLEET_MIGRATE` | `on` | `off` starts on a schema that `fleet migrate` has made; `DATABASE_URL` then names the role `fleet_app`, and no owner's login is needed |
//! | `FLEET_APP_PASSWORD` | made from the owner's | the password of the login role `fleet_app` |
//! | `FLEET_REQUEST_DEADLINE` | `15s` | how long a request may take; then it is answered 504 |
//! | `FLEET_PROXY_LIMIT` | not known | how long the proxy in front waits for an answer; a shorter one than a request has is refused |
//! | `FLEET_ESCALATION_EVERY` | `5s` | how often each instance looks for alerts whose next level is due |
//! | `FLEET_GRACE` | `20s` | how long requests under way may go on once the service stops |
//! | `FLEET_HARD_STOP` | `30s` | when the whole stop is over, whatever clients and the database do |
//! | `FLEET_NIGHT_HOUR` | `2` | the hour of UTC, 0 to 23, from which past readings are dropped and the overview of sites is worked out |
//! | `FLEET_KEEP_DAYS` | `90` | for how many days, 1 to 3650, closed alerts are kept, with the steps of their escalations; and messages that were sent or given up |

use crate::boot::delivery_config::DeliveryConfig;
use crate::boot::ingest_config::IngestConfig;
use crate::boot::mqtt_config::MqttConfig;
use crate::boot::{role, state_config};
use crate::delivery::mail::MailError;
use crate::devices::state::StateSettings;
use crate::identity::config::IdentityConfig;
use plimsoll::secret::Secret;
use plimsoll::settings::{Limit, Settings, SettingsError};
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

/// Where the database is.
#[derive(Clone, Debug)]
pub enum Source {
    /// A PostgreSQL of the service's own, whose data stay in its folder.
    DevPostgres,
    /// A database that somebody else looks after; the login is its owner's.
    Given(Box<Settings>),
}

/// What the service was told.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Where it keeps what is its own.
    pub data: PathBuf,
    /// Where the database is.
    pub database: Source,
    /// Whether the tenant of the first hour is made.
    pub demo: bool,
    /// Whether a first message may register its device.
    pub auto_provision: bool,
    /// What operators show, where it is not that of the first hour.
    pub operator_token: Option<Secret>,
    /// Whether SIGUSR1 prints what goes on.
    pub sigusr1: bool,
    /// Whether each request is logged, or only those that failed or were slow.
    pub logs_every_request: bool,
    /// Where the tenant of the first hour is written down for shells.
    pub env_file: Option<PathBuf>,
    /// Whether the service makes its role and its schema, as the owner of the tables; otherwise it logs in as its own role.
    pub migrate: bool,
    /// The password of the service's role, where it is not made from the owner's.
    pub app_password: Option<Secret>,
    /// Whether somebody said how long to wait for a connection; the service has a shorter default than the library.
    pub pool_timeout_is_said: bool,
    /// How readings are taken in.
    pub ingest: IngestConfig,
    /// When a device is there.
    pub device_state: StateSettings,
    /// How often it is looked for alerts that are due.
    pub escalation_every: Duration,
    /// Which signed tokens are accepted.
    pub identity: IdentityConfig,
    /// How alerts are told to the outside.
    pub delivery: DeliveryConfig,
    /// The broker between the devices and the service.
    pub mqtt: MqttConfig,
    /// How long a request may take.
    pub request_deadline: Duration,
    /// How long the proxy in front waits for an answer, if there is one.
    pub proxy_limit: Option<Duration>,
    /// How long requests under way may go on once the service stops.
    pub grace: Duration,
    /// When the whole stop is over.
    pub hard_stop: Duration,
    /// The hour of UTC at which the work of the night begins.
    pub night_hour: i8,
    /// For how many days alerts and messages that were done with are kept.
    pub keep_days: i32,
}

/// A variable that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// One of the service's own.
    #[error("{variable} is {value:?}; allowed is {allowed}")]
    Value {
        /// Which.
        variable: &'static str,
        /// What it says.
        value: String,
        /// What it may say.
        allowed: &'static str,
    },
    /// Where the broker is. What was said is not repeated, since there may be a password in it.
    #[error(
        "FLEET_MQTT_URL cannot be used: {0}; allowed is mqtt://user:password@host:1883, mqtts:// for TLS, or off (what is \
         special in a user or password is written as %xx)"
    )]
    Broker(String),
    /// The login of the service's own pools was named for the owner's.
    #[error(
        "the database is named with the login {0}, which is that of the service's own pools; name the login of the tables' \
         owner (or, if DATABASE_URL was read from .env.fleet into this shell: unset DATABASE_URL)"
    )]
    OwnRole(&'static str),
    /// The service may not do what the owner's login is for, and that is what it was told to do.
    #[error("FLEET_MIGRATE=off means that the service does nothing that needs the owner of the tables; {0}")]
    WithoutOwner(String),
    /// The relay for mail.
    #[error(transparent)]
    Mail(#[from] MailError),
    /// Those of the library, all of them at once.
    #[error(transparent)]
    Database(#[from] SettingsError),
}

/// What a request may be given. A second is what the steps of the shortest one need on a busy database.
const DEADLINES: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(600);

/// Any of these says where a database is.
const SAID: [&str; 4] = ["DATABASE_URL", "PLIMSOLL_URL", "PG_HOST", "POSTGRES_HOST"];

impl Config {
    /// What the environment says.
    ///
    /// # Errors
    /// Which variable cannot be used, and why.
    pub fn from_env() -> Result<Self, ConfigError> {
        Config::from_env_with(|name| std::env::var(name).ok())
    }

    /// The same from any other place that knows variables by name.
    ///
    /// # Errors
    /// As [`Config::from_env`].
    pub fn from_env_with(variable: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let said = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
        let migrate = switch("FLEET_MIGRATE", said("FLEET_MIGRATE"), true)?;
        let database = match SAID.iter().any(|name| said(name).is_some()) {
            true => Source::Given(Box::new(of_the_login(Settings::from_env_with(&variable)?, migrate)?)),
            false if migrate => Source::DevPostgres,
            false => {
                return Err(without_owner("name the database, with the login fleet_app, in DATABASE_URL"));
            }
        };
        let is_own = matches!(database, Source::DevPostgres);
        let pool_timeouts = ["PLIMSOLL_POOL_TIMEOUT", "DATABASE_POOL_TIMEOUT"];
        let config = Config {
            listen: listen(said("FLEET_LISTEN"))?,
            data: said("FLEET_DATA").unwrap_or_else(|| "data".to_owned()).into(),
            database,
            demo: switch("FLEET_DEMO", said("FLEET_DEMO"), is_own)?,
            auto_provision: switch("AUTO_PROVISION", said("AUTO_PROVISION"), is_own)?,
            operator_token: said("OPERATOR_TOKEN").map(Secret::from),
            sigusr1: switch("FLEET_SIGUSR1", said("FLEET_SIGUSR1"), true)?,
            logs_every_request: !is_own || said("RUST_LOG").is_some(),
            env_file: env_file(said("FLEET_ENV_FILE")),
            migrate,
            app_password: said("FLEET_APP_PASSWORD").map(Secret::from),
            pool_timeout_is_said: pool_timeouts.iter().any(|name| said(name).is_some()),
            ingest: IngestConfig::read(said)?,
            device_state: state_config::read(said)?,
            escalation_every: time("FLEET_ESCALATION_EVERY", said("FLEET_ESCALATION_EVERY"))?
                .unwrap_or(Duration::from_secs(5)),
            identity: IdentityConfig::read(said)?,
            delivery: DeliveryConfig::read(said)?,
            mqtt: MqttConfig::read(said, is_own)?,
            request_deadline: deadline(said("FLEET_REQUEST_DEADLINE"))?.unwrap_or(Duration::from_secs(15)),
            proxy_limit: time("FLEET_PROXY_LIMIT", said("FLEET_PROXY_LIMIT"))?,
            grace: time("FLEET_GRACE", said("FLEET_GRACE"))?.unwrap_or(Duration::from_secs(20)),
            hard_stop: time("FLEET_HARD_STOP", said("FLEET_HARD_STOP"))?.unwrap_or(Duration::from_secs(30)),
            night_hour: hour(said("FLEET_NIGHT_HOUR"))?.unwrap_or(2),
            keep_days: keep_days(said("FLEET_KEEP_DAYS"))?.unwrap_or(90),
        };
        config.fits_together()
    }
}

impl Config {
    fn fits_together(self) -> Result<Self, ConfigError> {
        if self.migrate {
            return Ok(self);
        }
        if self.demo {
            return Err(without_owner("FLEET_DEMO=on makes a tenant: say it to `fleet migrate`"));
        }
        match self.app_password {
            Some(_) => Err(without_owner(
                "the password of fleet_app is that of DATABASE_URL, so unset FLEET_APP_PASSWORD",
            )),
            None => Ok(self),
        }
    }
}

fn without_owner(what_to_do: impl Into<String>) -> ConfigError {
    ConfigError::WithoutOwner(what_to_do.into())
}

/// The login is the owner's where the schema is made, and the service's own where it is not. Settings that cannot be used at all
/// are refused later, with all that is wrong with them.
fn of_the_login(settings: Settings, migrate: bool) -> Result<Settings, ConfigError> {
    match settings.clone().check() {
        Ok(plan) if migrate && plan.user() == role::NAME => Err(ConfigError::OwnRole(role::NAME)),
        Ok(plan) if !migrate && plan.user() != role::NAME => Err(without_owner(format!(
            "DATABASE_URL has the login {}, and has to have {}",
            plan.user(),
            role::NAME
        ))),
        _ => Ok(settings),
    }
}

fn env_file(said: Option<String>) -> Option<PathBuf> {
    match said.as_deref().map(str::trim) {
        None => Some(".env.fleet".into()),
        Some(word) if word.eq_ignore_ascii_case("off") => None,
        Some(path) => Some(path.into()),
    }
}

fn listen(said: Option<String>) -> Result<SocketAddr, ConfigError> {
    let Some(value) = said else { return Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, 8080))) };
    let allowed = "an address and a port, such as 127.0.0.1:8080";
    value.trim().parse().map_err(|_| ConfigError::Value { variable: "FLEET_LISTEN", value, allowed })
}

fn deadline(said: Option<String>) -> Result<Option<Duration>, ConfigError> {
    let variable = "FLEET_REQUEST_DEADLINE";
    match time(variable, said.clone())? {
        Some(time) if !DEADLINES.contains(&time) => {
            let value = said.unwrap_or_default();
            Err(ConfigError::Value { variable, value, allowed: "1s to 10min" })
        }
        time => Ok(time),
    }
}

fn hour(said: Option<String>) -> Result<Option<i8>, ConfigError> {
    let Some(value) = said else { return Ok(None) };
    match value.trim().parse() {
        Ok(hour) if (0..24).contains(&hour) => Ok(Some(hour)),
        _ => Err(ConfigError::Value {
            variable: "FLEET_NIGHT_HOUR",
            value,
            allowed: "an hour of UTC from 0 to 23",
        }),
    }
}

fn keep_days(said: Option<String>) -> Result<Option<i32>, ConfigError> {
    let Some(value) = said else { return Ok(None) };
    match value.trim().parse() {
        Ok(days) if (1..=3650).contains(&days) => Ok(Some(days)),
        _ => Err(ConfigError::Value {
            variable: "FLEET_KEEP_DAYS",
            value,
            allowed: "a number of days from 1 to 3650",
        }),
    }
}

pub(super) fn time(variable: &'static str, said: Option<String>) -> Result<Option<Duration>, ConfigError> {
    let Some(value) = said else { return Ok(None) };
    match Limit::parse(&value) {
        Some(Limit::After(time)) => Ok(Some(time)),
        _ => {
            let allowed = "a whole number and ms, s, min or h, such as 15s";
            Err(ConfigError::Value { variable, value, allowed })
        }
    }
}

pub(super) fn switch(
    variable: &'static str,
    said: Option<String>,
    otherwise: bool,
) -> Result<bool, ConfigError> {
    let Some(value) = said else { return Ok(otherwise) };
    match value.trim().to_ascii_lowercase().as_str() {
        "1" | "on" | "true" | "yes" => Ok(true),
        "0" | "off" | "false" | "no" => Ok(false),
        _ => Err(ConfigError::Value { variable, value, allowed: "1, on, true, yes or 0, off, false, no" }),
    }
}
