//! Makes the limits hold in a fresh session, and reads back that they do.

use super::connect::Pooler;
use super::guardrails;
use super::guardrails::{Guardrail, Readback};
use super::handshake::{READING_BACK, Session, refused};
use super::naming;
use super::naming::Naming;
use super::stated;
use super::stated::SessionDefaults;
use crate::error::{Error, Outcome, Phase, Result};
use crate::fault::Fault;
use crate::settings::{Host, OnMissingGuardrail, Plan};
use tokio_postgres::{Client, SimpleQueryMessage};

/// Sets the limits that start-up could not carry, reads all of them back, and judges.
///
/// # Errors
/// A limit is not in force, and the plan does not allow that; or the server gave no answer.
pub(super) async fn establish(
    plan: &Plan,
    host: &Host,
    pooler: Pooler,
    first: &Readback,
    client: &Client,
) -> Result<Session> {
    let wanted = guardrails::wanted(plan, first.version);
    let mut session = Session {
        pooler,
        naming: Naming::PerServer,
        version: first.version,
        read_only: first.read_only,
        read_committed: first.read_committed,
        after_reset: String::new(),
        local: Vec::new(),
        own: SessionDefaults::default(),
        degraded: Vec::new(),
    };
    let missing = match pooler {
        Pooler::None => {
            session.after_reset = guardrails::session_sets(&set_late(&wanted, first));
            read_back_after(client, host, &session.after_reset, first, &wanted).await?
        }
        Pooler::Session => {
            session.after_reset = guardrails::session_sets(&wanted);
            read_back_after(client, host, &session.after_reset, first, &wanted).await?
        }
        Pooler::Transaction => {
            session.local = wanted.clone();
            let sets = guardrails::local_sets(&wanted);
            let opening = format!("BEGIN; {sets} {}", guardrails::READ_BACK);
            let probed = naming::probe(client, &opening).await;
            let (inside, naming) = probed.map_err(|error| refused(host, READING_BACK, error))?;
            session.naming = naming;
            session.own = own_values(client, host).await?;
            session.read_only = session.own.only_reads();
            session.read_committed = session.own.is_read_committed();
            read(&inside, host)?.missing(&wanted)
        }
    };
    session.degraded = judge(plan, host, missing)?;
    Ok(session)
}

/// The limits of a direct connection that could not be known at start-up. A limit that got lost on the way is not quietly
/// set again.
fn set_late(wanted: &[Guardrail], first: &Readback) -> Vec<Guardrail> {
    let is_late = |limit: &&Guardrail| {
        limit.name == "transaction_timeout" && first.effective(limit.name) != Some(limit.millis)
    };
    wanted.iter().filter(is_late).copied().collect()
}

/// Refuses a connection without all of its limits, or warns where the plan allows it.
fn judge(plan: &Plan, host: &Host, missing: Vec<String>) -> Result<Vec<String>> {
    if missing.is_empty() {
        return Ok(missing);
    }
    let text = missing.join(", ");
    if plan.on_missing_guardrail() == OnMissingGuardrail::Error {
        return Err(Error::new(
            Fault::GuardrailMissing,
            Phase::Connect,
            Outcome::NotStarted,
            format!("the connection to {host} does not carry its limits: {text}"),
        ));
    }
    tracing::warn!(target: "plimsoll", %host, "degraded: a connection does not carry its limits: {text}");
    Ok(missing)
}

async fn read_back_after(
    client: &Client,
    host: &Host,
    sets: &str,
    first: &Readback,
    wanted: &[Guardrail],
) -> Result<Vec<String>> {
    if sets.is_empty() {
        return Ok(first.missing(wanted));
    }
    Ok(ask(client, &format!("{sets} {}", guardrails::READ_BACK), host).await?.missing(wanted))
}

/// What the login itself has, whatever a stranger has left in the session.
async fn own_values(client: &Client, host: &Host) -> Result<SessionDefaults> {
    let messages =
        client.simple_query(stated::ASK).await.map_err(|error| refused(host, READING_BACK, error))?;
    Ok(SessionDefaults::of(messages.iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some((row.get(0)?.to_owned(), row.get(1)?.to_owned())),
        _ => None,
    })))
}

/// Runs text that ends in [`guardrails::READ_BACK`] and reads its row.
pub(super) async fn ask(client: &Client, sql: &str, host: &Host) -> Result<Readback> {
    let messages = client.simple_query(sql).await.map_err(|error| refused(host, READING_BACK, error))?;
    read(&messages, host)
}

/// The row of [`guardrails::READ_BACK`].
fn read(messages: &[SimpleQueryMessage], host: &Host) -> Result<Readback> {
    messages
        .iter()
        .find_map(|message| match message {
            SimpleQueryMessage::Row(row) => {
                let column = |index: usize| row.try_get(index).ok().flatten();
                Readback::read(column(0)?, column(1)?, column(2)?, column(3)?)
            }
            _ => None,
        })
        .ok_or_else(|| {
            Error::new(
                Fault::Driver,
                Phase::Connect,
                Outcome::NotStarted,
                format!("{host} did not say which limits are in force"),
            )
        })
}
