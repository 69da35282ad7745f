//! A load is a load: before one is put on what is not this machine, or on a database that others work on, it is said and asked.

use crate::ask::ask;
use crate::prompt::{self, Said};
use crate::show::tell;
use anyhow::{Context, Result, bail};
use plimsoll::DirectConnection;
use tokio_postgres::SimpleQueryMessage;

/// What others do on the server, by the names of their applications.
const OTHERS: &str = "SELECT COALESCE(NULLIF(application_name, ''), '(no application_name)') AS application, count(*) AS sessions \
    FROM pg_catalog.pg_stat_activity \
    WHERE datname = pg_catalog.current_database() AND pid <> pg_catalog.pg_backend_pid() \
      AND (backend_type IS NULL OR backend_type = 'client backend') \
    GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 5";

/// Asks whether the load may be made, unless `--yes` was said or there is no reason to ask.
///
/// # Errors
/// There is a reason to ask, and no terminal to ask at.
pub(super) async fn given(reasons: &[String], what: &str, yes: bool) -> Result<bool> {
    if reasons.is_empty() {
        return Ok(true);
    }
    let reasons = reasons.join("; ");
    if yes {
        tell(&format!("warning: {reasons}"));
        return Ok(true);
    }
    if !prompt::is_there() {
        bail!("{reasons}: {what} is not begun unless --yes says so, since there is no terminal to ask at");
    }
    tell(&format!("{reasons}. {what} slows down what others do there."));
    Ok(matches!(prompt::ask("Begin?", false).await?, Said::Yes))
}

/// Why to ask before a load on this server.
///
/// # Errors
/// The server cannot be reached, or does not answer.
pub(super) async fn reasons_of(connection: &DirectConnection) -> Result<Vec<String>> {
    let mut reasons = Vec::new();
    if !connection.host().is_local() {
        let host = connection.host();
        reasons.push(format!("the server {host} is not this machine"));
    }
    let answer = ask(connection, OTHERS, None).await.context("what others do there cannot be seen")?;
    let Ok(answer) = answer else { return Ok(reasons) };
    let others: Vec<String> = answer
        .iter()
        .filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some((row.get(0)?.to_owned(), row.get(1)?.to_owned())),
            _ => None,
        })
        .map(|(application, sessions)| format!("{} ({sessions})", crate::show::without_control(&application)))
        .collect();
    if !others.is_empty() {
        reasons.push(format!("others are connected to this database: {}", others.join(", ")));
    }
    Ok(reasons)
}
