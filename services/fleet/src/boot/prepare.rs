//! `fleet migrate`: what only the owner of the tables may do, done once and before the service starts, so that the service
//! itself needs no more than its own role (`FLEET_MIGRATE=off`).
//!
//! It makes the role, the schema, the keys that all instances share, and the first tenant where `FLEET_DEMO` is on. It may be
//! run again at any time, and beside others of its kind.

use crate::boot::bring_up::{app_password, cursor_keys, log_in};
use crate::boot::config::{Config, Source};
use crate::boot::origin::kept_credentials;
use crate::boot::schema::MIGRATIONS;
use crate::boot::start::StartError;
use crate::boot::{demo, role};
use plimsoll::secret::Secret;
use plimsoll::{Database, Error, Result};

/// Prepares the database, once: one that is away is an error. Says what was done.
///
/// # Errors
/// No database was named, or what it refused.
///
/// # Cancel safety
/// Dropped, some of the steps were taken; the next call takes the rest.
pub async fn prepare(config: &Config) -> Result<String, StartError> {
    let Source::Given(settings) = &config.database else { return Err(StartError::NoDatabase) };
    if !config.migrate {
        return Err(StartError::Database(
            "`fleet migrate` is what FLEET_MIGRATE=off leaves out: unset it".to_owned(),
        ));
    }
    let demo = kept_credentials(config)?.filter(|_| config.demo);
    let failed = |error: Error| StartError::Database(error.to_string());
    let owner = log_in(settings).await.map_err(failed)?;
    let done = steps(config, &owner, demo.as_ref()).await;
    owner.close().await;
    done.map_err(failed)
}

async fn steps(config: &Config, owner: &Database, demo: Option<&demo::Credentials>) -> Result<String> {
    let password = app_password(config, owner.plan());
    role::ensure(owner, password.as_ref().map(Secret::expose)).await?;
    if let Some(password) = &config.app_password {
        role::set_password(owner, password.expose()).await?;
    }
    let report = owner.migrate(&MIGRATIONS).await?;
    cursor_keys(owner).await?;
    if let Some(credentials) = demo {
        demo::seed(owner, credentials).await?;
    }
    let (database, applied) = (owner.plan().dbname(), report.applied.len());
    Ok(format!(
        "the database {database} is prepared: {applied} migrations applied now, {} before, the role {}",
        report.already,
        role::NAME
    ))
}
