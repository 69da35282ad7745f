//! The role as which the service logs in: no superuser, bound by row-level security, and limited.
//!
//! The tables belong to somebody else, so that the service cannot lift the policies that hold it. The limits are written
//! on the role: a pool says them to its own sessions, but whoever else logs in as this role (a person with `psql`, a
//! script at night) is held by them too.
//!
//! Beside it there is a role as which no one logs in, that of operators (see [`crate::operator`]). The login may take it for a
//! transaction and has none of its rights otherwise: it does not inherit.
//!
//! A role belongs to the whole server, not to one database of it: several instances, and several fleets, may come to set
//! it up at the same moment. Nothing is changed that is right already, and a collision is tried again.

use plimsoll::{Database, Result};
use std::time::Duration;

/// The role's name.
pub const NAME: &str = "fleet_app";

/// The role that an operator's transaction takes.
pub const OPERATORS: &str = "fleet_operator";

/// What each of its sessions carries.
pub const LIMITS: [(&str, &str); 4] = [
    ("statement_timeout", "30s"),
    ("lock_timeout", "5s"),
    ("idle_in_transaction_session_timeout", "30s"),
    ("client_connection_check_interval", "2s"),
];

/// The same where the server knows it, which is from PostgreSQL 17 on.
pub const TRANSACTION_LIMIT: (&str, &str) = ("transaction_timeout", "1min");

const KNOWS: &str = "SELECT EXISTS (SELECT FROM pg_catalog.pg_settings WHERE name = $1)";

const LOOK: &str = "
    SELECT NOT rolsuper AND NOT rolbypassrls, rolcanlogin AND NOT rolinherit, coalesce(rolconfig, '{}')
    FROM pg_catalog.pg_roles WHERE rolname = $1";

const LOOK_AT_OPERATORS: &str = "
    SELECT NOT rolcanlogin AND NOT rolsuper AND NOT rolbypassrls FROM pg_catalog.pg_roles WHERE rolname = $1";

/// Whether the first may take the second, and whether it has its rights without taking it.
const LOOK_AT_MEMBERSHIP: &str = "
    SELECT pg_catalog.pg_has_role($1, $2, 'MEMBER'), pg_catalog.pg_has_role($1, $2, 'USAGE')";

const TRIES: u32 = 40;
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

/// Makes the role if it is not there, and sets right what is not right about it.
///
/// # Errors
/// When the owner's login may not do what has to be done.
///
/// # Cancel safety
/// Dropped, a part may have been done; the next call does the rest.
pub async fn ensure(owner: &Database, password: Option<&str>) -> Result<()> {
    let mut tried = 0;
    loop {
        tried += 1;
        match set_all_right(owner, password).await {
            Err(error) if tried < TRIES && is_collision(&error) => pause().await,
            result => return result,
        }
    }
}

/// Two that have collided would collide again if they waited equally long.
async fn pause() {
    tokio::time::sleep(LONGEST_PAUSE.mul_f64(fastrand::f64())).await;
}

async fn set_all_right(owner: &Database, password: Option<&str>) -> Result<()> {
    set_right(owner, password).await?;
    set_operators_right(owner).await
}

/// The login does not inherit by now, and so it does not from this membership.
async fn set_operators_right(owner: &Database) -> Result<()> {
    let is_plain = owner.query_opt(LOOK_AT_OPERATORS, &[&OPERATORS]).await?;
    match is_plain.map(|row| row.try_get::<_, bool>(0)).transpose()? {
        Some(true) => {}
        Some(false) => {
            owner.execute(&format!("ALTER ROLE {OPERATORS} NOLOGIN NOSUPERUSER NOBYPASSRLS"), &[]).await?;
        }
        None => {
            owner.execute(&format!("CREATE ROLE {OPERATORS} NOLOGIN NOSUPERUSER NOBYPASSRLS"), &[]).await?;
        }
    }
    let row = owner.query_one(LOOK_AT_MEMBERSHIP, &[&NAME, &OPERATORS]).await?;
    let (is_member, inherits): (bool, bool) = (row.try_get(0)?, row.try_get(1)?);
    if inherits {
        owner.execute(&format!("REVOKE {OPERATORS} FROM {NAME}"), &[]).await?;
    }
    if inherits || !is_member {
        owner.execute(&format!("GRANT {OPERATORS} TO {NAME}"), &[]).await?;
    }
    Ok(())
}

async fn set_right(owner: &Database, password: Option<&str>) -> Result<()> {
    let Some(row) = owner.query_opt(LOOK, &[&NAME]).await? else {
        let password = password.map(in_sql).unwrap_or_default();
        owner
            .execute(&format!("CREATE ROLE {NAME} LOGIN NOSUPERUSER NOBYPASSRLS NOINHERIT{password}"), &[])
            .await?;
        return set_limits(owner, &[]).await;
    };
    let (is_bound, is_login): (bool, bool) = (row.try_get(0)?, row.try_get(1)?);
    // Only a superuser may speak of the first two, also to take them away.
    if !is_bound {
        owner.execute(&format!("ALTER ROLE {NAME} NOSUPERUSER NOBYPASSRLS"), &[]).await?;
    }
    if !is_login {
        owner.execute(&format!("ALTER ROLE {NAME} LOGIN NOINHERIT"), &[]).await?;
    }
    set_limits(owner, &row.try_get::<_, Vec<String>>(2)?).await
}

async fn set_limits(owner: &Database, present: &[String]) -> Result<()> {
    let knows: bool = owner.query_one(KNOWS, &[&TRANSACTION_LIMIT.0]).await?.try_get(0)?;
    for (name, value) in LIMITS.into_iter().chain(knows.then_some(TRANSACTION_LIMIT)) {
        if !present.contains(&format!("{name}={value}")) {
            owner.execute(&format!("ALTER ROLE {NAME} SET {name} = '{value}'"), &[]).await?;
        }
    }
    Ok(())
}

/// Gives the role this password; for when the one that it has is another.
///
/// # Errors
/// When the owner's login may not do that.
///
/// # Cancel safety
/// Dropped, it may have been done.
pub async fn set_password(owner: &Database, password: &str) -> Result<()> {
    let sql = format!("ALTER ROLE {NAME}{}", in_sql(password));
    let mut tried = 0;
    loop {
        tried += 1;
        match owner.execute(&sql, &[]).await {
            Err(error) if tried < TRIES && is_collision(&error) => pause().await,
            result => return result.map(drop),
        }
    }
}

/// The password as the server keeps it: the statement may be in a log, the password never is.
fn in_sql(password: &str) -> String {
    format!(" PASSWORD '{}'", postgres_protocol::password::scram_sha_256(password.as_bytes()))
}

/// Somebody else was just making or changing the same role.
fn is_collision(error: &plimsoll::Error) -> bool {
    let Some(said) = error.as_db_error() else { return false };
    // "tuple concurrently updated" has no code of its own, and its text is in the server's language.
    matches!(said.code().code(), "42710" | "23505")
        || (said.code().code() == "XX000"
            && matches!(said.routine(), Some("simple_heap_update" | "simple_heap_delete")))
}
