//! Reads the limits from where they are set.

use super::{Found, Options, service};
use anyhow::{Context, Result, bail};
use plimsoll::DirectConnection;
use plimsoll_inspect::checks::run::{self, Asking};
use plimsoll_inspect::layers::limit::{Keeper, Layer};
use plimsoll_inspect::layers::{Limit, nginx, pooler, server};
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
    let mut limits = options.limits.iter().map(|text| said(text)).collect::<Result<Vec<_>>>()?;
    for file in &options.nginx {
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
    if let Some(pooler) = &options.pooler {
        limits.extend(of_pooler(options, pooler, &mut notes).await?);
    }
    let (mut server_limits, role) = match connection {
        Some(connection) => of_server(connection, options, &mut notes).await?,
        None if options.no_server => (Vec::new(), options.role.clone()),
        None => of_server(&options.target.connect("timeouts").await?, options, &mut notes).await?,
    };
    let environment = options.env.as_deref().map(service::read).transpose()?.unwrap_or_default();
    // What the service's session says itself is stronger than what the role has.
    server_limits.retain(|limit| !environment.limits.iter().any(|own| own.name == limit.name));
    // What was said on the command line is stronger than everything.
    let said: Vec<&str> = limits.iter().map(|limit| limit.name).collect();
    let more =
        environment.limits.into_iter().chain(server_limits).filter(|limit| !said.contains(&limit.name));
    let more: Vec<Limit> = more.collect();
    limits.extend(more);
    let travel = options.deadlines_travel || environment.is_plimsoll;
    Ok(Found::of(limits, role, travel, notes))
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
        bail!("--limit {text:?} is not NAME=TIME, as in request=15s; the names are {}", known());
    };
    let Some((name, layer, keeper)) = SAID.into_iter().find(|(it, ..)| *it == name.trim()) else {
        bail!("--limit {text:?}: {name:?} is no limit that can be said here; the names are {}", known());
    };
    let after = plimsoll::settings::Limit::parse(value.trim())
        .with_context(|| format!("--limit {text:?}: {value:?} is no time: write 15s, 500ms, 2min or off"))?;
    Ok(Limit { layer, name, keeper, after: after.duration(), place: "--limit".to_owned() })
}

async fn of_pooler(options: &Options, pooler: &str, notes: &mut Vec<String>) -> Result<Vec<Limit>> {
    if !pooler.contains("://") && !pooler.contains('=') {
        let (name, text) = read(Path::new(pooler))?;
        let (limits, includes) = pooler::of_file(&text, &name).map_err(anyhow::Error::msg)?;
        notes.extend(includes.iter().map(|it| format!("{name} includes {it}, which was not read")));
        return Ok(limits);
    }
    let target = options.target.at(pooler);
    let console = target.connect("timeouts").await.context("the console of the PgBouncer cannot be asked")?;
    let answer = timeout(LIMIT, console.client().simple_query("SHOW CONFIG")).await;
    let answer = answer.context("the console of the PgBouncer does not answer")?;
    let answer = answer
        .context("the console refuses SHOW CONFIG: the user has to be in admin_users or stats_users")?;
    Ok(pooler::of_console(&answer)?)
}

async fn of_server(
    connection: &DirectConnection,
    options: &Options,
    notes: &mut Vec<String>,
) -> Result<(Vec<Limit>, String)> {
    let asking = Asking { role: &options.role, ..Asking::default() };
    let until = Instant::now() + LIMIT;
    let subject = run::subject(connection.client(), &asking, until).await?;
    if !subject.role_exists {
        bail!("there is no role {:?} on this server, so it has no limits", subject.role);
    }
    let answer = run::question(connection.client(), server::ASK, &asking, until).await?;
    let (limits, unknown) = server::read(&answer, &subject.role)?;
    if !unknown.is_empty() {
        notes.push(format!(
            "{} of role {} cannot be known, since role {} has values of its own: connect as another role",
            unknown.join(", "),
            subject.role,
            subject.login
        ));
    }
    Ok((limits, subject.role))
}
