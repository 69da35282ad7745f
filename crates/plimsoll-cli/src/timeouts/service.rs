//! The limits of the service, from its environment: settings of Plimsoll, and what libpq and its drivers read: `DATABASE_URL`, with the
//! options in it, `PGOPTIONS` and `PGCONNECT_TIMEOUT`.

use anyhow::{Context, Result};
use plimsoll::Settings;
use plimsoll::secret::Secret;
use plimsoll::settings::{Plan, table};
use plimsoll_inspect::layers::Limit;
use plimsoll_inspect::layers::connection;
use plimsoll_inspect::layers::limit::{At, Keeper, Layer};
use std::path::Path;
use std::time::Duration;

/// What an environment says.
#[derive(Debug, Default)]
pub(super) struct Environment {
    pub(super) limits: Vec<Limit>,
    /// It is that of a service on Plimsoll.
    pub(super) is_plimsoll: bool,
    /// What was not read, and why.
    pub(super) notes: Vec<String>,
}

pub(super) fn read(file: &Path) -> Result<Environment> {
    let shown = file.display();
    let lines = dotenvy::from_path_iter(file).with_context(|| format!("{shown} cannot be read"))?;
    let variables = lines
        .collect::<Result<Vec<(String, String)>, _>>()
        .map_err(|error| anyhow::anyhow!("{shown} has a line that is not NAME=VALUE{}", place_of(&error)))?;
    let place = file.file_name().unwrap_or(file.as_os_str()).to_string_lossy().into_owned();
    let is_plimsoll = variables.iter().any(|(name, _)| name.starts_with("PLIMSOLL_"));
    if !is_plimsoll {
        return Ok(of_libpq(&variables, &place));
    }
    let plan = Settings::from_vars(variables.clone()).and_then(|settings| settings.check());
    let plan = plan.with_context(|| format!("the service would not start with {shown}"))?;
    let origin = |name: &str| {
        let variable = format!("PLIMSOLL_{}", name.to_ascii_uppercase());
        let is_said = variables.iter().any(|(key, _)| *key == variable);
        if is_said { format!("{place}, {variable}") } else { "the library's default".to_owned() }
    };
    Ok(Environment { limits: of_plan(&plan, origin), is_plimsoll, notes: Vec::new() })
}

/// A line's text may hold a secret, so only where it breaks is told.
fn place_of(error: &dotenvy::Error) -> String {
    match error {
        dotenvy::Error::LineParse(_, at) => format!(" (it breaks at character {at})"),
        _ => String::new(),
    }
}

fn of_plan(plan: &Plan, origin: impl Fn(&str) -> String) -> Vec<Limit> {
    use Keeper::{PostgreSQL, Service};
    let all = [
        ("pool_timeout", "pool_timeout", Layer::Pool, Service, Some(plan.pool_timeout())),
        ("pool_idle", "idle_timeout", Layer::Pool, Service, plan.idle_timeout()),
        ("connect_timeout", "connect_timeout", Layer::Connect, Service, Some(plan.connect_timeout())),
        (
            "transaction_timeout",
            "transaction_timeout",
            Layer::Transaction,
            Service,
            plan.transaction_timeout(),
        ),
        (
            "idle_in_transaction_session_timeout",
            "idle_in_transaction_session_timeout",
            Layer::Transaction,
            PostgreSQL,
            plan.idle_in_transaction_session_timeout(),
        ),
        (
            "client_statement_timeout",
            "client_statement_timeout",
            Layer::Statement,
            Service,
            plan.client_statement_timeout(),
        ),
        ("statement_timeout", "statement_timeout", Layer::Statement, PostgreSQL, plan.statement_timeout()),
        ("lock_timeout", "lock_timeout", Layer::Lock, PostgreSQL, plan.lock_timeout()),
        (
            "client_connection_check_interval",
            "client_connection_check_interval",
            Layer::Tcp,
            PostgreSQL,
            plan.client_connection_check_interval(),
        ),
        ("tcp_user_timeout", "tcp_user_timeout", Layer::Tcp, Service, plan.tcp_user_timeout()),
    ];
    let limit =
        |(name, setting, layer, keeper, after): (&'static str, &str, Layer, Keeper, Option<Duration>)| {
            // The service says them in each of its sessions.
            Limit { layer, name, keeper, after, place: origin(setting), at: At::Connection }
        };
    all.into_iter().map(limit).collect()
}

/// What the connection string says comes before what the variables say.
fn of_libpq(variables: &[(String, String)], place: &str) -> Environment {
    let value = |name: &str| {
        let last = variables.iter().rev().find(|(key, _)| key == name);
        last.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    };
    let mut notes = Vec::new();
    let (mut options, mut limits) = (None, Vec::new());
    if let Some(url) = value("DATABASE_URL") {
        match Settings::from_libpq(Some(&Secret::from(plain(url).as_str())), |_| None) {
            Ok(settings) => {
                let place = format!("{place}, DATABASE_URL");
                limits.extend(of_url(&settings, &place));
                options = said(&settings, "options").map(|options| (options, place));
            }
            // Its problems may quote the text, which holds a password.
            Err(_) => notes.push(format!("DATABASE_URL in {place}, which libpq would not understand")),
        }
    }
    let of_variable = || Some((value("PGOPTIONS")?.to_owned(), format!("{place}, PGOPTIONS")));
    if let Some((options, place)) = options.or_else(of_variable) {
        limits.extend(connection::limits(&options, &place));
    }
    let is_there = limits.iter().any(|limit: &Limit| limit.name == "connect_timeout");
    let seconds = value("PGCONNECT_TIMEOUT").and_then(|text| text.trim().parse::<u64>().ok());
    if let Some(seconds) = seconds.filter(|_| !is_there) {
        let after = (seconds > 0).then(|| Duration::from_secs(seconds));
        let place = format!("{place}, PGCONNECT_TIMEOUT");
        limits.push(of_the_client("connect_timeout", Layer::Connect, after, place));
    }
    if limits.is_empty() && notes.is_empty() {
        notes.push(format!(
            "any limit in {place}: neither its DATABASE_URL nor PGOPTIONS or PGCONNECT_TIMEOUT says one"
        ));
    }
    Environment { limits, is_plimsoll: false, notes }
}

/// The limits that are parameters of a connection string of their own.
fn of_url(settings: &Settings, place: &str) -> Vec<Limit> {
    let all = [("connect_timeout", Layer::Connect), ("tcp_user_timeout", Layer::Tcp)];
    let limits = all.into_iter().filter_map(|(name, layer)| {
        let after = plimsoll::settings::Limit::parse(&said(settings, name)?)?.duration();
        Some(of_the_client(name, layer, after, place.to_owned()))
    });
    limits.collect()
}

fn of_the_client(name: &'static str, layer: Layer, after: Option<Duration>, place: String) -> Limit {
    Limit { layer, name, keeper: Keeper::Service, after, place, at: At::default() }
}

/// What was said of this setting, if anything was.
pub(super) fn said(settings: &Settings, name: &str) -> Option<String> {
    table().iter().find(|definition| definition.name == name)?.said(settings).filter(|text| !text.is_empty())
}

/// A URL without what names a driver: `jdbc:postgresql://`, `postgresql+asyncpg://`.
fn plain(url: &str) -> String {
    let url = url.strip_prefix("jdbc:").unwrap_or(url);
    match url.split_once("://") {
        Some((scheme, rest)) => format!("{}://{rest}", scheme.split('+').next().unwrap_or(scheme)),
        None => url.to_owned(),
    }
}
