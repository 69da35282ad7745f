//! What the application gets, read on a new connection; and if that is not what was set, why.
//!
//! A setting can be written and still not count: something stronger says otherwise, the server has not read its file again, or
//! a pooler goes on with server connections that began before. So each value is read where it counts: by `SHOW`, in a new
//! session, on the application's own path if that was given.

use super::server::{First, Server, columns, soon};
use crate::connect::Target;
use anyhow::{Context, Result, ensure};
use plimsoll_inspect::checks::finding::Effect;
use plimsoll_inspect::profiles::{Probe, Reading, situation};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};
use tokio_postgres::SimpleQueryMessage;

/// How long a server may take to read its configuration again.
const RELOADED_IN: Duration = Duration::from_secs(5);

/// What was read.
#[derive(Clone, Debug)]
pub(super) struct Read {
    pub(super) arrived: bool,
    pub(super) shown: String,
    /// Why it did not arrive.
    pub(super) why: Option<String>,
}

/// The way to read by.
#[derive(Clone, Debug)]
pub(super) struct Way {
    target: Target,
    /// The command's own, for what the application's role may not see.
    own: Target,
    /// It is the application's own.
    is_the_applications: bool,
}

/// A setting as a session has it.
struct Shown {
    shown: String,
    unit: Option<String>,
    source: String,
    pending_restart: bool,
    login: String,
    is_from_before: bool,
}

impl Way {
    /// The application's own way if its URL was given, else that of the command.
    pub(super) fn new(own: &Target, through: Option<&str>) -> Self {
        let target = match through {
            Some(url) => own.at(url),
            None => own.clone(),
        };
        Way { target, own: own.clone(), is_the_applications: through.is_some() }
    }

    /// Which role and which database it leads to.
    pub(super) async fn ends_at(&self) -> Result<(String, String)> {
        let connection = self.target.connect("apply").await.context("the application's own path")?;
        let question = "SELECT session_user, pg_catalog.current_database()";
        let answer =
            connection.client().simple_query(question).await.context("the application's own path")?;
        let mut row = super::server::first(&answer)?.0.into_iter().flatten();
        Ok((row.next().unwrap_or_default(), row.next().unwrap_or_default()))
    }

    /// How it is called in a sentence.
    pub(super) fn name(&self) -> &'static str {
        if self.is_the_applications { "on the application's own path" } else { "on a new connection" }
    }

    /// Reads what a step has changed. What takes effect with a reload is waited for.
    pub(super) async fn read(&self, server: &Server, reading: &Reading, effect: Effect) -> Result<Read> {
        match reading {
            Reading::Setting { name, value, .. } => {
                let until = Instant::now() + RELOADED_IN;
                loop {
                    let read = self.setting(server, name, value, effect).await?;
                    if read.arrived || effect != Effect::Reload || Instant::now() >= until {
                        return Ok(read);
                    }
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
            Reading::Probe { probe: probe @ Probe::Found { id, is_found, .. } } => {
                let arrived = server.holds(probe).await?;
                let says = if arrived == *is_found { "finds it" } else { "finds it no more" };
                let why = match effect {
                    Effect::Restart => "it takes effect with the server's next start",
                    _ => "the remedy has not changed what the check finds; it may take effect later",
                };
                Ok(Read {
                    arrived,
                    shown: format!("check {id} {says}"),
                    why: (!arrived).then(|| why.to_owned()),
                })
            }
            Reading::Probe { probe: Probe::Sql { sql } } => {
                let connection = self.own.connect("apply").await.context("reading back")?;
                let answer = situation::ask(connection.client(), sql, &server.subject.role, soon()).await?;
                let arrived =
                    super::server::first(&answer)?.0.into_iter().next().flatten().as_deref() == Some("t");
                let (shown, why) =
                    if arrived { ("it is so", None) } else { ("it is not so", Some("it was undone since")) };
                Ok(Read { arrived, shown: shown.to_owned(), why: why.map(str::to_owned) })
            }
            _ => Ok(Read { arrived: true, shown: "nothing to read".to_owned(), why: None }),
        }
    }

    async fn setting(&self, server: &Server, name: &str, value: &str, effect: Effect) -> Result<Read> {
        let begun = server.value("SELECT pg_catalog.clock_timestamp()").await?.unwrap_or_default();
        let connection = self.target.connect("apply").await.context("reading back")?;
        let found = shown(&connection, name, &begun).await?;
        let role = &server.subject.role;
        if found.login != *role {
            ensure!(
                !self.is_the_applications,
                "the application's own path logs in as {}, and not as {role}",
                found.login
            );
            let told = situation::as_the_role_has_it(connection.client(), name, role, soon()).await?;
            let (shown, source) = told.with_context(|| format!("the server has no setting {name}"))?;
            let by = format!("a session of role {role}, from the catalogs");
            return Ok(match shown {
                Some(shown) => {
                    let arrived = situation::is_same(&shown, value, found.unit.as_deref());
                    let why = format!("said by: {source}");
                    Read { arrived, shown: format!("{shown} ({by})"), why: (!arrived).then_some(why) }
                }
                None => {
                    let why = "it is hidden by what is set for the role that asks: read it as the application, by --through";
                    Read { arrived: false, shown: "not to be known".to_owned(), why: Some(why.to_owned()) }
                }
            });
        }
        let arrived = situation::is_same(&found.shown, value, found.unit.as_deref());
        let why = (!arrived).then(|| found.why(server, name, effect));
        Ok(Read { arrived, shown: format!("{} ({})", found.shown, found.source), why })
    }
}

async fn shown(connection: &plimsoll::DirectConnection, name: &str, begun: &str) -> Result<Shown> {
    let literal = |text: &str| text.replace('\'', "''");
    let question = format!(
        "SHOW {name}; SELECT s.unit, s.source, s.pending_restart, session_user, \
         COALESCE((SELECT backend_start < '{}' FROM pg_catalog.pg_stat_activity WHERE pid = pg_catalog.pg_backend_pid()), false) \
         FROM pg_catalog.pg_settings AS s WHERE lower(s.name) = lower('{}')",
        literal(begun),
        literal(name)
    );
    let answer = timeout_at(soon(), connection.client().simple_query(&question))
        .await
        .context("reading back: no answer within 10 s")?
        .with_context(|| format!("reading {name} back"))?;
    let mut rows = answer.iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(columns(row)),
        _ => None,
    });
    let (Some(First(first)), Some(First(second))) = (rows.next(), rows.next()) else {
        anyhow::bail!("reading {name} back: the answer is not PostgreSQL's");
    };
    let text = |at: usize| second.get(at).cloned().flatten();
    let flag = |at: usize| text(at).as_deref() == Some("t");
    Ok(Shown {
        shown: first.into_iter().next().flatten().unwrap_or_default(),
        unit: text(0),
        source: text(1).unwrap_or_default(),
        pending_restart: flag(2),
        login: text(3).unwrap_or_default(),
        is_from_before: flag(4),
    })
}

impl Shown {
    /// Why the session does not have what was set.
    fn why(&self, server: &Server, name: &str, effect: Effect) -> String {
        let subject = &server.subject;
        if self.pending_restart || effect == Effect::Restart {
            return "it takes effect with the server's next start".to_owned();
        }
        if self.is_from_before {
            return "the pooler gave a server connection that began before the change: RECONNECT in its console, or wait for its \
                    server_lifetime, and read it again by the same command"
                .to_owned();
        }
        match self.source.as_str() {
            "client" => "the application's own connection string says otherwise (options=..), which is stronger".to_owned(),
            "session" | "interactive" => "something on the way sets it in each session: a pooler's connect_query, or the program".to_owned(),
            "database user" => format!("what is set for role {} in database {} is stronger", subject.role, subject.database),
            "user" => format!("what is set for role {} is stronger: ALTER ROLE .. RESET {name}", subject.role),
            "database" => format!("what is set for database {} is stronger: ALTER DATABASE .. RESET {name}", subject.database),
            "global" => format!("what is set for all roles counts: ALTER ROLE ALL RESET {name}"),
            "command line" => "the server was started with it on its command line, which is stronger than its files".to_owned(),
            "configuration file" => {
                "the server has not taken it from its files: pg_file_settings tells of an error, or of a later line".to_owned()
            }
            other => format!("it comes from: {other}"),
        }
    }
}
