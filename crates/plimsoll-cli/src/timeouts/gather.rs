//! Reads the limits from where they are set.

use super::{Found, Options, service};
use anyhow::{Context, Result, bail, ensure};
use plimsoll::DirectConnection;
use plimsoll_inspect::checks::run::{self, Asking};
use plimsoll_inspect::layers::limit::{At, Keeper, Layer};
use plimsoll_inspect::layers::server::AskedRole;
use plimsoll_inspect::layers::{Limit, connection, nginx, pooler, server};
use std::path::Path;
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// How long each server is asked.
const LIMIT: Duration = Duration::from_secs(10);

/// What may be said on the command line, and where it acts.
const SAID: [(&str, Layer, Keeper); 6] = [
    ("client", Layer::Client, Keeper::Client),
    ("request", Layer::Request, Keeper::Service),
    ("pool_timeout", Layer::Pool, Keeper::Service),
    ("pool_idle", Layer::Pool, Keeper::Service),
    ("connect_timeout", Layer::Connect, Keeper::Service),
    ("client_query_timeout", Layer::Statement, Keeper::Service),
];

pub(super) async fn gather(options: &Options) -> Result<Found> {
    gather_on(None, options).await
}

/// The same, of a server that may be connected to already.
pub(crate) async fn gather_on(connection: Option<&DirectConnection>, options: &Options) -> Result<Found> {
    let mut notes = Vec::new();
    let mut limits = options.beside.limits.iter().map(|text| said(text)).collect::<Result<Vec<_>>>()?;
    for file in &options.beside.nginx {
        let (name, text) = read(file)?;
        let found = nginx::read(&text, &name)?;
        limits.extend(found.limits);
        notes.extend(
            found
                .includes
                .iter()
                .map(|it| format!("{name} includes {it}, which was not read: give it with --nginx")),
        );
    }
    if let Some(file) = &options.pgbouncer {
        let (name, text) = read(file)?;
        let (of_file, includes) = pooler::of_file(&text, &name).map_err(anyhow::Error::msg)?;
        notes.extend(includes.iter().map(|it| format!("{name} includes {it}, which was not read")));
        limits.extend(of_file);
    }
    if let Some(pooler) = &options.pooler {
        limits.extend(of_pooler(options, pooler).await?);
    }
    let Server { limits: mut server_limits, role_name, database, role } = match connection {
        Some(connection) => of_server(connection, options, &mut notes).await?,
        None if options.no_server => Server { role_name: options.role.clone(), ..Server::default() },
        None => of_server(&options.target.connect("timeouts").await?, options, &mut notes).await?,
    };
    let environment = options.beside.env.as_deref().map(service::read).transpose()?.unwrap_or_default();
    notes.extend(environment.notes);
    // What the service's session says itself is stronger than what the role has.
    server_limits.retain(|limit| !environment.limits.iter().any(|own| own.name == limit.name));
    // What was said on the command line is stronger than everything.
    let said: Vec<&str> = limits.iter().map(|limit| limit.name).collect();
    let more =
        environment.limits.into_iter().chain(server_limits).filter(|limit| !said.contains(&limit.name));
    let more: Vec<Limit> = more.collect();
    limits.extend(more);
    let travel = options.deadlines_travel || environment.is_plimsoll;
    let mut found = Found::of(limits, role_name, travel, notes);
    found.database = database;
    found.role_is_superuser = role.is_superuser;
    found.other_roles = role.others;
    Ok(found)
}

fn read(file: &Path) -> Result<(String, String)> {
    let text = std::fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))?;
    let name = file.file_name().unwrap_or(file.as_os_str()).to_string_lossy().into_owned();
    Ok((name, text))
}

/// `request=15s`.
fn said(text: &str) -> Result<Limit> {
    let known = || SAID.map(|(name, ..)| name).join(", ");
    let Some((name, value)) = text.split_once('=') else {
        bail!("--assume {text:?} is not NAME=TIME, as in request=15s; the names are {}", known());
    };
    let Some((name, layer, keeper)) = SAID.into_iter().find(|(it, ..)| *it == name.trim()) else {
        bail!("--assume {text:?}: {name:?} is no limit that can be said here; the names are {}", known());
    };
    let after = crate::options::time::limit(value)
        .with_context(|| format!("--assume {text:?}: {value:?} is no time: write 15s, 500ms, 2min or off"))?;
    Ok(Limit {
        layer,
        name,
        keeper,
        after: after.duration(),
        place: "--assume".to_owned(),
        at: At::default(),
    })
}

async fn of_pooler(options: &Options, pooler: &str) -> Result<Vec<Limit>> {
    let target = options.target.at(pooler);
    let console = target.connect("timeouts").await.context("the console of the PgBouncer cannot be asked")?;
    let answer = timeout(LIMIT, console.client().simple_query("SHOW CONFIG")).await;
    let answer = answer.context("the console of the PgBouncer does not answer")?;
    let answer = answer.context(
        "what answers is no console of a PgBouncer: --pooler names one as postgres://ROLE@HOST:6432/pgbouncer, with a role of \
         its admin_users or stats_users, or its file pgbouncer.ini",
    )?;
    let limits = pooler::of_console(&answer)?;
    ensure!(!limits.is_empty(), "what answers to SHOW CONFIG is no console of a PgBouncer");
    Ok(limits)
}

/// What the server says.
#[derive(Default)]
struct Server {
    limits: Vec<Limit>,
    role_name: String,
    database: String,
    role: AskedRole,
}

async fn of_server(
    connection: &DirectConnection,
    options: &Options,
    notes: &mut Vec<String>,
) -> Result<Server> {
    let asking = Asking { role: &options.role, ..Asking::default() };
    let until = Instant::now() + LIMIT;
    let subject = run::subject(connection.client(), &asking, until).await?;
    if !subject.role_exists {
        bail!(
            "{}; --role names the one that the application logs in as",
            crate::role::missing(connection.client(), &subject.role).await
        );
    }
    let answer = run::question(connection.client(), server::ASK, &asking, until).await?;
    let (mut limits, mut unknown) = server::read(&answer, &subject.role)?;
    let role = AskedRole::read(&run::question(connection.client(), server::ASK_ROLE, &asking, until).await?)?;
    // The connection that was given is the application's own, if it logs in as the application's role.
    if subject.role == subject.login
        && let Some(text) = service::said(&options.target.settings()?, "options")
    {
        let own = connection::limits(&text, "options of this connection");
        limits.retain(|limit| !own.iter().any(|it| it.name == limit.name));
        unknown.retain(|name| !own.iter().any(|it| it.name == *name));
        limits.extend(own);
    }
    if !unknown.is_empty() {
        notes.push(format!(
            "{} of role {} cannot be known, since role {} or its connection (PGOPTIONS, options) has values of its own: connect as another role, and \
             without them",
            unknown.join(", "),
            subject.role,
            subject.login
        ));
    }
    Ok(Server { limits, role_name: subject.role, database: subject.database, role })
}
