//! The limits of the service, from its environment: settings of Plimsoll, and what libpq and its drivers read.

use anyhow::{Context, Result};
use plimsoll::Settings;
use plimsoll::settings::Plan;
use plimsoll_inspect::layers::Limit;
use plimsoll_inspect::layers::limit::{Keeper, Layer};
use std::path::Path;
use std::time::Duration;

/// What an environment says.
#[derive(Debug, Default)]
pub(super) struct Environment {
    pub(super) limits: Vec<Limit>,
    /// It is that of a service on Plimsoll.
    pub(super) is_plimsoll: bool,
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
        return Ok(Environment { limits: of_libpq(&variables, &place), is_plimsoll });
    }
    let plan = Settings::from_vars(variables.clone()).and_then(|settings| settings.check());
    let plan = plan.with_context(|| format!("the service would not start with {shown}"))?;
    let origin = |name: &str| {
        let variable = format!("PLIMSOLL_{}", name.to_ascii_uppercase());
        let is_said = variables.iter().any(|(key, _)| *key == variable);
        if is_said { format!("{place}, {variable}") } else { "the library's default".to_owned() }
    };
    Ok(Environment { limits: of_plan(&plan, origin), is_plimsoll })
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
            Limit { layer, name, keeper, after, place: origin(setting) }
        };
    all.into_iter().map(limit).collect()
}

/// `PGCONNECT_TIMEOUT`, in seconds, and the limits in `PGOPTIONS` (`-c statement_timeout=5s`).
fn of_libpq(variables: &[(String, String)], place: &str) -> Vec<Limit> {
    let value =
        |name: &str| variables.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    let mut limits = Vec::new();
    if let Some(seconds) = value("PGCONNECT_TIMEOUT").and_then(|text| text.trim().parse::<u64>().ok()) {
        limits.push(Limit {
            layer: Layer::Connect,
            name: "connect_timeout",
            keeper: Keeper::Service,
            after: (seconds > 0).then(|| Duration::from_secs(seconds)),
            place: format!("{place}, PGCONNECT_TIMEOUT"),
        });
    }
    let options = value("PGOPTIONS").unwrap_or_default();
    let words: Vec<&str> =
        options.split_whitespace().flat_map(|word| word.strip_prefix("-c").or(Some(word))).collect();
    for (name, layer) in [
        ("statement_timeout", Layer::Statement),
        ("lock_timeout", Layer::Lock),
        ("idle_in_transaction_session_timeout", Layer::Transaction),
    ] {
        let said = words
            .iter()
            .rev()
            .find_map(|word| word.trim_start_matches('-').strip_prefix(name)?.strip_prefix('='));
        let Some(millis) = said.and_then(plimsoll_inspect::layers::server::millis) else { continue };
        let after = (millis > 0).then(|| Duration::from_millis(millis));
        limits.push(Limit {
            layer,
            name,
            keeper: Keeper::PostgreSQL,
            after,
            place: format!("{place}, PGOPTIONS"),
        });
    }
    limits
}
