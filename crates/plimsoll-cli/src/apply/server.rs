//! The session that changes something: what it sends, and within which limits.

use super::journal::Session;
use anyhow::{Context, Result, bail, ensure};
use plimsoll::DirectConnection;
use plimsoll_inspect::checks::run::{self, Asking};
use plimsoll_inspect::checks::{Finding, Remedy, State, Subject, Thresholds, all, examine};
use plimsoll_inspect::profiles::parts::{Part, RELOAD};
use plimsoll_inspect::profiles::{Probe, situation};
use std::time::Duration;
use tokio::time::Instant;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, SimpleQueryMessage, SimpleQueryRow};

/// How long one question may take.
const ANSWERED_IN: Duration = Duration::from_secs(10);

/// How long a statement waits for a lock. What comes behind it waits as long.
const LOCK_LIMIT: &str = "2s";

/// How often a statement that did not get its lock is sent in all, and the pause after the first time; it doubles.
const TRIES: u32 = 5;
const PAUSE: Duration = Duration::from_millis(250);

/// How long a session of a run that was killed is waited for.
const OLD_SESSION: Duration = Duration::from_secs(10);

/// A connection, and what is known of what it leads to.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) direct: DirectConnection,
    pub(super) subject: Subject,
    /// The session that answers. Behind a pooler it is the one of the moment.
    pub(super) session: Session,
    /// Another session answers than the one that the connection was told of.
    pub(super) is_pooled: bool,
    /// The server's own number, if the role may see it.
    pub(super) system: Option<String>,
}

impl Server {
    /// Asks what it leads to.
    pub(super) async fn meet(direct: DirectConnection, role: &str) -> Result<Self> {
        let asking = Asking { role, thresholds: Thresholds::default() };
        let subject = run::subject(direct.client(), &asking, soon()).await?;
        ensure!(
            subject.version >= 140_000,
            "PostgreSQL {} is too old: 14 is the oldest that is known here",
            subject.version_text
        );
        let session = "SELECT pg_catalog.pg_backend_pid(), backend_start FROM pg_catalog.pg_stat_activity \
                       WHERE pid = pg_catalog.pg_backend_pid()";
        let row = first(&situation::ask(direct.client(), session, role, soon()).await?)?;
        let pid = row
            .0
            .first()
            .cloned()
            .flatten()
            .unwrap_or_default()
            .parse()
            .context("the number of the session")?;
        let started = row.0.get(1).cloned().flatten().unwrap_or_default();
        // A role that may not see it works on without.
        let system = "SELECT system_identifier FROM pg_catalog.pg_control_system()";
        let system = situation::ask(direct.client(), system, role, soon()).await.ok();
        let system = system.and_then(|answer| first(&answer).ok()?.0.into_iter().next()?);
        let is_pooled = pid != direct.pid();
        Ok(Server { direct, subject, session: Session { pid, started }, is_pooled, system })
    }

    fn client(&self) -> &Client {
        self.direct.client()
    }

    /// One value.
    pub(super) async fn value(&self, question: &str) -> Result<Option<String>> {
        let answer = situation::ask(self.client(), question, &self.subject.role, soon()).await?;
        Ok(first(&answer)?.0.into_iter().next().flatten())
    }

    /// Whether it is so.
    pub(super) async fn holds(&self, probe: &Probe) -> Result<bool> {
        match probe {
            Probe::Sql { sql } => Ok(self.value(sql).await?.as_deref() == Some("t")),
            Probe::Found { id, subject, remedy, is_found } => {
                Ok(self.finds(id, subject, remedy).await? == *is_found)
            }
            _ => bail!("the journal holds a question that this program does not know"),
        }
    }

    /// Whether a check finds something about this that these statements put right.
    async fn finds(&self, id: &str, about: &str, statements: &[String]) -> Result<bool> {
        let findings = self.findings(&[id.to_owned()]).await?;
        if let Some((_, skipped)) = findings.iter().find(|(_, finding)| finding.state == State::Skipped) {
            bail!("check {id} cannot tell: {}", skipped.value);
        }
        let found = findings.iter().any(|(_, finding)| {
            let is_the_same = matches!(&finding.remedy, Some(Remedy::Sql { run, .. }) if run == statements);
            finding.subject == about && is_the_same
        });
        Ok(found)
    }

    /// What these checks find now.
    pub(super) async fn findings(&self, ids: &[String]) -> Result<Vec<(String, Finding)>> {
        let asking = Asking { role: &self.subject.role, thresholds: Thresholds::default() };
        let checks: Vec<_> = all().filter(|check| ids.iter().any(|id| id == check.id)).collect();
        let until = Instant::now() + Duration::from_secs(30);
        let checked = examine(checks, self.client(), None, &self.subject, &asking, until, |_| ()).await;
        Ok(checked
            .into_iter()
            .flat_map(|checked| {
                let id = checked.id;
                checked.findings.into_iter().map(move |finding| (id.clone(), finding))
            })
            .collect())
    }

    /// Waits until no session of an earlier run works any more: it goes on with its statement when its client was killed.
    pub(super) async fn outlive(&self, sessions: &[Session]) -> Result<()> {
        let until = Instant::now() + OLD_SESSION;
        for old in sessions.iter().filter(|old| **old != self.session) {
            let question = format!(
                "SELECT count(*) FROM pg_catalog.pg_stat_activity WHERE pid = {} AND backend_start = '{}' AND state <> 'idle' \
                 AND pid <> pg_catalog.pg_backend_pid()",
                old.pid,
                old.started.replace('\'', "")
            );
            while self.value(&question).await?.as_deref() != Some("0") {
                ensure!(
                    Instant::now() < until,
                    "session {} of the run that was killed still works on its statement: wait for it, or end it by \
                     SELECT pg_terminate_backend({}), and resume then",
                    old.pid,
                    old.pid
                );
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
        Ok(())
    }

    /// Sends a part of a step. A lock that is not to be had is tried for again; `waits` hears of it.
    pub(super) async fn send(&self, part: &Part, mut waits: impl FnMut(&str)) -> Result<()> {
        let mut pause = PAUSE;
        for attempt in 1..=TRIES {
            let Err(error) = self.send_once(part).await else { return Ok(()) };
            if attempt == TRIES || matches!(part, Part::Alone { .. }) || !is_about_a_lock(&error) {
                return Err(explained(error, part, attempt));
            }
            waits(&format!(
                "no lock within {LOCK_LIMIT}; again in {} ms ({attempt} of {TRIES})",
                pause.as_millis()
            ));
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
        Ok(())
    }

    async fn send_once(&self, part: &Part) -> Result<(), tokio_postgres::Error> {
        let client = self.client();
        match part {
            Part::Transaction { statements } => {
                let text = format!(
                    "BEGIN READ WRITE; SET LOCAL lock_timeout = '{LOCK_LIMIT}'; SET LOCAL statement_timeout = 0; \
                     SET LOCAL client_min_messages = 'warning'; {}; COMMIT",
                    statements.join("; ")
                );
                let sent = client.simple_query(&text).await;
                if sent.is_err() {
                    // Whatever came of the transaction, the session is none's now.
                    let _ = client.simple_query("ROLLBACK").await;
                }
                sent.map(drop)
            }
            // It takes no lock of a table, and behind a pooler a setting of the session would be another client's.
            Part::Alone { statement } if !part.needs_session() => {
                client.simple_query(statement).await.map(drop)
            }
            Part::Alone { statement } => {
                let limits = format!("SET lock_timeout = '{LOCK_LIMIT}'; SET statement_timeout = 0");
                client.simple_query(&limits).await?;
                let sent = client.simple_query(statement).await;
                let _ = client.simple_query("RESET lock_timeout; RESET statement_timeout").await;
                sent.map(drop)
            }
            Part::Reload => client.simple_query(RELOAD).await.map(drop),
        }
    }
}

/// When a question has to be answered by.
pub(super) fn soon() -> Instant {
    Instant::now() + ANSWERED_IN
}

/// The columns of the first row.
pub(super) struct First(pub(super) Vec<Option<String>>);

pub(super) fn first(answer: &[SimpleQueryMessage]) -> Result<First> {
    let row = answer.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    });
    row.map(columns).context("the server answered without a row")
}

pub(super) fn columns(row: &SimpleQueryRow) -> First {
    let text = |at: usize| row.try_get(at).ok().flatten().map(str::to_owned);
    First((0..row.len()).map(text).collect())
}

fn is_about_a_lock(error: &tokio_postgres::Error) -> bool {
    let Some(said) = error.as_db_error() else { return false };
    // Two that change the same row of a catalog at once: the second is told so, in words, by XX000.
    let is_twice = *said.code() == SqlState::INTERNAL_ERROR && said.message().contains("concurrently");
    is_twice || [SqlState::LOCK_NOT_AVAILABLE, SqlState::T_R_DEADLOCK_DETECTED].contains(said.code())
}

fn explained(error: tokio_postgres::Error, part: &Part, attempts: u32) -> anyhow::Error {
    let Some(said) = error.as_db_error() else {
        return anyhow::Error::from(error).context(
            "the connection was lost while the server worked on it: whether it was done is looked at by --resume",
        );
    };
    let mut text = format!("{} ({})", said.message(), said.code().code());
    // What depends on it is told in the detail, which quotes no rows.
    let is_needed = *said.code() == SqlState::DEPENDENT_OBJECTS_STILL_EXIST;
    for more in said.hint().into_iter().chain(said.detail().filter(|_| is_needed)) {
        text = format!("{text}; {}", more.trim_end_matches('.').replace('\n', ", "));
    }
    if is_needed {
        text.push_str(
            "; drop these, or give them to another role (REASSIGN OWNED BY .. TO ..), before the next try",
        );
    }
    if *said.code() == SqlState::INSUFFICIENT_PRIVILEGE {
        text.push_str("; run it as a role that may");
    }
    if is_about_a_lock(&error) {
        text = format!(
            "{text}, tried {attempts} times: another session holds it; plimsoll doctor --check A04 tells which"
        );
    }
    if part.needs_session() {
        text.push_str(
            "; an index that was being made may have been left INVALID: drop it before the next try",
        );
    }
    anyhow::anyhow!(text)
}
