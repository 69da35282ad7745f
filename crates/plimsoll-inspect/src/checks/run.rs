//! Asks the checks, within limits: the server that is looked at may be the one in trouble.
//!
//! Everything goes through one connection. Each question is a transaction of its own that only reads, with a limit on its time
//! and on what it waits for a lock; the same question of several checks is asked once. What cannot be asked is skipped with the
//! reason. Once the whole time is over, or the connection is gone, the rest is skipped.

use super::check::{Answers, Check, Place, Thresholds};
use super::finding::{Finding, State};
use super::report::Checked;
use super::subject::{ABOUT, ABOUT_UNDER_LOCKS, Subject, literal};
use crate::answer::Unreadable;
use crate::mark::{MARK, without_comment};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, SimpleQueryMessage};

/// How long one question may take on the server.
pub const QUESTION_LIMIT: Duration = Duration::from_secs(5);

/// How long one question may wait for a lock.
pub const LOCK_LIMIT: Duration = Duration::from_millis(200);

/// The oldest major version of PostgreSQL that can be looked at.
pub const OLDEST_MAJOR: u32 = 14;

/// How much longer than the server's own limit an answer is waited for.
const GRACE: Duration = Duration::from_secs(1);

/// What is asked about, and how.
#[derive(Clone, Debug, Default)]
pub struct Asking<'a> {
    /// The application's role; the one that asks if it is empty.
    pub role: &'a str,
    /// The numbers to judge by.
    pub thresholds: Thresholds,
}

/// Why a question was not answered.
#[derive(Debug, thiserror::Error)]
pub enum NotAsked {
    /// The server refused, or the connection was lost.
    #[error("a question was not answered: {0}")]
    Refused(#[from] tokio_postgres::Error),
    /// No answer came in time.
    #[error("a question was not answered within {0:?}: the server, or what stands before it, hangs")]
    Hangs(Duration),
    /// It is a PostgreSQL that is too old.
    #[error("this is PostgreSQL {0}; the oldest that can be looked at is {OLDEST_MAJOR}")]
    TooOld(String),
    /// It is no PostgreSQL.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
}

/// What is known of the server; it is asked first. Where a session keeps the catalog of roles locked, it is what the server
/// knows without looking there: the role is then taken to exist, and to see what only a superuser surely sees.
///
/// # Errors
/// The server does not answer, or not like a PostgreSQL.
///
/// # Cancel safety
/// Dropping it leaves the question running for at most [`QUESTION_LIMIT`].
pub async fn subject(client: &Client, asking: &Asking<'_>, until: Instant) -> Result<Subject, NotAsked> {
    let answer = match question(client, ABOUT, asking, until).await {
        Err(NotAsked::Refused(error)) if is_held_up(&error) => {
            question(client, ABOUT_UNDER_LOCKS, asking, until).await?
        }
        answer => answer?,
    };
    Ok(Subject::read(&answer)?)
}

/// Another session holds a lock, or the server is too busy to answer in time.
fn is_held_up(error: &tokio_postgres::Error) -> bool {
    matches!(error.code(), Some(&(SqlState::LOCK_NOT_AVAILABLE | SqlState::QUERY_CANCELED)))
}

/// Asks one question as the checks are asked: in a transaction that only reads, within the same limits. The session is in order
/// afterwards, also where the server refused.
///
/// # Errors
/// The server refuses, or does not answer in time.
///
/// # Cancel safety
/// Dropping it leaves the question running for at most [`QUESTION_LIMIT`].
pub async fn question(
    client: &Client,
    question: &str,
    asking: &Asking<'_>,
    until: Instant,
) -> Result<Vec<SimpleQueryMessage>, NotAsked> {
    put(client, &transaction(question, asking.role, QUESTION_LIMIT), until).await
}

/// Sends a transaction, and ends it where the server refused.
async fn put(
    client: &Client,
    transaction: &str,
    until: Instant,
) -> Result<Vec<SimpleQueryMessage>, NotAsked> {
    let limit = until.saturating_duration_since(Instant::now());
    match timeout_at(until, client.simple_query(transaction)).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(refused)) => {
            // Should this fail too, the next question tells.
            let _ = is_put_in_order(client, until).await;
            Err(refused.into())
        }
        Err(_) => Err(NotAsked::Hangs(limit)),
    }
}

/// Ends the transaction of a question that was refused; whether that was done by then.
async fn is_put_in_order(client: &Client, until: Instant) -> bool {
    let ended = timeout_at(until, client.simple_query("ROLLBACK")).await;
    matches!(ended, Ok(Ok(_)))
}

/// Refuses a server that is older than what the checks were tried on.
///
/// # Errors
/// [`NotAsked::TooOld`].
pub fn not_too_old(subject: Subject) -> Result<Subject, NotAsked> {
    if subject.major() < OLDEST_MAJOR { Err(NotAsked::TooOld(subject.version_text)) } else { Ok(subject) }
}

/// What came of checks, and whether all of them were asked.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Examined {
    /// What came of each, in their order.
    pub checks: Vec<Checked>,
    /// Why the rest was not asked, if there was a rest: the time was over, the server hung, or the connection was lost.
    pub cut_short: Option<String>,
}

/// Asks something that may take longer than a question: for at most `limit` on the server, and a little longer in all. It waits for
/// a lock no longer than a question. The session is in order afterwards, also where the server refused.
///
/// # Errors
/// The server refuses, or does not answer in time.
///
/// # Cancel safety
/// Dropping it leaves the statement running for at most `limit`.
pub async fn long_question(
    client: &Client,
    question: &str,
    limit: Duration,
) -> Result<Vec<SimpleQueryMessage>, NotAsked> {
    put(client, &transaction(question, "", limit), Instant::now() + limit + GRACE).await
}

/// Asks these checks, of the server and, if there is one, of the pooler's console. `begins` hears of each check before it is
/// asked. The findings come in the order of the checks.
///
/// When `until` has come the rest is skipped; a question that still runs then ends by its own limit, or by a cancel of the
/// caller, who has the connection.
///
/// # Cancel safety
/// Dropping it leaves the question under way running for at most [`QUESTION_LIMIT`].
pub async fn examine(
    checks: impl IntoIterator<Item = &'static Check>,
    client: &Client,
    pooler: Option<&Client>,
    subject: &Subject,
    asking: &Asking<'_>,
    until: Instant,
    begins: impl FnMut(&'static Check),
) -> Vec<Checked> {
    examine_all(checks, client, pooler, subject, asking, until, begins).await.checks
}

/// The same, and whether all of them were asked.
///
/// # Cancel safety
/// As [`examine`].
pub async fn examine_all(
    checks: impl IntoIterator<Item = &'static Check>,
    client: &Client,
    pooler: Option<&Client>,
    subject: &Subject,
    asking: &Asking<'_>,
    until: Instant,
    mut begins: impl FnMut(&'static Check),
) -> Examined {
    let mut run = Run { client, pooler, role: asking.role, until, known: BTreeMap::new(), ended: None };
    let mut all = Vec::new();
    for check in checks {
        begins(check);
        let findings = match run.reason_to_skip(check, subject) {
            Some(why) => vec![Finding::skipped(subject_of(check), why)],
            None => run.ask(check, subject, &asking.thresholds).await,
        };
        all.push(Checked::new(check, findings));
    }
    Examined { checks: all, cut_short: run.ended }
}

fn subject_of(check: &Check) -> &'static str {
    match check.place {
        Place::Server => "server",
        Place::Pooler => "pooler",
    }
}

struct Run<'a> {
    client: &'a Client,
    pooler: Option<&'a Client>,
    role: &'a str,
    until: Instant,
    /// What was answered, or why it was not, by question.
    known: BTreeMap<&'static str, Result<Vec<SimpleQueryMessage>, String>>,
    /// Why nothing more can be asked.
    ended: Option<String>,
}

impl Run<'_> {
    fn reason_to_skip(&self, check: &Check, subject: &Subject) -> Option<String> {
        if let Some(why) = &self.ended {
            return Some(why.clone());
        }
        if check.place == Place::Pooler && self.pooler.is_none() {
            return Some("no console of a PgBouncer was given".to_owned());
        }
        if check.place == Place::Pooler {
            return None;
        }
        if subject.major() < check.since {
            return Some(format!(
                "PostgreSQL {} does not have it; it came with {}",
                subject.major(),
                check.since
            ));
        }
        if check.needs_role && !subject.role_exists {
            return Some(format!("there is no role {}", subject.role));
        }
        if check.needs_primary && subject.is_standby {
            return Some("this server is a standby: ask its primary".to_owned());
        }
        if check.needs_monitor && !subject.monitors {
            return Some(format!("role {0} sees too little: GRANT pg_monitor TO {0}", subject.login));
        }
        None
    }

    async fn ask(
        &mut self,
        check: &'static Check,
        subject: &Subject,
        thresholds: &Thresholds,
    ) -> Vec<Finding> {
        for question in check.ask {
            if let Err(why) = self.learn(check.place, question).await {
                return vec![Finding::skipped(subject_of(check), why)];
            }
        }
        let of_pooler = if self.pooler.is_some() { check.ask_pooler } else { &[] };
        for question in of_pooler {
            if let Err(why) = self.learn(Place::Pooler, question).await {
                return vec![Finding::skipped(subject_of(check), format!("of the pooler: {why}"))];
            }
        }
        for question in check.ask_if_known {
            // A refusal is remembered with the others, and is no answer.
            let _ = self.learn(check.place, question).await;
        }
        let asked = check.ask.iter().chain(of_pooler).chain(check.ask_if_known);
        let known = |question: &&'static str| self.known.get(question)?.as_deref().ok();
        let answers = Answers(asked.filter_map(known).collect());
        match (check.read)(&answers, subject, thresholds) {
            Ok(findings) if findings.is_empty() => {
                vec![Finding::new(State::Ok, subject_of(check), check.title)]
            }
            Ok(findings) => findings,
            Err(unreadable) => vec![Finding::skipped(subject_of(check), unreadable.to_string())],
        }
    }

    /// Asks, unless it was asked before.
    async fn learn(&mut self, place: Place, question: &'static str) -> Result<(), String> {
        if !self.known.contains_key(question) {
            let answer = self.put(place, question).await;
            self.known.insert(question, answer);
        }
        self.known.get(question).map_or(Ok(()), |known| known.as_ref().map(drop).map_err(Clone::clone))
    }

    async fn put(&mut self, place: Place, question: &'static str) -> Result<Vec<SimpleQueryMessage>, String> {
        if let Some(why) = &self.ended {
            return Err(why.clone());
        }
        let by = self.until.min(Instant::now() + QUESTION_LIMIT + GRACE);
        let text = transaction(question, self.role, QUESTION_LIMIT);
        let asked = match (place, self.pooler) {
            (Place::Pooler, Some(pooler)) => timeout_at(by, pooler.simple_query(question)).await,
            _ => timeout_at(by, self.client.simple_query(&text)).await,
        };
        match asked {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(self.why_not(place, &error).await),
            Err(_) => {
                let why = if by == self.until {
                    "the time for all checks was over before it was answered".to_owned()
                } else {
                    "the server did not answer, not even by the limit of the question".to_owned()
                };
                self.ended = Some(why.clone());
                Err(why)
            }
        }
    }

    /// Why a question was refused; and the session is put in order for the next one.
    async fn why_not(&mut self, place: Place, error: &tokio_postgres::Error) -> String {
        let Some(said) = error.as_db_error() else {
            let why = format!("the connection was lost: {error}");
            self.ended = Some(why.clone());
            return why;
        };
        if place == Place::Server && !is_put_in_order(self.client, self.until).await {
            self.ended = Some("the connection was lost after a question that failed".to_owned());
        }
        match *said.code() {
            SqlState::QUERY_CANCELED => format!("it took more than {} s", QUESTION_LIMIT.as_secs()),
            SqlState::LOCK_NOT_AVAILABLE => {
                format!(
                    "it would have waited more than {} ms for a lock that another session holds",
                    LOCK_LIMIT.as_millis()
                )
            }
            SqlState::INSUFFICIENT_PRIVILEGE => format!("the role that asks may not: {}", said.message()),
            _ => format!("{} ({})", said.message(), said.code().code()),
        }
    }
}

/// A question as a transaction of its own, which only reads, within limits. Compiling the plan takes longer than it saves: with many
/// tables the planner believes that these questions cost much.
fn transaction(question: &str, role: &str, limit: Duration) -> String {
    format!(
        "BEGIN TRANSACTION READ ONLY; SET LOCAL statement_timeout = {}; SET LOCAL lock_timeout = {}; \
         SET LOCAL search_path = pg_catalog; SET LOCAL jit = off; SET LOCAL plimsoll.role = {}; SET LOCAL datestyle = 'ISO'; SET LOCAL intervalstyle = 'postgres'; {}\n{MARK}; COMMIT",
        // 0 would be no limit.
        limit.as_millis().max(1),
        LOCK_LIMIT.as_millis(),
        literal(role),
        without_comment(question).trim_end().trim_end_matches(';'),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_is_too_old_is_told_so() {
        let server = |version: u32, text: &str| {
            let subject = Subject { version, version_text: text.to_owned(), ..Subject::default() };
            not_too_old(subject).map_err(|error| error.to_string())
        };
        for (version, text) in [(140_000, "14.0"), (150_018, "15.18"), (180_001, "18.1")] {
            assert!(server(version, text).is_ok(), "{text}");
        }
        for (version, text) in [(120_022, "12.22"), (130_023, "13.23"), (90_624, "9.6.24")] {
            let said = format!("this is PostgreSQL {text}; the oldest that can be looked at is 14");
            assert_eq!(server(version, text).unwrap_err(), said);
        }
    }
}
