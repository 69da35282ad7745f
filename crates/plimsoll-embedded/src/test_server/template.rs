//! Templates: what many tests begin with, made once and copied.
//!
//! A template that was made for a text is named by a hash of that text, so a changed schema is another template and nobody
//! has to remember to throw the old one away. It counts as finished when it is marked as a template, which is the last
//! thing that is done to it; one without the mark was left by a process that died, and is made again.

use super::server::TestServer;
use crate::error::{Error, Result};
use crate::file_lock;
use crate::sql;
use rustix::fs::FlockOperation;
use std::fmt::Display;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

/// A long list of migrations, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(300);

pub(super) async fn from_sql(server: &TestServer, name: &str, setup_sql: &str) -> Result<String> {
    let template = template_name(name, setup_sql);
    let doing = format!("set up the template \"{name}\"");
    let setup = async || server.socket().run(&template, setup_sql, &doing).await.map(drop);
    make_once(server, &template, setup).await?;
    Ok(template)
}

pub(super) async fn from_program<E: Display>(
    server: &TestServer,
    name: &str,
    fingerprint: &str,
    setup: impl AsyncFnOnce(String) -> Result<(), E>,
) -> Result<String> {
    let template = template_name(name, fingerprint);
    let doing = format!("set up the template \"{name}\"");
    let setup = async || {
        let result = setup(server.url(&template)).await;
        result.map_err(|error| Error::Sql { doing, problem: error.to_string() })
    };
    make_once(server, &template, setup).await?;
    Ok(template)
}

async fn make_once(
    server: &TestServer,
    template: &str,
    setup: impl AsyncFnOnce() -> Result<()>,
) -> Result<()> {
    if is_finished(server, template).await? {
        return Ok(());
    }
    let path = server.place().template_lock(template);
    let lock = file_lock::wait_for(&path, FlockOperation::NonBlockingLockExclusive, PATIENCE).await?;
    let _lock = lock.ok_or_else(|| Error::TooSlow {
        doing: format!("waiting for another process to make the template {template}"),
        seconds: PATIENCE.as_secs(),
        log: String::new(),
    })?;
    if is_finished(server, template).await? {
        return Ok(());
    }
    let (admin, quoted) = (server.socket(), sql::name(template));
    let doing = "make a template";
    admin.run("postgres", &format!("DROP DATABASE IF EXISTS {quoted} WITH (FORCE)"), doing).await?;
    admin.run("postgres", &format!("CREATE DATABASE {quoted} TEMPLATE template0"), doing).await?;
    setup().await?;
    // Closed to visitors: a single one would keep it from being copied.
    let finish = format!("ALTER DATABASE {quoted} WITH IS_TEMPLATE true ALLOW_CONNECTIONS false");
    admin.run("postgres", &finish, doing).await.map(drop)
}

async fn is_finished(server: &TestServer, template: &str) -> Result<bool> {
    let find =
        format!("SELECT 1 FROM pg_database WHERE datname = {} AND datistemplate", sql::literal(template));
    Ok(!server.socket().run("postgres", &find, "look for a template").await?.is_empty())
}

fn template_name(name: &str, content: &str) -> String {
    let mut hash = DefaultHasher::new();
    content.hash(&mut hash);
    format!("template_{}_{:016x}", plain(name, 30), hash.finish())
}

/// Only what needs no quoting anywhere, and not too much of it (a name may have 63 bytes).
pub(super) fn plain(name: &str, longest: usize) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' };
    name.chars().take(longest).map(plain).collect()
}
